"""The terminal of `softsplit top`: paint lines with curses, and read keys."""

import curses
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from softsplit.commands.top.history import History, Look
from softsplit.commands.top.screen import View, draw, press
from softsplit.commands.top.text import Line
from softsplit.errors import SoftsplitError
from softsplit.logs.streams import DEGRADED, wants_colour

WAIT = 500  # ms to wait for a key before painting again
KEYS = {curses.KEY_UP: "up", curses.KEY_DOWN: "down", curses.KEY_LEFT: "left", curses.KEY_RIGHT: "right",
        curses.KEY_PPAGE: "page up", curses.KEY_NPAGE: "page down", ord("?"): "?"}
QUIT = (ord("q"), ord("Q"))
COLOURS = {"well": curses.COLOR_GREEN, "note": curses.COLOR_YELLOW, "bad": curses.COLOR_RED,
           "mark": curses.COLOR_YELLOW}
LOOKS = {"": curses.A_NORMAL, "title": curses.A_BOLD, "dim": curses.A_DIM, "well": curses.A_NORMAL,
         "note": curses.A_BOLD, "bad": curses.A_REVERSE | curses.A_BOLD, "chosen": curses.A_REVERSE,
         "mark": curses.A_REVERSE}  # also without colours


def show_screen(latest: Callable[[], Look]) -> None:
    """Show what `latest` returns until the user quits. Raises SoftsplitError if the terminal cannot."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that curses restores the terminal
    try:
        curses.wrapper(_run, latest)
    except KeyboardInterrupt:
        pass  # quits, as q does
    except curses.error as error:
        raise SoftsplitError(f"this terminal cannot show it ({error}); set TERM, or use --once") from error


def _run(screen: curses.window, latest: Callable[[], Look]) -> None:
    styles = _prepare(screen)
    view, seen_at = None, 0.0
    while True:
        look = latest()
        view = replace(view, look=look) if view else View(look, History())
        if look.seen_at != seen_at:
            seen_at = look.seen_at
            view.history.take(look)
        height, width = screen.getmaxyx()
        _paint(screen, draw(view, width, height, datetime.now().strftime("%H:%M:%S")), styles)
        key = screen.getch()
        if key in QUIT:
            return
        if key in KEYS:
            view = press(view, KEYS[key], width, height)


def _prepare(screen: curses.window) -> dict[str, int]:
    """Set up the terminal; return the attributes of each style. Raises curses.error."""
    if not curses.tigetstr("cup"):
        raise curses.error("it cannot move its cursor")
    with suppress(curses.error):  # not every terminal can hide its cursor
        curses.curs_set(0)
    screen.timeout(WAIT)
    styles = dict(LOOKS)
    if curses.has_colors() and wants_colour():
        curses.use_default_colors()
        for number, (style, colour) in enumerate(COLOURS.items(), 1):
            curses.init_pair(number, colour, -1)
            styles[style] |= curses.color_pair(number)
    return styles


def _paint(screen: curses.window, lines: list[Line], styles: dict[str, int]) -> None:
    """Put lines onto the screen, which changes at once and only where needed."""
    screen.erase()
    for number, styled in enumerate(lines):
        column = 0
        for text, style in styled:
            known = text.encode(screen.encoding, DEGRADED).decode(screen.encoding)
            with suppress(curses.error):  # writing the last place succeeds, but the cursor cannot move on
                screen.addstr(number, column, known, styles[style])
            column += len(text)
    screen.noutrefresh()
    curses.doupdate()
