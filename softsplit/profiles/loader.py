"""Profiles from TOML: the shipped ones by name, anyone's own by path."""

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path

from softsplit import checks
from softsplit.errors import ConfigError
from softsplit.profiles.profile import Profile, Register
from softsplit.protocol.blocks import Block, Read, Table
from softsplit.protocol.values import COUNTED, NUMBERS, TYPES, registers_of

PROFILE_KEYS = ("title", "source", "readable", "block", "register")
BLOCK_KEYS = ("table", "address", "count")
READ_KEYS = (*BLOCK_KEYS, "name", "every")
REGISTER_KEYS = (*BLOCK_KEYS, "name", "type", "resolution", "not_available", "offset", "states")


def shipped_profiles() -> list[str]:
    """Names of the profiles that come with softsplit."""
    return sorted(entry.name.removesuffix(".toml") for entry in files(__package__).iterdir()
                  if entry.name.endswith(".toml"))


def load_profile(name: str, directory: Path | str = ".") -> Profile:
    """Return the shipped profile of this name, or the one in a .toml file relative to `directory`.

    Raises ConfigError when there is none, or when it is wrong.
    """
    if not name.endswith(".toml"):
        checks.known(name, shipped_profiles(), "profile", also=", or a path that ends in .toml")
        return _shipped(name)
    path = Path(directory, name)
    try:
        return parse_profile(path.read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"cannot read profile {path}: {reason}") from error


@cache
def _shipped(name: str) -> Profile:
    return parse_profile(files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"), name)


def parse_profile(text: str, name: str) -> Profile:
    """Return the profile that `text` states in TOML. Raises ConfigError whose message starts with `name`."""
    try:
        content = tomllib.loads(text)
        checks.keys(content, PROFILE_KEYS)
        return Profile(
            name=name,
            title=checks.typed(content.get("title", ""), str, "title"),
            source=checks.typed(content.get("source", ""), str, "source"),
            readable=_each(content, "readable", _block),
            reads=_each(content, "block", _read),
            registers=_each(content, "register", _register),
        )
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"no TOML: {error}", name) from error
    except ConfigError as error:
        raise error.inside(name, ": ") from error.__cause__


def _each(content: dict, key: str, build) -> tuple:
    entries = []
    for index, entry in enumerate(checks.typed(content.get(key, []), list, key)):
        try:
            entries.append(build(checks.typed(entry, dict)))
        except ConfigError as error:
            raise error.inside(f"{key}[{index + 1}]") from None
    return tuple(entries)


def _block(entry: dict, allowed=BLOCK_KEYS, count: int | None = None) -> Block:
    checks.keys(entry, allowed)
    table = checks.typed(entry.get("table", "holding registers"), str, "table")
    checks.known(table, [each.value for each in Table], "table", "table")
    return Block(Table(table), _whole(entry, "address"), _whole(entry, "count") if count is None else count)


def _whole(entry: dict, key: str) -> int:
    if key not in entry:
        raise ConfigError(f"{key} is missing")
    return checks.typed(entry[key], int, key)


def _read(entry: dict) -> Read:
    block = _block(entry, READ_KEYS)
    name = checks.typed(entry.get("name", f"0x{block.address:04X}"), str, "name")
    return Read(block, name, checks.seconds(entry.get("every", 1.0), "every"))


def _register(entry: dict) -> Register:
    for key in ("name", "type"):
        if key not in entry:
            raise ConfigError(f"{key} is missing")
    type_name = checks.typed(entry["type"], str, "type")
    checks.known(type_name, TYPES, "type", "type")
    if type_name in NUMBERS and "count" in entry:
        raise ConfigError(f"only {', '.join(COUNTED)} take a count; a {type_name} has its own", "count")
    count = registers_of(type_name) if type_name in NUMBERS else None
    return Register(
        name=checks.typed(entry["name"], str, "name"),
        block=_block(entry, REGISTER_KEYS, count),
        type=type_name,
        resolution=checks.typed(entry.get("resolution", "1"), str, "resolution"),
        not_available=_optional_whole(entry, "not_available"),
        offset=_number(entry, "offset"),
        states=_states(entry),
    )


def _optional_whole(entry: dict, key: str) -> int | None:
    return checks.typed(entry[key], int, key) if key in entry else None


def _number(entry: dict, key: str) -> int | float:
    value = entry.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{value!r} is not a number", key)
    return value


def _states(entry: dict) -> dict[int, str]:
    states = checks.typed(entry.get("states", {}), dict, "states")
    for key, name in states.items():
        if not key.removeprefix("-").isdecimal():
            raise ConfigError(f'"{key}" is not a whole number', "states")
        checks.typed(name, str, f"states.{key}")
    return {int(key): name for key, name in states.items()}
