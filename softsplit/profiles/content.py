"""Build a Profile from the content of its file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TypeVar

from softsplit import checks
from softsplit.errors import ConfigError
from softsplit.profiles import hints
from softsplit.profiles.base import LAST, MOST_MODELS, Base
from softsplit.profiles.entries import (BLOCK_KEYS, ORDER_KEYS, VALUE_KEYS, Entry, Habits, block_of,
                                        orders_of, register_of, registers_of, where_of)
from softsplit.profiles.identify import Identify, Named
from softsplit.profiles.profile import MOST_REGISTERS, Profile
from softsplit.profiles.register import Register
from softsplit.protocol.blocks import ADDRESSES, Block, Read
from softsplit.protocol.functions import MAX_REGISTERS, Table

Item = TypeVar("Item")
TEXT_KEYS = ("title", "source", "unconfirmed", "vendor", "product", "revision")
PROFILE_KEYS = (*TEXT_KEYS, "functions", "addressing", "first_address", "max_count", "gap", *ORDER_KEYS,
                "where", "base", "readable", "alone", "unused", "same_tables", "identify", "block",
                "register")
READ_KEYS = (*BLOCK_KEYS, "name", "every")
SAYS_KEYS = ("starts_with", "equals")
NAMED_KEYS = ("vendor", "product")
IDENTIFY_KEYS = (*BLOCK_KEYS, "type", *ORDER_KEYS, "mask", "byte", "encoding", "characters", *SAYS_KEYS)
EXAMPLES = {key: f"{key} = [{{ address = 0x5B00, count = 2 }}]" for key in ("readable", "alone")}
ADDRESSINGS = {"registers": 1, "bytes": 2}  # what addresses count: how many addresses a register takes
EVERYWHERE = Block(Table.HOLDING_REGISTERS, 0, ADDRESSES)
MOST_IDENTIFYING = 8  # registers


def profile_of(content: Entry, name: str) -> Profile:
    """Build the profile. Raises ConfigError, which names the profile."""
    try:
        hints.require_keys(content, PROFILE_KEYS)
        habits = _habits(content)
        functions = content.get("functions")
        reads = _each(content, "block", partial(_read, habits=habits))
        registers = chain(*_each(content, "register", partial(registers_of, habits=habits)))
        guarded = tuple(_guarded(content, habits, reads, registers))
        max_count = content.get("max_count", MAX_REGISTERS)
        base = _base(content["base"], reads, guarded, max_count) if "base" in content else None
        reads, guarded = ((), ()) if base else (reads, guarded)
        readable = _each(content, "readable", partial(block_of, habits=habits))
        return Profile(
            name=name,
            **{key: checks.require_type(content.get(key, ""), str, key) for key in TEXT_KEYS},
            functions=None if functions is None
            else checks.require_type(functions, list, "functions", "[3, 4, 16]"),
            readable=readable or ([EVERYWHERE] if base else ()), base=base,
            alone=_each(content, "alone", partial(block_of, habits=habits)),
            reads=reads,
            identify=_identify(content, habits),
            registers=guarded,
            max_count=max_count, gap=content.get("gap", 0.0),
            unused=content.get("unused"), same_tables=content.get("same_tables", False),
        )
    except ConfigError as error:
        raise ConfigError(f"profile {name}: {error}") from error.__cause__


def _base(stated: object, reads: tuple[Read, ...], registers: tuple[Register, ...], max_count: int) -> Base[Profile]:
    """Return the SunSpec model from which the addresses of these count."""
    with checks.inside("base"):
        entry: Entry = checks.require_type(stated, dict, "", "base = { sunspec = 103 }")
        checks.require_keys(entry, ("sunspec",))
        said = checks.require(entry, "sunspec")
        models = checks.require_few(said if isinstance(said, list) else [said], MOST_MODELS, "models",
                                    "sunspec")
        for model in models:
            if not 1 <= checks.require_type(model, int, "sunspec", "103, or [101, 102, 103]") < LAST:
                raise ConfigError(f"{checks.show(model)} is no model", "sunspec")
        if not models:
            raise ConfigError("names no model", "sunspec")
    for number, read in enumerate(reads, 1):
        if read.block.table is not Table.HOLDING_REGISTERS:
            raise ConfigError(f"{read.block.table} hold no SunSpec model; leave it out", f"block[{number}].table")
    return Base(tuple(models), Profile("relative", reads, registers=registers, max_count=max_count))


def _guarded(content: Entry, habits: Habits, reads: Iterable[Read],
             registers: Iterable[Register]) -> Iterator[Register]:
    """Yield the registers; those in the block of the profile's `where` register get that condition."""
    where = where_of(content, habits)
    homes = [next((read.block for read in reads if read.block.contains(each.register.block)), None)
             for each in where]
    if None in homes:
        raise ConfigError(f"{where[homes.index(None)].register.block} does not lie inside one block", "where")
    home, own = homes[0] if homes else None, {each.register.parts for each in where}
    for each in registers:
        is_own = home and home.contains(each.parts[0]) and each.parts not in own
        yield replace(each, where=(*where, *each.where)) if is_own else each


