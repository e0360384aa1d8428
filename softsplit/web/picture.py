"""The wiring as a picture: buses with their units and ages, servers with their units and masters. Pure."""

from collections.abc import Sequence

from softsplit.daemon.status import Status
from softsplit.daemon.troubles.downstreams import describe_idle
from softsplit.daemon.troubles.upstreams import describe_load
from softsplit.downstream.report import DownstreamStatus, ServedStatus
from softsplit.logs.conditions import show_age, show_count, show_latency
from softsplit.upstream.report import UnitStatus, UpstreamStatus
from softsplit.web.markup import Markup, join, tag, unit_link

MOST_ROWS = 12  # units or masters of a box


def draw_wiring(status: Status) -> Markup:
    buses = join(_bus(status, name, each) for name, each in status.upstreams.items())
    servers = join(_server(status, name, each) for name, each in status.downstreams.items())
    return tag("section", tag("h2", "Wiring", id="wiring"),
               tag("div", tag("div", buses), tag("p", "softsplit", class_="middle"), tag("div", servers),
                   class_="wiring"), aria_labelledby="wiring")


def _bus(status: Status, name: str, upstream: UpstreamStatus) -> Markup:
    state = ("starting" if upstream.state == "starting" else
             describe_load(upstream) if upstream.is_reachable else "unreachable")
    rows = [_unit(status, name, number, unit) for number, unit in upstream.units.items()]
    where = str(upstream.url) if name != str(upstream.url) else ""
    return _box(name, where, state, upstream.is_reachable, _few(rows, "unit"))


Row = tuple[bool, Markup]  # whether it is well


def _unit(status: Status, name: str, number: str, unit: UnitStatus) -> Row:
    is_starting = status.health.is_starting(f"{name}/{number}")
    state, kind = _data_of(status, f"{name}/{number}", unit, is_starting)
    link = unit_link(name, number, f"unit {number}")
    latency = "" if unit.latency.p50 is None else show_latency(unit.latency.p50)
    profile, latency = (tag("span", each, class_="dim") for each in (unit.profile, latency))
    return kind != "bad", tag("li", link, profile, latency, tag("span", state, class_=kind))


def _data_of(status: Status, origin: str, unit: UnitStatus, is_starting: bool) -> tuple[str, str]:
    """Return how old the data of a unit is, or why it has none, and the class to show that in."""
    if is_starting and not unit.answers_now:
        return "starting", "note"
    if not unit.answers_now:
        return unit.state, "bad"
    stale = {name for downstream in status.downstreams.values() for each in downstream.units.values()
             if each.origin == origin for name in each.stale}
    if stale and not is_starting:
        return f"{len(stale)} of {show_count(len(unit.blocks), 'block')} stale", "bad"
    if not unit.ages:
        return "not polled" if not unit.blocks else "not read yet", "dim"
    return f"{show_age(min(unit.ages) + status.age)} old", "good"


def _server(status: Status, name: str, downstream: DownstreamStatus) -> Markup:
    units = [_served(status, number, unit) for number, unit in downstream.units.items()]
    masters = [(True, tag("li", address, tag("span", "master", class_="dim"),
                          tag("span", f"{master.failed} failed" if master.failed else "", class_="dim"),
                          tag("span", f"{master.rate:.2f} per s", class_="good" if master.rate else "dim")))
               for address, master in downstream.masters.items()]
    if not masters:
        masters = [(True, tag("li", tag("span", describe_idle(downstream), class_="dim")))]
    where = str(downstream.url) if name != str(downstream.url) else ""
    return _box(name, where, "" if downstream.is_serving else downstream.state, downstream.is_serving,
                [*_few(units, "unit"), *_few(masters, "master")])


def _served(status: Status, number: str, unit: ServedStatus) -> Row:
    is_starting = status.health.is_starting_for(unit)
    kind = "good" if not unit.stale else "note" if is_starting else "bad"
    origin = tag("span", f"= {unit.origin}", class_="dim")
    fresh = tag("span", f"{unit.fresh} of {unit.blocks} fresh", class_=kind)
    return kind != "bad", tag("li", f"unit {number}", origin, tag("span"), fresh)


def _few(rows: Sequence[Row], what: str) -> list[Markup]:
    """Return the first MOST_ROWS rows in their order; if there are more, rows that are well go first."""
    chosen = sorted(range(len(rows)), key=lambda number: (rows[number][0], number))[:MOST_ROWS]
    drawn = [rows[number][1] for number in sorted(chosen)]
    left = len(rows) - len(drawn)
    more = tag("li", tag("span", f"and {show_count(left, f'more {what}')}", class_="dim"))
    return drawn + [more] * (left > 0)


def _box(name: str, where: str, state: str, is_well: bool, rows: Sequence[Markup]) -> Markup:
    return tag("article", tag("h3", name), tag("p", where, class_="dim"),
               tag("p", state, class_="dim" if is_well else "bad"), tag("ul", *rows), class_="box")
