"""The periods at which another master reads each block. Pure: time is an argument."""

from collections import OrderedDict, deque
from statistics import median_low

from softsplit.protocol.blocks import Block

LEAST_READS, MOST_READS = 3, 9  # for calculating the period
OVERDUE = 3  # periods without a read, after which none is expected any more
FORGET = 600.0  # s without a read of a block while its unit is heard
MOST_BLOCKS = 500  # of one unit


class Periods:
    """The reads of one unit that were heard."""

    def __init__(self) -> None:
        self._heard_at: OrderedDict[Block, deque[float]] = OrderedDict()  # the most recent last
        self._every: dict[Block, float] = {}

    def note(self, block: Block, now: float) -> None:
        """Note that a read of this block was heard."""
        times = self._heard_at.setdefault(block, deque(maxlen=MOST_READS))
        if times and now - times[-1] > FORGET:
            times.clear()
            self._every.pop(block, None)
        times.append(now)
        self._heard_at.move_to_end(block)
        if len(times) >= LEAST_READS:
            self._every[block] = median_low(later - earlier for earlier, later in zip(times, list(times)[1:]))

    def every(self, block: Block) -> float:
        """Seconds between two reads of a block; 0 while unknown."""
        return self._every.get(block, 0.0)

    def beat(self, now: float) -> float:
        """Seconds between two reads of the block that is now read most often; 0 while unknown."""
        return min((every for block, every in self._every.items()
                    if now - self._heard_at[block][-1] <= OVERDUE * every), default=0.0)

    def forget(self, now: float) -> list[Block]:
        """Forget blocks that nobody reads any more, and return them."""
        forgotten = []
        while self._heard_at:
            block, times = next(iter(self._heard_at.items()))
            if now - times[-1] <= FORGET and len(self._heard_at) <= MOST_BLOCKS:
                break
            del self._heard_at[block]
            self._every.pop(block, None)
            forgotten.append(block)
        return forgotten
