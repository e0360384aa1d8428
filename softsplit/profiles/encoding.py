"""Encode values for registers: the reverse of `Register.decode`. Pure."""

from collections.abc import Iterable
from decimal import Decimal
from math import isfinite, nan

from softsplit.errors import ConfigError, show
from softsplit.profiles.register import FLOATS, ONE, Register
from softsplit.protocol import values
from softsplit.protocol.pdu import pack_bits
from softsplit.protocol.values import EXACT, Value


def encode(register: Register, value: Value | Decimal | None, factor: Decimal = ONE, into: bytes = b"",
           nearest: bool = False) -> bytes:
    """Return the bytes of a register's `parts` for a value, numbers in its unit of measure.

    Other values in the same registers are kept from `into`. `factor` comes from its other registers, see
    `scaling`; those that are added to it say 0. None is written as the first pattern of `not_available`, or
    as nan. With `nearest`, a value that does not fit becomes the nearest that does. Raises OverflowError if
    the value does not fit, or would mean "not available"; ValueError if the type has no such value.
    """
    orders = register.word_order, register.byte_order
    if register.block.table.holds_bits:
        return value if isinstance(value, bytes) else pack_bits(list(_bits(register, value, register.block.count)))
    raw = int.from_bytes(values.rearrange(register.type, into, *orders), "big") if into else 0
    if value is None:
        raw = register.bits.put_absent(raw, _absent(register))
    elif register.row.number is None:
        raw = raw & ~register.bits.mask | _pattern(register, value) & register.bits.mask
    else:
        number, count = register.bits.number, _counts(register, value, factor)
        raw = register.bits.written.put(raw, number.encode(number.nearest(count) if nearest else count))
    if value is not None and register.bits.is_absent(raw, register.not_available) and not nearest:
        raise OverflowError(f'"{register.name}": {show(value)} would say "not available"')
    return values.rearrange(register.type, raw.to_bytes(2 * register.count, "big"), *orders)


def encode_exactly(register: Register, value: Value | Decimal, factor: Decimal = ONE) -> bytes:
    """As `encode`, for values written by a person. Raises ValueError, too, if the register would round it."""
    words = encode(register, value, factor)
    if register.row.number and isinstance(value, (int, float, Decimal)):
        said, meant = register.exact(words, factor), value if isinstance(value, Decimal) else Decimal(repr(value))
        if said is None or said != meant and (register.row.number.is_whole or not said):
            raise ValueError(f"the register would say {said:f}, since one count is {register.resolution}")
    elif isinstance(value, str) and register.type == "text" and not can_say(register, value):
        raise ValueError(f"not all of its characters are {register.writing.encoding}")
    return words


def require_sayable(register: Register, value: Value, key: str) -> None:
    """Raise ConfigError unless the register can say this value: else nothing would ever equal it."""
    try:
        said = register.decode(encode_exactly(register, value))
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{show(value)} is not possible: {error}", key) from None
    if said != value:
        raise ConfigError(f"{show(value)} is not possible: it is read as {show(said)}", key)


def can_say(register: Register, text: str) -> bool:
    """Whether the encoding of a register has all characters of a text; `encode` writes others as "?"."""
    return text.encode(register.writing.encoding, "ignore").decode(register.writing.encoding) == text


def _absent(register: Register) -> int:
    """The pattern for "not available"."""
    if register.not_available:
        return register.not_available[0]
    if register.row.number is None or register.type not in FLOATS:
        raise ValueError(f'"{register.name}" has no pattern for "not available"')
    return register.row.number.encode(nan)


def _pattern(register: Register, value: Value | Decimal) -> int:
    """The bits of the registers for a value that is no number."""
    if isinstance(value, Decimal):
        raise ValueError(f'"{register.name}" cannot say a number')
    if register.type == "bits":
        value = tuple(_bits(register, value, 16 * register.count))
    return int.from_bytes(values.encode(register.type, value, count=register.count, writing=register.writing),
                          "big")


def _counts(register: Register, value: Value | Decimal, factor: Decimal) -> int | float:
    """The value in counts; whole if the type is."""
    if isinstance(value, str):
        named = [count for count, name in register.states.items() if name == value]
        if not named:
            raise ValueError(f'"{register.name}" knows no state {show(value)}')
        return named[0]
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or not isfinite(value) or not factor:
        raise ValueError(f'"{register.name}" cannot say {show(value)}')
    worth = register.worth if factor is ONE else EXACT.multiply(register.worth, factor)
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    if register.offset:
        exact = EXACT.subtract(exact, Decimal(repr(register.offset)))
    exact = exact if worth is ONE else EXACT.divide(exact, worth)
    if register.bits.number.is_whole:
        return int(exact.to_integral_value(context=EXACT))
    if not isfinite(float(exact)):
        raise OverflowError(f'"{register.name}": {exact:.6e} does not fit into a {register.type}')
    return float(exact)


def _bits(register: Register, value: Value | Decimal | None, count: int) -> Iterable[bool]:
    """The bits of a value: a number, a sequence of bits, or the names of those that are on."""
    if isinstance(value, int) and 0 <= value < 1 << count:
        return (bool(value >> number & 1) for number in range(count))
    if not isinstance(value, (tuple, list)) or len(value) > count:
        raise ValueError(f'"{register.name}" cannot say {show(value)}')
    named = {register.states.get(number, f"bit {number}"): number for number in range(count)}
    for name in value:
        if isinstance(name, str) and name not in named:
            raise ValueError(f'"{register.name}" knows no bit {show(name)}')
    on = {named[each] if isinstance(each, str) else number if each else None
          for number, each in enumerate(value)}
    return (number in on for number in range(count))
