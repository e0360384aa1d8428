"""`softsplit scan`: plan the scan, show its progress, and print an upstream section."""

import sys
from collections.abc import Iterator, Sequence
from itertools import product

import click

from softsplit import checks
from softsplit.commands.scan.scanner import Scan
from softsplit.commands.shared.output import say
from softsplit.commands.shared.route import require_free
from softsplit.config.line import Line
from softsplit.config.upstream import Upstream, require_unit
from softsplit.config.url import Url
from softsplit.errors import ConfigError, SoftsplitError
from softsplit.printable import printable
from softsplit.profiles import Profile, load_profile, shipped_profiles
from softsplit.profiles.tomltext import quoted
from softsplit.protocol.addresses import LINE_UNITS
from softsplit.upstream.causes.diagnosis import HELD

BAUDRATES = (19200, 9600, 38400, 57600, 115200, 4800, 2400, 1200)  # the usual ones first
MODES = (("8E1", "8N1"), ("8O1",))  # the second group after all baud rates with the first
TIMEOUT, GATEWAY_TIMEOUT = 0.2, 1.0  # s until an answer begins; a gateway itself has to wait for it
THE_DEVICE_ITSELF = (), (255,)  # the id of one that is no gateway, over Modbus TCP; MTI 4.4.1.2
NAME = "meters"  # of the section
INTERRUPTED = 130  # exit code after Ctrl-C
CLEAR = "\r\x1b[K"  # takes the bar away from the line where it stands


def plan_scan(url: Url, units: Sequence[int] | None, baudrates: Sequence[int], modes: Sequence[str], timeout: float | None,
              names: Sequence[str]) -> Scan:
    """Return the search that the command line asks for; what it leaves out is tried. Raises ConfigError.

    `names` are of profiles besides the shipped ones.
    """
    chosen = tuple(units or (*LINE_UNITS, *THE_DEVICE_ITSELF[url.kind.has_mbap]))
    for unit in chosen:
        require_unit(unit, "--units", url)
    usual = TIMEOUT if url.is_serial else GATEWAY_TIMEOUT
    seconds = checks.require_seconds(usual if timeout is None else timeout, "timeout")
    return Scan(url, chosen, _ways(url, baudrates, modes), seconds, _profiles(names))


def parse_units(text: str) -> tuple[int, ...]:
    """Return the units that text like "1-32,100" names, in its order. Raises ConfigError."""
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


def show_units(units: Sequence[int]) -> str:
    """Write units as `parse_units` reads them."""
    runs: list[list[int]] = []
    for unit in units:
        if runs and unit == runs[-1][-1] + 1:
            runs[-1].append(unit)
        else:
            runs.append([unit])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _ways(url: Url, baudrates: Sequence[int], modes: Sequence[str]) -> list[Line | None]:
    """Return how a line may be spoken on, the usual ways first; behind a gateway only that knows it."""
    if not url.is_serial:
        for key, given in (("baudrate", baudrates), ("mode", modes)):
            if given:
                raise ConfigError("only rtu:// has one", key)
        return [None]
    return [Line(*way) for group in ([modes] if modes else MODES)
            for way in product(baudrates or BAUDRATES, group)]


def _profiles(names: Sequence[str]) -> list[Profile]:
    """Return profiles that say how to recognise their device: those named, then the shipped ones."""
    named = [load_profile(name) for name in names]
    for profile in named:
        if not profile.identify:
            raise ConfigError("does not say how to recognise its device", f"profile {profile.name}: identify")
    return named + [profile for profile in map(load_profile, shipped_profiles()) if profile.identify]


def run_scan(scan: Scan, force: bool = False) -> int:
    """Search, and print what was found, also when it is interrupted; return the exit code.

    How far it is, is told on stderr. Raises SoftsplitError when a running splitter owns the wire or may
    (not by `force`), when it cannot be reached, or nobody answers.
    """
    if not force:
        require_free(scan.url, "stop it first, because scan would be a second master")
    code = 0
    try:
        _watch(scan)
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        if scan.found:
            say(draw_section(scan))
    if not scan.found:
        if not code:
            raise SoftsplitError(_nobody(scan))
        say("no unit has answered so far", err=True)
    return code


def _watch(scan: Scan) -> None:
    """Search, with a bar where that can be seen; else a line tells each way to speak."""
    clear = CLEAR if sys.stderr.isatty() else ""
    with click.progressbar(length=scan.left, label=_label(scan.ways[0]), file=sys.stderr, width=20,
                           item_show_func=lambda item: item) as bar:
        for found in scan.steps():
            if found:
                say(f"{clear}{printable(f'unit {found.unit}: {found}')}", err=True)
            bar.label = _label(scan.tried[-1])
            bar.length = bar.pos + 1 + scan.left
            bar.update(1, f"unit {scan.asked[-1]}")


def _label(way: Line | None) -> str:
    return f"asking at {_show(way)}" if way else "asking"


def _show(way: Line) -> str:
    return f"{way.baudrate} {way.mode}"


def draw_section(scan: Scan) -> str:
    """Return what was found as a section of a configuration, in whose comments all else stands."""
    way = scan.tried[-1]
    lines = [f"# {each}" for each in _notes(scan, way)]
    lines += [f"[upstream.{NAME}]", f"url = {quoted(str(scan.url))}"]
    if way:
        lines += [f"baudrate = {way.baudrate}", f'mode = "{way.mode}"']
    if scan.timeout > Upstream.timeout:
        lines.append(f"timeout = {scan.timeout}")
    lines += ["", f"[upstream.{NAME}.units]"]
    for found in scan.found:
        name = quoted(found.profile.name if found.profile else "any")
        lines.append(f"{found.unit} = {name}  # {found}")
    return "\n".join(map(printable, lines))


def _notes(scan: Scan, way: Line | None) -> Iterator[str]:
    """Say what was asked, and what is wrong there."""
    where = f"{scan.url} at {_show(way)}" if way else str(scan.url)
    yield f"softsplit scan of {where}, units {show_units(scan.asked)}"
    if scan.ignores_units:
        yield (f"every unit id gets the same answer, so the device ignores unit ids; it is listed once, as "
               f"{scan.found[0].unit}")
    for what in dict.fromkeys(scan.damaged.get(way, {}).values()):
        yield f"{what}; check for two units with the same id, and the termination of the line"
    if scan.foreign:
        yield f"another master is on this line: {scan.foreign}; take it off, softsplit has to be the only one"


def _nobody(scan: Scan) -> str:
    """Say that nobody answers, what was tried, and what to look at."""
    if scan.stranger:
        return scan.stranger
    ways = ", ".join(_show(way) for way in scan.tried if way)
    parts = [f"no unit answers at {scan.url}: units {show_units(scan.asked)}{f' at {ways}' if ways else ''}"]
    for way, units in list(scan.damaged.items())[:1]:
        where = f", heard at {_show(way)}" if way else ""
        parts.append(f"but there is traffic{where}: {next(iter(units.values()))}")
    if scan.foreign:
        parts.append(f"another master is on this line: {scan.foreign}; take it off")
    elif not (scan.damaged or scan.url.is_serial):
        parts.append(HELD.rstrip("?") + ", or the line is silent")
    parts.append("check power, termination, A and B, and --timeout")
    return "; ".join(parts)
