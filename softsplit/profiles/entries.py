"""Build blocks and registers from the tables of a profile's file. All raise ConfigError."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from softsplit import checks
from softsplit.errors import ConfigError, show
from softsplit.profiles import hints
from softsplit.profiles.conditions import Sign, Where
from softsplit.profiles.encoding import require_sayable
from softsplit.profiles.profile import MOST_REGISTERS
from softsplit.profiles.register import Register
from softsplit.protocol.blocks import ADDRESSES, Block
from softsplit.protocol.functions import Table
from softsplit.protocol.times import parse_layout
from softsplit.protocol.values import COUNTED, ORDERS, TYPES, WORD_ORDERS

Entry = dict[str, Any]  # a table of the file
ORDER_KEYS = ("word_order", "byte_order")
BLOCK_KEYS = ("table", "address", "count")
VALUE_KEYS = (*BLOCK_KEYS, "addresses", "type", *ORDER_KEYS, "not_available", "mask", "byte", "encoding",
              "characters",
              "layout")
REGISTER_KEYS = (*VALUE_KEYS, "name", "repeat", "stride", "resolution", "offset", "states", "exponent",
                 "times", "sign",
                 "plus", "unconfirmed", "constant", "where")
FACTOR_KEYS = (*VALUE_KEYS, "resolution", "offset")
SIGN_KEYS = ("negative", "positive")
ELSE = "else"  # the state of every count that no other state names
EXAMPLES = {
    "exponent": "exponent = { address = 84 }", "times": 'times = [{ address = 6, type = "u16" }]',
    "plus": 'plus = [{ address = 3503, type = "u16", resolution = "1000 kWh" }]',
    "sign": "sign = { address = 0x101C, negative = 1 }", "addresses": "addresses = [78, 80]",
    "where": "where = { address = 40069, equals = [101, 102, 103] }",
    "states": 'states = { 0 = "off", 1 = "on" }',
}


@dataclass(frozen=True, slots=True)
class Habits:
    """Defaults for all registers of a profile: addresses per register, orders, and the first address of its
    manual; for the factors of a register, also its table.
    """

    step: int
    orders: dict[str, str]
    first: int = 0
    table: Table | None = None


def orders_of(entry: Entry, usual: dict[str, str]) -> dict[str, str]:
    """Return word_order and byte_order of `entry`, or else the usual ones; "cdab" and the like set both."""
    orders = {key: checks.require_type(entry.get(key, usual.get(key, "big")), str, key) for key in ORDER_KEYS}
    for key in ORDER_KEYS:
        if both := WORD_ORDERS.get(orders[key].lower()):
            other, = (each for each in ORDER_KEYS if each != key)
            if other in entry and WORD_ORDERS.get(orders[other].lower(), both) != both:
                raise ConfigError(f"{show(orders[key])} says both orders; leave out {other}", key)
            return dict(zip(ORDER_KEYS, both))
    for key, order in orders.items():
        checks.require_word(order, ORDERS, "order", key, also=f"; or {', '.join(WORD_ORDERS)}")
    return orders


def block_of(entry: Entry, habits: Habits, allowed: Collection[str] = BLOCK_KEYS,
             count: int | None = None) -> Block:
    hints.require_keys(entry, allowed)
    stated = habits.table
    if "table" in entry:
        hints.require_table(checks.require_type(entry["table"], str, "table"))
        stated = Table(entry["table"])
    count = whole_of(entry, "count") if count is None else count
    table, address = hints.place_of(checks.require(entry, "address"), stated, habits.first)
    return Block(table, address, count, 1 if table.holds_bits else habits.step)


def whole_of(entry: Entry, key: str) -> int:
    return checks.require_type(checks.require(entry, key), int, key)


def text_of(entry: Entry, key: str) -> str:
    return checks.require_type(checks.require(entry, key), str, key)


def registers_of(entry: Entry, habits: Habits) -> list[Register]:
    """Return one register, or `repeat` of them; {n} in the name counts from 1.

    Each begins `stride` addresses after the one before, or where that ends. All have the same factors.
    """
    hints.require_keys(entry, REGISTER_KEYS)
    first = register_of(entry, habits)
    if "repeat" not in entry:
        if "stride" in entry:
            raise ConfigError("needs repeat", "stride")
        return [first]
    if "{n}" not in first.name:
        raise ConfigError(f'"{first.name}" has no {{n}} for the number of each', "name")
    repeat = whole_of(entry, "repeat")
    size = max(part.end for part in first.parts) - first.block.address
    stride = whole_of(entry, "stride") if "stride" in entry else size
    if not size <= stride < ADDRESSES:
        raise ConfigError(f"{show(stride)} is not possible; each takes {size} addresses", "stride")
    with checks.inside("repeat"):
        if repeat > MOST_REGISTERS:
            raise ConfigError(f"{repeat} are too many; allowed are {MOST_REGISTERS}")
        last = replace(first.block, count=max(0, repeat) and first.block.count, address=first.block.address)
        replace(last, address=min(ADDRESSES - 1,
                                  last.address + stride * (repeat - 1)))  # all fit into the table
    return [_moved(first, number, stride * (number - 1)) for number in range(1, repeat + 1)]


def _moved(first: Register, number: int, by: int) -> Register:
    return replace(first, name=first.name.replace("{n}", str(number)),
                   block=replace(first.block, address=first.block.address + by),
                   addresses=[address + by for address in first.addresses])


def register_of(entry: Entry, habits: Habits, allowed: Collection[str] = REGISTER_KEYS) -> Register:
    name, type_name = text_of(entry, "name"), text_of(entry, "type")
    hints.require_type_name(type_name)
    orders = orders_of(entry, habits.orders)
    for key in ORDER_KEYS:
        if key in entry and key not in TYPES[type_name].keys and str(entry[key]).lower() not in WORD_ORDERS:
            raise ConfigError(f"says nothing of a {type_name}", key)
    block, addresses = _place(entry, type_name, habits, allowed)
    states = checks.require_type(entry.get("states", {}), dict, "states", EXAMPLES["states"])
    own = replace(habits, orders=orders, table=block.table)
    return Register(
        name=name, block=block, type=type_name, addresses=addresses,
        resolution=entry.get("resolution", "1"),
        not_available=_patterns(entry),
        offset=checks.require_number(entry.get("offset", 0), "offset"),
        states=_states(states), other_state=states.get(ELSE, ""),
        mask=whole_of(entry, "mask") if "mask" in entry else None,
        **{key: checks.require_type(entry.get(key, ""), str, key)
           for key in ("byte", "encoding", "characters", "layout")},
        exponent=_factor({"type": "s16", **_table_of(entry, "exponent")}, f"{name} exponent", own, "exponent")
        if "exponent" in entry else None,
        times=_others(entry, "times", f"{name} ratio", own), plus=_others(entry, "plus", f"{name} part", own),
        sign=_sign(entry, name, own),
        unconfirmed=checks.require_truth(entry.get("unconfirmed", False), "unconfirmed"),
        constant=entry.get("constant"), where=where_of(entry, own), **orders)


def _place(entry: Entry, type_name: str, habits: Habits, allowed: Collection[str]) -> tuple[Block, list[int]]:
    """Return the first block of a register, and all addresses if they are not adjacent."""
    if type_name not in COUNTED and "count" in entry:
        raise ConfigError(f"only {', '.join(COUNTED)} take a count; a {type_name} has its own", "count")
    if "addresses" in entry:
        for key in ("address", "count"):
            if key in entry:
                raise ConfigError("leave it out beside addresses", key)
        stated = checks.require_type(entry["addresses"], list, "addresses", EXAMPLES["addresses"])
        blocks = []
        for number, address in enumerate(checks.require_few(stated, MOST_REGISTERS, "of them", "addresses"),
                                         1):
            with checks.inside(f"addresses[{number}]"):
                blocks.append(block_of({**entry, "address": address}, habits, (*allowed, "address"), 1))
        if not blocks:
            raise ConfigError("at least one is needed", "addresses")
        return blocks[0], [block.address for block in blocks]
    count = TYPES[type_name].registers
    if type_name == "bits" and "count" not in entry:
        count = 1
    if type_name == "time":
        count = parse_layout(text_of(entry, "layout")).registers
    return block_of(entry, habits, allowed, count), []


def _patterns(entry: Entry) -> list[int]:
    stated = entry.get("not_available", [])
    return [checks.require_type(each, int, "not_available", "0x8000, or [0x8000, 0x7FFF]")
            for each in (stated if isinstance(stated, list) else [stated])]


def _table_of(entry: Entry, key: str) -> Entry:
    return checks.require_type(entry[key], dict, key, EXAMPLES[key])


def _factor(entry: Entry, name: str, habits: Habits, key: str,
            allowed: Sequence[str] = FACTOR_KEYS) -> Register:
    """Return another register that changes a number; by default it has the number's table and orders."""
    with checks.inside(key):
        hints.require_keys(entry, allowed)
        register = register_of({"name": name, **entry}, habits, (*allowed, "name"))
        number = register.row.number
        if key == "where" and register.type == "text":
            return register
        if not number or key not in ("times", "plus") and not number.is_whole:
            raise ConfigError(f"a {register.type} is no number that can be used so", "type")
        return register


