"""The wiring as a picture: buses left, masters right, ages between. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from softsplit.commands.top.history import Look, ages
from softsplit.commands.top.text import Line, beside, fit_row, line
from softsplit.config.deriving.inputs import DERIVED
from softsplit.daemon.status import Status
from softsplit.daemon.troubles.downstreams import describe_idle
from softsplit.daemon.troubles.upstreams import describe_load
from softsplit.logs.conditions import show_age, show_latency
from softsplit.downstream.report import DownstreamStatus, MasterStatus
from softsplit.upstream.report import BlockStatus, UnitStatus

MIDDLE = 18  # columns between buses and masters


@dataclass(frozen=True, slots=True)
class Item:
    """An item to choose: unit `what` of the upstream `end`, or a derived one; or a master of a downstream."""

    is_unit: bool
    end: str
    what: str


def find_items(status: Status) -> list[Item]:
    """All items: units, then masters."""
    units = [Item(True, name, unit) for name, upstream in status.upstreams.items()
             for unit in upstream.units]
    units += [Item(True, DERIVED, name) for name in dict.fromkeys(
        unit.origin.partition("/")[2] for downstream in status.downstreams.values()
        for unit in downstream.units.values() if unit.inputs)]
    return units + [Item(False, name, address) for name, downstream in status.downstreams.items()
                    for address in masters_of(downstream)]


def masters_of(downstream: DownstreamStatus) -> dict[str, MasterStatus]:
    """The masters to show: all that have connected, and on a serial line those that have asked."""
    return {address: master for address, master in downstream.masters.items()
            if master.requests or not downstream.url.is_serial}


def draw_picture(look: Look, chosen: Item | None, width: int) -> tuple[list[Line], int]:
    """Return the picture, and the number of the line with the chosen item."""
    left = [row for name in look.status.upstreams for row in _bus(look, name)]
    right = [row for name in look.status.downstreams for row in _server(look.status, name)]
    lines, at = [], 0
    side = left_side(look.status, width)
    for number, (bus, server) in enumerate(zip_longest(left, right, fillvalue=Row())):
        if chosen and chosen in (bus.item, server.item):
            at = number
        lines.append(beside((bus.draw(chosen, side - 1), side), (bus.age, MIDDLE),
                            (server.draw(chosen, width - side - MIDDLE), width - side - MIDDLE)))
    return lines, at


def left_side(status: Status, width: int) -> int:
    """Columns for the buses; more without servers, as there are no masters beside them."""
    return (width - MIDDLE) * (9 if status.downstreams else 20) // 20


Part = str | tuple[str, str]  # a text, or one with its style


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the picture: item, name, figures, an ornament that may be cut, and the age of its data."""

    item: Item | None = None
    name: Part = ""
    figures: Sequence[Part] = ()
    ornament: str = ""
    age: Line = ()

    def draw(self, chosen: Item | None, width: int) -> Line:
        """The row, with a mark if it is chosen."""
        row = fit_row(self.name, self.figures, self.ornament, max(0, width - 1))
        if chosen is None or self.item != chosen:
            return line(" ", *row)
        return line((">", "chosen"), *((text, style or "chosen") for text, style in row))


def _bus(look: Look, name: str) -> list[Row]:
    upstream = look.status.upstreams[name]
    state: Part = describe_load(upstream) if upstream.is_reachable else ("UNREACHABLE", "bad")
    if upstream.state == "starting":
        state = "starting"
    rows = [Row(None, (name, "title"), [state], "" if name == str(upstream.url) else str(upstream.url))]
    for unit, report in upstream.units.items():
        is_starting = look.status.health.is_starting(f"{name}/{unit}")
        state = _latency(report) if report.answers_now else (report.state.upper(), "bad")
        if is_starting and not report.answers_now:
            state = "starting", "note"
        rows.append(Row(Item(True, name, unit), f"{_branch(unit, upstream.units)} unit {unit}", [state],
                        report.profile, _arrow(ages(look, name, unit), is_starting)))
    return rows


def _latency(report: UnitStatus) -> str:
    median = report.latency.p50
    return "answers" if median is None else show_latency(median)


def _branch(one: str, all_of_them: Iterable[str]) -> str:
    return "└" if one == list(all_of_them)[-1] else "├"


def _arrow(found: list[tuple[BlockStatus, float | None, bool]], is_starting: bool) -> Line:
    """The age of the newest block, and how many blocks are stale."""
    if not found:
        return line("─ not polled ─>")
    fresh = [age for _, age, is_fresh in found if is_fresh and age is not None]
    stale = [age for _, age, is_fresh in found if not is_fresh]
    known = [age for age in stale if age is not None]
    if not fresh:
        return line(("─ not read yet ─>", "note") if is_starting and not known else
                    (f"━ STALE {show_age(min(known)) if known else 'never'}", "bad"))
    newest = (f" {show_age(min(fresh))} ", "well")
    if not stale or is_starting and not known:
        return line("──", newest, "──>")
    return line("─", newest, (f" {len(stale)} STALE", "bad"))


def _server(status: Status, name: str) -> list[Row]:
    downstream = status.downstreams[name]
    masters = masters_of(downstream)
    rows = [Row(None, (name, "title"), [] if downstream.is_serving else [(downstream.state, "bad")],
                str(downstream.url) if downstream.is_serving else "")]
    for unit, report in downstream.units.items():
        fresh = f"{report.fresh} of {report.blocks} fresh"
        state: Part = fresh
        if report.stale:
            state = (fresh, "note") if status.health.is_starting_for(report) else (
                f"STALE {len(report.stale)} of {report.blocks}", "bad")
        branch = "├" if masters else _branch(unit, downstream.units)
        item = Item(True, DERIVED, report.origin.partition("/")[2]) if report.inputs else None
        rows.append(Row(item, f"{branch} unit {unit}", [state], f"= {report.origin}"))
    for address, master in masters.items():
        figures: list[Part] = [(f"{master.failed} failed", "note")] if master.failed else []
        rows.append(Row(Item(False, name, address), f"{_branch(address, masters)} {address}",
                        [*figures, f"{master.rate:.2f} per s"]))
    if not masters:
        rows.append(Row(None, (f"  {describe_idle(downstream)}", "dim")))
    return rows
