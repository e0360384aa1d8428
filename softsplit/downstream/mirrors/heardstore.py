"""The data of a unit that another master asks, and that softsplit only hears.

Its blocks are not known in advance: each register has its own age, and is good for as long as the block in
which it was heard last. When the other master falls silent, all goes stale.
"""

from collections.abc import Iterable, Sequence

from softsplit.downstream.mirrors.freshness import NEVER, UnitFreshness, good_until
from softsplit.downstream.mirrors.hearditems import MOST_BLOCKS, HeardItems
from softsplit.downstream.mirrors.store import BlockState
from softsplit.protocol.blocks import Block
from softsplit.protocol.outcome import Location, Reading

FORGET = 600.0  # s after which a block that is not read any more is forgotten, while its unit is heard


class HeardStore:
    """The data of one unit; `registers` are those of its profile, `alone` as in `PolledStore`."""

    merged = ()  # blocks that are known in advance
    tells_silence = True

    def __init__(self, max_age: float, registers: Iterable[Block] = (), alone: Sequence[Block] = ()):
        self.unit = UnitFreshness(max_age, beat=0.0)
        self._alone = frozenset(alone)
        self._heard = HeardItems(registers)
        self._heard_alone = HeardItems()
        self._latest: dict[Block, Reading] = {}  # the reads of the other master, with data or refused
        self._written_until = NEVER  # until when a heard write may be done

    def take(self, block: Block, reading: Reading) -> bool:
        """Take a reading of any block, but no refusal from before a write; return True."""
        self.unit.beat = reading.beat
        heard, outcome = self.find(block), reading.outcome
        if outcome.data is not None:
            heard.put(block, outcome.data, outcome.asked_at, self._good_until(reading))
        elif outcome.own_exception is not None and outcome.asked_at >= self._written_until:
            heard.refuse(block, outcome.own_exception, self._good_until(reading))
        else:
            return True
        self._latest.pop(block, None)
        self._latest[block] = reading  # the last one
        self._forget(outcome.asked_at)
        return True

    def doubt(self, blocks: Sequence[Block], until: float) -> None:
        """Forget these blocks, which a write may change up to `until`, and earlier refusals."""
        self._written_until = max(self._written_until, until)
        for heard in (self._heard, self._heard_alone):
            heard.drop(blocks, until)
        for known, reading in list(self._latest.items()):
            if reading.outcome.data is None or any(known.overlaps(block) for block in blocks):
                del self._latest[known]

    def locate(self, location: Location) -> None:
        """Set the registers that the profile names, at their addresses on this device."""
        self._heard.name(location.names)

    def forget(self, location: Location) -> None:
        """Forget all data."""
        self._heard, self._heard_alone = HeardItems(location.names), HeardItems()
        self._latest.clear()

    def find(self, asked: Block) -> HeardItems:
        """Return what holds a block."""
        return self._heard_alone if asked in self._alone else self._heard

    def states(self, now: float) -> list[BlockState]:
        """Return the state of each block that the other master reads periodically."""
        until = self.unit.good_until
        return [BlockState(str(block), each.outcome.asked_at, each.outcome.own_exception is None
                           and now <= min(until, self._good_until(each)), each.outcome.own_exception)
                for block, each in self._latest.items() if each.every]

    def _good_until(self, reading: Reading) -> float:
        return good_until(reading.outcome.asked_at, self.unit.max_age, reading.every)

    def _forget(self, now: float) -> None:
        """Forget blocks that the other master does not read any more."""
        oldest = next(iter(self._latest))
        while len(self._latest) > MOST_BLOCKS or now - self._latest[oldest].outcome.asked_at > FORGET:
            self.find(oldest).refused.pop(oldest, None)
            del self._latest[oldest]
            oldest = next(iter(self._latest))