def _others(entry: Entry, key: str, name: str, habits: Habits) -> list[Register]:
    stated = checks.require_type(entry.get(key, []), list, key, EXAMPLES[key])
    checks.require_few(stated, 8, "of them", key)
    return [_factor(checks.require_type(each, dict, f"{key}[{number}]", EXAMPLES[key]), f"{name} {number}",
                    habits, key)
            for number, each in enumerate(stated, 1)]


def _sign(entry: Entry, name: str, habits: Habits) -> Sign[Register] | None:
    if "sign" not in entry:
        return None
    stated = _table_of(entry, "sign")
    place = {key: value for key, value in stated.items() if key not in SIGN_KEYS}
    register = _factor({"type": "u16", **place}, f"{name} sign", habits, "sign", VALUE_KEYS)
    says = {key: checks.require_type(stated[key], int, f"sign.{key}") for key in SIGN_KEYS if key in stated}
    with checks.inside("sign"):
        sign = Sign(register, **says)
        for key in SIGN_KEYS:
            require_sayable(register, getattr(sign, key), key)
    return sign


def where_of(entry: Entry, habits: Habits) -> list[Where[Register]]:
    """Return the registers that must hold certain values, and the values: of one table, or of a list of them."""
    stated = entry.get("where", [])
    if not isinstance(stated, list):
        return [_where(checks.require_type(stated, dict, "where", EXAMPLES["where"]), habits)]
    checks.require_few(stated, 8, "of them", "where")
    return [_where(checks.require_type(each, dict, f"where[{number}]", EXAMPLES["where"]), habits)
            for number, each in enumerate(stated, 1)]


def _where(stated: Entry, habits: Habits) -> Where[Register]:
    equals = stated.get("equals", [])
    place = {key: value for key, value in stated.items() if key != "equals"}
    register = _factor({"type": "u16", **place}, "where", habits, "where", VALUE_KEYS)
    if equals == []:
        raise ConfigError("equals is needed, and not empty", "where")
    kind: type[int] | type[str] = str if register.type == "text" else int
    values = equals if isinstance(equals, list) else [equals]
    for each in values:
        require_sayable(register, checks.require_type(each, kind, "where.equals"), "where.equals")
    return Where(register, tuple(values))


def _states(states: Entry) -> dict[int, str]:
    for key, name in states.items():
        if key != ELSE and (not key.removeprefix("-").isdecimal() or len(key) > 20):
            raise ConfigError(f'{show(key)} is neither a whole number nor "{ELSE}"', "states")
        checks.require_name(name, f"states.{key}")
    return {int(key): name for key, name in states.items() if key != ELSE}
