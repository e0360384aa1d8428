"""The table of the diagnostics unit: the meaning of each register. Pure.

The unit serves these rows, and "softsplit status --registers" prints them. Rows may be added, at the end of a
group or in a new one, with a new VERSION; none may move, because PLCs have their addresses.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

VERSION = 2
PER_GROUP = 16  # registers
UNIT_0 = 4096  # the place of unit 0, because the summary is at address 0
UNITS_TOO, UPSTREAMS = 8192, 16384  # where the groups of version 2 begin
NAME = 16  # characters
HEAD = ("input registers (function 4) of the unit that [diagnostics] names; numbers of two registers have the high "
        "one first")
FORMS = {1: "H", 2: "I", NAME // 2: f"{NAME}s"}  # by registers
HIGHEST = {1: 0xFFFF, 2: 0xFFFF_FFFF}
STATES = "1 all is fresh, 2 some is, 3 nothing is"
ERRORS = ("0 none so far; a Modbus exception by its code; 256 no answer, 257 a damaged one, "
          "258 gateway or adapter away")


@dataclass(frozen=True, slots=True)
class Row:
    """The meaning of so many registers: a number, or the characters of a name."""

    registers: int
    what: str


SUMMARY = (
    Row(1, f"{VERSION}, the version of this table"),
    Row(1, f"state of all units of this downstream together: {STATES}"),
    Row(1, "count of units"),
    Row(2, "seconds since the start"),
    Row(1, "count of upstreams"),
)
UNIT = (
    Row(1, "the unit id"),
    Row(1, f"state of the unit: {STATES}"),
    Row(1, "age of its newest data in 0.1 s; 65535 when it is greater, or there is none"),
    Row(1, "age of the data of its oldest block, likewise"),
    Row(1, "how many of its blocks are fresh"),
    Row(1, "how many it has"),
    Row(2, "requests to it"),
    Row(2, "answers"),
    Row(2, "exceptions"),
    Row(2, "requests without an answer"),
    Row(2, "requests with a damaged one"),
)
UNIT_TOO = (
    Row(1, "the unit id"),
    Row(1, f"state of the unit: {STATES}"),
    Row(1, "how it stands: 0 never heard, 1 answers, 2 mute, 3 its gateway or adapter is away"),
    Row(1, f"its last error: {ERRORS}"),
    Row(2, "for how many seconds it has been in error; 0 while its answers are good"),
    Row(2, "Unix time of its last good answer; 0 when there was none"),
    Row(NAME // 2, "its name, like meters/100, in 16 characters, the rest zeros"),
)
UPSTREAM = (
    Row(1, "state of the upstream: 1 connected, 2 starting, 3 its gateway or adapter is away"),
    Row(1, "how busy the wire was in the last minute, in 0.1 %"),
    Row(2, "reconnects"),
    Row(2, "for how many seconds it has been away"),
    Row(1, "count of its units"),
    Row(1, "how many of them are mute"),
    Row(NAME // 2, "its name"),
)
GROUPS = (  # where each begins, in words, and its rows
    ("0", SUMMARY),
    (f"16 x unit id (of unit 0: {UNIT_0})", UNIT),
    (f"{UNITS_TOO} + 16 x unit id", UNIT_TOO),
    (f"{UPSTREAMS} + 16 x number of the upstream, from 0, in the order of the configuration", UPSTREAM),
)


def pack(rows: Sequence[Row], *values: int | str) -> bytes:
    """Return these values as registers, one for each row; a number that is too high becomes the highest."""
    forms = "".join(FORMS[row.registers] for row in rows)
    return struct.pack(f">{forms}", *(_packed(row, value) for row, value in zip(rows, values, strict=True)))


def _packed(row: Row, value: int | str) -> int | bytes:
    if isinstance(value, str):
        return value.encode("ascii", "replace")
    return max(0, min(value, HIGHEST[row.registers]))


def short_name(upstream: str, unit: object = None) -> str:
    """Return a name that fits: the name of the upstream is cut if need be, not the unit."""
    end = "" if unit is None else f"/{unit}"
    return f"{upstream[:max(1, NAME - len(end))]}{end}"[:NAME]


def in_words() -> str:
    """Return the table, a line for each row of a group."""
    return "\n".join((HEAD, *(f"from {where}\n{_in_words(rows)}" for where, rows in GROUPS)))


def _in_words(rows: Sequence[Row]) -> str:
    said, at = [], 0
    for row in rows:
        end = at + row.registers - 1
        span = f"+ {at}" if end == at else f"+ {at} to {end}"
        said.append(f"    {span:10} {row.what}")
        at += row.registers
    return "\n".join(said)
