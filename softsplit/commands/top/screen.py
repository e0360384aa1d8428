"""The screen of `softsplit top` for a terminal of any size, and the effect of keys. Pure."""

from dataclasses import dataclass, replace
from textwrap import wrap

from softsplit.commands.top.derived import draw_derived, title_of
from softsplit.commands.top.history import History, Look
from softsplit.commands.top.master import draw_master
from softsplit.commands.top.text import Line, fit, fit_row, line, plain, rule
from softsplit.commands.top.unit import draw_unit
from softsplit.commands.top.wiring import MIDDLE, Item, draw_picture, find_items, left_side
from softsplit.daemon.health import Health
from softsplit.daemon.status import Status
from softsplit.logs.conditions import show_duration

HEALTH_ROWS = {16: 1, 40: 3}  # on a screen with fewer lines than this
MOST_HEALTH_ROWS = 5
TALL = 18  # rows of the lower part, from which it shows every number of a group
KEYS = " q quit   ↑ ↓ select   ← → buses, masters   PgUp PgDn scroll   ? help"
HELP = """\
The buses with their units are on the left, the servers with their masters on
the right. The age of each unit's newest data is between them. Data that is too
old to be served is red and marked STALE, without its last value.

The lower part shows the selected unit or master. A unit shows its values, the
most important first. A bar shows a value relative to the highest so far, and
the graph behind it the last minutes on the same scale; without a bar, the graph
is at least a tenth of the value high. Among similar values the highest has a
mark. A master shows its requests, their rates and their answers.

  ↑ ↓   select a unit or a master      PgUp PgDn   scroll the lower part
  ← →   go to the buses, masters       q           quit
                                       ?           back""".splitlines()


@dataclass(frozen=True)
class View:
    """The content of the screen: the latest status, its history, and the chosen item."""

    look: Look
    history: History
    chosen: Item | None = None
    shows_help: bool = False
    top: int = 0  # the first visible row of the lower part

    @property
    def items(self) -> list[Item]:
        return find_items(self.look.status)

    @property
    def item(self) -> Item | None:
        """The chosen item if it still exists, otherwise the first one."""
        return self.chosen if self.chosen in self.items else next(iter(self.items), None)


def press(view: View, key: str, width: int = 80, height: int = 24) -> View:
    """Return the view of this size after a key: up, down, left, right, page up, page down or ?."""
    if key == "?" or view.shows_help:
        return replace(view, shows_help=not view.shows_help)
    items, item = view.items, view.item
    if item is None:
        return view
    at = items.index(item)
    if key.startswith("page"):
        lower = _lower(view, item, width, height)
        page = max(1, lower.room - 1)
        return replace(view, top=min(max(lower.top + (page if key == "page down" else -page), 0),
                                     lower.last_top))
    if key in ("up", "down"):
        to = items[min(max(at + (1 if key == "down" else -1), 0), len(items) - 1)]
    else:
        side = [each for each in items if each.is_unit == (key == "left")]
        to = item if not side or item in side else side[0]
    return view if to == item else replace(view, chosen=to, top=0)


