"""Rates of events, calculated from counters that only grow. For one thread."""

from collections import deque
from collections.abc import Hashable, Mapping

WINDOW = 60.0  # s over which a rate is taken
STEP = 5.0  # s between the counts that are kept


class Rates:
    """Remembers counters for a minute, and tells how fast each has grown in that time."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Mapping[Hashable, float]]] = deque()

    def update(self, counters: Mapping[Hashable, float], now: float) -> dict[Hashable, float]:
        """Return the rate of each counter, per second; at first, when nothing was counted before, 0.

        `now` is when they were counted.
        """
        while len(self._kept) > 1 and self._kept[1][0] <= now - WINDOW:
            self._kept.popleft()
        since, earlier = self._kept[0] if self._kept else (now, counters)
        rates = {key: (count - earlier.get(key, 0)) / (now - since) if now > since else 0.0
                 for key, count in counters.items()}
        if not self._kept or now - self._kept[-1][0] >= STEP:
            self._kept.append((now, dict(counters)))
        return rates
