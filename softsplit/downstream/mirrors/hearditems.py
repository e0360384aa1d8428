"""Registers and bits that were heard, each with its transaction, and until when it is fresh.

The words of one number are served only from one transaction: all words of a register that the profile names,
and any two neighbours without a name that came together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from softsplit.bounded import BoundedDict
from softsplit.downstream.mirrors.freshness import NEVER
from softsplit.protocol import pdu
from softsplit.protocol.blocks import Block, around, grid
from softsplit.protocol.functions import Table

MOST_BLOCKS = 500  # of one unit; those heard longest ago are forgotten
PICKS = 256  # requests whose transactions are remembered


@dataclass(frozen=True, slots=True, eq=False)
class Brought:
    """The data of one transaction: two bytes for a register, one for a bit."""

    block: Block
    data: bytes
    taken_at: float
    good_until: float

    @property
    def width(self) -> int:
        return 1 if self.block.table.holds_bits else 2

    def covers(self, address: int) -> bool:
        return self.block.address <= address < self.block.end

    def cut(self, part: Block) -> bytes:
        items = self.block.span(part)
        return self.data[self.width * items.start:self.width * items.stop]


class HeardItems:
    """The registers and bits that were heard of one unit; `registers` are those its profile names."""

    def __init__(self, registers: Iterable[Block] = ()):
        self._items: dict[Table, dict[int, Brought]] = {table: {} for table in Table}  # by address
        self._doubtful: dict[Table, dict[int, float]] = {table: {} for table in Table}  # until when
        self._blocks: BoundedDict[Block, Brought] = BoundedDict(MOST_BLOCKS)
        self._picks: dict[Block, list[tuple[Block, Brought]]] = {}
        self.name(registers)
        self.refused: dict[Block, tuple[int, float]] = {}  # by block asked for: exception code, until when

    def name(self, registers: Iterable[Block]) -> None:
        """Set the registers that the profile names."""
        self._picks.clear()
        self._registers: dict[Table, dict[int, Block]] = {table: {} for table in Table}
        for register in _joined(registers):
            self._registers[register.table].update(dict.fromkeys(addresses(register), register))

    def put(self, block: Block, data: bytes, taken_at: float, good_until: float) -> None:
        """Take a block, except the parts that may have been written since it was asked for.

        Raises ValueError when the data does not have the size of the block.
        """
        if len(data) != block.byte_count:
            raise ValueError(f"{len(data)} bytes are not {block}")
        data = pdu.unpack_bits(data, block.count) if block.table.holds_bits else data
        brought, items = Brought(block, data, taken_at, good_until), self._items[block.table]
        doubtful = self._doubtful[block.table]
        self._picks.clear()
        self.refused.pop(block, None)
        self._blocks.pop(block, None)
        is_whole = True
        for address in addresses(block):
            if doubtful and doubtful.get(address, NEVER) > taken_at:
                is_whole = False
            else:
                doubtful.pop(address, None)
                items[address] = brought
        if is_whole:
            self._blocks[block] = brought

    def refuse(self, block: Block, exception: int, good_until: float) -> None:
        """Note that the unit refuses this block."""
        self.refused[block] = exception, good_until

    def drop(self, blocks: Sequence[Block], until: float) -> None:
        """Forget these blocks, and ignore data asked for before `until`: a write may still change them."""
        self._picks.clear()
        self.refused.clear()
        for block in blocks:
            items, doubtful = self._items[block.table], self._doubtful[block.table]
            for address in range(block.address, block.end):
                items.pop(address, None)
                doubtful[address] = max(doubtful.get(address, NEVER), until)
        for known in [each for each in self._blocks if any(each.overlaps(block) for block in blocks)]:
            del self._blocks[known]

    def state(self, asked: Block, now: float) -> tuple[int | None, float]:
        """Return why `asked` cannot be served now, an exception code or None, and until when it is good."""
        exception, until = self.refused.get(asked, (None, NEVER))
        if now <= until:
            return exception, now
        good_until = min((each.good_until for _, each in self._parts(asked)), default=NEVER)
        return (None if now <= good_until else pdu.GATEWAY_NO_ANSWER), good_until

    def taken_at(self, asked: Block) -> float:
        """Return when the oldest part of `asked` was asked for."""
        return min((each.taken_at for _, each in self._parts(asked)), default=NEVER)

    def get(self, asked: Block) -> bytes:
        data = b"".join(brought.cut(part) for part, brought in self._parts(asked))
        return pdu.pack_bits(data) if asked.table.holds_bits else data

    def _parts(self, asked: Block) -> list[tuple[Block, Brought]]:
        """Return the parts of `asked`, each with its transaction; none if one is missing."""
        if asked not in self._picks:
            if len(self._picks) >= PICKS:
                self._picks.clear()
            self._picks[asked] = self._assemble(asked)
        return self._picks[asked]

    def _assemble(self, asked: Block) -> list[tuple[Block, Brought]]:
        sources: list[Brought | None] = [*map(self._items[asked.table].get, addresses(asked))]
        known = [source for source in sources if source is not None]
        if len(known) == asked.count and not asked.table.holds_bits:
            for part in self._torn(asked, known).values():
                sources[asked.span(part)] = [self._whole(part)] * part.count
            known = [source for source in sources if source is not None]
        if len(known) < asked.count:
            return []
        starts = [at for at, source in enumerate(known) if not at or source is not known[at - 1]]
        return [(_part(asked, start, end), known[start])
                for start, end in zip(starts, [*starts[1:], asked.count])]

    def _whole(self, part: Block) -> Brought | None:
        """Return the latest transaction that brought all of a part."""
        return next((each for block, each in reversed(self._blocks.items()) if block.contains(part)), None)

    def _torn(self, asked: Block, sources: list[Brought]) -> dict[Block | None, Block]:
        """Return, by register, the parts of `asked` that must come from one transaction and do not.

        For two neighbours without a name that is all of `asked`.
        """
        named = self._registers[asked.table]
        torn: dict[Block | None, Block] = {}
        for at, (one, other) in enumerate(zip(sources, sources[1:])):
            if one is other:
                continue
            address = asked.address + at * asked.step
            register = named.get(address)
            if register != named.get(address + asked.step):
                continue
            if register:
                torn[register] = _overlap(asked, register)
            elif one.covers(address + asked.step) or other.covers(address):
                return {None: asked}
        return torn


def addresses(block: Block) -> range:
    return range(block.address, block.end, block.step)


def _joined(registers: Iterable[Block]) -> list[Block]:
    """Return the blocks of registers; those that overlap and begin at the same addresses count as one."""
    found: list[Block] = []
    for register in sorted(registers, key=lambda each: (each.table.function, each.address, -each.count)):
        if found and found[-1].overlaps(register) and grid(found[-1]) == grid(register):
            register = around((found.pop(), register))
        found.append(register)
    return found


def _part(block: Block, start: int, end: int) -> Block:
    return replace(block, address=block.address + start * block.step, count=end - start)


def _overlap(one: Block, other: Block) -> Block:
    address = max(one.address, other.address)
    return replace(one, address=address, count=(min(one.end, other.end) - address) // one.step)
