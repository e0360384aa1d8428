"""How tests wait: until something is true, for a time that scales with the machine; and a clock that stands still."""

import os
import time

ALLOWED_LOAD = 3.0  # processes that want each core: no more than these tests make themselves


def slowness() -> float:
    """What all times are multiplied by: more on a slow machine, or while others keep it busy."""
    if chosen := os.environ.get("SOFTSPLIT_TEST_SLOWNESS"):
        return float(chosen)
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return 1.0 if load < ALLOWED_LOAD else min(load, 4.0)


SLOWNESS = slowness()


class Clock:
    """A clock that stands still until the test moves it; takes the place of `softsplit.clock.now`."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def until(predicate, timeout: float = 15.0):
    """Wait until `predicate()` is true, and return what it returned; the only sleep in the tests.

    Who gives no `timeout` does not ask how long it takes: on a quiet machine hardly ever a second.
    """
    looked_at = time.monotonic()
    deadline = looked_at + timeout * SLOWNESS
    while not (found := predicate()):
        now = time.monotonic()
        assert now < deadline, f"waited {timeout * SLOWNESS:g} s in vain"
        time.sleep(max(0.01, min(3 * (now - looked_at), 0.5)))  # what is looked at needs the processor, too
        looked_at = time.monotonic()
    return found
