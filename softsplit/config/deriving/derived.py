"""A derived unit: a device that exists on no bus, whose registers are made from those of others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from softsplit import checks
from softsplit.checks import Settled
from softsplit.config.deriving.inputs import DERIVED, Names, refuse_register
from softsplit.config.deriving.made import ABSENT, Made, inputs_of, made_of, sharing, taken_over, with_factor
from softsplit.config.upstream import Unit, Upstream
from softsplit.errors import ConfigError, show
from softsplit.profiles import Profile, load_profile
from softsplit.protocol.blocks import Block

LEAST_SKEW = 1.5  # s, by default
SKEW_PERIODS = 1.5  # of the slowest input, by default, if that is longer
EXAMPLE = 'values = { active_power_total = "meters/100.active_power_total - meters/2.active_power_total" }'


@checks.plainly_signed
@dataclass(frozen=True, eq=False)
class Derived:
    """A unit made from others: Derived("eastron-sdm630", source=(meters, 100), name="charger").

    profile    the make of device that masters see: a name, a path that ends in .toml, or a Profile
    source     (an Upstream, a unit there): registers of the same name are that unit's values
    values     what is different: {"active_power_total": "meters/100.active_power_total - heat/2.active_power_total"};
               "absent" for what is not there
    upstreams  further ones that values name
    max_skew   s; a value whose inputs may have been measured further apart is stale, from the request of one to
               the answer of another, and on a line that is only heard as late as that can have been. By default
               their requests may be 1.5 s apart, or 1.5 periods of the slowest input

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
        if profile.base:
            raise ConfigError(f"{profile.name} does not say at which addresses its registers are; masters need one "
                              "that does, "
                              'such as "sunspec-inverter"', "profile")
        if not profile.registers:
            raise ConfigError(f"{profile.name} names no registers, so nothing can be derived", "profile")
        others = checks.require_all(self.upstreams, Upstream, "upstreams") if self.upstreams else ()
        source = self._source()
        upstreams = tuple(dict.fromkeys((*([self.source[0]] if self.source else []), *others)))
        checks.settle(self, upstreams=upstreams)
        made = tuple(self._all_made(source))
        checks.settle(self, made=tuple(with_factor(each, made) for each in made))
        if not any(each.inputs for each in self.made):
            raise ConfigError(f'nothing is made from another unit; say from = "meters/100", or {EXAMPLE}',
                              "values")
        named = {(each.upstream, each.unit) for made in self.made for each in made.inputs}
        checks.settle(self, units=tuple((upstream, unit) for upstream in upstreams for unit in upstream.units
                                        if (upstream.name, unit.unit) in named))

    def skew(self, made: Made, heard_every: float = 0.0) -> float:
        """Seconds that the inputs of a register may be apart; `heard_every`: another master's period."""
        slowest = max((heard_every, *(each.every for each in made.inputs)))
        return max(LEAST_SKEW, SKEW_PERIODS * slowest) if self.max_skew is None else self.max_skew

    @property
    def origin(self) -> str:
        """Its name, like "meters/100" for a unit of an upstream."""
        return f"{DERIVED}/{self.name}"

    @property
    def probe(self) -> Block:
        """The block to read to see whether it answers: the first register made from others."""
        return next(each.register.block for each in self.made if each.inputs)

    @property
    def stated(self) -> tuple[Made, ...]:
        """The registers whose value the user wrote."""
        return tuple(each for each in self.made if each.is_stated)

    def _source(self) -> Unit | None:
        """The unit of `source`."""
        if self.source is None:
            return None
        if not (isinstance(self.source, tuple) and len(self.source) == 2
                and isinstance(self.source[0], Upstream)):
            raise ConfigError(f"{show(self.source)} is not (an Upstream, a unit id there)", "source")
        with checks.inside("source"):
            upstream, unit = self.source
            return upstream.unit(unit)

    def _all_made(self, source: Unit | None) -> Iterable[Made]:
        """Yield how each register is made. Raises ConfigError."""
        units = {f"{upstream.name}/{unit.unit}": inputs_of(upstream, unit.stated)
                 for upstream in self.upstreams for unit in upstream.units}
        own = units[f"{self.source[0].name}/{source.unit}"] if self.source and source else {}
        names = Names(units, own)
        given = checks.require_type(self.values, dict, "values", EXAMPLE)
        shared = sharing(self.profile)
        registers = [each.name for each in self.profile.registers]
        with checks.inside("values"):
            for name in given:
                with checks.inside(str(name)):
                    if name not in registers:
                        refuse_register(str(name), registers, f" of {self.profile.name}")
        for register in self.profile.registers:
            with checks.inside(f"values.{register.name}"):
                if register in shared:
                    if given.get(register.name, ABSENT) != ABSENT:
                        raise ConfigError(f"shares its registers with {show(shared[register])}; it cannot be made")
                    yield Made(register, is_shared=True)
                elif register.name in given:
                    yield made_of(register, given[register.name], names)
                else:
                    yield taken_over(register, own.get(register.name))
