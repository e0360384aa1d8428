"""Unit addresses on a serial line: one byte, or on some devices four, taken from the serial number.

    one byte    unit (1)                    PDU    CRC (2)
    four bytes  unit (4, high byte first)   PDU    CRC (2)
"""

import re
from collections.abc import Iterable

from softsplit.errors import ConfigError, show

SIZES = (1, 4)  # bytes
UNITS = range(256)  # one byte; over Modbus TCP a device may have any of them
BROADCAST = 0  # on a serial line: all units at once; MODBUS over Serial Line V1.02, 2.2
LINE_UNITS = range(1, 248)  # allowed on a serial line; same section


class LongUnit(int):
    """A unit address of four bytes, printed as eight hex digits."""

    def __repr__(self) -> str:
        return f"0x{int(self):08X}"

    __str__ = __repr__

    def __format__(self, form: str) -> str:
        return format(str(self), form)


def parse_long_unit(text: str) -> LongUnit:
    """Parse an address of four bytes, written like 0x0012D687. Raises ConfigError."""
    if not re.fullmatch(r"(0[xX])?[0-9A-Fa-f]{8}", text, re.ASCII) or not int(text, 16):
        raise ConfigError(f'{show(text)} is no unit address of four bytes; write all its eight hex digits, like '
                          "0x0012D687")
    return LongUnit(text, 16)


def parse_unit(text: str) -> int:
    """Parse a unit id or an address of four bytes. Raises ConfigError."""
    if text[:2].lower() == "0x":
        return parse_long_unit(text)
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and int(text) in UNITS):
        raise ConfigError(f'{show(text)} is no unit id; allowed are {UNITS[0]} to {UNITS[-1]}, or all eight hex '
                          "digits of an address of four bytes, like 0x0012D687")
    return int(text)


def unit_bytes(unit: int) -> bytes:
    """Encode a unit address as in a frame."""
    return unit.to_bytes(4 if isinstance(unit, LongUnit) else 1, "big")


def size_of(units: Iterable[int]) -> int:
    """Return how many bytes these unit addresses have in a frame; all have the same size."""
    return max(map(len, map(unit_bytes, units)), default=1)


def unit_of(frame: bytes, size: int = 1) -> int:
    """Decode the unit address of `size` bytes at the start of a frame."""
    unit = int.from_bytes(frame[:size], "big")
    return unit if size == 1 else LongUnit(unit)
