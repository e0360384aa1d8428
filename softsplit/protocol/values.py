"""Registers and numbers: the types a profile may state, and how a number stands in registers.

Registers are big-endian, the high word first (MAP 4.2; the word order of wider values is the ABB meters').
"""

import struct
from decimal import Decimal

from softsplit.errors import ConfigError

NUMBERS = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "u64": ">Q", "s64": ">q", "f32": ">f",
           "f64": ">d"}  # for struct
COUNTED = ("text", "bits", "raw")  # types that state their own count of registers
TYPES = (*NUMBERS, *COUNTED)


def registers_of(type_name: str) -> int:
    """Count of registers which a number of this type takes."""
    return struct.calcsize(NUMBERS[type_name]) // 2


def parse_resolution(text: str) -> tuple[Decimal, str]:
    """Split a resolution as "0.1 V" into what one count is worth and the unit of measure (may be empty).

    Raises ConfigError when it does not start with a positive number.
    """
    number, _, measure = text.strip().partition(" ")
    try:
        worth = Decimal(number)
    except ArithmeticError:
        worth = Decimal(0)
    if not worth.is_finite() or worth <= 0:
        raise ConfigError(f'"{text}" does not say what one count is worth; write it like "0.1 V" or "0.001"',
                          "resolution")
    return worth, measure.strip()


def encode(type_name: str, number: int | float) -> bytes:
    """A number, in counts, as the bytes of its registers. Raises struct.error when it does not fit."""
    return struct.pack(NUMBERS[type_name], number)


def encode_text(text: str, count: int) -> bytes:
    """Text as `count` registers, filled up with zero bytes. Raises ValueError when it does not fit."""
    data = text.encode("ascii", "replace")
    if len(data) > 2 * count:
        raise ValueError(f'"{text}" does not fit into {count} registers')
    return data.ljust(2 * count, b"\0")


def encode_nearest(type_name: str, number: float) -> bytes:
    """Like `encode`, but a number beyond the type becomes the nearest that it can hold."""
    form = NUMBERS[type_name]
    if form[1] in "fd":
        return encode(type_name, number)
    bits = 8 * struct.calcsize(form)
    lowest, highest = (-1 << bits - 1, (1 << bits - 1) - 1) if form[1].islower() else (0, (1 << bits) - 1)
    return encode(type_name, min(max(round(number), lowest), highest))
