"""How the registers of a derived unit are made."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from softsplit import checks
from softsplit.config.deriving.expression import Expression, Input, Values
from softsplit.config.deriving.grammar import parse_expression
from softsplit.config.deriving.inputs import Names
from softsplit.config.deriving.typed import given_in, is_number, of_input
from softsplit.config.upstream import Unit, Upstream
from softsplit.errors import ConfigError, show
from softsplit.profiles import Profile, Register
from softsplit.profiles.encoding import can_say, encode_exactly
from softsplit.profiles.scaling import scale_of
from softsplit.profiles.register import ONE
from softsplit.protocol.functions import Table
from softsplit.protocol.values import Value

ABSENT = "absent"  # instead of an expression: the register has no source


@dataclass(frozen=True, eq=False)
class Made:
    """How a register is made: computed, copied, a text, or a constant of the make; or it has no source.

    `factor` is the product of the ratios of the make, which are constant. A register that `is_shared` has
    words in common with another one, and is not made.
    """

    register: Register
    expression: Expression | None = None
    copied: Input | None = None
    factor: Decimal = ONE
    is_shared: bool = False
    is_absent: bool = False  # the user wrote so
    text: str = ""  # the user wrote it

    @property
    def inputs(self) -> tuple[Input, ...]:
        if self.expression:
            return self.expression.inputs
        return (self.copied,) if self.copied else ()

    @property
    def is_stated(self) -> bool:
        """Whether it is a number or a text that the user wrote."""
        return bool(self.text) or self.expression is not None and not self.expression.inputs

    @property
    def is_constant(self) -> bool:
        """Whether it is a constant of the make, such as its model."""
        return not (self.expression or self.copied or self.text or self.is_absent or self.is_shared) \
            and self.register.constant is not None

    @property
    def has_source(self) -> bool:
        return self.is_stated or self.expression is not None or self.copied is not None or self.is_constant

    def value(self, values: Values) -> Decimal | None:
        """The number from these inputs; None if there is none."""
        return self.expression.value(values) if self.expression else None

    @property
    def fixed(self) -> Decimal | Value | None:
        """Its value if that never changes, otherwise None."""
        if self.text:
            return self.text
        return self.value({}) if self.is_stated else self.register.constant if self.is_constant else None

    def __str__(self) -> str:
        return (self.expression.text if self.expression else str(self.copied) if self.copied
                else f"'{self.text}'" if self.text else
                show(self.register.constant) if self.is_constant else ABSENT)


def sharing(profile: Profile) -> dict[Register, str]:
    """The registers that share words with others, each with the name of one such register."""
    owners: dict[tuple[Table, int], Register] = {}
    found: dict[Register, str] = {}
    for register in profile.registers:
        for part in register.parts:
            for address in range(part.address, part.end):
                other = owners.setdefault((part.table, address), register)
                if other is not register:
                    found |= {register: other.name, other: register.name}
    return found


def inputs_of(upstream: Upstream, unit: Unit) -> dict[str, Input]:
    """The registers of a unit that are polled or heard, by name."""
    found = {}
    for register in unit.profile.registers:
        periods = {part: each.every for part in register.needs for each in unit.reads
                   if each.block.contains(part)}
        if upstream.is_heard:
            found[register.name] = Input(upstream.name, unit.unit, register, 0.0)
        elif len(periods) == len(register.needs):
            found[register.name] = Input(upstream.name, unit.unit, register,
                                         max(periods[part] for part in register.dated))
    return found


def made_of(register: Register, text: object, names: Names) -> Made:
    """How a register is made by the text that the user wrote. Raises ConfigError."""
    if text == ABSENT:
        return Made(register, is_absent=True)
    if register.type == "text":
        return _text_of(register, text, names)
    if not is_number(register):
        raise ConfigError(f"is no number, so it cannot be computed; only {show(ABSENT)} is possible")
    return Made(register, parse_expression(text, names, register))


def _text_of(register: Register, text: object, names: Names) -> Made:
    """A text in single quotes, or a register with a text or a whole number. Raises ConfigError."""
    said = checks.require_type(text, str, "", "\"'ACME'\"").strip()
    if len(said) > 1 and said[0] == said[-1] == "'":
        if not can_say(register, said[1:-1]):
            raise ConfigError(f"{show(said)} is not possible in {register.writing.encoding}")
        return Made(register, text=said[1:-1])
    found = names.find(said, 0)
    if found is None or found[1] < len(said):
        raise ConfigError(f"{show(said)} is no text; write it like \"'ACME'\", or name a register")
    if found[0].register.type != "text" and not (is_number(found[0].register)
                                                 and found[0].register.bits.number.is_whole):
        raise ConfigError(f"{found[0]} holds neither text nor a whole number")
    if found[0].register.needs != (found[0].register.block,):
        raise ConfigError(f"{found[0]} is not in adjacent registers, so it cannot be copied")
    return Made(register, copied=found[0])


def taken_over(register: Register, same: Input | None) -> Made:
    """Take the value of the register of the same name, if the register can hold it."""
    if same is None or register.constant is not None:
        return Made(register)
    if is_number(register) and is_number(same.register):
        with checks.inside(f'"{same}"', ": "):
            return Made(register, Expression(str(same), given_in(of_input(same), register), (same,)))
    is_copy = same.register is register and len(register.parts) == 1
    return Made(register, copied=same) if is_copy else Made(register)


def with_factor(made: Made, others: Iterable[Made]) -> Made:
    """Return it with the factor from the ratios of the make, which stand in other registers.

    Raises ConfigError if a ratio is not constant, or the user's number does not fit.
    """
    if not made.has_source:
        return made
    with checks.inside(f"values.{made.register.name}"):
        if made.register.plus:
            raise ConfigError("is the sum of several registers, so nothing is made there")
        scale = scale_of(made.register, {each: _ratio(each, others) for each in made.register.factors})
        factor = scale.factor if scale else None
        if not factor:
            raise ConfigError("a ratio of its make has no value, or 0")
        try:
            if made.fixed is not None:
                encode_exactly(made.register, made.fixed, factor)
        except (ValueError, OverflowError) as error:
            raise ConfigError(f'"{made}" is not possible: {error}') from None
        return replace(made, factor=factor)


def _ratio(ratio: Register, others: Iterable[Made]) -> Value | None:
    """The constant value of a ratio. Raises ConfigError if it has none."""
    own = next((each for each in others if each.register.place == ratio.place), None)
    if own is None or own.fixed is None:
        raise ConfigError(f"is multiplied by {ratio.block}, which must be a fixed number here; write values."
                          f'{own.register.name if own else "..."} = "1"')
    return ratio.decode(encode_exactly(own.register, own.fixed))
