"""Estimate the remaining time of a scan. Pure.

It assumes that missing units take as long as the latest ones did, in relation to the planned time; so if
scanning is slower than planned now, it will also be with other line settings.
"""

from collections import deque
from collections.abc import Sequence

LATEST = 12  # units over which times are averaged
CHANGED = 0.25  # of the planned time; a greater difference is a change


class Progress:
    """The rest of a scan; `ways` are the seconds planned for a silent unit with each line setting."""

    def __init__(self, units: int, ways: Sequence[float]):
        self._units = units
        self._ways = ways
        self._way = -1
        self._left = 0  # units to ask with the present setting
        self._planned = 0.0  # s for each of them
        self._latest: deque[tuple[float, float]] = deque(maxlen=LATEST)  # s taken, and planned
        self.later = True  # the other settings will be tried, too
        self.besides = 0.0  # s planned for further questions after that

    def begin(self) -> None:
        """Begin with the next line setting."""
        self._way += 1
        self._left, self._planned = self._units, self._ways[self._way]

    def begin_again(self, units: int, seconds: float, besides: float) -> None:
        """Begin to ask `units` silent units otherwise, `seconds` for each; `besides` seconds come later."""
        self._latest.clear()
        self._left, self._planned, self.later, self.besides = units, seconds, False, besides

    def asked(self, took: float, is_usual: bool) -> None:
        """Note that a unit was asked; it `is_usual` if it was missing."""
        self._left -= 1
        if is_usual:
            self._latest.append((took, self._planned))

    def plan(self, seconds: float) -> None:
        """Set the seconds expected for a silent unit."""
        if abs(seconds - self._planned) > CHANGED * self._planned:
            self._latest.clear()
        self._planned = seconds

    def end(self) -> None:
        """No more units will be asked."""
        self._left, self.later, self.besides = 0, False, 0.0

    @property
    def left(self) -> float:
        """Seconds until the end, if no other unit answers."""
        others = self._ways[self._way + 1:] if self.later else ()
        return self._pace * (self._left * self._planned + self._units * sum(others) + self.besides)

    @property
    def _pace(self) -> float:
        """The factor between taken and planned times, as if one more unit had taken the planned time."""
        took, planned = (sum(each) for each in zip(*self._latest, (self._planned, self._planned)))
        return took / planned if planned else 1.0
