"""The screen of `softsplit top`, for a terminal of any size, and what keys do to it. Pure."""

from dataclasses import dataclass, replace
from textwrap import wrap

from softsplit.commands.top.history import History, Look
from softsplit.commands.top.master import draw_master
from softsplit.commands.top.text import Line, fit, line, plain, rule
from softsplit.commands.top.unit import draw_unit
from softsplit.commands.top.wiring import (
    MIDDLE,
    Item,
    draw_picture,
    find_items,
    left_side,
)
from softsplit.logs.conditions import show_count, show_duration

TROUBLES = 2  # lines of them
KEYS = " q quit   ↑ ↓ select   ← → buses, masters   ? help"
HELP = """\
The buses with their units are on the left, the servers with their masters on
the right. The age of each unit's newest data is between them. Data that is too
old to be served is red and marked STALE, without its last value.

The lower part shows the selected unit or master. A unit shows its values, the
most important first. A bar shows a value relative to the highest so far, and
the graph behind it the last minutes. Among similar values the highest is marked.
A master shows its requests, their rates and their answers.

  ↑ ↓   select a unit or a master         q   quit
  ← →   go to the buses, masters          ?   back""".splitlines()


@dataclass(frozen=True)
class View:
    """What there is to see, how it was, and what is chosen of it."""

    look: Look
    history: History
    chosen: Item | None = None
    shows_help: bool = False

    @property
    def items(self) -> list[Item]:
        return find_items(self.look.status)

    @property
    def item(self) -> Item | None:
        """What is chosen and still there, or the first that is there."""
        return self.chosen if self.chosen in self.items else next(iter(self.items), None)


def press(view: View, key: str) -> View:
    """Return the view after a key: up, down, left, right or ?."""
    if key == "?" or view.shows_help:
        return replace(view, shows_help=not view.shows_help)
    items, item = view.items, view.item
    if item is None:
        return view
    at = items.index(item)
    if key in ("up", "down"):
        return replace(view, chosen=items[min(max(at + (1 if key == "down" else -1), 0), len(items) - 1)])
    side = [item for item in items if item.is_unit == (key == "left")]
    return view if not side or item in side else replace(view, chosen=side[0])


def draw(view: View, width: int, height: int, clock: str = "") -> list[Line]:
    """Return exactly `height` lines of `width` columns."""
    lines = _head(view, width, clock)
    if view.shows_help:
        lines += [line(), *map(line, HELP)]
    elif view.item:
        room = height - len(lines) - 3  # two rules and the keys
        picture, at = draw_picture(view.look, view.item, width)
        shown = min(len(picture), max(3, room // 2))
        first = min(max(0, at - shown // 2), len(picture) - shown)
        lines += [_titles(view, width), *picture[first:first + shown]]
        lines += _details(view, view.item, width, max(1, room - shown))
    lines = [fit(each, width) for each in lines[:height - 1]]
    lines += [fit(line(), width)] * (height - 1 - len(lines))
    return [*lines, fit(line((KEYS, "dim")), width)]


def draw_all(view: View, width: int) -> list[str]:
    """Return everything as plain text: the picture, every unit and every master."""
    lines = _head(view, width, "", most=None)
    if view.items:
        lines += [_titles(view, width), *draw_picture(view.look, None, width)[0]]
    for item in view.items:
        lines += _details(view, item, width, None)
    return [plain(each).rstrip() for each in lines]


def _head(view: View, width: int, clock: str, most: int | None = TROUBLES) -> list[Line]:
    """Who this is, and what is wrong: at `most` so many troubles, and notes."""
    status, health = view.look.status, view.look.status.health
    words = "softsplit top"
    if process := status.process:
        words += f"  {process.config}  process {process.pid}  up {show_duration(status.uptime)}"
    lines = [(*fit(line((words, "title")), width - len(clock)), (clock, "title"))]
    if health.is_well:
        lines.append(line((f"all is well: {health.summary}", "well")))
    troubles = list(health.troubles[:most])
    more = len(health.troubles) - len(troubles)
    if more > 0:
        troubles[-1] += f" (and {show_count(more, 'trouble')} more)"
    said = [(each, "bad") for each in troubles] + [(each, "note") for each in health.notes[:most]]
    return lines + [line((part, style)) for words, style in said for part in wrap(words, width)]


def _titles(view: View, width: int) -> Line:
    side = left_side(view.look.status, width)
    if not view.look.status.downstreams:
        return line("─ bus ".ljust(side, "─"), "─ age of data ".ljust(MIDDLE, "─"))
    cells = ("─ buses ", side), ("─ age of data ", MIDDLE), ("─ masters ", width - side - MIDDLE)
    return line("".join(title.ljust(room, "─") for title, room in cells))


def _details(view: View, item: Item, width: int, height: int | None) -> list[Line]:
    if not item.is_unit:
        title = line((f"master {item.what}", "title"), f" of {item.end}")
        return [rule(title, width), *draw_master(view.look.status, item, height)]
    profile = view.look.watched[item.end, item.what].profile
    title = line((f"unit {item.what}", "title"), f" of {item.end}: {profile.title or profile.name}")
    return [rule(title, width), *draw_unit(view.look, item, view.history, width, height)]
