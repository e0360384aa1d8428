"""A profile: the blocks to read from a device, and the names and types of its registers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import TypeVar

from softsplit import checks
from softsplit.checks import Settled
from softsplit.errors import ConfigError, show
from softsplit.profiles.layout import Layout, require_unique
from softsplit.protocol import values
from softsplit.protocol.blocks import Block, Read, merge
from softsplit.protocol.functions import DATA_ACCESS, Table, writing
from softsplit.protocol.pdu import pack_bits, unpack_bits

Item = TypeVar("Item")
MOST_BLOCKS = 1000
MOST_REGISTERS = 10_000
WRITTEN = {"reads": "block", "registers": "register"}  # how keys of ours are called in a file


@checks.plainly_signed
@dataclass(frozen=True, eq=False)
class Register:
    """A named value: where it stands, how it is written, what one count is worth. For people and tools only.

    `resolution` is text like "0.1 V"; `not_available` is the pattern, as an unsigned number, which says that
    there is no value; `offset` is added after the resolution; `states` gives counts a name, `other_state` all
    the others; `word_order` and `byte_order` say which end comes first, "big" or "little".
    """

    name: str
    block: Block
    type: str
    resolution: str = "1"
    not_available: int | None = None
    offset: float = 0
    states: Mapping[int, str] = field(default_factory=dict)
    other_state: str = ""
    word_order: str = "big"
    byte_order: str = "big"

    def __post_init__(self) -> None:
        checks.require_name(self.name, "name")
        checks.require_word(self.type, values.TYPES, "type", "type")
        values.parse_resolution(checks.require_type(self.resolution, str, "resolution", '"0.1 V"'))
        for key in ("word_order", "byte_order"):
            checks.require_word(getattr(self, key), values.ORDERS, "order", key)
        number = values.NUMBERS.get(self.type)
        if number and self.block.count != number.registers:
            raise ConfigError(f"a {self.type} takes {number.registers} registers", "count")
        if self.block.table.holds_bits and self.type not in ("bits", "raw"):
            raise ConfigError(f'{self.block.table} hold no {self.type}; allowed are "bits" and "raw"', "type")
        bits = number.bits if number else 16 * self.block.count
        if self.not_available is not None and not 0 <= self.not_available < 1 << bits:
            raise ConfigError(f"{show(self.not_available)} does not fit into {bits} bits", "not_available")

    def decode(self, data: bytes) -> values.Value | None:
        """Return what the bytes of its block, as they came over the wire, say; None when there is no value.

        A number is in its unit of measure, or the name of its state; for the rest see `values.decode`.
        """
        if self.block.table.holds_bits:
            return tuple(map(bool, unpack_bits(data, self.block.count))) if self.type == "bits" else data
        orders = self.word_order, self.byte_order
        if values.pattern(self.type, data, *orders) == self.not_available:
            return None
        value = values.decode(self.type, data, *orders)
        if not isinstance(value, (int, float)):
            return value
        if not isfinite(value):
            return None
        name = self.other_state if value % 1 else self.states.get(int(value), self.other_state)
        return name or self._measured(value)

    def _measured(self, count: int | float) -> int | float | None:
        """What so many counts are; whole only where every count is; None when that is beyond all floats."""
        worth, offset = values.parse_resolution(self.resolution)[0], Decimal(repr(self.offset))
        number = Decimal(repr(count)) * worth + offset
        is_whole = isinstance(count, int) and not worth % 1 and not offset % 1
        measured = int(number) if is_whole else float(number)
        return measured if is_whole or isfinite(measured) else None


@dataclass(frozen=True, eq=False)
class Identify:
    """What tells a make of device: this register, when its text starts so, or it equals one of these.

    Raises ConfigError when the register can say neither.
    """

    register: Register
    starts_with: str = ""
    equals: Settled[Iterable[str | int], tuple[str | int, ...]] = Settled(())

    def __post_init__(self) -> None:
        kind = self.register.type
        checks.settle(self, equals=tuple(self.equals))
        if kind != "text" and not (kind in values.NUMBERS and values.NUMBERS[kind].is_whole):
            raise ConfigError(f"a {kind} is not compared; allowed are text and whole numbers", "type")
        if bool(self.starts_with) == bool(self.equals):
            raise ConfigError("either starts_with or equals is needed, and not empty")
        if self.starts_with and kind != "text":
            raise ConfigError(f"a {kind} starts with no text; use equals", "starts_with")
        for each in self.equals:
            checks.require_type(each, str if kind == "text" else int, "equals")
        Read(self.register.block, "identify")  # one read may ask for it

    def fits(self, value: values.Value | None) -> bool:
        """Whether such a device says this in the register."""
        if self.starts_with:
            return isinstance(value, str) and value.startswith(self.starts_with)
        return value in self.equals


@checks.plainly_signed
@dataclass(frozen=True, eq=False)
class Profile:
    """What one make of device looks like on the bus.

    `reads` is what is polled, each one request, exactly as stated. `readable` is what the device itself
    answers (by default the blocks of the reads). `alone` are blocks that say something else when nothing but
    them is read than as a part of a longer read. `functions` are the function codes it knows; by default
    those which read `readable`, and those which usually write it. `identify` is how the device is recognised.
    Raises ConfigError when they contradict each other.
    """

    name: str
    reads: Settled[Iterable[Read], tuple[Read, ...]] = Settled()
    title: str = ""
    source: str = ""
    readable: Settled[Iterable[Block], tuple[Block, ...]] = Settled(())
    registers: Settled[Iterable[Register], tuple[Register, ...]] = Settled(())
    functions: Settled[Iterable[int] | None, frozenset[int]] = Settled(None)
    identify: Identify | None = None
    alone: Settled[Iterable[Block], tuple[Block, ...]] = Settled(())

    def __post_init__(self) -> None:
        if not self.reads and not self.readable:
            raise ConfigError("at least one block is needed, or readable", "block")
        for key, kind, most in (("reads", Read, MOST_BLOCKS), ("readable", Block, MOST_BLOCKS),
                                ("alone", Block, MOST_BLOCKS), ("registers", Register, MOST_REGISTERS)):
            checks.settle(self, **{key: _all(getattr(self, key), kind, most, key)})
        blocks = [read.block for read in self.reads]
        polled = Layout("block", blocks)
        require_unique(((read.block.table, read.name) for read in self.reads), "block")
        require_unique(((register.name,) for register in self.registers), "register")
        self._settle_functions(blocks)
        checks.settle(self, readable=tuple(merge(self.readable or blocks)))
        readable = Layout("readable", self.readable)  # only registers overlap that begin at other addresses
        self._check_readable(readable, blocks)
        self._check_registers(polled if blocks else readable)

    def _check_readable(self, readable: Layout, blocks: list[Block]) -> None:
        for number, block in enumerate(blocks, 1):
            if not readable.holds(block):
                raise ConfigError(f"{block} is not readable", f"block[{number}]")
        if self.identify and not readable.holds(self.identify.register.block):
            raise ConfigError(f"{self.identify.register.block} is not readable", "identify")
        polled = set(blocks)
        for number, block in enumerate(self.alone, 1):
            if block in polled:
                raise ConfigError(f"{block} is polled; a block has to be longer", f"alone[{number}]")

    def _check_registers(self, places: Layout) -> None:
        for number, register in enumerate(self.registers, 1):
            if not places.holds(register.block):
                raise ConfigError(f'"{register.name}" ({register.block}) does not lie inside one block',
                                  f"register[{number}]")

    def _settle_functions(self, blocks: list[Block]) -> None:
        """Settle what the device knows, and whether that reads all that is to be read."""
        if self.functions is None:
            tables = {block.table for block in self.readable or blocks}
            usual = {code for table in tables for code in (table.function, *writing(table, plainly=True))}
            checks.settle(self, functions=frozenset(usual))
            return
        functions = sorted({_function(code) for code in self.functions})
        for key, stated in (("block", blocks), ("readable", self.readable)):
            for index, block in enumerate(stated):
                if block.table.function not in functions:
                    raise ConfigError(f"{block} needs function {block.table.function}, which is not one of "
                                      f"functions ({', '.join(map(str, functions))})", f"{key}[{index + 1}]")
        checks.settle(self, functions=frozenset(functions))

    def registers_in(self, block: Block) -> list[Register]:
        """The registers that lie whole in a block, in their own order."""
        return [register for register in self.registers if block.contains(register.block)]

    def decode(self, block: Block, data: bytes) -> dict[Register, values.Value | None]:
        """Return what the registers in a block say, from its data as it came over the wire."""
        bits = unpack_bits(data, block.count) if block.table.holds_bits else b""
        found = {}
        for register in self.registers_in(block):
            span = block.span(register.block)
            own = pack_bits(bits[span]) if bits else data[2 * span.start:2 * span.stop]
            found[register] = register.decode(own)
        return found

    @property
    def tables(self) -> frozenset[Table]:
        """The tables the device has."""
        return frozenset(block.table for block in self.readable)

    @property
    def step(self) -> int:
        """How many addresses each register takes."""
        return max(block.step for block in self.readable)


def _all(items: Iterable[Item], kind: type[Item], most: int, key: str) -> tuple[Item, ...]:
    """Return what a profile lists, if it is of this kind and not too much."""
    found = checks.require_few(tuple(items), most, "of them", WRITTEN.get(key, key))
    return checks.require_all(found, kind, WRITTEN.get(key, key)) if found else ()


def _function(stated: object) -> int:
    """Return a function code, if a device may know it."""
    code = checks.require_type(stated, int, "functions")
    if code not in DATA_ACCESS:
        raise ConfigError(f"function {show(code)} is not possible; allowed are "
                          f"{', '.join(map(str, DATA_ACCESS))}", "functions")
    return code
