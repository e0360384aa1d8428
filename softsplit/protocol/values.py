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
from decimal import Decimal

from softsplit.errors import ConfigError, show

INTEGERS = {"u16": 16, "s16": 16, "u24": 24, "s24": 24, "u32": 32, "s32": 32, "u64": 64, "s64": 64}  # bits
FLOATS = {"f32": ">f", "f64": ">d"}  # for struct
NUMBERS = (*INTEGERS, *FLOATS)
COUNTED = ("text", "bits", "raw")  # types that state their own count of registers
TYPES = (*NUMBERS, *COUNTED)
ORDERS = ("big", "little")  # which end comes first
SMALLEST_WORTH, LARGEST_WORTH = Decimal("1e-18"), Decimal("1e18")

Value = int | float | str | bytes | tuple[bool, ...]


def bits_of(type_name: str) -> int:
    """Count of bits of a number of this type."""
    return INTEGERS.get(type_name) or 8 * struct.calcsize(FLOATS[type_name])


def registers_of(type_name: str) -> int:
    """Count of registers which a number of this type takes."""
    return (bits_of(type_name) + 15) // 16


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
    return number & (1 << bits_of(type_name)) - 1 if type_name in NUMBERS else number


def decode(type_name: str, data: bytes, word_order: str = "big", byte_order: str = "big") -> Value:
    """The value in the bytes of registers: a number, in counts; or text, without the zeros and spaces that
    fill it up; or bits, the lowest first; or the raw bytes.
    """
    if type_name == "raw":
        return data
    if type_name == "text":
        return rearrange(type_name, data, word_order, byte_order).decode("ascii", "replace").rstrip("\0 ")
    number = pattern(type_name, data, word_order, byte_order)
    if type_name == "bits":
        return tuple(bool(number >> position & 1) for position in range(8 * len(data)))
    if type_name in FLOATS:
        return struct.unpack(FLOATS[type_name], number.to_bytes(len(data), "big"))[0]
    bits = INTEGERS[type_name]
    return number - (1 << bits) if type_name[0] == "s" and number >> bits - 1 else number


def encode(type_name: str, number: int | float, word_order: str = "big", byte_order: str = "big") -> bytes:
    """A number, in counts, as the bytes of its registers. Raises OverflowError when it does not fit."""
    if type_name in FLOATS:
        data = struct.pack(FLOATS[type_name], number)
    else:
        lowest, highest = _span(type_name)
        if not lowest <= number <= highest:
            raise OverflowError(f"{number} does not fit into a {type_name}")
        data = number.to_bytes(2 * registers_of(type_name), "big", signed=lowest < 0)
    return rearrange(type_name, data, word_order, byte_order)


def encode_text(text: str, count: int, byte_order: str = "big") -> bytes:
    """Text as `count` registers, filled up with zero bytes. Raises ValueError when it does not fit."""
    data = text.encode("ascii", "replace")
    if len(data) > 2 * count:
        raise ValueError(f'"{text}" does not fit into {count} registers')
    return rearrange("text", data.ljust(2 * count, b"\0"), "big", byte_order)


def encode_nearest(type_name: str, number: float, word_order: str = "big", byte_order: str = "big") -> bytes:
    """Like `encode`, but a number beyond the type becomes the nearest that it can hold."""
    if type_name in INTEGERS:
        lowest, highest = _span(type_name)
        number = min(max(round(number), lowest), highest)
    return encode(type_name, number, word_order, byte_order)


def _span(type_name: str) -> tuple[int, int]:
    """The lowest and the highest whole number of a type."""
    bits = INTEGERS[type_name]
    return (-1 << bits - 1, (1 << bits - 1) - 1) if type_name[0] == "s" else (0, (1 << bits) - 1)
