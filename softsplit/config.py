"""softsplit.toml to topology: read once, into values that validate themselves."""

import os
import tomllib
from pathlib import Path

from softsplit import checks
from softsplit.errors import ConfigError
from softsplit.profiles import load_profile
from softsplit.topology import Downstream, Topology, Unit, Upstream

PLACES = (Path("softsplit.toml"), Path("/etc/softsplit.toml"))
SECTIONS = ("upstream", "downstream")
UPSTREAM_KEYS = ("url", "timeout", "units")
DOWNSTREAM_KEYS = ("url", "serves", "max_age", "when_stale", "baudrate", "mode")


def find_config(path: str | None = None) -> Path:
    """Return the configuration file: `path`, $SOFTSPLIT_CONFIG, ./softsplit.toml or /etc/softsplit.toml.

    Raises ConfigError when there is none.
    """
    named = path or os.environ.get("SOFTSPLIT_CONFIG")
    if named:
        return Path(named)
    for place in PLACES:
        if place.exists():
            return place
    raise ConfigError("no configuration: neither -c FILE nor $SOFTSPLIT_CONFIG is given, and there is no "
                      f"{' or '.join(map(str, PLACES))}; \"softsplit run --demo\" needs none")


def load_config(path: Path) -> Topology:
    """Return the topology that the file states. Raises ConfigError that starts with the file's name."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"cannot read it: {reason}", str(path)) from error
    return parse_config(text, str(path), path.parent)


def parse_config(text: str, name: str, directory: Path) -> Topology:
    """Return the topology that `text` states; profiles that end in .toml are relative to `directory`."""
    try:
        content = tomllib.loads(text)
        checks.keys(content, SECTIONS)
        upstreams = {key: _build(f"upstream.{key}", _upstream, key, section, directory)
                     for key, section in _sections(content, "upstream")}
        downstreams = [_build(f"downstream.{key}", _downstream, key, section, upstreams)
                       for key, section in _sections(content, "downstream")]
        return Topology(downstreams, upstreams.values())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"no TOML: {error}", name) from error
    except ConfigError as error:
        raise error.inside(name, ": ") from error.__cause__


def _sections(content: dict, side: str):
    sections = checks.typed(content.get(side, {}), dict, side)
    if not sections:
        raise ConfigError(f"the section [{side}.NAME] is missing", side)
    for key, section in sections.items():
        yield key, checks.typed(section, dict, f"{side}.{key}")


def _build(where: str, build, *arguments):
    try:
        return build(*arguments)
    except ConfigError as error:
        raise error.inside(where) from error.__cause__


def _required(section: dict, key: str):
    if key not in section:
        raise ConfigError(f"{key} is missing")
    return section[key]


def _upstream(name: str, section: dict, directory: Path) -> Upstream:
    checks.keys(section, UPSTREAM_KEYS)
    units = checks.typed(_required(section, "units"), dict, "units")
    return Upstream(
        url=_required(section, "url"),
        units=[_build(f"units.{key}", _unit, key, profile, directory) for key, profile in units.items()],
        name=name,
        **{key: section[key] for key in ("timeout",) if key in section},
    )


def _unit(key: str, profile: str, directory: Path) -> Unit:
    if not (key.isascii() and key.isdecimal() and len(key) < 9):
        raise ConfigError(f'"{key}" is no unit id; allowed are 1 to 247')
    return Unit(int(key), load_profile(checks.typed(profile, str), directory))


def _downstream(name: str, section: dict, upstreams: dict[str, Upstream]) -> Downstream:
    checks.keys(section, DOWNSTREAM_KEYS)
    serves = checks.typed(section.get("serves", list(upstreams)), list, "serves")
    for each in serves:
        checks.known(checks.typed(each, str, "serves"), upstreams, "upstream", "serves")
    given = {key: value for key, value in section.items() if key not in ("url", "serves")}
    return Downstream(url=_required(section, "url"), serves=[upstreams[each] for each in serves], name=name,
                      **given)
