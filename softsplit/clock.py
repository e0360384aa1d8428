"""The program's one clock: every age, freshness, time stamp and watchdog mark is told by it.

It goes on while the machine sleeps, which `time.monotonic()` does not: values from before a nap are old after it.
Waits (of sockets, events and queues) are no ages and use the system's own time-outs.
"""

import time


def now() -> float:
    """Return seconds since the machine was started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
