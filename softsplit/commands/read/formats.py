"""Format outcomes of reads as text, JSON or CSV; `taken_at` is wall time. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from softsplit.commands.read.guess import tabulate
from softsplit.commands.shared.answers import Answers
from softsplit.commands.shared.output import csv_row, to_json
from softsplit.profiles import Profile
from softsplit.profiles.display import items_of
from softsplit.protocol.blocks import Read
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.values import WORD_ORDERS

COLUMNS = ("time", "unit", "block", "table", "address", "name", "value", "measure", "error")


def title_of(read: Read) -> str:
    """The name of a read, if it has one, and its block."""
    return f"{read.name}  {read.block}".strip()


@dataclass(frozen=True)
class Form:
    """How to print the answers of units, whose registers `profile` names; `head` is printed first."""

    profile: Profile
    head: Sequence[str] = ()
    answers: Answers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "answers", Answers(self.profile))


@dataclass(frozen=True)
class Text(Form):
    """For people: a line for each block; if it `decodes`, a line for each value too.

    Unnamed registers are tabulated instead, in these word `orders`. Errors are printed elsewhere.
    """

    decodes: bool = True
    orders: Sequence[str] = tuple(WORD_ORDERS)

    def lines(self, unit: int, read: Read, outcome: Outcome, taken_at: float) -> list[str]:
        if outcome.data is None:
            return []
        if not self.decodes:
            return [f"{title_of(read)}  {items_of(read.block, outcome.data)}"]
        found = self.answers.named(unit, read.block, outcome.data)
        width = max((len(named.name) for named in found), default=0)
        rows = ([f"{named.name:{width}}  {named}" for named in found]
                or tabulate(read.block, outcome.data, self.orders))
        return [title_of(read), *(f"  {row}" for row in rows)]


@dataclass(frozen=True)
class Json(Form):
    """For programs: one object in a line for each block."""

    def lines(self, unit: int, read: Read, outcome: Outcome, taken_at: float) -> list[str]:
        block = read.block
        found = {"time": _iso(taken_at), "unit": unit, "block": read.name,
                 "table": str(block.table), "address": block.address, "count": block.count}
        if outcome.data is None:
            return [to_json(found | {"error": str(outcome.error)})]
        found["items"] = items_of(block, outcome.data)
        found["values"] = {named.name: {"value": named.plain, "measure": named.measure}
                           for named in self.answers.named(unit, block, outcome.data)}
        return [to_json(found)]


@dataclass(frozen=True)
class Csv(Form):
    """For spreadsheets: a row for each value, or for each register or bit that has no name."""

    head: Sequence[str] = (",".join(COLUMNS),)

    def lines(self, unit: int, read: Read, outcome: Outcome, taken_at: float) -> list[str]:
        block, time = read.block, _iso(taken_at)
        start = (time, unit, read.name, block.table)
        if outcome.data is None:
            return [csv_row((*start, f"0x{block.address:04X}", "", "", "", outcome.error))]
        found = self.answers.named(unit, block, outcome.data)
        if found:
            return [csv_row((*start, f"0x{named.register.block.address:04X}", named.name,
                             "" if named.value is None else named.digits, named.measure, ""))
                    for named in found]
        return [csv_row((*start, f"0x{block.address + index * block.step:04X}", "", item, "", ""))
                for index, item in enumerate(items_of(block, outcome.data))]


def _iso(taken_at: float) -> str:
    return datetime.fromtimestamp(taken_at, UTC).isoformat(timespec="milliseconds")
