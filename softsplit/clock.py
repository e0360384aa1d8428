"""The one clock of the program: all ages, time stamps and watchdog beats use it.

Unlike `time.monotonic()` it continues while the machine sleeps, so that values from before the sleep are old
afterwards. Time-outs of sockets, events and queues are not ages and use the system's own clock.
"""

from time import CLOCK_BOOTTIME, clock_gettime


def now() -> float:
    """Return seconds since the machine was started, sleep included."""
    return clock_gettime(CLOCK_BOOTTIME)
