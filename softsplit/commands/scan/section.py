"""Print the result of a scan as a section of a configuration, as JSON, or in a sentence. Pure."""

import re
from collections.abc import Iterator, Sequence

from softsplit import tomlfile
from softsplit.commands.scan.scanner import Scan
from softsplit.commands.shared.output import to_json
from softsplit.config.line import Line
from softsplit.config.upstream import Upstream
from softsplit.errors import ConfigError
from softsplit.printable import printable
from softsplit.profiles.tomltext import quoted
from softsplit.upstream.causes.diagnosis import HELD

NAME = "meters"  # of the section
SECTION = re.compile(r'^\s*\[\s*upstream\s*\.\s*"?([\w-]+)', re.MULTILINE)


def show_units(units: Sequence[int]) -> str:
    """Write units as `parse_units` reads them."""
    runs: list[list[int]] = []
    for unit in units:
        if runs and unit == runs[-1][-1] + 1:
            runs[-1].append(unit)
        else:
            runs.append([unit])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def show_left(seconds: float) -> str:
    """Write a remaining time as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def show_way(way: Line) -> str:
    return f"{way.baudrate} {way.mode}"


def free_name(text: str) -> str:
    """Return a name for a section that the configuration does not have yet."""
    try:
        stated = tomlfile.parse(text).get("upstream", {})
    except ConfigError:  # `run` will report it; here the names are enough
        stated = SECTION.findall(text)
    taken = set(stated) if isinstance(stated, (dict, list)) else set()
    return next(name for number in range(1, len(taken) + 2)
                if (name := NAME + (str(number) if number > 1 else "")) not in taken)


def draw_section(scan: Scan, name: str = NAME) -> str:
    """Return the found units as a section of a configuration, with notes in comments."""
    way = scan.tried[-1]
    lines = [f"# {each}" for each in _notes(scan, way)]
    lines += [f"[upstream.{name}]", f"url = {quoted(str(scan.url))}"]
    if way:
        lines += [f"baudrate = {way.baudrate}", f'mode = "{way.mode}"']
    if scan.timeout > Upstream.timeout:
        lines.append(f"timeout = {scan.timeout}")
    lines += ["", f"[upstream.{name}.units]"]
    for found in sorted(scan.found, key=lambda found: found.unit):
        profile = quoted(found.profile.name if found.profile else "any")
        lines.append(f"{found.unit} = {profile}  # {found}")
    return "\n".join(map(printable, lines))


def as_json(scan: Scan) -> str:
    """Return the result for programs."""
    way = scan.tried[-1] if scan.tried else None
    in_order = sorted(scan.found, key=lambda found: found.unit)
    units = [{"unit": found.unit, "profile": found.profile.name if found.profile else None,
              "said": found.said,
              "identification": dict(found.named), "function": found.function} for found in in_order]
    line = {"baudrate": way.baudrate, "mode": way.mode} if way else {}
    return to_json({"url": str(scan.url), **line, "asked": show_units(sorted(scan.asked)), "units": units,
                    "notes": list(_notes(scan, way)) if scan.found else [describe_nobody(scan)]}, indent=2)


def _notes(scan: Scan, way: Line | None) -> Iterator[str]:
    """Say what was asked, and what is wrong on the bus."""
    where = f"{scan.url} at {show_way(way)}" if way else str(scan.url)
    yield f"softsplit scan of {where}, units {show_units(sorted(scan.asked))}"
    if scan.ignores_units:
        yield (f"every unit id gets the same answer, so the device ignores unit ids; it is listed once, as "
               f"{scan.found[0].unit}")
    for what in dict.fromkeys(scan.damaged.get(way, {}).values()):
        yield f"{what}; check for two units with the same id, and the termination of the line"
    if scan.silent_left:
        yield (f"{scan.silent_left} units are silent to function 3 and were asked nothing else; with fewer --units "
               "they are asked with functions 4, 1, 2 and 43, too")
    if scan.foreign:
        yield f"another master is on this line: {scan.foreign}; take it off, softsplit has to be the only one"


def describe_nobody(scan: Scan) -> str:
    """Say that no unit answers, what was tried, and what to check."""
    if scan.stranger:
        return scan.stranger
    ways = ", ".join(dict.fromkeys(show_way(way) for way in scan.tried if way))
    parts = [f"no unit answers at {scan.url}: units {show_units(sorted(scan.asked))}{f' at {ways}' if ways else ''}"]
    for way, units in list(scan.damaged.items())[:1]:
        where = f", heard at {show_way(way)}" if way else ""
        parts.append(f"but there is traffic{where}: {next(iter(units.values()))}")
    if scan.foreign:
        parts.append(f"another master is on this line: {scan.foreign}; take it off")
    elif scan.has_heard_gateway:
        parts.append("the gateway itself answers that none of them is there")
    elif scan.url.kind.has_datagrams:
        parts.append("does the other end speak UDP, or is the line silent")
    elif not (scan.damaged or scan.url.is_serial):
        parts.append(HELD.rstrip("?") + ", or the line is silent")
    parts.append("check power, termination, A and B, and --timeout")
    return "; ".join(parts)
