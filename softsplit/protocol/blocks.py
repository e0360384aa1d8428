"""Blocks of registers or bits, reads of them, and the limits of the specification.

MAP is the MODBUS Application Protocol Specification V1.1b3.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from softsplit.errors import ConfigError, show
from softsplit.protocol.functions import Table

ADDRESSES = 0x10000  # addresses in one table; MAP 4.3
SHORTEST_PERIOD = 0.001  # s
LONGEST_PERIOD = 86400.0


@dataclass(frozen=True, slots=True)
class Block:
    """Contiguous registers or bits of one table, by protocol address from 0.

    `step` is the number of addresses each takes: 2 for the registers of a device that counts addresses in
    bytes. A block may be longer than one read: `readable`, what a unit answers at all, consists of blocks.
    Raises ConfigError when the block is empty or reaches beyond the table.
    """

    table: Table
    address: int
    count: int
    step: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.table, Table):
            near = str(self.table).upper().replace(" ", "_")
            cure = f"Table.{near}" if near in Table.__members__ else "Table.HOLDING_REGISTERS"
            raise ConfigError(f"{show(self.table)} is no Table; write it like {cure}", "table")
        if not isinstance(self.address, int) or not 0 <= self.address < ADDRESSES:
            raise ConfigError(f"{show(self.address)} is not an address; allowed are 0x0000 to 0xFFFF",
                              "address")
        if self.step != 1 and (self.step != 2 or self.table.holds_bits):
            raise ConfigError(f"{self.table} do not take {show(self.step)} addresses each", "step")
        possible = (ADDRESSES - self.address) // self.step
        if not isinstance(self.count, int) or not 1 <= self.count <= possible:
            raise ConfigError(f"{show(self.count)} does not fit; from 0x{self.address:04X} on at least 1 and at "
                              f"most {possible} are possible", "count")

    @property
    def end(self) -> int:
        """The first address after the block."""
        return self.address + self.count * self.step

    @property
    def byte_count(self) -> int:
        """Bytes of data in the answer to a read of the block."""
        return (self.count + 7) // 8 if self.table.holds_bits else 2 * self.count

    def overlaps(self, other: "Block") -> bool:
        return self.table is other.table and self.address < other.end and other.address < self.end

    def contains(self, other: "Block") -> bool:
        """Whether `other` lies within this block and begins at one of its registers."""
        return (self.table is other.table and self.address <= other.address and other.end <= self.end
                and self.step == other.step and (other.address - self.address) % self.step == 0)

    def span(self, part: "Block") -> slice:
        """Where the registers or bits of `part` are among those of this block."""
        first = (part.address - self.address) // self.step
        return slice(first, first + part.count)

    def __str__(self) -> str:
        return f"{self.table} 0x{self.address:04X}+{self.count}"


def around(blocks: Iterable[Block]) -> Block:
    """Return the smallest block around some whose registers begin at the same addresses."""
    blocks = tuple(blocks)
    begin = min(each.address for each in blocks)
    return replace(blocks[0], address=begin, count=(max(each.end for each in blocks) - begin) // blocks[0].step)


def merge(blocks: Iterable[Block]) -> list[Block]:
    """Join blocks that touch or overlap and share a grid; sorted by table and address."""
    runs: list[Block] = []
    for block in sorted(blocks, key=lambda block: (grid(block), block.address)):
        last = runs[-1] if runs else None
        if last and grid(last) == grid(block) and block.address <= last.end:
            length = max(last.end, block.end) - last.address
            runs[-1] = Block(last.table, last.address, length // last.step, last.step)
        else:
            runs.append(block)
    return sorted(runs, key=lambda block: (block.table.function, block.address))


def in_both_tables(blocks: Iterable[Block]) -> list[Block]:
    """Return these blocks in both tables of bits or of registers: a device may show the same in both."""
    return [replace(block, table=table) for block in blocks for table in Table
            if table.holds_bits == block.table.holds_bits]


def grid(block: Block) -> tuple[int, int, int]:
    """The same for blocks whose registers begin at the same addresses."""
    return block.table.function, block.step, block.address % block.step


@dataclass(frozen=True, slots=True)
class Read:
    """One request upstream, repeated `every` so many seconds. Raises ConfigError."""

    block: Block
    name: str
    every: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.block, Block):
            raise ConfigError(f"{show(self.block)} is no Block", "block")
        if not isinstance(self.name, str) or not self.name.isprintable():
            raise ConfigError(f"{show(self.name)} is no name; leave out what cannot be printed", "name")
        if not isinstance(self.every, (int, float)) or not SHORTEST_PERIOD <= self.every <= LONGEST_PERIOD:
            raise ConfigError(f"{show(self.every)} s is no period; allowed is {SHORTEST_PERIOD:g} to "
                              f"{LONGEST_PERIOD:g}", "every")
        if self.block.count > self.block.table.max_count:
            raise ConfigError(f"{self.block.count} is more than one read may ask for; "
                              f"allowed are 1 to {self.block.table.max_count} {self.block.table}", "count")
