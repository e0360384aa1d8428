"""The values of units: a tile for each, with its number, how long it may be shown, and its last minutes."""

from collections.abc import Callable, Iterable, Sequence

from softsplit.daemon.status import Status
from softsplit.logs.conditions import show_age, show_count
from softsplit.profiles import Register
from softsplit.web.history import Series
from softsplit.web.markup import Markup, join, tag, unit_link
from softsplit.web.plot import MINUTES, draw_plot
from softsplit.web.values import Shown, WatchedUnit, measure_of

FEW = 6  # units up to which the page shows all their main values, above a line for each
FOLDED = 30  # units of an upstream from which on they are folded while all is well
REASONS = 2  # shown of one unit
MARGIN = 0.25  # s that a page may be kept; its numbers disappear so much earlier

Past = Callable[[WatchedUnit, Register], Series]


def draw_values(units: Sequence[WatchedUnit], status: Status, past: Past, now: float) -> Markup:
    """Return the section of the values: all main values, or a line for each unit."""
    inside = (join(draw_unit(unit, unit.main, status, past, now) for unit in units) if len(units) <= FEW else
              join(_fold(name, [unit for unit in units if unit.upstream == name], status)
                   for name in dict.fromkeys(unit.upstream for unit in units)))
    what = tag("small", f", {MINUTES}") if len(units) <= FEW else ""
    return tag("section", tag("h2", "Values", what, id="values"), inside, aria_labelledby="values")


def draw_unit(unit: WatchedUnit, registers: Iterable[Register], status: Status, past: Past, now: float,
              is_alone: bool = False) -> Markup:
    """Return a unit with tiles for these registers; `is_alone` on the page of this unit."""
    shown = unit.values(registers, status)
    name = f"{unit.upstream}/{unit.unit}"
    title = name if is_alone else unit_link(*unit.key, name)
    is_starting = status.health.is_starting(name)
    main = [each.name for each in unit.main]  # where a SunSpec model stands is another register of the same name
    tiles = [_tile(each, is_starting, _plot(each, past(unit, each.named.register), now)
                   if not is_alone or each.named.name in main else None) for each in shown]
    head = tag("h3", title, tag("small", f" {unit.profile.title or unit.profile.name}"))
    why = tag("p", "starting", class_="why dim") if is_starting else _reasons(shown)
    none = tag("p", "its profile names no values", class_="dim")
    return tag("article", head, why, tag("ul", *tiles, class_="tiles") if tiles else none)


def _reasons(shown: Iterable[Shown]) -> Markup:
    """Say why values are stale."""
    found = list(dict.fromkeys(each.why for each in shown if each.is_stale))
    told = found[:REASONS]
    told += [f"and {show_count(len(found) - REASONS, 'other reason')}"] * (len(found) > REASONS)
    return tag("p", "; ".join(told) or "all fresh",
               class_="why bad" if found else "why dim")  # always as high


def _plot(shown: Shown, series: Series, now: float) -> Markup:
    """Draw the last minutes, up to the value of now."""
    latest = [] if shown.number is None else [(now, shown.number)]
    return draw_plot([*series, *latest], now, measure_of(shown.named.register))


def _tile(shown: Shown, is_starting: bool, plot: Markup | None) -> Markup:
    return tag("li", tag("span", shown.named.name.replace("_", " ")), _number(shown, is_starting), plot)


def _number(shown: Shown, is_starting: bool) -> Markup:
    """Return the value and how long it may be shown, or the age of what is stale."""
    good_for = shown.good_for - MARGIN
    if good_for > 0:
        return tag("b", str(shown.named), data_good=f"{good_for:.2f}")
    if shown.age is None:
        return tag("b", "not read yet", class_="note" if is_starting else "stale")
    return tag("b", f"stale, {show_age(shown.age)}", class_="stale")


def _fold(name: str, units: Sequence[WatchedUnit], status: Status) -> Markup:
    """Return the units of one upstream, a line each."""
    rows, stale = [], 0
    for unit in units:
        main = unit.values(unit.main[:1], status)
        is_starting = status.health.is_starting(f"{name}/{unit.unit}")
        is_stale = any(each.is_stale for each in main) and not is_starting
        stale += is_stale
        link = unit_link(*unit.key, f"unit {unit.unit}")
        kind = tag("span", unit.profile.title or unit.profile.name, class_="dim")
        rows.append(tag("li", link, kind, *(_number(each, is_starting) for each in main)))
    says = f"{name}: {show_count(len(units), 'unit')}" + (f", {stale} stale" if stale else "")
    return tag("details", tag("summary", says), tag("ul", *rows, class_="rows"),
               open=True if stale or len(units) < FOLDED else None)
