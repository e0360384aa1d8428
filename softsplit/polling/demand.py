"""What masters ask for so often that it is better polled. Pure: time is an argument."""

from collections import deque
from statistics import median

from softsplit.protocol.blocks import Block

OFTEN = 5.0  # s; what is asked more often than that is learned
SHORTEST = 1.0  # s between two reads of a learned block
FORGET = 600.0  # s without a request, after which a block is forgotten
ENOUGH, LATEST = 4, 9  # requests, from which the interval is taken
REMEMBERED = 200  # blocks


class Demand:
    """The requests of masters for blocks of one wire that nobody has planned."""

    def __init__(self):
        self._asked_at: dict[tuple[int, Block], deque[float]] = {}

    def note(self, unit: int, block: Block, now: float) -> None:
        """A master has asked for this block."""
        times = self._asked_at.pop((unit, block), None)
        if times is None or now - times[-1] > FORGET:
            times = deque(maxlen=LATEST)
        times.append(now)
        self._asked_at[unit, block] = times  # the last one
        if len(self._asked_at) > REMEMBERED:
            del self._asked_at[next(iter(self._asked_at))]

    def learned(self, now: float) -> dict[tuple[int, Block], float]:
        """Return the blocks which are asked for often, with the period in which they should be polled."""
        found = {}
        for whose, times in self._asked_at.items():
            if len(times) >= ENOUGH and now - times[-1] < FORGET:
                interval = median(later - earlier for earlier, later in zip(times, list(times)[1:]))
                if interval <= OFTEN:
                    found[whose] = max(SHORTEST, interval)
        return found
