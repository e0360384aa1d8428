"""Draw the values of a unit: the important ones first, with bars and history; similar ones together. Pure."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from softsplit.commands.top.history import History, Latest, Look, ages, latest_values
from softsplit.commands.top.text import NAME, VALUE, Line, bar, beside, heights, line, value_name
from softsplit.commands.top.wiring import Item
from softsplit.logs.conditions import show_age
from softsplit.profiles.importance import rank

ALARMING = re.compile("(alarm|error).*")  # names of bits that should be off
LEAST = 4  # numbered registers that form a group
BARRED = ("%", "W", "kW", "var", "VA", "A")  # units of measure for which a bar makes sense
BAR = 10  # columns
WIDE = 150  # columns, from which a line has two values
LEAST_SPAN = 0.1  # of a value; a graph without a bar spans at least that
CELL = 12  # columns of a number in a group
REASONS_TOLD = 2  # stale blocks with the reason

Group = list[Latest]  # one register, or several similar ones


def draw_unit(look: Look, item: Item, history: History, width: int, is_tall: bool = True) -> list[Line]:
    """Return the values of a unit; if it `is_tall`, with every number of a group."""
    latest = latest_values(look, item.end, item.what)
    kept = {each.named.name: history.of(item.end, item.what, each.named.name) for each in latest}
    lines = list(_troubles(look, item))
    if not latest:
        lines.append(line("the profile names none of the polled registers"))
    ranked = sorted(_grouped(latest), key=lambda group: rank(group[0].named.name))
    for is_single, groups in groupby(ranked, lambda group: len(group) == 1):
        if is_single:
            lines += _singles([group[0] for group in groups], kept, _scales(latest, kept), width)
        else:
            lines += [row for group in groups for row in _group(group, width, is_tall)]
    return lines


def _troubles(look: Look, item: Item) -> Iterator[Line]:
    """The reasons for stale blocks."""
    is_starting = look.status.health.is_starting(f"{item.end}/{item.what}")
    found = [(block, age) for block, age, is_fresh in ages(look, item.end, item.what)
             if not is_fresh and not (is_starting and age is None)]
    for block, age in found[:REASONS_TOLD]:
        since = "NEVER READ" if age is None else f"STALE {show_age(age)}"
        why = f": {block.last_error}" if block.last_error else ""
        yield line((f"{since}  {block.name}{why}", "bad"))
    if len(found) > REASONS_TOLD:
        yield line((f"STALE, too: {', '.join(block.name for block, _ in found[REASONS_TOLD:])}", "bad"))


def _grouped(latest: Sequence[Latest]) -> list[Group]:
    """Group registers whose names differ only in the number at the end."""
    groups: list[Group] = []
    for _, alike in groupby(latest, lambda each: re.sub(r"\d+$", "", each.named.name)):
        run = list(alike)
        groups += [run] if len(run) >= LEAST and _number(run[0]) else [[each] for each in run]
    return groups


def _number(latest: Latest) -> str:
    name = latest.named.name
    return name[len(name.rstrip("0123456789")):]


def _scales(latest: Sequence[Latest], kept: dict[str, list]) -> dict[str, float]:
    """The greatest value in each unit of measure so far, for bars."""
    scales = {measure: 0.0 for measure in BARRED}
    for each in latest:
        measure = each.named.measure
        if measure in scales:
            numbers = [number for number in (*kept[each.named.name], each.number) if number is not None]
            scales[measure] = max(scales[measure], *map(abs, numbers))
    return scales | {"%": 100.0}


def _singles(latest: Sequence[Latest], kept: dict[str, list], scales: dict[str, float],
             width: int) -> list[Line]:
    """A line for each value, or for two of them."""
    if width < WIDE:
        return [_single(each, kept, scales, width) for each in latest]
    half = width // 2
    cells = [_single(each, kept, scales, half - 2) for each in latest] + [line()] * (len(latest) % 2)
    return [beside((one, half), (other, width - half)) for one, other in zip(cells[::2], cells[1::2])]


def _single(latest: Latest, kept: dict[str, list], scales: dict[str, float], width: int) -> Line:
    name = value_name(latest.named.name, width)
    if not latest.is_fresh:
        return line(*name, (f"{latest.text:>{VALUE}}", latest.style))
    is_alarm = (ALARMING.fullmatch(latest.named.name) and isinstance(latest.named.value, tuple)
                and any(latest.named.value))
    value = f"{latest.text:>{VALUE}}", "bad" if is_alarm else "title"
    room = width - NAME - VALUE - BAR - 4
    if latest.number is None or room < 0:
        return line(*name, value)
    scale = scales.get(latest.named.measure)
    drawn = bar(abs(latest.number) / scale, BAR) if scale else " " * BAR
    past = kept[latest.named.name][-max(room, 1):]
    return line(*name, value, "  ", drawn, "  ", heights(past, *_span(past, scale)) if len(past) > 1 else "")


def _span(past: Sequence[float | None], scale: float | None) -> tuple[float, float]:
    """The range of a graph: beside a bar that of the bar, from 0; otherwise at least LEAST_SPAN."""
    known = [number for number in past if number is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    if scale:
        return min(0.0, low), max(scale, high)
    missing = max(abs(low), abs(high)) * LEAST_SPAN - (high - low)
    return (low - missing / 2, high + missing / 2) if missing > 0 else (low, high)


def _group(group: Group, width: int, is_tall: bool) -> list[Line]:
    """A line for the whole group, then bars, or numbers if there is room; the highest is marked."""
    first = group[0].named.name
    name = value_name(f"{first}..{_number(group[-1])}", width)
    stale = [each for each in group if not each.is_fresh]
    if stale:
        oldest = max(stale, key=lambda each: float("inf") if each.age is None else each.age)
        return [line(*name, (f"{oldest.text:>{VALUE}}", oldest.style))]
    if isinstance(group[0].named.value, tuple):
        return [line(*name, " ", *_flags(group))]
    numbers = [each for each in group if each.number is not None]
    if not numbers:
        return [line(*name, f"{group[0].text:>{VALUE}}")]
    highest, lowest = (which(numbers, key=lambda each: each.number or 0.0) for which in (max, min))
    if highest.number == lowest.number:
        return [line(*name, f" all {highest.text}")]
    span = f"highest {highest.text} at {_number(highest)}, lowest {lowest.text} at {_number(lowest)}"
    return [line(*name, " ", (span, "title")), *_members(numbers, highest, width, is_tall)]


def _flags(group: Group) -> Line:
    """The bits of a group that are on."""
    on = [_number(each) for each in group if isinstance(each.named.value, tuple) and any(each.named.value)]
    style = "bad" if on and ALARMING.fullmatch(group[0].named.name) else "title"
    return line((f"ON: {', '.join(on)}" if on else "none is on", style))


def _members(group: Group, highest: Latest, width: int, is_tall: bool) -> list[Line]:
    if not is_tall:
        drawn = heights(each.number for each in group)
        return [line("  ", *((one, "mark" if each is highest else "") for one, each in zip(drawn, group)))]
    in_line = max(1, (width - 2) // CELL)
    cells = [(f"{'▲' if each is highest else ' '}{_number(each):>2} {each.named.text}".ljust(CELL),
              "mark" if each is highest else "") for each in group]
    return [line("  ", *cells[at:at + in_line]) for at in range(0, len(cells), in_line)]
