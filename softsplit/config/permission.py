"""Write permissions of a downstream, such as "meters/100 holding registers 0x8C04+8"."""

import re
from dataclasses import dataclass

from softsplit import checks
from softsplit.errors import ConfigError, show
from softsplit.profiles import Profile
from softsplit.protocol.blocks import ADDRESSES, Block
from softsplit.protocol.functions import WRITE_FILES, Table, writing

FILES = "files"  # numbered ones, in which records are written
FROM_40001 = re.compile("4[0-9]{4}")  # how manuals write holding registers, from 40001 on
KINDS = (Table.COILS.value, Table.HOLDING_REGISTERS.value, FILES)
WRITTEN_BY = {**{table.value: writing(table) for table in (Table.COILS, Table.HOLDING_REGISTERS)},
              FILES: (WRITE_FILES,)}
PERMISSION = re.compile(r"(?P<upstream>.+)/(?P<unit>\w+) +(?P<kind>[a-z ]+?) +"
                        r"(?P<first>0x[0-9A-Fa-f]{1,4}|[0-9]{1,5})\+(?P<count>[0-9]{1,5})", re.ASCII)
EXAMPLE = '"meters/100 holding registers 0x8C04+8"'
LONGEST = 300  # characters


@dataclass(frozen=True, slots=True)
class Permission:
    """So many coils, holding registers or files of one unit, from `first` on. `unit` is its id upstream."""

    upstream: str
    unit: str
    kind: str
    first: int
    count: int

    @property
    def functions(self) -> tuple[int, ...]:
        """The function codes that write there; one of them will do."""
        return WRITTEN_BY[self.kind]

    def block(self, step: int) -> Block | None:
        """What may be written of a unit whose registers take `step` addresses each; None of files.

        Raises ConfigError when there are no such addresses.
        """
        if self.kind == FILES:
            return None
        table = Table(self.kind)
        return Block(table, self.first, self.count, 1 if table.holds_bits else step)

    def __str__(self) -> str:
        return f"{self.kind} 0x{self.first:04X}+{self.count}"


def parse_permission(text: str) -> Permission:
    """Return what the text permits. Raises ConfigError."""
    found = PERMISSION.fullmatch(checks.require_type(text, str, "", EXAMPLE)[:LONGEST])
    if not found or len(text) > LONGEST:
        raise ConfigError(f'{show(text)} does not say what may be written; write it like '
                          f'{EXAMPLE} or "meters/2 coils 0+16"')
    checks.require_word(found["kind"], KINDS, "table")
    first, count = int(found["first"], 0 if found["first"].startswith("0x") else 10), int(found["count"])
    is_register = found["kind"] == Table.HOLDING_REGISTERS.value
    if is_register and FROM_40001.fullmatch(found["first"]) and first > 40000:
        raise ConfigError(f"{show(text)}: {first} may be number {first - 40000} of the holding "
                          f"registers, which is 0x{first - 40001:04X}, or the address 0x{first:04X}; write what is meant in hex")
    if not 1 <= count <= ADDRESSES - first:
        raise ConfigError(f"{show(text)}: there are no such addresses; the last one is 0xFFFF")
    return Permission(found["upstream"], found["unit"], found["kind"], first, count)


def require_writable(permission: Permission, profile: Profile) -> None:
    """Raise ConfigError when no device of this profile can be written there."""
    if profile.functions.isdisjoint(permission.functions):
        needed = " or ".join(map(str, permission.functions))
        known = ", ".join(map(str, sorted(profile.functions)))
        raise ConfigError(f"{profile.name} writes no {permission.kind}: function {needed} is not among its "
                          f"functions ({known})")
    block = permission.block(profile.step)
    if block and block.step > 1 and not any((block.address - each.address) % block.step == 0
                                            for each in profile.readable if each.table is block.table):
        kind = "odd" if profile.readable[0].address % 2 else "even"
        raise ConfigError(f"{permission}: the registers of {profile.name} begin at {kind} addresses")
