"""Format the values of registers for people: text and unit of measure. Pure."""

from dataclasses import dataclass

from softsplit.printable import printable
from softsplit.profiles import Register
from softsplit.protocol.blocks import Block
from softsplit.protocol.pdu import unpack_bits
from softsplit.protocol.values import Value, parse_resolution

DIGITS = {"f16": 4, "f32": 7, "f64": 15, "e8s24": 8, "e8u24": 8}  # that a float has
ABSENT = "absent"  # the device itself says "not available"


@dataclass(frozen=True, slots=True)
class NamedValue:
    """A register and its value; None if it has none."""

    register: Register
    value: Value | None

    @property
    def name(self) -> str:
        return self.register.name

    @property
    def measure(self) -> str:
        """The unit of measure; "" for a state or no value."""
        is_measured = isinstance(self.value, (int, float))
        return parse_resolution(self.register.resolution)[1] if is_measured else ""

    @property
    def text(self) -> str:
        """The value, with as many decimals as its resolution has."""
        value = self.value
        if value is None:
            return ABSENT
        if isinstance(value, str):
            return printable(value)
        if isinstance(value, bytes):
            return value.hex(" ", 2)
        if isinstance(value, tuple):
            return _bits(value)
        if self.register.is_scaled:  # whose decimals change with what it is scaled by
            return f"{value:.12g}"
        if self.register.type in DIGITS:
            return f"{value:.{DIGITS[self.register.type]}g}"
        exponent = int(parse_resolution(self.register.resolution)[0].as_tuple().exponent)
        return f"{value:.{max(0, -exponent)}f}"

    @property
    def digits(self) -> str:
        """The value for a program: likewise, but a float with all the digits that it has."""
        is_float = isinstance(self.value, float) and self.register.type in DIGITS
        return repr(self.value).removesuffix(".0") if is_float else self.text

    @property
    def plain(self) -> object:
        """The value as a type of JSON; bytes as hex digits."""
        value = self.value
        return value.hex() if isinstance(value, bytes) else list(value) if isinstance(value, tuple) else value

    def __str__(self) -> str:
        return f"{self.text} {self.measure}".rstrip()


def items_of(block: Block, data: bytes) -> list[int]:
    """The registers or bits of a block, as numbers."""
    if block.table.holds_bits:
        return list(unpack_bits(data, block.count))
    return [int.from_bytes(data[at:at + 2], "big") for at in range(0, len(data), 2)]


def _bits(bits: tuple[bool, ...] | tuple[str, ...]) -> str:
    """A single bit as on or off; of several, the names or numbers (from 0) of those that are on."""
    if not bits or isinstance(bits[0], str):
        return printable(", ".join(map(str, bits))) or "none"
    if len(bits) == 1:
        return "on" if bits[0] else "off"
    return ", ".join(str(number) for number, bit in enumerate(bits) if bit) or "none"
