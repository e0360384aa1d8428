"""A mirror of a unit that somebody else asks, and that is only heard.

Nobody knows in advance which blocks there are: each register has an age of its own, and is good for as long
as the block in which it was heard last. When the other master falls silent, all goes stale.
"""

from collections.abc import Iterable, Sequence

from softsplit.downstream.hearditems import MOST_BLOCKS, HeardItems
from softsplit.downstream.mirror import Mirror
from softsplit.downstream.store import NEVER, BlockState
from softsplit.polling.backoff import MUTE_AFTER
from softsplit.protocol.blocks import Block, Reading, Table, in_both_tables

FORGET = 600.0  # s without a block, while its unit is heard, after which nobody misses it


class HeardMirror(Mirror):
    """One unit as it was heard; `registers` are those of its profile, `options` those of `Mirror`."""

    def __init__(self, unit: int, tables: frozenset[Table], registers: Iterable[Block] = (), **options):
        super().__init__(unit, (), tables, **options)
        self._heard = HeardItems(registers)
        self._heard_alone = HeardItems()
        self._latest: dict[Block, Reading] = {}  # the reads of the other master, with data or refused
        self._beat = 0.0
        self._written_until = NEVER  # a write that was heard may still be done up to then

    def update(self, reading: Reading) -> None:  # sync thread
        """Take over what was heard, whole."""
        with self._data_lock:
            if not self._has_block(reading):
                return
            self._beat = reading.beat
            good_until = reading.taken_at + self._fresh_for(reading.every)
            heard = self._find(reading.block)
            if reading.data is None and reading.taken_at < self._written_until:
                return
            if reading.data is None:
                heard.refuse(reading.block, reading.exception, good_until)
            else:
                heard.put(reading.block, reading.data, reading.taken_at, good_until)
            self._latest.pop(reading.block, None)
            self._latest[reading.block] = reading  # the last one
            self._forget(reading.taken_at)

    def doubt(self, blocks: Sequence[Block], until: float = NEVER) -> None:  # sync thread
        """Somebody changes these blocks, up to `until` perhaps: they have to be read again after that.

        What the unit refused before a write it may give after it.
        """
        doubted = in_both_tables(blocks)
        with self._data_lock:
            self.known.clear()
            self._written_until = max(self._written_until, until)
            for heard in (self._heard, self._heard_alone):
                heard.drop(doubted, until)
            for reading in list(self._latest.values()):
                if reading.data is None or any(reading.block.overlaps(block) for block in doubted):
                    del self._latest[reading.block]

    def states(self, now: float) -> list[BlockState]:  # any thread
        """Return how each block stands that the other master reads again and again."""
        with self._data_lock:
            good_until = self._good_until()
            return [BlockState(str(each.block), each.taken_at, each.exception is None and now <= min(
                good_until, each.taken_at + self._fresh_for(each.every)), each.exception)
                    for each in self._latest.values() if each.every]

    def _fresh_for(self, every: float) -> float:
        return max(self._max_age, 3 * every)

    def _good_until(self) -> float:
        """Until when any data of the unit may be served, if it, or who asks it, is not heard before."""
        is_mute = self._unanswered >= MUTE_AFTER
        return self._answered_at + (self._max_age if is_mute else self._fresh_for(self._beat))

    def _find(self, asked: Block) -> HeardItems:
        return self._heard_alone if asked in self._alone else self._heard

    def _forget(self, now: float) -> None:
        """Miss no more what the other master does not read any more."""
        oldest = next(iter(self._latest))
        while len(self._latest) > MOST_BLOCKS or now - self._latest[oldest].taken_at > FORGET:
            self._find(oldest).refused.pop(oldest, None)
            del self._latest[oldest]
            oldest = next(iter(self._latest))
