"""Share a wire between polling and the requests of masters, half and half. Pure."""

from collections.abc import Iterable

NEXT_TO_NOTHING = 1e-6  # s
MOST_OWED = 5.0  # s of wire time; polling does not need more at once
LONG_FORWARD = 1.0  # s that a master's own read may always take


def longest_forward(timeout: float, periods: Iterable[float]) -> float:
    """Seconds that a master's own read may take: the shortest polling period, but at least LONG_FORWARD.

    At most the time-out; all of it if nothing is polled.
    """
    shortest = min(periods, default=timeout)
    return min(timeout, max(LONG_FORWARD, shortest))


class WireShares:
    """Counts the seconds of wire time that polling gave to requests of masters."""

    def __init__(self) -> None:
        self._owed = 0.0

    def forwarded(self, seconds: float) -> None:
        """Note that a master's request took so long."""
        self._owed = min(self._owed + seconds, MOST_OWED)

    def polled(self, seconds: float) -> None:
        """Note that a polled read was answered after so long; unanswered ones do not count."""
        self._owed = max(0.0, self._owed - seconds)

    def is_pollings(self, is_due: bool) -> bool:
        """Whether a due read goes before the requests of masters."""
        if not is_due:
            self._owed = 0.0
        return is_due and self._owed > NEXT_TO_NOTHING
