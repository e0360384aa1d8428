"""Which blocks masters request so often that they should be polled. Pure: time is an argument."""

from collections import deque
from statistics import median

from softsplit.bounded import BoundedDict
from softsplit.protocol.blocks import Block

LEARNED = "learned "  # the names of learned blocks begin with it
LONGEST_INTERVAL = 5.0  # s between requests for a block; rarer ones are not learned
SHORTEST_PERIOD = 1.0  # s between two reads of a learned block
FORGET = 600.0  # s without a request
LEAST_REQUESTS, MOST_REQUESTS = 4, 9  # for calculating the interval
MOST_BLOCKS = 200


class Demand:
    """The requests of masters for blocks on one wire that no profile polls."""

    def __init__(self) -> None:
        self._asked_at: BoundedDict[tuple[int, Block], deque[float]] = BoundedDict(MOST_BLOCKS)

    def note(self, unit: int, block: Block, now: float) -> None:
        """Note that a master requested this block."""
        times = self._asked_at.get((unit, block))
        if times is None or now - times[-1] > FORGET:
            times = deque(maxlen=MOST_REQUESTS)
        times.append(now)
        self._asked_at[unit, block] = times

    def learned(self, now: float) -> dict[tuple[int, Block], float]:
        """Return the blocks that masters request often, and the period at which to poll each."""
        found = {}
        for whose, times in self._asked_at.items():
            if len(times) >= LEAST_REQUESTS and now - times[-1] < FORGET:
                interval = median(later - earlier for earlier, later in zip(times, list(times)[1:]))
                if interval <= LONGEST_INTERVAL:
                    found[whose] = max(SHORTEST_PERIOD, interval)
        return found
