"""Load softsplit.toml into a topology."""

import os
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from softsplit import checks, tomlfile
from softsplit.config.deriving.derived import Derived
from softsplit.config.deriving.inputs import DERIVED
from softsplit.config.downstream import Downstream
from softsplit.config.statuspage import StatusPage
from softsplit.config.topology import MOST_ENDS, Topology
from softsplit.config.upstream import Unit, Upstream
from softsplit.config.wires import check_wires
from softsplit.errors import ConfigError, show
from softsplit.profiles import Profile, load_profile
from softsplit.protocol.addresses import parse_long_unit
from softsplit.security.identity import KEYS as IDENTITY

Section = dict[str, Any]  # of the file
PLACES = (Path("softsplit.toml"), Path("/etc/softsplit.toml"))
SCRIPT = ".py"
SECTIONS = ("upstream", "derived", "downstream", "diagnostics", "status")
UPSTREAM_KEYS, DOWNSTREAM_KEYS, STATUS_KEYS = map(checks.keys_of, (Upstream, Downstream, StatusPage))
UNIT_KEYS = ("profile", "every")
DERIVED_KEYS = ("profile", "from", "values", "max_skew")
DIAGNOSTICS_KEYS = ("unit",)
UNITS = 'units = { 100 = "abb-b23" }'  # examples for errors
SERVES = 'serves = ["meters"]'
ORIGIN = '"meters/100"'


class NoConfig(ConfigError):
    """No configuration is named, and there is none in the usual places."""


def find_config(path: str | None = None) -> Path:
    """Return the configuration file: `path`, $SOFTSPLIT_CONFIG, ./softsplit.toml or /etc/softsplit.toml.

    Raises ConfigError if there is none.
    """
    if path == "":
        raise ConfigError("-c names no file")
    named = path or os.environ.get("SOFTSPLIT_CONFIG")
    if named:
        return Path(named)
    for place in PLACES:
        if os.path.exists(place):
            return place
    raise NoConfig("no configuration: neither -c FILE nor $SOFTSPLIT_CONFIG is given, and there is no "
                   f"{' or '.join(map(str, PLACES))}; \"softsplit run --demo\" needs none")


def load_config(path: Path | str) -> Topology:
    """Load a configuration file for `Splitter`. Raises ConfigError that starts with the file's name."""
    path = Path(path)
    with checks.inside(str(path), ": "):
        if path.suffix == SCRIPT:
            raise ConfigError(f'a script runs its wiring itself: start it with "{sys.executable} {path}"')
        text = tomlfile.read_text(path)
    return parse_config(text, str(path), path.parent)


def parse_config(text: str, name: str, directory: Path) -> Topology:
    """Parse a configuration; profiles that end in .toml are relative to `directory`.

    Raises ConfigError that starts with `name`.
    """
    with checks.inside(name, ": "):
        load = cache(partial(load_profile, directory=directory))  # a file is read once for all its units
        return topology_of(tomlfile.parse(text), load, directory)


def topology_of(content: Section, load: Callable[[str], Profile], directory: Path = Path()) -> Topology:
    """Build the topology from the content of a file; `load` returns profiles by name.

    Files of certificates and keys are relative to `directory`. Raises ConfigError.
    """
    checks.require_keys(content, SECTIONS)
    upstreams = {}
    for key, section in _sections(content, "upstream"):
        with checks.inside(f"upstream.{key}"):
            upstreams[key] = _upstream(key, _located(section, directory), load)
    check_wires("upstream", upstreams.values())
    derived = {}
    for key, section in _sections(content, "derived") if "derived" in content else ():
        with checks.inside(f"derived.{key}"):
            derived[key] = _derived(key, section, upstreams, load)
    downstreams = []
    for key, section in _sections(content, "downstream"):
        with checks.inside(f"downstream.{key}"):
            downstreams.append(_downstream(key, _located(section, directory), upstreams, derived))
    return Topology(downstreams, upstreams.values(), _diagnostics(content), derived.values(),
                    _status(content))


def _diagnostics(content: Section) -> int | None:
    if "diagnostics" not in content:
        return None
    section = checks.require_type(content["diagnostics"], dict, "diagnostics", "[diagnostics]")
    with checks.inside("diagnostics"):
        checks.require_keys(section, DIAGNOSTICS_KEYS)
        return checks.require_type(checks.require(section, "unit"), int)


def _status(content: Section) -> StatusPage | None:
    if "status" not in content:
        return None
    section = checks.require_type(content["status"], dict, "status", "[status]")
    with checks.inside("status"):
        checks.require_keys(section, STATUS_KEYS)
        checks.require(section, "url")
        return StatusPage(**section)


