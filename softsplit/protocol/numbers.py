"""The types of numbers in registers, a row for each. Pure.

The specification defines only bits and registers (MAP 4.2); the types are:

    u8 u16 u24 u32 u48 u64    whole and not negative; u8 is one byte of a register
    s8 s16 s24 s32 s48 s64    whole, as two's complement
    m16 m32                   whole, sign and magnitude: the highest bit is the sign
    f16 f32 f64               IEEE 754
    bcd16 bcd32               four decimal digits in each register
    mod10                     up to four registers of -9999 to 9999 each, in powers of 10000
    e8s24 e8u24               a power of ten in the top byte, and a number of 24 bits, with a sign or without

Anything else, such as the digit A in a bcd16, decodes to nan.
"""

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from math import nan

Number = int | float

DIGITS = 9999  # the most in one register of a mod10
MOST_MOD10 = 4  # registers
EXPONENTS = -128, 127  # of ten, in the top byte of an e8s24


@dataclass(frozen=True, slots=True)
class NumberType:
    """A type of number. `decode` and `encode` convert from and to its bits, as an unsigned number.

    `encode` raises OverflowError for a number that does not fit, and ValueError for a fraction in a whole
    type; `nearest` returns a number that fits. A type without `bits` has a count of registers.
    """

    name: str
    bits: int
    decode: Callable[[int], Number]
    encode: Callable[[Number], int]
    nearest: Callable[[float], Number]
    is_whole: bool = True
    is_plain: bool = False  # unsigned or two's complement, so that some of its bits are such a number, too
    written: Callable[[Number], str] = repr  # the shortest decimal that is the same number in this type

    @property
    def registers(self) -> int:
        return (self.bits + 15) // 16


def _refuse_unlike(name: str, number: Number, lowest: int, highest: int) -> None:
    if not lowest <= number <= highest:
        raise OverflowError(f"{number} does not fit into a {name}")
    if number % 1:
        raise ValueError(f"{number} is not whole, as a {name} is")


def _clamp(lowest: int, highest: int) -> Callable[[float], Number]:
    return lambda number: min(max(round(number), lowest), highest)


@cache
def whole(name: str, bits: int, is_signed: bool) -> NumberType:
    """A whole number; a negative one is extended to all of its registers."""
    lowest, highest = (-1 << bits - 1, (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
    width = 1 << (bits if bits < 16 else 16 * ((bits + 15) // 16))

    def encode(number: Number) -> int:
        _refuse_unlike(name, number, lowest, highest)
        return int(number) % width

    return NumberType(name, bits, lambda pattern: pattern - (1 << bits) if pattern > highest else pattern,
                      encode, _clamp(lowest, highest), is_plain=True)


def _float(name: str, bits: int, form: str, digits: range, largest: int) -> NumberType:
    """A floating-point number of IEEE 754; `form` is for struct, `digits` decimal digits identify it; `largest`
    are the bits of the largest.
    """
    def decode(pattern: int) -> float:
        number: float = struct.unpack(form, pattern.to_bytes(bits // 8, "big"))[0]
        return number

    def encode(number: Number) -> int:
        return int.from_bytes(struct.pack(form, number), "big")

    def written(number: Number) -> str:
        for count in digits:
            text = f"{number:.{count}g}"
            with suppress(OverflowError):  # rounded to more than the largest
                if encode(float(text)) == encode(number):
                    return text
        return repr(number)

    most = decode(largest)
    return NumberType(name, bits, decode, encode, lambda number: min(max(number, -most), most), is_whole=False,
                      written=written)


def _magnitude(name: str, bits: int) -> NumberType:
    """A sign in the highest bit, and a magnitude."""
    sign = 1 << bits - 1

    def encode(number: Number) -> int:
        _refuse_unlike(name, number, 1 - sign, sign - 1)
        return abs(int(number)) | (sign if number < 0 else 0)

    return NumberType(name, bits, lambda pattern: pattern if pattern < sign else sign - pattern, encode,
                      _clamp(1 - sign, sign - 1))


def _bcd(name: str, bits: int) -> NumberType:
    """Decimal digits of four bits each."""
    most = 10 ** (bits // 4) - 1

    def decode(pattern: int) -> Number:
        digits = f"{pattern:x}"
        return int(digits) if digits.isdecimal() else nan

    def encode(number: Number) -> int:
        _refuse_unlike(name, number, 0, most)
        return int(str(int(number)), 16)

    return NumberType(name, bits, decode, encode, _clamp(0, most))


@cache
def mod10(registers: int) -> NumberType:
    """Registers of four decimal digits each, all with the sign."""
    most = (DIGITS + 1) ** registers - 1

    def decode(pattern: int) -> Number:
        number, power = 0, 1
        while pattern:
            digits = (pattern & 0xFFFF ^ 0x8000) - 0x8000
            if abs(digits) > DIGITS:
                return nan
            number, power, pattern = number + digits * power, power * (DIGITS + 1), pattern >> 16
        return number

    def encode(number: Number) -> int:
        _refuse_unlike("mod10", number, -most, most)
        pattern, shift, left, sign = 0, 0, abs(int(number)), -1 if number < 0 else 1
        while left:
            left, digits = divmod(left, DIGITS + 1)
            pattern, shift = pattern | (sign * digits & 0xFFFF) << shift, shift + 16
        return pattern

    return NumberType("mod10", 16 * registers, decode, encode, _clamp(-most, most))


def _with_exponent(name: str, is_signed: bool) -> NumberType:
    """A whole number of 24 bits, times a power of ten in the byte before it."""
    mantissa = whole(name, 24, is_signed)
    lowest, highest = int(mantissa.nearest(-1e9)), int(mantissa.nearest(1e9))

    def decode(pattern: int) -> float:
        exponent = (pattern >> 24 ^ 0x80) - 0x80
        return float(Decimal(mantissa.decode(pattern & 0xFFFFFF)).scaleb(exponent))

    def encode(number: Number) -> int:
        exact = Decimal(repr(number)).normalize()
        exponent = min(max(int(exact.as_tuple().exponent), EXPONENTS[0]), EXPONENTS[1])
        while not lowest <= (count := int(exact.scaleb(-exponent).to_integral_value(ROUND_HALF_EVEN))) <= highest:
            exponent += 1
            if exponent > EXPONENTS[1] or count < lowest == 0:
                raise OverflowError(f"{number} does not fit into a {name}")
        return (exponent & 0xFF) << 24 | count & 0xFFFFFF

    least, most = (float(Decimal(each).scaleb(EXPONENTS[1])) for each in (lowest, highest))
    return NumberType(name, 32, decode, encode, lambda number: min(max(number, least), most), is_whole=False)


NUMBERS = {row.name: row for row in (
    whole("u16", 16, False), whole("s16", 16, True),
    whole("u24", 24, False), whole("s24", 24, True),
    whole("u32", 32, False), whole("s32", 32, True),
    whole("u48", 48, False), whole("s48", 48, True),
    whole("u64", 64, False), whole("s64", 64, True),
    _float("f16", 16, ">e", range(1, 6), 0x7BFF), _float("f32", 32, ">f", range(1, 10), 0x7F7F_FFFF),
    _float("f64", 64, ">d", range(0), 0x7FEF_FFFF_FFFF_FFFF),
    whole("u8", 8, False), whole("s8", 8, True), _magnitude("m16", 16), _magnitude("m32", 32),
    _bcd("bcd16", 16), _bcd("bcd32", 32), replace(mod10(MOST_MOD10), bits=0),
    _with_exponent("e8s24", True), _with_exponent("e8u24", False),
)}
