"""Estimate how long a search still takes. Pure.

A unit that is not there takes about as long as the latest ones did, measured by what was planned for them; so
what is slower than planned now is expected to be so on another line setting, too.
"""

from collections import deque
from collections.abc import Sequence

LATEST = 12  # units from which is taken how long they need
CHANGED = 0.25  # of what was planned, by which it has changed if it is more than an accident


class Progress:
    """What is left of a search; `ways` are the seconds planned for one silent unit in each way of asking."""

    def __init__(self, units: int, ways: Sequence[float]):
        self._units = units
        self._ways = ways
        self._way = -1
        self._left = 0  # units to ask in the present way
        self._planned = 0.0  # s for each of them
        self._latest: deque[tuple[float, float]] = deque(maxlen=LATEST)  # took, and was planned
        self.later = True  # whether the other ways are tried, too
        self.besides = 0.0  # s planned for what is asked after all that

    def begin(self) -> None:
        """The next way is tried."""
        self._way += 1
        self._left, self._planned = self._units, self._ways[self._way]

    def begin_again(self, units: int, seconds: float, besides: float) -> None:
        """So many units are asked in other ways, which takes so long for each; and more than that later."""
        self._latest.clear()
        self._left, self._planned, self.later, self.besides = units, seconds, False, besides

    def asked(self, took: float, is_usual: bool) -> None:
        """One unit was asked; it `is_usual` if it is not there."""
        self._left -= 1
        if is_usual:
            self._latest.append((took, self._planned))

    def plan(self, seconds: float) -> None:
        """From now on a silent unit takes so long, as far as is known; before, it may have been tried out."""
        if abs(seconds - self._planned) > CHANGED * self._planned:
            self._latest.clear()
        self._planned = seconds

    def end(self) -> None:
        """Nobody else is asked."""
        self._left, self.later, self.besides = 0, False, 0.0

    @property
    def left(self) -> float:
        """Seconds until the end, if nobody else is there."""
        others = self._ways[self._way + 1:] if self.later else ()
        return self._pace * (self._left * self._planned + self._units * sum(others) + self.besides)

    @property
    def _pace(self) -> float:
        """How much longer things take than planned; as one thing more had gone as planned."""
        took, planned = (sum(each) for each in zip(*self._latest, (self._planned, self._planned)))
        return took / planned if planned else 1.0