def _habits(content: Entry) -> Habits:
    addressing = checks.require_type(content.get("addressing", "registers"), str, "addressing")
    checks.require_word(addressing, ADDRESSINGS, "word", "addressing")
    first = checks.require_type(content.get("first_address", 0), int, "first_address")
    if first not in (0, 1):
        raise ConfigError(f"{checks.show(first)} is not possible; allowed are 0, and 1 where the manual counts from 1",
                          "first_address")
    return Habits(ADDRESSINGS[addressing], orders_of(content, {}), first)


def _each(content: Entry, key: str, build: Callable[[Entry], Item],
          most: int = MOST_REGISTERS) -> tuple[Item, ...]:
    """Build a value from each table in a list. Raises ConfigError, inside the table's number."""
    entries = []
    example = EXAMPLES.get(key, f"[[{key}]]")
    stated = checks.require_type(content.get(key, []), list, key, example)
    for number, entry in enumerate(checks.require_few(stated, most, "of them", key), 1):
        with checks.inside(f"{key}[{number}]"):
            entries.append(build(checks.require_type(entry, dict, "", example)))
    return tuple(entries)


def _read(entry: Entry, habits: Habits) -> Read:
    block = block_of(entry, habits, READ_KEYS)
    name = checks.require_name(entry.get("name", f"0x{block.address:04X}"), "name")
    return Read(block, name, checks.require_seconds(entry.get("every", 1.0), "every"))


def _identify(content: Entry, habits: Habits) -> Sequence[Identify | Named]:
    """Return the ways to recognise the device, from one table or a list of them."""
    stated = content.get("identify", [])
    if isinstance(stated, list):
        return _each(content, "identify", partial(_recognised_by, habits=habits), MOST_IDENTIFYING)
    with checks.inside("identify"):
        return [_recognised_by(checks.require_type(stated, dict, "", "[identify]"), habits)]


def _recognised_by(stated: Entry, habits: Habits) -> Identify | Named:
    if any(key in stated for key in NAMED_KEYS):
        checks.require_keys(stated, NAMED_KEYS)
        return Named(**{key: checks.require_type(each, str, key) for key, each in stated.items()})
    hints.require_keys(stated, (*IDENTIFY_KEYS, *NAMED_KEYS))
    place = {key: value for key, value in stated.items() if key not in SAYS_KEYS}
    equals = stated.get("equals", [])
    return Identify(
        register=register_of({"name": "identify", **place}, habits, (*VALUE_KEYS, "name")),
        starts_with=checks.require_type(stated.get("starts_with", ""), str, "starts_with"),
        equals=equals if isinstance(equals, list) else [equals],
    )
