"""Share a wire between polling and the requests of masters, half each. Pure."""

from collections.abc import Iterable

NEXT_TO_NOTHING = 1e-6  # s
MOST_OWED = 5.0  # s of wire time; what polling could not use by then, it does not need
LONG_FORWARD = 1.0  # s that a master's own read may take, whatever the periods


def longest_forward(timeout: float, periods: Iterable[float]) -> float:
    """Seconds of the time-out that a master's own read may take: what the shortest period of the polled reads leaves.

    All of it where nothing is polled.
    """
    shortest = min(periods, default=timeout)
    return min(timeout, max(LONG_FORWARD, shortest))


class WireShares:
    """Keeps account of the seconds that polling has given way to requests of masters."""

    def __init__(self) -> None:
        self._owed = 0.0

    def forwarded(self, seconds: float) -> None:
        """A master's request took so long."""
        self._owed = min(self._owed + seconds, MOST_OWED)

    def polled(self, seconds: float) -> None:
        """A read of the plan was answered after so long; tries in vain are not what its half is for."""
        self._owed = max(0.0, self._owed - seconds)

    def is_pollings(self, is_due: bool) -> bool:
        """Whether a due read goes before the requests of masters now."""
        if not is_due:
            self._owed = 0.0
        return is_due and self._owed > NEXT_TO_NOTHING
