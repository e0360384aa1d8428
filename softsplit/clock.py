"""The one clock of the program: all ages, time stamps and watchdog beats use it.

It goes on while the machine sleeps, unlike `time.monotonic()`: values from before the sleep are old after it.
Time-outs of sockets, events and queues are not ages and use the system's own clock.
"""

from time import CLOCK_BOOTTIME, clock_gettime


def now() -> float:
    """Return seconds since the machine was started, sleep included."""
    return clock_gettime(CLOCK_BOOTTIME)
