"""A profile: the reads that serve a make of device, and the registers people know it by."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from softsplit import checks
from softsplit.errors import ConfigError
from softsplit.protocol import values
from softsplit.protocol.blocks import Block, Read, Table, merge


@dataclass(frozen=True, eq=False)
class Register:
    """A named value: where it stands, how it is written, what one count is worth. For people and tools only.

    `resolution` is text like "0.1 V"; `not_available` is the pattern, as an unsigned number, which says that
    there is no value; `offset` is added after the resolution; `states` gives counts a name.
    """

    name: str
    block: Block
    type: str
    resolution: str = "1"
    not_available: int | None = None
    offset: float = 0
    states: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self):
        checks.require_word(self.type, values.TYPES, "type", "type")
        values.parse_resolution(self.resolution)
        if self.type in values.NUMBERS and self.block.count != values.registers_of(self.type):
            raise ConfigError(f"a {self.type} takes {values.registers_of(self.type)} registers", "count")
        if self.block.table.holds_bits and self.type not in ("bits", "raw"):
            raise ConfigError(f'{self.block.table} hold no {self.type}; allowed are "bits" and "raw"', "type")
        if self.not_available is not None and not 0 <= self.not_available < 1 << 16 * self.block.count:
            raise ConfigError(f"{self.not_available:#x} does not fit into {self.block.count} registers",
                              "not_available")


@dataclass(frozen=True, eq=False)
class Profile:
    """What one make of device looks like on the bus.

    `reads` is what is polled, each one request, exactly as stated. `readable` is what the device itself
    answers (by default the blocks of the reads). Raises ConfigError when they contradict each other.
    """

    name: str
    reads: tuple[Read, ...]
    title: str = ""
    source: str = ""
    readable: tuple[Block, ...] = ()
    registers: tuple[Register, ...] = ()

    def __post_init__(self):
        if not self.reads:
            raise ConfigError("at least one block is needed", "block")
        blocks = [read.block for read in self.reads]
        for index, block in enumerate(blocks):
            for other in blocks[:index]:
                if block.overlaps(other):
                    raise ConfigError(f"{block} overlaps {other}", f"block[{index + 1}]")
        self._check_names("block", [(read.block.table, read.name) for read in self.reads])
        self._check_names("register", [(None, register.name) for register in self.registers])
        object.__setattr__(self, "readable", tuple(merge(self.readable or blocks)))
        for index, block in enumerate(blocks):
            if not any(run.contains(block) for run in self.readable):
                raise ConfigError(f"{block} is not readable", f"block[{index + 1}]")
        for index, register in enumerate(self.registers):
            if not any(block.contains(register.block) for block in blocks):
                raise ConfigError(f'"{register.name}" ({register.block}) does not lie inside one block',
                                  f"register[{index + 1}]")

    @staticmethod
    def _check_names(what: str, names: list[tuple[Table | None, str]]) -> None:
        for index, name in enumerate(names):
            if name in names[:index]:
                raise ConfigError(f'"{name[1]}" stands twice', f"{what}[{index + 1}].name")

    @property
    def tables(self) -> frozenset[Table]:
        """The tables the device has."""
        return frozenset(block.table for block in self.readable)
