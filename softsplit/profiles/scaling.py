"""How other registers change a number: a power of ten and ratios multiply it, others are added. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from softsplit.profiles.register import ONE, ZERO, Register
from softsplit.protocol.values import EXACT

LARGEST_EXPONENT = 30  # of ten; more than that is no exponent


@dataclass(frozen=True, slots=True)
class Scale:
    """The factor of counts beside their resolution, and the number that is added to them before."""

    factor: Decimal = ONE
    addend: Decimal = ZERO


def scale_of(register: Register, said: Mapping[Register, Any]) -> Scale | None:
    """Return the scale of a register from the values of its other registers.

    None if one of these has no value, if a ratio is zero, if a sign says neither positive nor negative, or if a
    condition (`where`) does not hold.
    """
    if any(said.get(each.register) not in each.equals for each in register.where):
        return None
    conditions = {each.register for each in register.where}
    values: dict[Register, Any] = {each: said.get(each) for each in register.factors
                                   if each not in conditions}
    if any(not isinstance(value, (int, float)) for value in values.values()):
        return None
    factor = ONE
    if register.exponent:
        exponent = values[register.exponent]
        if exponent % 1 or abs(exponent) > LARGEST_EXPONENT:
            return None
        factor = factor.scaleb(int(exponent))
    if not all(values[each] for each in register.times):
        return None  # it is not set, and zero is not what the meter measured
    for each in register.times:
        factor *= Decimal(repr(values[each]))
    if register.sign:
        sign = register.sign.factor_of(values[register.sign.register])
        if sign is None:
            return None
        factor *= sign
    addend = ZERO
    for each in register.plus:
        addend = EXACT.add(addend, Decimal(repr(values[each])))
    return Scale(factor, addend)
