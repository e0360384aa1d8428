"""The data of a unit that softsplit polls, as it came over the wire, and its age."""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import unpack

from modbus_tk.modbus import ModbusBlock

from softsplit.downstream.mirrors.freshness import NEVER, UnitFreshness, good_until
from softsplit.protocol import pdu
from softsplit.protocol.blocks import Block, Read, merge
from softsplit.protocol.outcome import NOT_SENT, UNDER_WAY, Location, Reading


class PolledBlock:
    """A polled block: when its data was asked for, how the unit refuses it, and which parts were written."""

    def __init__(self, read: Read, max_age: float):
        self.name = read.name
        self.block = read.block
        self.taken_at = self.good_until = NEVER
        self._every = read.every
        self._max_age = max_age
        self.exception: int | None = None
        self._being_written: tuple[Block, ...] = ()
        self._written: dict[Block, float] = {}  # until when a write may change each, after the latest read

    def doubt(self, blocks: Sequence[Block], until: float) -> None:
        """A write to these blocks is UNDER_WAY, or may change them up to `until`, or was NOT_SENT."""
        blocks = tuple(each for each in blocks if self.block.overlaps(each))
        self._being_written = blocks if until == UNDER_WAY else ()
        if until not in (UNDER_WAY, NOT_SENT):
            self._written |= {each: max(until, self._written.get(each, until)) for each in blocks}

    def is_doubtful(self, asked: Block) -> bool:
        """Whether a part of it was written, and not read again since."""
        return any(each.overlaps(asked) for each in (*self._being_written, *self._written))

    def was_read(self, taken_at: float) -> None:
        """Note data that was asked for at `taken_at`; parts that were written later stay in doubt."""
        self.taken_at, self.good_until = taken_at, good_until(taken_at, self._max_age, self._every)
        self._written = {each: until for each, until in self._written.items() if until > taken_at}

    def forget_refusal(self) -> None:
        """Forget that the unit refused it, because after a write it may not; there is no data then."""
        if self.exception is not None:
            self.exception, self.taken_at, self.good_until = None, NEVER, NEVER


@dataclass(frozen=True, slots=True)
class BlockState:
    """The state of a block: when its data was asked for, or NEVER, and whether it is served."""

    name: str
    taken_at: float
    is_fresh: bool
    exception: int | None  # with which the unit refuses it


@dataclass(frozen=True, slots=True)
class Seen:
    """A block as a master would get it: data, when that was asked for, until when it is good.

    `data` is None when a master gets none, and `exception` the code that it gets instead, if the unit refuses
    it.
    """

    data: bytes | None
    taken_at: float
    good_until: float
    exception: int | None = None


class MergedBlock(ModbusBlock):
    """PolledBlock blocks that touch, as one modbus-tk block: two bytes for a register, one for a bit."""

    def __init__(self, block: Block, polled: Sequence[PolledBlock]):
        super().__init__(block.address, block.count)
        self.block = block
        self.polled = [each for each in polled if block.contains(each.block)]
        self._width = 1 if block.table.holds_bits else 2  # bytes
        self._data = bytearray(self._width * block.count)
        self._view = memoryview(self._data)  # which can neither grow nor shrink

    def _span(self, block: Block) -> slice:
        items = self.block.span(block)
        return slice(self._width * items.start, self._width * items.stop)

    def put(self, block: Block, data: bytes) -> None:
        """Take the data of a reading. Raises ValueError when it does not have the size of the block."""
        self._view[self._span(block)] = data if self._width == 2 else pdu.unpack_bits(data, block.count)

    def get(self, block: Block) -> bytes:
        data = bytes(self._view[self._span(block)])
        return data if self._width == 2 else pdu.pack_bits(data)

    def taken_at(self, asked: Block) -> float:
        """Return when the oldest part of `asked` was asked for."""
        return min(each.taken_at for each in self.polled if each.block.overlaps(asked))

    def state(self, asked: Block, now: float) -> tuple[int | None, float]:
        """Return why `asked` cannot be served now, an exception code or None, and until when it is good."""
        touched = [each for each in self.polled if each.block.overlaps(asked)]
        for polled in touched:
            if polled.exception is not None:
                return polled.exception, now
        if any(polled.is_doubtful(asked) for polled in touched):
            return pdu.GATEWAY_NO_ANSWER, now
        until = min(polled.good_until for polled in touched)
        return (None if now <= until else pdu.GATEWAY_NO_ANSWER), until

    def __getitem__(self, item):
        return unpack(f">{self.size}{'H' if self._width == 2 else 'B'}", self._data)[item]

    def __setitem__(self, item, value):
        raise TypeError("a mirror holds what a meter sent; only Mirror.update writes it")


class PolledStore:
    """The polled blocks of one unit; a master gets any part of touching blocks. Guarded by its mirror's lock.

    A block of `alone` has other data when it is asked for alone, and so is not taken from a longer one.
    """

    def __init__(self, reads: Sequence[Read], max_age: float, alone: Sequence[Block] = ()):
        self.unit = UnitFreshness(max_age)
        self._alone = frozenset(alone)
        self._begin(reads)

    def _begin(self, reads: Sequence[Read]) -> None:
        self._polled = {read.block: PolledBlock(read, self.unit.max_age) for read in reads}
        self.merged = [MergedBlock(block, list(self._polled.values())) for block in merge(self._polled)]

    def locate(self, location: Location) -> None:
        """Set the blocks that are polled from now on, without data."""
        self._begin(location.reads)

    def forget(self, location: Location) -> None:
        """Forget all data."""
        self._begin(location.reads)

    @property
    def tells_silence(self) -> bool:
        """Whether the unit is polled, so that we see when it answers again."""
        return bool(self._polled)

    def take(self, block: Block, reading: Reading) -> bool:
        """Take a reading as a whole; return whether this block is polled."""
        polled, outcome = self._polled.get(block), reading.outcome
        if polled is None:
            return False
        polled.exception = outcome.own_exception
        if outcome.data is not None:
            next(each for each in self.merged if polled in each.polled).put(block, outcome.data)
            polled.was_read(outcome.asked_at)
        return True

    def doubt(self, blocks: Sequence[Block], until: float) -> None:
        """Doubt these blocks, which a write changes, and forget refusals; see `Invalidation`."""
        for polled in self._polled.values():
            polled.doubt(blocks, until)
            if until not in (UNDER_WAY, NOT_SENT):
                polled.forget_refusal()

    def find(self, asked: Block) -> MergedBlock | None:
        """Return what holds a block; None when it is not polled."""
        if asked in self._alone:
            return None
        return next((merged for merged in self.merged if merged.block.contains(asked)), None)

    def refuses_more_than(self, asked: Block) -> bool:
        """Whether a block is part of a larger one that the unit refuses, perhaps because of another part."""
        return any(each.exception is not None and each.block.overlaps(asked)
                   and not asked.contains(each.block)
                   for each in self._polled.values())

    def states(self, now: float) -> list[BlockState]:
        """Return the state of each block at the time `now`, in the order of the reads."""
        until = self.unit.good_until
        return [BlockState(each.name, each.taken_at, each.exception is None
                           and now <= min(until, each.good_until), each.exception)
                for each in self._polled.values()]