def draw(view: View, width: int, height: int, clock: str = "") -> list[Line]:
    """Return exactly `height` lines of `width` columns."""
    lines = _head(view, width, clock, _health_rows(height) if view.item else None)
    if view.shows_help:
        lines += [line(), *map(line, HELP)]
    elif view.item:
        lower = _lower(view, view.item, width, height)
        picture, at = draw_picture(view.look, view.item, width)
        first = min(max(0, at - lower.picture // 2), len(picture) - lower.picture)
        lines += [_titles(view, width), *picture[first:first + lower.picture], *lower.draw(width)]
    lines = [fit(each, width) for each in lines[:height - 1]]
    lines += [fit(line(), width)] * (height - 1 - len(lines))
    return [*lines, fit(line((KEYS, "dim")), width)]


@dataclass(frozen=True)
class Lower:
    """The lower part: its title and rows, of which `room` are visible from `top` on, below `picture` rows."""

    title: Line
    rows: list[Line]
    picture: int
    room: int
    wanted: int

    @property
    def last_top(self) -> int:
        return max(0, len(self.rows) - self.room)

    @property
    def top(self) -> int:
        return min(self.wanted, self.last_top)

    def draw(self, width: int) -> list[Line]:
        end = f"{self.top + 1} to {min(self.top + self.room, len(self.rows))} of {len(self.rows)}"
        return [rule(self.title, width, end if self.last_top else ""),
                *self.rows[self.top:self.top + self.room]]


def _lower(view: View, item: Item, width: int, height: int) -> Lower:
    """Share the lines of a screen: at most half of them go to the picture."""
    room = max(0, height - 4 - _health_rows(height))  # without head, two rules and the keys
    lines = len(draw_picture(view.look, item, width)[0])
    picture = min(lines, max(3, room // 2))
    room = max(1, room - picture)
    title, rows = _details(view, item, width, is_tall=room >= TALL)
    return Lower(title, rows, picture, room, view.top)


def draw_all(view: View, width: int) -> list[str]:
    """Return everything as plain text: the picture, every unit and every master."""
    lines = _head(view, width, "", None)
    if view.items:
        lines += [_titles(view, width), *draw_picture(view.look, None, width)[0]]
    for item in view.items:
        title, rows = _details(view, item, width, is_tall=True)
        lines += [rule(title, width), *rows]
    return [plain(each).rstrip() for each in lines]


def _head(view: View, width: int, clock: str, rows: int | None) -> list[Line]:
    """The title line, then the sentences about health, in `rows` rows or as many as they need."""
    status, who = view.look.status, line(("softsplit top", "title"))
    if process := status.process:
        room = max(0, width - len(clock) - 15)
        who = (*who, *fit_row(("  " + process.config, "title"),
                              [(f"up {show_duration(status.uptime)}", "title"),
                              (f"process {process.pid}", "title")], "", room))
    lines: list[Line] = [(*fit(who, max(0, width - len(clock) - 1)), (f" {clock}", "title"))]
    found = _health(status.health, width)
    if rows is None:
        return lines + [row for sentence in found for row in sentence]
    return lines + _within(found, rows, _all_shown_by(status), width)


def _health(health: Health, width: int) -> list[list[Line]]:
    """The sentences about health, each in as many lines as it needs."""
    said = [(each, "bad") for each in health.troubles] + [(each, "note") for each in health.starting]
    if health.is_well:
        said = [(f"all is well: {health.summary}", "well")]
    return [[line((part, style)) for part in wrap(words, width)]
            for words, style in [*said, *((each, "note") for each in health.notes)]]


def _within(found: list[list[Line]], rows: int, all_shown_by: str, width: int) -> list[Line]:
    """Return exactly `rows` rows; the last one says how many sentences do not fit, and where to see them."""
    lines = [row for sentence in found for row in sentence]
    if len(lines) <= rows:
        return lines + [line()] * (rows - len(lines))
    whole = sum(sum(map(len, found[:number])) <= rows - 1 for number in range(1, len(found) + 1))
    more = f"{len(found) - whole} not shown in full"
    return [*lines[:rows - 1], line((f"… {more}{all_shown_by}", lines[rows - 1][0][1]))] if rows > 1 else [
        fit((*lines[0], *line(" …")), width)]


def _all_shown_by(status: Status) -> str:
    return f"; all: softsplit status -c {status.process.config}" if status.process else ""


def _health_rows(height: int) -> int:
    return next((rows for lines, rows in HEALTH_ROWS.items() if height < lines), MOST_HEALTH_ROWS)


def _titles(view: View, width: int) -> Line:
    side = left_side(view.look.status, width)
    if not view.look.status.downstreams:
        return line("─ bus ".ljust(side, "─"), "─ age of data ".ljust(MIDDLE, "─"))
    cells = ("─ buses ", side), ("─ age of data ", MIDDLE), ("─ masters ", width - side - MIDDLE)
    return line("".join(title.ljust(room, "─") for title, room in cells))


def _details(view: View, item: Item, width: int, is_tall: bool) -> tuple[Line, list[Line]]:
    """The title and the rows of the chosen item."""
    if not item.is_unit:
        return line((f"master {item.what}", "title"), f" of {item.end}"), draw_master(view.look.status, item)
    topology = view.look.topology
    if topology and (item.end, item.what) not in view.look.watched:
        return title_of(topology, item.what), draw_derived(view.look, topology, item.what, width)
    profile = view.look.watched[item.end, item.what].profile
    title = line((f"unit {item.what}", "title"), f" of {item.end}: {profile.title or profile.name}")
    return title, draw_unit(view.look, item, view.history, width, is_tall)