def _sections(content: Section, side: str) -> Iterator[tuple[str, Section]]:
    example = f"[{side}.NAME]"
    sections = checks.require_type(content.get(side, {}), dict, side, example)
    if not sections:
        raise ConfigError(f'the section [{side}.NAME] is missing; "softsplit example" shows one', side)
    for key, section in checks.require_few(sections, MOST_ENDS, "of them", side).items():
        checks.require_name(key, side)
        yield key, checks.require_type(section, dict, f"{side}.{key}", example)


def _located(section: Section, directory: Path) -> Section:
    """Return the section with relative paths of certificates and keys put below `directory`."""
    return section | {key: str(directory / path) for key in IDENTITY if (path := section.get(key))
                      and isinstance(path, str)}


def _upstream(name: str, section: Section, load: Callable[[str], Profile]) -> Upstream:
    checks.require_keys(section, UPSTREAM_KEYS)
    units = []
    for key, content in checks.require_type(checks.require(section, "units"), dict, "units", UNITS).items():
        with checks.inside(f"units.{key}"):
            units.append(_unit(_unit_id(key, section.get("unit_bytes")), content, load))
    given = {key: value for key, value in section.items() if key not in ("url", "units")}
    return Upstream(url=checks.require(section, "url"), units=units, name=name, **given)


def _unit(unit: int, content: str | Section, load: Callable[[str], Profile]) -> Unit:
    """Build a unit from the name of its profile, or from a table."""
    table: Section = content if isinstance(content, dict) else {"profile": content}
    checks.require_keys(table, UNIT_KEYS)
    key = "profile" if content is table else ""
    name = checks.require_type(checks.require(table, "profile"), str, key, '"abb-b23"')
    return Unit(unit, load(name), table.get("every", {}))


def _derived(name: str, section: Section, upstreams: dict[str, Upstream],
             load: Callable[[str], Profile]) -> Derived:
    checks.require_keys(section, DERIVED_KEYS)
    profile = load(checks.require_type(checks.require(section, "profile"), str, "profile",
                                       '"eastron-sdm630"'))
    source = None
    if "from" in section:
        with checks.inside("from"):
            source = _origin(section["from"], upstreams)
            source[0].unit(source[1])
    given = {key: section[key] for key in ("values", "max_skew") if key in section}
    return Derived(profile, source, upstreams=upstreams.values(), name=name, **given)


def _downstream(name: str, section: Section, upstreams: dict[str, Upstream],
                derived: dict[str, Derived]) -> Downstream:
    checks.require_keys(section, DOWNSTREAM_KEYS)
    given = {key: value for key, value in section.items() if key not in ("serves", "units")}
    checks.require(given, "url")
    if "units" in section:
        units = checks.require_type(section["units"], dict, "units", f"units = {{ 1 = {ORIGIN} }}")
        given["units"] = _chosen_units(units, upstreams, derived)
    if "serves" in section or "units" not in section:
        serves = checks.require_type(section.get("serves", list(upstreams)), list, "serves", SERVES)
        for each in serves:
            checks.require_word(checks.require_type(each, str, "serves", SERVES), upstreams, "upstream",
                                "serves")
        given["serves"] = [upstreams[each] for each in serves]
    return Downstream(name=name, **given)


def _chosen_units(units: Section, upstreams: dict[str, Upstream],
                  derived: dict[str, Derived]) -> dict[int, tuple[Upstream, int] | Derived]:
    chosen: dict[int, tuple[Upstream, int] | Derived] = {}
    for key, origin in units.items():
        with checks.inside(f"units.{key}"):
            if _unit_id(key) in chosen:
                raise ConfigError("the unit is given twice")
            side, _, name = checks.require_type(origin, str, "", ORIGIN).partition("/")
            if side == DERIVED and (derived or DERIVED not in upstreams):
                checks.require_word(name, derived, "derived unit")
                chosen[_unit_id(key)] = derived[name]
            else:
                chosen[_unit_id(key)] = _origin(origin, upstreams)
    return chosen


def _origin(text: object, upstreams: dict[str, Upstream]) -> tuple[Upstream, int]:
    """Return the upstream and the unit id in a text like "meters/100". Raises ConfigError."""
    name, _, unit = checks.require_type(text, str, "", ORIGIN).rpartition("/")
    checks.require_word(name, upstreams, "upstream", also=f"; write it like {ORIGIN}")
    return upstreams[name], _unit_id(unit, upstreams[name].unit_bytes)


def _unit_id(text: str, unit_bytes: object = 1) -> int:
    if unit_bytes == 4:
        return parse_long_unit(text)
    if not (text.isascii() and text.isdecimal() and len(text) < 9):
        cure = "; eight hex digits need unit_bytes = 4" if text.startswith("0x") else ""
        raise ConfigError(f"{show(text)} is no unit id; allowed are 0 to 255{cure}")
    return int(text)
