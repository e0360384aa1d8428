"""Values of an expression with their units of measure: which may be combined, and the result. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from softsplit import checks
from softsplit.config.deriving.expression import COMPUTE, Input, Node, Operation
from softsplit.config.deriving.quantities import MEASURES, NUMBER, Measure, measure_of
from softsplit.errors import ConfigError, show
from softsplit.profiles import Register
from softsplit.protocol.numbers import NUMBERS
from softsplit.protocol.values import EXACT, parse_resolution

SMALLEST, LARGEST = Decimal("1e-18"), Decimal("1e18")  # of numbers above 0
MOST = 100  # values of a function
COUNTS = {"min": range(2, MOST + 1), "max": range(2, MOST + 1), "abs": range(1, 2), "clamp": range(3, 4),
          "sum_of": range(1, MOST + 1)}  # the functions, and how many values each takes


@dataclass(frozen=True, slots=True)
class Typed:
    """A value in bases, with its unit of measure; `is_written`: it is a number from the text."""

    node: Node
    measure: Measure
    is_written: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is a number from the text without a unit of measure."""
        return self.is_written and self.measure == NUMBER


def measure_in(register: Register) -> Measure:
    """The unit of measure of the numbers of a register."""
    return measure_of(parse_resolution(register.resolution)[1])


def is_number(register: Register) -> bool:
    """Whether the values of a register are numbers, neither text nor names of states."""
    return register.type in NUMBERS and not register.states and not register.other_state


def of_input(found: Input) -> Typed:
    """A register. Raises ConfigError if it holds no number."""
    if not is_number(found.register):
        raise ConfigError("is no number")
    own = measure_in(found.register)
    node = found if own.factor == 1 else Operation("*", (found, own.factor))
    return Typed(node, own.plain)


def of_number(text: str, measure: str) -> Typed:
    """A number from the text, with or without a unit of measure. Raises ConfigError."""
    try:
        number = Decimal(text)
    except ArithmeticError:  # an exponent of a dozen digits
        number = LARGEST * 10
    if number and not SMALLEST <= number <= LARGEST:
        raise ConfigError(f"is no number that occurs; allowed are {SMALLEST} to {LARGEST}")
    if measure:
        checks.require_word(measure, MEASURES, "unit of measure")
    own = measure_of(measure)
    return Typed(EXACT.multiply(number, own.factor), own.plain, is_written=True)


def negative(value: Typed) -> Typed:
    return Typed(_folded("negative", value.node), value.measure, value.is_written)


def combined(sign: str, one: Typed, other: Typed) -> Typed:
    """Two values combined by a sign. Raises ConfigError."""
    if sign in "+-":
        return _alike(sign, (one, other))
    if sign == "/" and other.node == 0:
        raise ConfigError("divides by 0")
    if other.is_plain:
        measure = one.measure
    elif one.is_plain and sign == "*":
        measure = other.measure
    else:
        measure = one.measure.times(other.measure, 1 if sign == "*" else -1)
    return Typed(_folded(sign, one.node, other.node), measure, one.is_written and other.is_written)


def called(name: str, values: Sequence[Typed]) -> Typed:
    """The result of a function. Raises ConfigError."""
    counts = COUNTS[name]
    if len(values) not in counts:
        wanted = (f"{counts[0]} to {counts[-1]} values" if len(counts) > 1 else
                  "1 value" if counts[0] == 1 else f"{counts[0]} values")
        raise ConfigError(f"{name} takes {wanted}, not {len(values)}")
    low, high = (value.node for value in (values[1:] if name == "clamp" else (values[0], values[0])))
    if isinstance(low, Decimal) and isinstance(high, Decimal) and low > high:
        raise ConfigError("the least value of clamp is greater than the greatest")
    return _alike(name, values)


def _alike(name: str, values: Sequence[Typed]) -> Typed:
    """The result for values that must have one unit of measure. Raises ConfigError."""
    measure = values[0].measure
    for value in values[1:]:
        if not value.measure.fits(measure):
            raise ConfigError(f"{in_words(measure)} and {in_words(value.measure)} do not go together"
                              f"{_cure(values[0], value) or _cure(value, values[0])}")
        measure = value.measure if measure.kind is None else measure
    return Typed(_folded(name, *(value.node for value in values)), measure,
                 all(value.is_written for value in values))


def _cure(value: Typed, other: Typed) -> str:
    """How to write a number that lacks its unit of measure, or ""."""
    return f"; write {value.node} {other.measure}" if value.is_plain and other.measure != NUMBER else ""


def _folded(name: str, *nodes: Node) -> Node:
    """An operation; if all nodes are numbers, its result. Raises ConfigError if there is none."""
    numbers = [node for node in nodes if isinstance(node, Decimal)]
    if len(numbers) < len(nodes):
        return Operation(name, nodes)
    try:
        return COMPUTE[name](*numbers)
    except ArithmeticError:
        raise ConfigError("is no number") from None


def in_words(measure: Measure, what: str = "") -> str:
    """Name a unit of measure in a sentence, after `what` if there is one."""
    return f"{what}{measure}" if measure.powers else "a number without a unit of measure"


def given_in(value: Typed, register: Register) -> Node:
    """The value in the unit of measure of a register. Raises ConfigError if it is another quantity."""
    wanted = measure_in(register)
    if not value.measure.fits(wanted):
        raise ConfigError(f"is {in_words(value.measure, 'in ')}, but {show(register.name)} is {in_words(wanted, 'in ')}"
                          f"{_cure(value, Typed(Decimal(0), wanted.plain))}")
    match value.node:
        case Operation(name="*", of=(node, Decimal() as factor)) if factor == wanted.factor:
            return node
    return value.node if wanted.factor == 1 else _folded("/", value.node, wanted.factor)
