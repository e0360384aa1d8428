"""Convert registers to values and back: the value types of profiles and their byte orders. Pure.

A register is two bytes, the high one first (MAP 4.2); the specification defines neither wider values nor
floats. `word_order` says which register of a number comes first, `byte_order` which byte of each register. So
0x01020304 is

    word_order  byte_order  on the wire    elsewhere called
    big         big         01 02 03 04    ABCD, what the specification suggests and most devices do
    big         little      02 01 04 03    BADC, swapped bytes
    little      big         03 04 01 02    CDAB, swapped words
    little      little      04 03 02 01    DCBA

and in 64 bits all four registers change places. A number of 24 bits takes two registers, as one of 32 bits;
its highest byte (zero, or the sign repeated) is ignored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import lru_cache

from softsplit.errors import ConfigError, show
from softsplit.protocol.numbers import NUMBERS, Number, NumberType
from softsplit.protocol.times import parse_layout

ORDERS = ("big", "little")  # which end comes first
WORD_ORDERS = {"abcd": ("big", "big"), "badc": ("big", "little"), "cdab": ("little", "big"),
               "dcba": ("little", "little")}  # other names for word_order and byte_order
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN,
                traps=[DivisionByZero, InvalidOperation, Overflow])  # digits
SMALLEST_WORTH, LARGEST_WORTH = Decimal("1e-18"), Decimal("1e18")
ENCODINGS = ("ascii", "utf-8", "latin-1")
CHARACTERS = ("low", "high")  # the byte with the character, if each register has only one

Value = int | float | str | bytes | tuple[bool, ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Writing:
    """How text and times are written: `encoding`, `characters` (one of CHARACTERS, or both bytes), `layout`."""

    encoding: str = "ascii"
    characters: str = ""
    layout: str = ""


@dataclass(frozen=True, slots=True)
class ValueType:
    """A type of value: the `keys` of a profile that apply to it, and its `registers`; None if a count says so.

    Types without a `number` have `decode` and `encode`, from and to bytes, big end first; `encode` raises
    ValueError or OverflowError.
    """

    name: str
    keys: frozenset[str]
    registers: int | None = None
    number: NumberType | None = None
    decode: Callable[[bytes, Writing], Value | None] = lambda data, writing: data
    encode: Callable[[Value, int, Writing], bytes] = lambda value, size, writing: b""


SCALED = ("resolution", "offset", "states", "exponent", "times", "sign", "plus")  # what numbers alone have


def _number(number: NumberType) -> ValueType:
    keys = {*SCALED, "not_available", "byte_order"}
    keys |= {"mask"} if number.is_plain and number.bits > 8 else set()
    keys |= {"byte"} if number.bits == 8 else set()
    keys |= {"word_order", "addresses"} if number.registers != 1 else set()
    return ValueType(number.name, frozenset(keys), number.registers or None, number)


def _put(text: bytes, size: int) -> bytes:
    if len(text) > size:
        raise OverflowError(f"{len(text)} bytes do not fit into {size}")
    return text.ljust(size, b"\0")


def _text(data: bytes, writing: Writing) -> str:
    if writing.characters:
        data = data[writing.characters == "low"::2]
    return data.decode(writing.encoding, "replace").rstrip("\0 ")


def _require_text(value: Value, type_name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{show(value)} is no {type_name}; it stands in quotes")
    return value


def _from_text(value: Value, size: int, writing: Writing) -> bytes:
    text = _require_text(value, "text").encode(writing.encoding, "replace")
    if not writing.characters:
        return _put(text, size)
    pairs = ((0, each) if writing.characters == "low" else (each, 0) for each in _put(text, size // 2))
    return bytes(byte for pair in pairs for byte in pair)


def _from_hex(value: Value, size: int, writing: Writing) -> bytes:
    text = _require_text(value, "hex")
    try:
        return _put(bytes.fromhex(text), size)
    except ValueError as error:
        raise ValueError(f'{show(value)} is no hex; write it like "00 1A"') from error


def _from_address(value: Value, size: int, writing: Writing) -> bytes:
    parts = _require_text(value, "address").split(".")
    if len(parts) != size or not all(part.isdecimal() and len(part) <= 3 and int(part) <= 0xFF
                                     for part in parts):
        raise ValueError(f'{show(value)} is no address; write it like "192.168.1.10"')
    return bytes(map(int, parts))


def _from_bytes(value: Value, size: int, writing: Writing) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError(f"{show(value)} is no bytes")
    return _put(value, size)


def _bits(data: bytes, writing: Writing) -> tuple[bool, ...]:
    number = int.from_bytes(data, "big")
    return tuple(bool(number >> position & 1) for position in range(8 * len(data)))


def _from_bits(value: Value, size: int, writing: Writing) -> bytes:
    if not isinstance(value, tuple):
        raise ValueError(f"{show(value)} is no bits")
    return sum(bool(bit) << position for position, bit in enumerate(value)).to_bytes(size, "big")


ANY = frozenset(("not_available", "byte_order", "addresses"))
TYPES = {row.name: row for row in (
    *map(_number, NUMBERS.values()),
    ValueType("text", ANY | {"encoding", "characters"}, decode=_text, encode=_from_text),
    ValueType("bits", ANY | {"word_order", "states", "mask"}, decode=_bits, encode=_from_bits),
    ValueType("raw", ANY - {"byte_order"}, encode=_from_bytes),
    ValueType("hex", ANY, decode=lambda data, writing: data.hex().upper(), encode=_from_hex),
    ValueType("ipv4", ANY | {"word_order"}, 2, decode=lambda data, writing: ".".join(map(str, data)),
              encode=_from_address),
    ValueType("time", ANY | {"word_order", "layout"},
              decode=lambda data, writing: parse_layout(writing.layout).decode(data),
              encode=lambda value, size, writing: parse_layout(writing.layout).encode(_require_text(value, "time"))),
)}
COUNTED = tuple(row.name for row in TYPES.values() if row.registers is None and row.name != "time")
PLAIN = Writing()


@lru_cache(1000)
def parse_resolution(text: str) -> tuple[Decimal, str]:
    """Split a resolution such as "0.1 V" into the worth of one count and the unit of measure (may be empty).

    The worth is negative if the device has the opposite sign. Raises ConfigError if it does not start with a
    sensible number.
    """
    number, _, measure = text.strip().partition(" ")
    try:
        worth = Decimal(number)
    except ArithmeticError:
        worth = Decimal(0)
    if not worth.is_finite() or not SMALLEST_WORTH <= worth.copy_abs() <= LARGEST_WORTH or not measure.isprintable():
        raise ConfigError(f'{show(text)} does not say what one count is worth; write it like "0.1 V" or "0.001"',
                          "resolution")
    return worth, measure.strip()


def rearrange(type_name: str, data: bytes, word_order: str, byte_order: str) -> bytes:
    """Convert the bytes of a value between the wire and big end first; only types with an order change."""
    keys = TYPES[type_name].keys
    if byte_order == "little" and "byte_order" in keys:
        data = b"".join(data[at:at + 2][::-1] for at in range(0, len(data), 2))
    if word_order == "little" and "word_order" in keys:
        data = b"".join(data[at:at + 2] for at in range(len(data) - 2, -1, -2))
    return data


def pattern(type_name: str, data: bytes, word_order: str = "big", byte_order: str = "big") -> int:
    """The bits of a value as an unsigned number, as in `not_available`."""
    number = int.from_bytes(rearrange(type_name, data, word_order, byte_order), "big")
    row = NUMBERS.get(type_name)
    return number & (1 << row.bits) - 1 if row and row.bits else number


def decode_number(type_name: str, data: bytes, word_order: str = "big", byte_order: str = "big") -> Number:
    """Decode the number, in counts, in the bytes of its registers; nan if they hold none."""
    return NUMBERS[type_name].decode(pattern(type_name, data, word_order, byte_order))


def decode(type_name: str, data: bytes, word_order: str = "big", byte_order: str = "big",
           writing: Writing = PLAIN) -> Value | None:
    """Decode the bytes of registers: a number, in counts; text, without zeros and spaces at its end; bits, the
    lowest first; raw bytes; or a time as text. None if there is no value.
    """
    if type_name in NUMBERS:
        return decode_number(type_name, data, word_order, byte_order)
    return TYPES[type_name].decode(rearrange(type_name, data, word_order, byte_order), writing)


def encode(type_name: str, value: Value, word_order: str = "big", byte_order: str = "big", count: int = 0,
           writing: Writing = PLAIN) -> bytes:
    """Encode a value, numbers in counts, into the bytes of its registers; `count` for types without their own.

    Raises OverflowError or ValueError if it does not fit, or is not of this type.
    """
    row = TYPES[type_name]
    size = 2 * (row.registers or count)
    if row.number is None:
        data = row.encode(value, size, writing)
    elif isinstance(value, (int, float)):
        data = row.number.encode(value).to_bytes(size, "big")
    else:
        raise ValueError(f"{show(value)} is no {type_name}")
    return rearrange(type_name, data, word_order, byte_order)
