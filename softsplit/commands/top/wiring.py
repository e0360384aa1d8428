"""The wiring as a picture: buses left, masters right, ages between. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest

from softsplit.commands.top.history import Look, ages, show_age
from softsplit.commands.top.text import Line, beside, line
from softsplit.daemon.health import describe_load
from softsplit.daemon.status import Status
from softsplit.downstream.report import DownstreamStatus
from softsplit.upstream.report import BlockStatus, UnitStatus

MIDDLE = 18  # columns between buses and masters


@dataclass(frozen=True, slots=True)
class Item:
    """Something to choose: unit `what` of the upstream `end`, or master `what` of the downstream `end`."""

    is_unit: bool
    end: str
    what: str


def find_items(status: Status) -> list[Item]:
    """Everything there is to choose: units, then masters."""
    units = [Item(True, name, unit) for name, upstream in status.upstreams.items()
             for unit in upstream.units]
    return units + [Item(False, name, address) for name, downstream in status.downstreams.items()
                    for address in downstream.masters]


def draw_picture(look: Look, chosen: Item | None, width: int) -> tuple[list[Line], int]:
    """Return the picture, and in which of its lines the chosen item stands."""
    left = [row for name in look.status.upstreams for row in _bus(look, name)]
    right = [row for name, each in look.status.downstreams.items() for row in _server(name, each)]
    lines, at = [], 0
    side = left_side(look.status, width)
    for number, (bus, server) in enumerate(zip_longest(left, right, fillvalue=(None, line(), line()))):
        if chosen and chosen in (bus[0], server[0]):
            at = number
        lines.append(beside((_marked(bus, chosen), side - 1), (line(), 1), (bus[2], MIDDLE),
                            (_marked(server, chosen), width - side - MIDDLE)))
    return lines, at


def left_side(status: Status, width: int) -> int:
    """Columns for the buses; where nobody serves, there are no masters beside them."""
    return (width - MIDDLE) * (9 if status.downstreams else 20) // 20


Row = tuple[Item | None, Line, Line]  # what can be chosen there, how it stands, and its age


def _marked(row: Row, chosen: Item | None) -> Line:
    """A row, with a mark when it is chosen."""
    if chosen is None or row[0] != chosen:
        return line(" ", *row[1])
    return line((">", "chosen"), *((text, style or "chosen") for text, style in row[1]))


def _bus(look: Look, name: str) -> list[Row]:
    upstream = look.status.upstreams[name]
    state = describe_load(upstream) if upstream.is_reachable else ("UNREACHABLE", "bad")
    url = "" if name == str(upstream.url) else f"{upstream.url}  "
    title = line((f"{name}  ", "title"), state, "  ", url)
    rows: list[Row] = [(None, title, line())]
    for unit, report in upstream.units.items():
        branch = _branch(unit, upstream.units)
        state = _latency(report) if report.answers_now else (report.state.upper(), "bad")
        row = line(f"{branch} unit {unit}  ", state, f"  {report.profile}")
        rows.append((Item(True, name, unit), row, _arrow(ages(look, name, unit))))
    return rows


def _latency(report: UnitStatus) -> str:
    median = report.latency.p50
    return "answers" if median is None else f"{1000 * median:.{0 if median >= 0.01 else 1}f} ms"


def _branch(one: str, all_of_them: Iterable[str]) -> str:
    return "└" if one == list(all_of_them)[-1] else "├"


def _arrow(found: list[tuple[BlockStatus, float | None, bool]]) -> Line:
    """The age of what is newest; but of what is stale, when anything is."""
    stale = [age for _, age, is_fresh in found if not is_fresh]
    if not found:
        return line("─ not polled ─>")
    if stale:
        known = [age for age in stale if age is not None]
        since = show_age(min(known)) if known else "never"
        return line((f"━ STALE {since}", "bad"))
    newest = min(age for _, age, _ in found if age is not None)  # what is fresh has an age
    return line("──", (f" {show_age(newest)} ", "well"), "──>")


def _server(name: str, downstream: DownstreamStatus) -> list[Row]:
    state = str(downstream.url) if downstream.is_serving else (downstream.state, "bad")
    title = line((f"{name}  ", "title"), state)
    rows: list[Row] = [(None, title, line())]
    masters = downstream.masters
    for unit, report in downstream.units.items():
        stale = f"STALE {len(report.stale)} of {report.blocks}", "bad"
        state = stale if report.stale else f"{report.fresh} of {report.blocks} fresh"
        branch = "├" if masters else _branch(unit, downstream.units)
        rows.append((None, line(f"{branch} unit {unit}  ", state, f"  = {report.origin}"), line()))
    for address, master in masters.items():
        trouble = sum(master.exceptions.values()) + master.silences
        failed = (f"  {trouble} failed", "note") if trouble else ""
        row = line(f"{_branch(address, masters)} {address}  {master.rate:.2f} per s", failed)
        rows.append((Item(False, name, address), row, line()))
    if not masters:
        what = "for what is served" if downstream.unserved or downstream.garbled else "yet"
        rows.append((None, line((f"   no master has asked {what}", "dim")), line()))
    return rows
