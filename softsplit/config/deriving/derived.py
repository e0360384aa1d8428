"""A derived unit: a device that no bus has, whose registers are made from those of others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from softsplit import checks
from softsplit.checks import Settled
from softsplit.config.deriving.expression import Expression, Input
from softsplit.config.deriving.grammar import parse_expression
from softsplit.config.deriving.inputs import Names, refuse_register
from softsplit.config.deriving.typed import given_in, is_number, of_input
from softsplit.config.upstream import Unit, Upstream
from softsplit.errors import ConfigError, show
from softsplit.profiles import Profile, Register, load_profile

ABSENT = "absent"  # instead of an expression: the register has no source
LEAST_SKEW = 1.5  # s, by default
SKEW_PERIODS = 1.5  # of the slowest input, by default, if that is longer
EXAMPLE = 'values = { active_power_total = "meters/100.active_power_total - meters/2.active_power_total" }'


@dataclass(frozen=True, eq=False)
class Made:
    """How a register is made: computed by an expression, or copied as it is; or it has no source at all."""

    register: Register
    expression: Expression | None = None
    copied: Input | None = None

    @property
    def inputs(self) -> tuple[Input, ...]:
        if self.expression:
            return self.expression.inputs
        return (self.copied,) if self.copied else ()

    @property
    def has_source(self) -> bool:
        return self.expression is not None or self.copied is not None

    @property
    def is_stated(self) -> bool:
        """Whether it is a number that the user wrote."""
        return self.expression is not None and not self.expression.inputs

    def __str__(self) -> str:
        return self.expression.text if self.expression else str(self.copied) if self.copied else ABSENT


@checks.plainly_signed
@dataclass(frozen=True, eq=False)
class Derived:
    """A unit made from others: Derived("eastron-sdm630", source=(meters, 100), name="charger").

    profile    the make of device that masters see: a name, a path that ends in .toml, or a Profile
    source     (an Upstream, a unit there): registers of the same name are that unit's values
    values     what is different: {"active_power_total": "meters/100.active_power_total - heat/2.active_power_total"};
               "absent" for what is not there
    upstreams  further ones that values name
    max_skew   s; a value whose inputs were read further apart is stale. By default 1.5, or 1.5 periods of the
               slowest input

    A downstream serves it by units={1: charger}. Raises ConfigError, which names the expression and the place.
    """

    profile: Settled[Profile | str, Profile] = Settled()
    source: tuple[Upstream, int | str] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    upstreams: Settled[Iterable[Upstream], tuple[Upstream, ...]] = Settled(())
    max_skew: float | None = None
    name: str = ""
    made: tuple[Made, ...] = field(init=False, default=())
    units: tuple[tuple[Upstream, Unit], ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        profile = self.profile if isinstance(self.profile, Profile) else \
            load_profile(checks.require_type(self.profile, str, "profile", '"eastron-sdm630"'))
        checks.settle(self, profile=profile, name=checks.require_name(self.name, "name") or profile.name)
        if self.max_skew is not None:
            checks.settle(self, max_skew=checks.require_seconds(self.max_skew, "max_skew"))
        if not profile.registers:
            raise ConfigError(f"{profile.name} names no registers that could be made", "profile")
        others = checks.require_all(self.upstreams, Upstream, "upstreams") if self.upstreams else ()
        source = self._source()
        upstreams = tuple(dict.fromkeys((*([self.source[0]] if self.source else []), *others)))
        checks.settle(self, upstreams=upstreams)
        checks.settle(self, made=tuple(self._all_made(source)))
        if not any(each.inputs for each in self.made):
            raise ConfigError(f'nothing is made from another unit; say from = "meters/100", or {EXAMPLE}', "values")
        named = {(each.upstream, each.unit) for made in self.made for each in made.inputs}
        checks.settle(self, units=tuple((upstream, unit) for upstream in upstreams for unit in upstream.units
                                        if (upstream.name, unit.unit) in named))

    def skew(self, made: Made) -> float:
        """How far apart the inputs of a register may be, in seconds, as far as their periods are known."""
        periods = (SKEW_PERIODS * each.every for each in made.inputs)
        return self.max_skew if self.max_skew is not None else max(LEAST_SKEW, *periods)

    @property
    def stated(self) -> tuple[Made, ...]:
        """The numbers that the user wrote."""
        return tuple(each for each in self.made if each.is_stated)

    def _source(self) -> Unit | None:
        """The unit whose registers are taken over."""
        if self.source is None:
            return None
        if not (isinstance(self.source, tuple) and len(self.source) == 2 and isinstance(self.source[0], Upstream)):
            raise ConfigError(f"{show(self.source)} is not (an Upstream, a unit id there)", "source")
        with checks.inside("source"):
            upstream, unit = self.source
            return upstream.unit(unit)

    def _all_made(self, source: Unit | None) -> Iterable[Made]:
        """How each register is made, in their order. Raises ConfigError."""
        own = _inputs(self.source[0], source) if self.source and source else {}
        units = {f"{upstream.name}/{unit.unit}": _inputs(upstream, unit)
                 for upstream in self.upstreams for unit in upstream.units}
        names = Names(units, own)
        given = checks.require_type(self.values, dict, "values", EXAMPLE)
        registers = [each.name for each in self.profile.registers]
        with checks.inside("values"):
            for name in given:
                with checks.inside(str(name)):
                    if name not in registers:
                        refuse_register(str(name), registers, f" of {self.profile.name}")
        for register in self.profile.registers:
            with checks.inside(f"values.{register.name}"):
                if register.name in given:
                    yield _made(register, given[register.name], names)
                else:
                    yield _taken_over(register, own.get(register.name))


def _inputs(upstream: Upstream, unit: Unit) -> dict[str, Input]:
    """The registers of a unit that are read, by name."""
    found = {}
    for register in unit.profile.registers:
        read = next((each for each in unit.reads if each.block.contains(register.block)), None)
        if read or upstream.is_heard:
            found[register.name] = Input(upstream.name, unit.unit, register,
                                         0.0 if upstream.is_heard or read is None else read.every)
    return found


def _made(register: Register, text: object, names: Names) -> Made:
    """What the user says of a register."""
    if text == ABSENT:
        return Made(register)
    if not is_number(register):
        raise ConfigError(f"is no number, so it cannot be computed; only {show(ABSENT)} is possible")
    return Made(register, parse_expression(text, names, register))


def _taken_over(register: Register, same: Input | None) -> Made:
    """The register of the same name, if it can say the same."""
    if same is None:
        return Made(register)
    if is_number(register) and is_number(same.register):
        with checks.inside(f'"{same}"', ": "):
            return Made(register, Expression(str(same), given_in(of_input(same), register), (same,)))
    return Made(register, copied=same) if same.register is register else Made(register)
