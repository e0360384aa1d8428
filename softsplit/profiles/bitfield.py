"""The bits of its registers that a value takes: all of them, one byte, or those under a mask. Pure."""

from collections.abc import Container
from dataclasses import dataclass

from softsplit.errors import ConfigError, show
from softsplit.protocol.numbers import NUMBERS, NumberType, mod10, whole


@dataclass(frozen=True, slots=True)
class Span:
    """`width` bits from `shift` on in the number that the registers form, big end first."""

    shift: int
    width: int

    def of(self, raw: int) -> int:
        return raw >> self.shift & self._ones

    def put(self, raw: int, bits: int) -> int:
        """Return `raw` with these bits replaced."""
        return raw & ~(self._ones << self.shift) | (bits & self._ones) << self.shift

    @property
    def _ones(self) -> int:
        return (1 << self.width) - 1


@dataclass(frozen=True, slots=True)
class Field:
    """The bits of a value: those that are read (`own`), overwritten (`written`) and those of all its registers
    (`said`), and their type of `number`. `mask` hides some bits of a value that is no number.
    """

    own: Span
    written: Span
    said: Span
    mask: int
    number: NumberType = NUMBERS["u16"]

    def is_absent(self, raw: int, patterns: Container[int]) -> bool:
        """Whether the registers, or the bits of the value in them, say one of the patterns for "no value"."""
        return self.said.of(raw) in patterns or self.own.of(raw) in patterns

    def put_absent(self, raw: int, pattern: int) -> int:
        """Return `raw` with a pattern for "no value": in the bits of the value, or in all if it is too large."""
        return (self.said if pattern >> self.own.width else self.own).put(raw, pattern)


def field_of(type_name: str, count: int, mask: int | None, byte: str) -> Field:
    """Return the bits that a value of this type takes in `count` registers. Raises ConfigError."""
    size = 16 * count
    everything, all_bits = Span(0, size), (1 << size) - 1
    if mask is not None and (not isinstance(mask, int) or isinstance(mask, bool) or not 0 < mask <= all_bits):
        raise ConfigError(f"{show(mask)} is no mask of {count} registers; write it like 0x0F00", "mask")
    if type_name not in NUMBERS:
        return Field(everything, everything, everything, all_bits if mask is None else mask)
    number = mod10(count) if type_name == "mod10" else NUMBERS[type_name]
    if number.bits == 8:
        half = Span(8 if byte == "high" else 0, 8)
        return Field(half, half, half, all_bits, number)
    plain = Span(0, number.bits)
    if mask is None:
        return Field(plain, everything, plain, all_bits,
                     number)  # one below zero fills up all of its registers
    shift = (mask & -mask).bit_length() - 1
    part = Span(shift, mask.bit_length() - shift)
    if mask.bit_count() != part.width:
        raise ConfigError(f"the bits of 0x{mask:X} are not next to each other; write it like 0x0F00", "mask")
    return Field(part, part, plain, all_bits,
                 whole(f"{type_name} of {part.width} bits", part.width, type_name.startswith("s")))
