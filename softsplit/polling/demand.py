"""Which blocks masters request so often that they should be polled. Pure: time is an argument."""

from collections import deque
from statistics import median

from softsplit.bounded import BoundedDict
from softsplit.protocol.blocks import Block

LEARNED = "learned "  # how the names of blocks begin that masters ask for, and no profile polls
LONGEST_INTERVAL = 5.0  # s between requests for a block that is learned
SHORTEST_PERIOD = 1.0  # s between two reads of a learned block
FORGET = 600.0  # s without a request, after which a block is forgotten
LEAST_REQUESTS, MOST_REQUESTS = 4, 9  # from which the interval is calculated
MOST_BLOCKS = 200


class Demand:
    """The requests of masters for blocks of one wire that no profile polls."""

    def __init__(self) -> None:
        self._asked_at: BoundedDict[tuple[int, Block], deque[float]] = BoundedDict(MOST_BLOCKS)

    def note(self, unit: int, block: Block, now: float) -> None:
        """A master has requested this block."""
        times = self._asked_at.get((unit, block))
        if times is None or now - times[-1] > FORGET:
            times = deque(maxlen=MOST_REQUESTS)
        times.append(now)
        self._asked_at[unit, block] = times

    def learned(self, now: float) -> dict[tuple[int, Block], float]:
        """Return the blocks that are requested often, with the period at which to poll each."""
        found = {}
        for whose, times in self._asked_at.items():
            if len(times) >= LEAST_REQUESTS and now - times[-1] < FORGET:
                interval = median(later - earlier for earlier, later in zip(times, list(times)[1:]))
                if interval <= LONGEST_INTERVAL:
                    found[whose] = max(SHORTEST_PERIOD, interval)
        return found
