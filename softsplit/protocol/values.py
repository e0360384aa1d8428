"""Convert registers to numbers: the value types of profiles and their byte orders.

A register is two bytes, the high one first (MAP 4.2); how wider values stand in several of them, and floats
in any, the specification does not say. Which end of a value comes first is a word of two: `word_order` of
the registers of a number, `byte_order` of the two bytes of each. So 0x01020304 is

    word_order  byte_order  on the wire    elsewhere called
    big         big         01 02 03 04    ABCD, what the specification suggests and most devices do
    big         little      02 01 04 03    BADC, swapped bytes
    little      big         03 04 01 02    CDAB, swapped words
    little      little      04 03 02 01    DCBA

and of 64 bits all four registers change places. A number of 24 bits takes two registers, as one of 32 does,
of which the highest byte says nothing (zero, or the sign once more) and is not looked at.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from softsplit.errors import ConfigError, show

COUNTED = ("text", "bits", "raw")  # types that state their own count of registers
ORDERS = ("big", "little")  # which end comes first
SMALLEST_WORTH, LARGEST_WORTH = Decimal("1e-18"), Decimal("1e18")

Number = int | float
Value = int | float | str | bytes | tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class NumberType:
    """A type of number: one row says all of it. `decode` and `encode` go from and to its bits, as an unsigned
    number; `encode` raises OverflowError for what does not fit, and `nearest` is what does.
    """

    name: str
    bits: int
    decode: Callable[[int], Number]
    encode: Callable[[Number], int]
    nearest: Callable[[float], Number]
    is_whole: bool = True

    @property
    def registers(self) -> int:
        return (self.bits + 15) // 16


def _whole(name: str, bits: int, is_signed: bool) -> NumberType:
    """A whole number. One that is below zero fills up all of its registers."""
    lowest, highest = (-1 << bits - 1, (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
    width = 1 << 16 * ((bits + 15) // 16)

    def encode(number: Number) -> int:
        if not lowest <= number <= highest:
            raise OverflowError(f"{number} does not fit into a {name}")
        return int(number) % width

    return NumberType(name, bits, lambda pattern: pattern - (1 << bits) if pattern > highest else pattern,
                      encode, lambda number: min(max(round(number), lowest), highest))


def _float(name: str, bits: int, form: str) -> NumberType:
    """A floating-point number of IEEE 754; `form` is for struct."""
    def decode(pattern: int) -> float:
        number: float = struct.unpack(form, pattern.to_bytes(bits // 8, "big"))[0]
        return number

    return NumberType(name, bits, decode, lambda number: int.from_bytes(struct.pack(form, number), "big"),
                      lambda number: number, is_whole=False)


NUMBERS = {row.name: row for row in (
    _whole("u16", 16, False), _whole("s16", 16, True),
    _whole("u24", 24, False), _whole("s24", 24, True),
    _whole("u32", 32, False), _whole("s32", 32, True),
    _whole("u64", 64, False), _whole("s64", 64, True),
    _float("f32", 32, ">f"), _float("f64", 64, ">d"),
)}
TYPES = (*NUMBERS, *COUNTED)


def parse_resolution(text: str) -> tuple[Decimal, str]:
    """Split a resolution as "0.1 V" into what one count is worth and the unit of measure (may be empty).

    Raises ConfigError when it does not start with a positive number, or one that no count is worth.
    """
    number, _, measure = text.strip().partition(" ")
    try:
        worth = Decimal(number)
    except ArithmeticError:
        worth = Decimal(0)
    if not worth.is_finite() or not SMALLEST_WORTH <= worth <= LARGEST_WORTH or not measure.isprintable():
        raise ConfigError(f'{show(text)} does not say what one count is worth; write it like "0.1 V" or "0.001"',
                          "resolution")
    return worth, measure.strip()


def rearrange(type_name: str, data: bytes, word_order: str, byte_order: str) -> bytes:
    """The bytes of a value, from the wire put big end first, or back again.

    Text has a byte order only, since nobody reverses its registers; raw bytes have none.
    """
    if type_name != "raw" and byte_order == "little":
        data = b"".join(data[at:at + 2][::-1] for at in range(0, len(data), 2))
    if type_name not in ("text", "raw") and word_order == "little":
        data = b"".join(data[at:at + 2] for at in range(len(data) - 2, -1, -2))
    return data


def pattern(type_name: str, data: bytes, word_order: str = "big", byte_order: str = "big") -> int:
    """The bits of a value as an unsigned number, as `not_available` states them."""
    number = int.from_bytes(rearrange(type_name, data, word_order, byte_order), "big")
    return number & (1 << NUMBERS[type_name].bits) - 1 if type_name in NUMBERS else number


def decode_number(type_name: str, data: bytes, word_order: str = "big", byte_order: str = "big") -> Number:
    """The number, in counts, in the bytes of its registers."""
    return NUMBERS[type_name].decode(pattern(type_name, data, word_order, byte_order))


def decode(type_name: str, data: bytes, word_order: str = "big", byte_order: str = "big") -> Value:
    """The value in the bytes of registers: a number, in counts; or text, without the zeros and spaces that
    fill it up; or bits, the lowest first; or the raw bytes.
    """
    if type_name in NUMBERS:
        return decode_number(type_name, data, word_order, byte_order)
    if type_name == "raw":
        return data
    if type_name == "text":
        return rearrange(type_name, data, word_order, byte_order).decode("ascii", "replace").rstrip("\0 ")
    number = pattern(type_name, data, word_order, byte_order)
    return tuple(bool(number >> position & 1) for position in range(8 * len(data)))


def encode(type_name: str, number: Number, word_order: str = "big", byte_order: str = "big") -> bytes:
    """A number, in counts, as the bytes of its registers. Raises OverflowError when it does not fit."""
    row = NUMBERS[type_name]
    return rearrange(type_name, row.encode(number).to_bytes(2 * row.registers, "big"), word_order, byte_order)


def encode_text(text: str, count: int, byte_order: str = "big") -> bytes:
    """Text as `count` registers, filled up with zero bytes. Raises ValueError when it does not fit."""
    data = text.encode("ascii", "replace")
    if len(data) > 2 * count:
        raise ValueError(f'"{text}" does not fit into {count} registers')
    return rearrange("text", data.ljust(2 * count, b"\0"), "big", byte_order)


def encode_nearest(type_name: str, number: float, word_order: str = "big", byte_order: str = "big") -> bytes:
    """Like `encode`, but a number beyond the type becomes the nearest that it can hold."""
    return encode(type_name, NUMBERS[type_name].nearest(number), word_order, byte_order)
