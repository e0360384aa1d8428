"""A mirror of a unit that somebody else asks, and that is only heard.

Nobody knows in advance which blocks there are: each register has an age of its own, and is good for as long
as the block in which it was heard last. When the other master falls silent, all goes stale.
"""

from collections.abc import Sequence

from softsplit.downstream.mirror import Mirror
from softsplit.downstream.store import NEVER, BlockState
from softsplit.polling.backoff import MUTE_AFTER
from softsplit.protocol import pdu
from softsplit.protocol.blocks import Block, Reading, Table, in_both_tables

BLOCKS = 500  # of one unit that are remembered; those heard longest ago are forgotten
FORGET = 600.0  # s without a block, while its unit is heard, after which nobody misses it


class HeardItems:
    """Registers and bits as they were heard, each with the time until which it is good.

    What a unit refuses is remembered by the block that was asked for.
    """

    def __init__(self):
        self._items: dict[Table, dict[int, tuple[bytes, float]]] = {table: {} for table in Table}
        self.refused: dict[Block, tuple[int, float]] = {}  # exception code, and until when

    def put(self, block: Block, data: bytes, good_until: float) -> None:
        """Take over a block as it came over the wire. Raises ValueError when it has not the block's size."""
        width = 1 if block.table.holds_bits else 2
        data = pdu.unpack_bits(data, block.count) if width == 1 else data
        items = [(data[at:at + width], good_until) for at in range(0, len(data), width)]
        self._items[block.table].update(zip(_addresses(block), items, strict=True))
        self.refused.pop(block, None)

    def refuse(self, block: Block, exception: int, good_until: float) -> None:
        """The unit refuses this block."""
        self.refused[block] = exception, good_until

    def drop(self, blocks: Sequence[Block]) -> None:
        """Forget what was heard of these blocks."""
        for block in blocks:
            for address in range(block.address, block.end):
                self._items[block.table].pop(address, None)

    def state(self, asked: Block, now: float) -> tuple[int | None, float]:
        """Return why `asked` cannot be served now, as an exception code or None; and until when it could."""
        exception, until = self.refused.get(asked, (None, NEVER))
        if now <= until:
            return exception, now
        items = self._items[asked.table]
        good_until = min(items.get(address, (b"", NEVER))[1] for address in _addresses(asked))
        return (None if now <= good_until else pdu.GATEWAY_NO_ANSWER), good_until

    def get(self, asked: Block) -> bytes:
        """Return the data of an answer."""
        items = self._items[asked.table]
        data = b"".join(items[address][0] for address in _addresses(asked))
        return pdu.pack_bits(data) if asked.table.holds_bits else data


class HeardMirror(Mirror):
    """One unit as it was heard; `options` are those of `Mirror`."""

    def __init__(self, unit: int, tables: frozenset[Table], **options):
        super().__init__(unit, (), tables, **options)
        self._heard = HeardItems()
        self._heard_alone = HeardItems()
        self._latest: dict[Block, Reading] = {}  # the reads of the other master, with data or refused
        self._beat = 0.0

    def update(self, reading: Reading) -> None:  # sync thread
        """Take over what was heard, whole."""
        with self._data_lock:
            if not self._has_block(reading):
                return
            self._beat = reading.beat
            good_until = reading.taken_at + self._fresh_for(reading.every)
            heard = self._find(reading.block)
            if reading.data is None:
                heard.refuse(reading.block, reading.exception, good_until)
            else:
                heard.put(reading.block, reading.data, good_until)
            self._latest.pop(reading.block, None)
            self._latest[reading.block] = reading  # the last one
            self._forget(reading.taken_at)

    def doubt(self, blocks: Sequence[Block], until: float = NEVER) -> None:  # sync thread
        """Somebody may have changed these blocks: no master gets them until they were heard again."""
        with self._data_lock:
            self.known.clear()
            for heard in (self._heard, self._heard_alone):
                heard.drop(in_both_tables(blocks))
            for block in [each for each in self._latest if any(each.overlaps(block) for block in blocks)]:
                self._find(block).refused.pop(block, None)
                del self._latest[block]

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
        while len(self._latest) > BLOCKS or now - self._latest[oldest].taken_at > FORGET:
            self._find(oldest).refused.pop(oldest, None)
            del self._latest[oldest]
            oldest = next(iter(self._latest))


def _addresses(block: Block) -> range:
    return range(block.address, block.end, block.step)
