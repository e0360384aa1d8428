"""A profile: the blocks to read from a device, and the names and types of its registers."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeVar

from softsplit import checks
from softsplit.checks import Settled
from softsplit.errors import ConfigError, show
from softsplit.profiles.encoding import encode_exactly
from softsplit.profiles.base import Base
from softsplit.profiles.identify import Identify, Named, nameplate_of
from softsplit.profiles.joining import Answer, Said, said_by
from softsplit.profiles.layout import Layout, require_unique
from softsplit.profiles.register import Register
from softsplit.protocol.blocks import Block, Read, around, merge
from softsplit.protocol.functions import DATA_ACCESS, MAX_REGISTERS, Table, writing
from softsplit.protocol.nameplate import Nameplate
from softsplit.protocol.notations import doubt_about
from softsplit.protocol.values import Value

Item = TypeVar("Item")
MOST_BLOCKS = 1000
MOST_REGISTERS = 10_000
WRITTEN = {"reads": "block", "registers": "register"}  # their keys in a file


@checks.plainly_signed
@dataclass(frozen=True, eq=False)
class Profile:
    """What one make of device looks like on the bus.

    `reads`            the reads to poll, each one request, exactly as stated
    `readable`         the blocks that the device answers; by default those of `reads`
    `alone`            blocks that differ when read alone from the same registers in a longer read
    `functions`        its function codes; by default those that read, and usually write, `readable`
    `identify`         how to recognise the device; all must fit
    `max_count`, `gap` registers in one answer, and seconds between an answer and the next request
    `unconfirmed`      in words, what no two sources agree on
    `unused`           the content of readable registers without a name
    `same_tables`      holding and input registers are the same
    `vendor`, `product`, `revision`    its answer to functions 17 and 43/14
    `base`             nothing is polled until the SunSpec model is found; see `located`

    Raises ConfigError if they contradict each other.
    """

    name: str
    reads: Settled[Iterable[Read], tuple[Read, ...]] = Settled()
    title: str = ""
    source: str = ""
    readable: Settled[Iterable[Block], tuple[Block, ...]] = Settled(())
    registers: Settled[Iterable[Register], tuple[Register, ...]] = Settled(())
    functions: Settled[Iterable[int] | None, frozenset[int]] = Settled(None)
    identify: Settled[Identify | Named | Iterable[Identify | Named] | None,
                      tuple[Identify | Named, ...]] = Settled(None)
    alone: Settled[Iterable[Block], tuple[Block, ...]] = Settled(())
    max_count: int = MAX_REGISTERS
    gap: float = 0.0
    unconfirmed: str = ""
    vendor: str = ""
    product: str = ""
    revision: str = ""
    unused: int | None = None
    same_tables: bool = False
    base: "Base[Profile] | None" = None
    nameplate: Nameplate | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if not self.reads and not self.readable:
            raise ConfigError("at least one block is needed, or readable", "block")
        for key, kind, most in (("reads", Read, MOST_BLOCKS), ("readable", Block, MOST_BLOCKS),
                                ("alone", Block, MOST_BLOCKS), ("registers", Register, MOST_REGISTERS)):
            checks.settle(self, **{key: _all(getattr(self, key), kind, most, key)})
        given = () if self.identify is None else self.identify
        checks.settle(self, identify=(given,) if isinstance(given, (Identify, Named)) else tuple(given))
        checks.settle(self, nameplate=nameplate_of(vendor=self.vendor, product=self.product,
                                                   revision=self.revision))
        checks.settle(self, gap=checks.require_seconds(self.gap, "gap", or_none=True))
        blocks = [read.block for read in self.reads]
        self._check_counts(blocks)
        polled = Layout("block", blocks)
        require_unique(((read.block.table, read.name) for read in self.reads), "block")
        require_unique(((register.name,) for register in self.registers), "register")
        self._settle_functions(blocks)
        checks.settle(self, readable=tuple(merge(self.readable or blocks)))
        readable = Layout("readable", self.readable)  # merged: only registers on different grids can overlap
        self._check_readable(readable, blocks)
        self._check_registers(polled if blocks else readable, readable)

    def _check_readable(self, readable: Layout, blocks: list[Block]) -> None:
        cure = "; let readable list every block that the device answers, also this one"
        for number, block in enumerate(blocks, 1):
            if not readable.holds(block):
                raise ConfigError(f"{block} is not readable{cure}", f"block[{number}]")
        for each in self.identify:
            if isinstance(each, Identify) and not readable.holds(each.register.block):
                raise ConfigError(f"{each.register.block} is not readable{cure}", "identify")
        polled = set(blocks)
        for number, block in enumerate(self.alone, 1):
            if block in polled:
                raise ConfigError(f"{block} is polled; a block has to be longer", f"alone[{number}]")

    def _check_counts(self, blocks: list[Block]) -> None:
        """Refuse blocks that the device would not give in one answer."""
        if not 1 <= checks.require_type(self.max_count, int, "max_count") <= MAX_REGISTERS:
            raise ConfigError(f"{show(self.max_count)} is not possible; allowed are 1 to {MAX_REGISTERS}",
                              "max_count")
        stated = [(f"block[{number}]", block) for number, block in enumerate(blocks, 1)]
        stated += [("identify", each.register.block) for each in self.identify if isinstance(each, Identify)]
        for key, block in stated:
            if not block.table.holds_bits and block.count > self.max_count:
                raise ConfigError(f"{block.count} is more than the device gives in one answer, which is max_count = "
                                  f"{self.max_count}; make several blocks of it", f"{key}.count")

    def _check_registers(self, places: Layout, readable: Layout) -> None:
        if self.unused is not None and not 0 <= checks.require_type(self.unused, int, "unused") <= 0xFFFF:
            raise ConfigError(f"{show(self.unused)} does not fit into a register", "unused")
        checks.require_truth(self.same_tables, "same_tables")
        for number, register in enumerate(self.registers, 1):
            _check_constant(register, f"register[{number}].constant")
            for block in register.needs:
                if not (places.holds(block) or register.constant is not None and readable.holds(block)):
                    doubt = doubt_about(block.address, block.table)
                    raise ConfigError(f'"{register.name}" ({block}) does not lie inside one block'
                                      f'{doubt and f"; {doubt}"}', f"register[{number}]")
            for each in (register, *register.factors):
                if self.reads and register.constant is None and len(each.parts) > 1 and not self._reads_whole(each):
                    words = ", ".join(map(str, each.parts))
                    raise ConfigError(f'the words of "{each.name}" ({words}) do not lie inside one block; a number has '
                                      "to come from one read", f"register[{number}]")

    def _reads_whole(self, register: Register) -> bool:
        """Whether one of the reads brings all words of a register."""
        return any(all(read.block.contains(part) for part in register.parts) for read in self.reads)

    def _settle_functions(self, blocks: list[Block]) -> None:
        """Settle the functions of the device, and check that they can read every block."""
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

    @property
    def stated(self) -> "Profile":
        """The profile as its file states it: with a base, at addresses relative to that."""
        return self.base.relative if self.base else self

    def located(self, at: int | None) -> "Profile":
        """The profile of a device whose SunSpec model begins at this address; None while unknown."""
        return self if self.base is None or at is None else _located(self, at)

    def registers_in(self, block: Block) -> list[Register]:
        """The registers whose first part is in a block, in their own order."""
        return [register for register in self.registers if block.contains(register.parts[0])]

    def decode(self, block: Block, data: bytes) -> dict[Register, Value | None]:
        """Return the values of the registers in a block, from its data alone, as on the wire."""
        return {register: said.value for register, said in self.said([Answer(block, data)]).items()}

    def said(self, answers: Iterable[Answer]) -> dict[Register, Said]:
        """Return the values of the registers in these answers of one unit; see `joining`."""
        return said_by(self.registers, tuple(answers))

    @property
    def spans(self) -> tuple[Block, ...]:
        """For each register the block around all its words, which have to come from one transaction."""
        around_all = ((register.block, around(register.parts)) for register in self.registers)
        return tuple(whole if whole.count <= whole.table.max_count else first for first, whole in around_all)

    @property
    def is_joined(self) -> bool:
        """Whether some values need several blocks."""
        return any(len(register.needs) > 1
                   and not any(all(read.block.contains(part) for part in register.needs)
                                                       for read in self.reads) for register in self.registers)

    @property
    def tables(self) -> frozenset[Table]:
        """The tables the device has."""
        return frozenset(block.table for block in self.readable)

    @property
    def step(self) -> int:
        """The number of addresses of each register."""
        return max(block.step for block in self.readable)


@lru_cache(256)
def _located(profile: Profile, at: int) -> Profile:
    """Move the reads and registers of a SunSpec model to where it begins."""
    assert profile.base is not None
    relative = profile.base.relative
    return replace(profile, base=None,
                   reads=[replace(each, block=_moved(each.block, at)) for each in relative.reads],
                   registers=[moved(each, at) for each in relative.registers])


def moved(register: Register, by: int) -> Register:
    """A register and the registers it depends on, `by` so many addresses further on."""
    return replace(
        register, block=_moved(register.block, by),
        addresses=[address + by for address in register.addresses],
        exponent=moved(register.exponent, by) if register.exponent else None,
        times=[moved(each, by) for each in register.times],
        plus=[moved(each, by) for each in register.plus],
        sign=replace(register.sign, register=moved(register.sign.register, by)) if register.sign else None,
        where=[replace(each, register=moved(each.register, by)) for each in register.where])


def _moved(block: Block, by: int) -> Block:
    return replace(block, address=block.address + by)


def _all(items: Iterable[Item], kind: type[Item], most: int, key: str) -> tuple[Item, ...]:
    """Return the items. Raises ConfigError if they are too many or of another kind."""
    found = checks.require_few(tuple(items), most, "of them", WRITTEN.get(key, key))
    return checks.require_all(found, kind, WRITTEN.get(key, key)) if found else ()


def _check_constant(register: Register, key: str) -> None:
    """Refuse a constant that the register cannot hold."""
    if register.constant is None:
        return
    try:
        encode_exactly(register, register.constant)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{show(register.constant)} is not possible: {error}", key) from None


def _function(stated: object) -> int:
    """Return a function code. Raises ConfigError unless profiles may state it."""
    code = checks.require_type(stated, int, "functions")
    if code not in DATA_ACCESS:
        raise ConfigError(f"function {show(code)} is not possible; allowed are "
                          f"{', '.join(map(str, DATA_ACCESS))}", "functions")
    return code
