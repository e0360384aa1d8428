"""What masters may do besides reading: "meters/100 holding registers 0x8C04+8", "meters/100 43/14"."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from softsplit import checks
from softsplit.config.upstream import Unit, Upstream
from softsplit.errors import ConfigError, show
from softsplit.profiles import Profile
from softsplit.protocol.blocks import ADDRESSES, Block
from softsplit.protocol.functions import DATA_ACCESS, DIAGNOSTICS, READ_DEVICE, WRITE_FILES, Table, writing

FILES = "files"  # by number; function 21 writes records in them
FROM_40001 = re.compile("4[0-9]{4}")  # holding registers as in manuals
KINDS = (Table.COILS.value, Table.HOLDING_REGISTERS.value, FILES)
WRITTEN_BY = {**{table.value: writing(table) for table in (Table.COILS, Table.HOLDING_REGISTERS)},
              FILES: (WRITE_FILES,)}
NUMBER = "0x[0-9A-Fa-f]{1,4}|[0-9]{1,5}"
PERMISSION = re.compile(rf"(?P<upstream>.+)/(?P<unit>\w+) +(?P<kind>[a-z ]+?) +(?P<first>{NUMBER})\+"
                        r"(?P<count>[0-9]{1,5})", re.ASCII)
EXAMPLE = '"meters/100 holding registers 0x8C04+8"'
LONGEST = 300  # characters
MOST_PERMISSIONS = 1000  # in a list
FUNCTIONS = range(1, 128)  # MAP 4.1
FUNCTION = re.compile(rf"(?P<upstream>.+)/(?P<unit>\w+) +(?P<function>{NUMBER})(?:/(?P<sub>{NUMBER}))?",
                      re.ASCII)
SUB_BYTES = {DIAGNOSTICS: 2, READ_DEVICE: 1}  # of the functions that have sub-functions; MAP 6.8, 6.19
FUNCTION_EXAMPLE = '"meters/100 43/14"'


class Permitted(Protocol):
    """What is permitted at one unit."""

    @property
    def upstream(self) -> str: ...

    @property
    def unit(self) -> str: ...

    def check(self, profile: Profile) -> None:
        """Raise ConfigError if devices of this profile cannot do that."""


Item = TypeVar("Item", bound=Permitted)


def permitted(key: str, texts: object, example: str, parse: Callable[[str], Item],
              origins: Mapping[str, tuple[Upstream, Unit]]) -> tuple[Item, ...]:
    """Parse a list of permissions for units of a downstream, by "UPSTREAM/UNIT". Raises ConfigError."""
    with checks.inside(key):
        listed = checks.require_list(texts, "", f"{key} = [{example}]")
        found = tuple(map(parse, checks.require_few(listed, MOST_PERMISSIONS, "entries")))
        for each in found:
            name = f"{each.upstream}/{each.unit}"
            checks.require_word(name, origins, "unit of this downstream")
            upstream, unit = origins[name]
            if upstream.is_heard:
                raise ConfigError(f"{each.upstream} is only heard; nothing can be sent there")
            each.check(unit.profile)
    return found


@dataclass(frozen=True, slots=True)
class FunctionPermission:
    """A function of one unit besides reading and writing; `sub`: only this sub-function."""

    upstream: str
    unit: str
    function: int
    sub: int | None = None

    def allows(self, pdu: bytes) -> bool:
        """Whether a request may be sent to the unit."""
        if pdu[0] != self.function:
            return False
        return self.sub is None or \
            pdu[1:1 + SUB_BYTES[self.function]] == self.sub.to_bytes(SUB_BYTES[self.function], "big")

    def check(self, profile: Profile) -> None:
        """Accept any function: only the device knows which it has."""

    def __str__(self) -> str:
        return str(self.function) if self.sub is None else f"{self.function}/{self.sub}"


def parse_function(text: str) -> FunctionPermission:
    """Parse an entry of `allow_functions`. Raises ConfigError."""
    found = FUNCTION.fullmatch(checks.require_type(text, str, "", FUNCTION_EXAMPLE)[:LONGEST])
    if not found or len(text) > LONGEST:
        raise ConfigError(f'{show(text)} names no function of a unit; write it like {FUNCTION_EXAMPLE}, '
                          '"meters/100 17" or "inverter/1 0x41"')
    function, sub = _number(found["function"]), None if found["sub"] is None else _number(found["sub"])
    if function not in FUNCTIONS:
        raise ConfigError(f"{show(text)}: there is no function {function}; allowed are {FUNCTIONS[0]} to "
                          f"{FUNCTIONS[-1]}")
    if function in DATA_ACCESS:
        raise ConfigError(f"{show(text)}: function {function} reads or writes data; reading needs no permission, and "
                          "writing is permitted by allow_writes")
    if sub is not None and (function not in SUB_BYTES or sub >= 1 << 8 * SUB_BYTES[function]):
        raise ConfigError(f"{show(text)}: function {function} has no sub-function {sub}; leave it out")
    return FunctionPermission(found["upstream"], found["unit"], function, sub)


def _number(text: str) -> int:
    return int(text, 0 if text.startswith("0x") else 10)


@dataclass(frozen=True, slots=True)
class Permission:
    """`count` coils, holding registers or files of one unit, from `first` on. `unit` is its id upstream."""

    upstream: str
    unit: str
    kind: str
    first: int
    count: int

    @property
    def functions(self) -> tuple[int, ...]:
        """The function codes that write there; a device needs one of them."""
        return WRITTEN_BY[self.kind]

    def block(self, step: int) -> Block | None:
        """The block that may be written, with `step` addresses for each register; None for files.

        Raises ConfigError if the unit has no such addresses.
        """
        if self.kind == FILES:
            return None
        table = Table(self.kind)
        return Block(table, self.first, self.count, 1 if table.holds_bits else step)

    def check(self, profile: Profile) -> None:
        """Raise ConfigError if devices of this profile cannot be written there."""
        if profile.functions.isdisjoint(self.functions):
            needed = " or ".join(map(str, self.functions))
            known = ", ".join(map(str, sorted(profile.functions)))
            raise ConfigError(f"{profile.name} writes no {self.kind}: function {needed} is not among its "
                              f"functions ({known})")
        block = self.block(profile.step)
        if block and block.step > 1 and not any((block.address - each.address) % block.step == 0
                                                for each in profile.readable if each.table is block.table):
            kind = "odd" if profile.readable[0].address % 2 else "even"
            raise ConfigError(f"{self}: the registers of {profile.name} begin at {kind} addresses")

    def __str__(self) -> str:
        return f"{self.kind} 0x{self.first:04X}+{self.count}"


def parse_permission(text: str) -> Permission:
    """Parse an entry of `allow_writes`. Raises ConfigError."""
    found = PERMISSION.fullmatch(checks.require_type(text, str, "", EXAMPLE)[:LONGEST])
    if not found or len(text) > LONGEST:
        raise ConfigError(f'{show(text)} does not say what may be written; write it like '
                          f'{EXAMPLE} or "meters/2 coils 0+16"')
    checks.require_word(found["kind"], KINDS, "table")
    first, count = _number(found["first"]), int(found["count"])
    is_register = found["kind"] == Table.HOLDING_REGISTERS.value
    if is_register and FROM_40001.fullmatch(found["first"]) and first > 40000:
        raise ConfigError(f"{show(text)}: {first} may be number {first - 40000} of the holding "
                          f"registers, which is 0x{first - 40001:04X}, or the address 0x{first:04X}; "
                          "write what is meant in hex")
    if not 1 <= count <= ADDRESSES - first:
        raise ConfigError(f"{show(text)}: there are no such addresses; the last one is 0xFFFF")
    return Permission(found["upstream"], found["unit"], found["kind"], first, count)
