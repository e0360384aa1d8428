"""Calculate rates of events from counters that only grow. For one thread."""

from collections import deque
from collections.abc import Hashable, Mapping

WINDOW = 60.0  # s over which a rate is calculated
STEP = 5.0  # s between kept counts


class Rates:
    """Remembers counters for a minute and calculates how fast each grew in that time."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Mapping[Hashable, float]]] = deque()

    def update(self, counters: Mapping[Hashable, float], now: float) -> dict[Hashable, float]:
        """Return the rate of each counter per second; 0 on the first call. The counts are of `now`."""
        while len(self._kept) > 1 and self._kept[1][0] <= now - WINDOW:
            self._kept.popleft()
        since, earlier = self._kept[0] if self._kept else (now, counters)
        rates = {key: (count - earlier.get(key, 0)) / (now - since) if now > since else 0.0
                 for key, count in counters.items()}
        if not self._kept or now - self._kept[-1][0] >= STEP:
            self._kept.append((now, dict(counters)))
        return rates
