"""`softsplit scan`: plan the scan, show its progress, and print an upstream section."""

import os
import signal
import stat
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TextIO, cast

import click

from softsplit import checks, clock
from softsplit.commands.scan.scanner import Scan
from softsplit.commands.scan.section import (
    as_json,
    describe_nobody,
    draw_section,
    free_name,
    show_left,
    show_way,
)
from softsplit.commands.shared.output import CLEAR_LINE, say
from softsplit.commands.shared.route import require_free
from softsplit.config.line import Line
from softsplit.config.upstream import require_unit
from softsplit.config.url import Url
from softsplit.errors import ConfigError, SoftsplitError, Unreachable
from softsplit.logs.streams import PlainText, is_screen
from softsplit.printable import printable
from softsplit.profiles import Profile, load_profile, shipped_profiles
from softsplit.protocol.addresses import LINE_UNITS
from softsplit.upstream.causes.diagnosis import with_advice

BAUDRATES = (19200, 9600, 38400, 57600, 115200, 4800, 2400, 1200)  # the usual ones first
MODES = (("8E1", "8N1"), ("8O1", "8N2"))  # the second group after all baud rates with the first
TIMEOUT, GATEWAY_TIMEOUT = 0.2, 1.0  # s until an answer begins; a gateway waits for it, too
THE_DEVICE_ITSELF = 255  # a device that is no gateway, over Modbus TCP; MTI 4.4.1.2
LIKELY = (1, THE_DEVICE_ITSELF, 2, 3, 126, 100, 247, 10)  # ask first: until one answers, silence takes long
INTERRUPTED, TERMINATED = 130, 143  # exit codes after Ctrl-C and SIGTERM
SCALE = 1000  # steps of the bar


def plan_scan(url: Url, units: Sequence[int] | None, baudrates: Sequence[int], modes: Sequence[str],
              timeout: float | None,
              names: Sequence[str], gap: float = 0.0) -> Scan:
    """Return the scan for a command line, with defaults for what it leaves out. Raises ConfigError.

    `names` are profiles besides the shipped ones; `gap` is the seconds between an answer and the next
    request.
    """
    usual_units = dict.fromkeys((*LIKELY, *LINE_UNITS)) if url.kind.has_mbap else LINE_UNITS
    chosen = tuple(units or usual_units)
    for unit in chosen:
        require_unit(unit, "--units", url)
    usual = TIMEOUT if url.is_serial else GATEWAY_TIMEOUT
    seconds = checks.require_seconds(usual if timeout is None else timeout, "timeout")
    gap = checks.require_seconds(gap, "gap", or_none=True)
    return Scan(url, chosen, _ways(url, baudrates, modes), seconds, _profiles(names), gap, len(names))


def parse_units(text: str) -> tuple[int, ...]:
    """Parse units like "1-32,100", in this order. Raises ConfigError."""
    units: list[int] = []
    for each in text.split(","):
        first, _, last = each.strip().partition("-")
        ends = first, last or first
        if not all(end.isdecimal() and end.isascii() and len(end) < 9 for end in ends) or each.endswith("-"):
            raise ConfigError(f'{checks.show(each)} is not a unit id; write units like "1-32,100"')
        for end in ends:
            require_unit(int(end))
        if int(ends[0]) > int(ends[1]):
            raise ConfigError(f"{each} is empty; write the lower unit id first")
        units += range(int(ends[0]), int(ends[1]) + 1)
    return tuple(dict.fromkeys(units))


def _ways(url: Url, baudrates: Sequence[int], modes: Sequence[str]) -> list[Line | None]:
    """Return the line settings to try, the usual ones first; [None] behind a gateway, which has its own."""
    if not url.is_serial:
        for key, given in (("baudrate", baudrates), ("mode", modes)):
            if given:
                raise ConfigError("is for rtu:// only; leave it out", key)
        return [None]
    return [Line(*way) for group in ([modes] if modes else MODES)
            for way in product(baudrates or BAUDRATES, group)]


def _profiles(names: Sequence[str]) -> list[Profile]:
    """Return the profiles that can recognise their device: those named, then the shipped ones."""
    named = [load_profile(name) for name in names]
    for profile in named:
        if not profile.identify:
            raise ConfigError("does not say how to recognise its device", f"profile {profile.name}: identify")
    return named + [profile for profile in map(load_profile, shipped_profiles()) if profile.identify]


def run_scan(scan: Scan, force: bool = False, wants_json: bool = False) -> int:
    """Scan, and print the found units, also after an interruption; return the exit code.

    It shows its progress on stderr. Raises SoftsplitError if a running splitter owns the wire or may (unless
    `force`), if the wire cannot be reached, or no unit answers.
    """
    if not force:
        require_free(scan.url, "stop it first, because scan would be a second master")
    code = 0
    earlier = signal.signal(signal.SIGTERM, _terminate)
    try:
        _watch(scan)
    except Unreachable as error:
        raise with_advice(error, scan.url) from error
    except Terminated:
        code = TERMINATED
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, earlier)
        if wants_json:
            say(as_json(scan))
        elif scan.found:
            say(draw_section(scan, free_name(_appended_to())))
    if not scan.found:
        if not code:
            raise SoftsplitError(describe_nobody(scan))
        say("no unit has answered so far", err=True)
    return code


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


def _terminate(*_) -> None:
    raise Terminated


def _appended_to() -> str:
    """The text of the file to which standard output goes, if it is one."""
    try:
        mode = os.fstat(sys.stdout.fileno()).st_mode
        return Path(f"/proc/self/fd/{sys.stdout.fileno()}").read_text(errors="replace") if stat.S_ISREG(mode) else ""
    except (OSError, ValueError):
        return ""


def _watch(scan: Scan) -> None:
    """Scan, with a progress bar on a terminal, otherwise with a line for each line setting."""
    clear, began = CLEAR_LINE if is_screen(sys.stderr) else "", clock.now()
    file = sys.stderr if is_screen(sys.stderr) else cast(TextIO, PlainText(sys.stderr))
    with click.progressbar(length=SCALE, label=_label(scan.ways[0]), file=file, width=20, show_eta=False,
                           item_show_func=lambda item: item) as bar:
        for found in scan.steps():
            if found:
                say(f"{clear}{printable(f'unit {found.unit}: {found}')}", err=True)
            bar.label = _label(scan.tried[-1]) + (" again, with other functions" if scan.is_again else "")
            spent, left = clock.now() - began, scan.progress.left
            share = int(SCALE * spent / max(spent + left, spent, 1e-3))
            bar.update(min(share, SCALE - 1) - bar.pos, f"{show_left(left)}  unit {scan.unit}")
        bar.update(SCALE - bar.pos)


def _label(way: Line | None) -> str:
    return f"asking at {show_way(way)}" if way else "asking"
