"""`softsplit top`: the status on a live screen, or once as plain text."""

import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from softsplit.commands.top.history import History, Look, ages
from softsplit.commands.top.screen import View, draw_all
from softsplit.commands.top.source import Endpoint, RunningSplitter, watching
from softsplit.commands.top.terminal import show_screen
from softsplit.config.line import Line
from softsplit.config.upstream import Unit
from softsplit.config.url import Url
from softsplit.errors import SoftsplitError
from softsplit.worker import Worker

NARROWEST = 80  # columns


def watch_splitter(config: Path, once: Callable[[str], None] | None = None) -> int:
    """Show the splitter that runs a configuration until the user quits, or print its view with `once`.

    Return an exit code; with `once`, that of "softsplit status". Raises SoftsplitError.
    """
    splitter = RunningSplitter(config)
    if not once:
        return _show(splitter.look)
    look = splitter.look()
    once(_text(look))
    return look.status.health.code


def watch_unit(url: Url, unit: Unit, timeout: float, line: Line,
               once: Callable[[str], None] | None = None, force: bool = False) -> int:
    """Poll one unit, and show it likewise; with `once`, the exit code is 0 if everything is fresh, else 1.

    Raises SoftsplitError.
    """
    endpoint = Endpoint.at(url, unit, timeout, line, force)
    if not once:
        return _show(endpoint.look, endpoint.poller)
    _be_silent()
    look = endpoint.look_once()
    once(_text(look))
    is_found = not unit.profile.base or all(report.base is not None
                                            for upstream in look.status.upstreams.values()
                                            for report in upstream.units.values())
    return 0 if is_found and all(is_fresh for key in look.watched for _, _, is_fresh in ages(look, *key)) else 1


def _show(look: Callable[[], Look], *others: Worker) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise SoftsplitError("top needs a terminal; --once prints plain text")
    _be_silent()
    with watching(look, *others) as latest:
        show_screen(latest)
    return 0


def _be_silent() -> None:
    """Keep log lines off the screen, which shows the same."""
    logging.getLogger("softsplit").addHandler(logging.NullHandler())


def _text(look: Look) -> str:
    history = History()
    history.take(look)
    return "\n".join(draw_all(View(look, history), max(NARROWEST, shutil.get_terminal_size().columns)))
