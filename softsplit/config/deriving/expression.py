"""The expression of a derived value: a tree of registers, numbers and operations. Pure.

It is computed in exact decimals, in the bases of units of measure; see quantities.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from softsplit.profiles import Register
from softsplit.protocol.values import EXACT


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A register of a unit upstream, read `every` so many seconds; 0 if another master sets the pace.

    A derived unit has one Input for each register that it uses.
    """

    upstream: str
    unit: int
    register: Register
    every: float

    def __str__(self) -> str:
        return f"{self.upstream}/{self.unit}.{self.register.name}"


@dataclass(frozen=True, slots=True)
class Operation:
    """A sign or a function, by its name in COMPUTE, and its values."""

    name: str
    of: tuple["Node", ...]


Node = Input | Operation | Decimal
Values = Mapping[Input, Decimal | None]


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression as text and as a tree. Without inputs it is a number that the user states."""

    text: str
    root: Node
    inputs: tuple[Input, ...]

    def value(self, values: Values) -> Decimal | None:
        """The value for these inputs; None if one has no value, or on a division by zero."""
        try:
            return _value(self.root, values)
        except ArithmeticError:
            return None


def _value(node: Node, values: Values) -> Decimal | None:
    if isinstance(node, Decimal):
        return node
    if isinstance(node, Input):
        return values[node]
    found = []
    for each in node.of:
        value = _value(each, values)
        if value is None:
            return None
        found.append(value)
    return COMPUTE[node.name](*found)


def _sum(*values: Decimal) -> Decimal:
    total = values[0]
    for value in values[1:]:
        total = EXACT.add(total, value)
    return total


def _clamp(value: Decimal, low: Decimal, high: Decimal) -> Decimal:
    if low > high:
        raise InvalidOperation("nothing is between them")
    return min(max(value, low), high)


COMPUTE: dict[str, Callable[..., Decimal]] = {
    "+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply, "/": EXACT.divide,
    "negative": Decimal.copy_negate,
    "min": min, "max": max, "abs": Decimal.copy_abs, "clamp": _clamp, "sum_of": _sum,
}
