"""Load profiles from TOML: shipped ones by name, others by path."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from softsplit import checks, tomlfile
from softsplit.errors import ConfigError, show
from softsplit.profiles.profile import MOST_REGISTERS, Identify, Profile, Register
from softsplit.protocol.blocks import ADDRESSES, Block, Read
from softsplit.protocol.functions import Table
from softsplit.protocol.values import COUNTED, NUMBERS, ORDERS, TYPES

Entry = dict[str, Any]  # a table of the file
Item = TypeVar("Item")
ORDER_KEYS = ("word_order", "byte_order")
PROFILE_KEYS = ("title", "source", "functions", "addressing", *ORDER_KEYS, "readable", "alone", "identify",
                "block", "register")
BLOCK_KEYS = ("table", "address", "count")
READ_KEYS = (*BLOCK_KEYS, "name", "every")
REGISTER_KEYS = (*BLOCK_KEYS, "name", "type", "repeat", "resolution", "not_available", "offset", "states",
                 *ORDER_KEYS)
EXAMPLES = {key: f"{key} = [{{ address = 0x5B00, count = 2 }}]" for key in ("readable", "alone")}
SAYS_KEYS = ("starts_with", "equals")
IDENTIFY_KEYS = (*BLOCK_KEYS, "type", *ORDER_KEYS, *SAYS_KEYS)
ELSE = "else"  # the state of every count that no other state names
ADDRESSINGS = {"registers": 1, "bytes": 2}  # what addresses count, and how many of that a register takes


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a profile says of all its registers: addresses that each takes, and orders by default."""

    step: int
    orders: dict[str, str]


def shipped_profiles() -> list[str]:
    """Names of the profiles that come with softsplit."""
    return sorted(entry.name.removesuffix(".toml") for entry in files(__package__).iterdir()
                  if entry.name.endswith(".toml"))


def load_profile(name: str, directory: Path | str = ".") -> Profile:
    """Return the shipped profile of this name, or the one in a .toml file relative to `directory`.

    Raises ConfigError when there is none, or when it is wrong.
    """
    if not name.endswith(".toml"):
        checks.require_word(name, shipped_profiles(), "profile", also=", or a path that ends in .toml")
        return _shipped(name)
    path = Path(directory, name)
    try:
        text = tomlfile.read_text(path)
    except ConfigError as error:
        raise ConfigError(f"profile {path}: {error}") from error
    return parse_profile(text, name)


