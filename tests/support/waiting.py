"""How tests wait: until something is true, for a time that scales with the machine; and a clock that stands still."""

import os
import time

SLOWNESS = float(os.environ.get("SOFTSPLIT_TEST_SLOWNESS", "1"))  # more on a slow machine


class Clock:
    """A clock that stands still until the test moves it; takes the place of `softsplit.clock.now`."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def until(predicate, timeout: float = 5.0):
    """Wait until `predicate()` is true, and return what it returned; the only sleep in the tests."""
    deadline = time.monotonic() + timeout * SLOWNESS
    while not (found := predicate()):
        assert time.monotonic() < deadline, f"waited {timeout * SLOWNESS:g} s in vain"
        time.sleep(0.01)
    return found