@cache
def _shipped(name: str) -> Profile:
    return parse_profile(files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"), name)


def parse_profile(text: str, name: str) -> Profile:
    """Return the profile that `text` states in TOML. Raises ConfigError, which names the profile."""
    try:
        content = tomlfile.parse(text)
    except ConfigError as error:
        raise ConfigError(f"profile {name}: {error}") from error.__cause__
    return profile_of(content, name)


def profile_of(content: Entry, name: str) -> Profile:
    """Return the profile that the content of a file states. Raises ConfigError, which names the profile."""
    try:
        checks.require_keys(content, PROFILE_KEYS)
        habits = _habits(content)
        return Profile(
            name=name,
            title=checks.require_type(content.get("title", ""), str, "title"),
            source=checks.require_type(content.get("source", ""), str, "source"),
            functions=checks.require_type(content["functions"], list, "functions", "[3, 4, 16]") if "functions" in content
            else None,
            readable=_each(content, "readable", partial(_block, habits=habits)),
            alone=_each(content, "alone", partial(_block, habits=habits)),
            reads=_each(content, "block", partial(_read, habits=habits)),
            identify=_identify(content["identify"], habits) if "identify" in content else None,
            registers=tuple(chain(*_each(content, "register", partial(_registers, habits=habits)))),
        )
    except ConfigError as error:
        raise ConfigError(f"profile {name}: {error}") from error.__cause__


def _habits(content: Entry) -> Defaults:
    addressing = checks.require_type(content.get("addressing", "registers"), str, "addressing")
    checks.require_word(addressing, ADDRESSINGS, "word", "addressing")
    return Defaults(ADDRESSINGS[addressing], _orders(content, {}))


def _orders(entry: Entry, usual: dict[str, str]) -> dict[str, str]:
    """Return which end comes first, as `entry` says or else as usual."""
    orders = {key: entry.get(key, usual.get(key, "big")) for key in ORDER_KEYS}
    for key, order in orders.items():
        checks.require_word(checks.require_type(order, str, key), ORDERS, "order", key)
    return orders


def _each(content: Entry, key: str, build: Callable[[Entry], Item]) -> tuple[Item, ...]:
    entries = []
    example = EXAMPLES.get(key, f"[[{key}]]")
    stated = checks.require_type(content.get(key, []), list, key, example)
    for number, entry in enumerate(checks.require_few(stated, MOST_REGISTERS, "of them", key), 1):
        with checks.inside(f"{key}[{number}]"):
            entries.append(build(checks.require_type(entry, dict, "", example)))
    return tuple(entries)


def _block(entry: Entry, habits: Defaults, allowed: Sequence[str] = BLOCK_KEYS,
           count: int | None = None) -> Block:
    checks.require_keys(entry, allowed)
    table = checks.require_type(entry.get("table", "holding registers"), str, "table")
    checks.require_word(table, [each.value for each in Table], "table", "table")
    count = _whole(entry, "count") if count is None else count
    return Block(Table(table), _whole(entry, "address"), count, 1 if Table(table).holds_bits else habits.step)


def _whole(entry: Entry, key: str) -> int:
    return checks.require_type(checks.require(entry, key), int, key)


def _text(entry: Entry, key: str) -> str:
    return checks.require_type(checks.require(entry, key), str, key)


def _read(entry: Entry, habits: Defaults) -> Read:
    block = _block(entry, habits, READ_KEYS)
    name = checks.require_name(entry.get("name", f"0x{block.address:04X}"), "name")
    return Read(block, name, checks.require_seconds(entry.get("every", 1.0), "every"))


def _registers(entry: Entry, habits: Defaults) -> list[Register]:
    """Return one register, or as many as `repeat` says, one after another; {n} in the name counts from 1."""
    checks.require_keys(entry, REGISTER_KEYS)
    first = _register(entry, habits)
    if "repeat" not in entry:
        return [first]
    if "{n}" not in first.name:
        raise ConfigError(f'"{first.name}" has no {{n}} for the number of each', "name")
    repeat = _whole(entry, "repeat")
    with checks.inside("repeat"):
        if repeat > MOST_REGISTERS:
            raise ConfigError(f"{repeat} are too many; allowed are {MOST_REGISTERS}")
        replace(first.block, count=first.block.count * repeat)  # all of them fit into the table
    starts = range(first.block.address, ADDRESSES, first.block.end - first.block.address)
    return [replace(first, name=first.name.replace("{n}", str(number)),
                    block=replace(first.block, address=address))
            for number, address in zip(range(1, repeat + 1), starts)]


def _identify(entry: object, habits: Defaults) -> Identify:
    with checks.inside("identify"):
        stated: Entry = checks.require_type(entry, dict, "", "[identify]")
        checks.require_keys(stated, IDENTIFY_KEYS)
        place = {key: value for key, value in stated.items() if key not in SAYS_KEYS}
        equals = stated.get("equals", [])
        return Identify(
            register=_register({"name": "identify", **place}, habits),
            starts_with=checks.require_type(stated.get("starts_with", ""), str, "starts_with"),
            equals=equals if isinstance(equals, list) else [equals],
        )


def _register(entry: Entry, habits: Defaults) -> Register:
    name, type_name = _text(entry, "name"), _text(entry, "type")
    checks.require_word(type_name, TYPES, "type", "type")
    if type_name in NUMBERS and "count" in entry:
        raise ConfigError(f"only {', '.join(COUNTED)} take a count; a {type_name} has its own", "count")
    count = NUMBERS[type_name].registers if type_name in NUMBERS else None
    states = checks.require_type(entry.get("states", {}), dict, "states", 'states = { 0 = "off", 1 = "on" }')
    return Register(
        name=name,
        block=_block(entry, habits, REGISTER_KEYS, count),
        type=type_name,
        resolution=entry.get("resolution", "1"),
        not_available=_whole(entry, "not_available") if "not_available" in entry else None,
        offset=checks.require_number(entry.get("offset", 0), "offset"),
        states=_states(states),
        other_state=states.get(ELSE, ""),
        **_orders(entry, habits.orders),
    )


def _states(states: Entry) -> dict[int, str]:
    for key, name in states.items():
        if key != ELSE and (not key.removeprefix("-").isdecimal() or len(key) > 20):
            raise ConfigError(f'{show(key)} is neither a whole number nor "{ELSE}"', "states")
        checks.require_name(name, f"states.{key}")
    return {int(key): name for key, name in states.items() if key != ELSE}
