"""Make a derived unit in a command, from the readings of a running splitter or from own reads."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from softsplit import clock
from softsplit.config.deriving.derived import Derived
from softsplit.config.deriving.expression import Input
from softsplit.config.deriving.made import Made
from softsplit.config.downstream import Downstream
from softsplit.config.topology import Topology
from softsplit.config.upstream import Unit, Upstream
from softsplit.daemon.status import Status
from softsplit.downstream.deriving.choice import Derivers
from softsplit.errors import ConfigError
from softsplit.profiles import Register
from softsplit.profiles.display import NamedValue
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.outcome import Location, Outcome, Reading
from softsplit.protocol.values import Value
from softsplit.upstream.report import BlockStatus, UnitStatus


@dataclass(frozen=True, slots=True)
class Ingredient:
    """An input: its value as text, and its age in seconds; None before it was read."""

    input: Input
    text: str
    age: float | None

    def __str__(self) -> str:
        return f"{self.input} {self.text}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A register of a derived unit: its words as a master gets them, and its value or why it has none."""

    made: Made
    words: bytes | None
    text: str
    ingredients: tuple[Ingredient, ...]

    @property
    def is_fresh(self) -> bool:
        return self.words is not None


class Derivation:
    """One derived unit, made as for a master of `downstream`, or with the usual max_age."""

    def __init__(self, derived: Derived, downstream: Downstream | None = None):
        self._derived = derived
        usual = Downstream("tcp://127.0.0.1:0", units={1: derived})
        served = usual if downstream is None else downstream
        self._downstream = served.name
        self._served = next(each for each in served.derived if each.derived is derived)
        self._mirror, self._deriver = Derivers().one(served, self._served)
        self._stale: set[Input] = set()
        self._located: dict[tuple[str, int], int | None] = {}  # where the models of units begin

    def take_over(self, status: Status) -> list[Reading]:
        """Take and return the readings of a running splitter; note which of them its masters do not get."""
        for upstream, unit in self._derived.units:
            if unit.profile.base:
                self.locate(upstream.name, unit.unit, base_of(upstream, unit, status))
        readings = self.take(readings_of(self._derived, status))
        downstream = status.downstreams.get(self._downstream)
        served = downstream.units.get(str(self._served.unit)) if downstream else None
        stale = {(each.origin, each.block) for each in served.inputs if not each.is_fresh} if served else set()
        blocks = [(upstream.name, unit.unit, read.block) for upstream, unit in self._derived.units
                  for read in unit.stated.reads
                  if (f"{upstream.name}/{unit.unit}", read.name) in stale]
        self._stale = {name for made in self._derived.made for name in made.inputs
                       for upstream, unit, block in blocks
                       if (name.upstream, name.unit) == (upstream, unit)
                       and any(block.overlaps(part) for part in name.register.needs)}
        return readings

    @property
    def source(self) -> Mapping[str, Register]:
        """The registers of the unit whose values it takes over, by name, at their addresses."""
        if self._derived.source is None:
            return {}
        upstream, number = self._derived.source
        unit = upstream.unit(number)
        profile = unit.profile.located(self._located.get((upstream.name, unit.unit)))
        return {each.name: each for each in profile.registers}

    def locate(self, upstream: str, unit: int, at: int | None) -> None:
        """Take over where the SunSpec model of a unit begins."""
        if self._located.get((upstream, unit)) != at:
            self._located[upstream, unit] = at
            self._deriver.locate(Location(upstream, unit, at))

    def take(self, readings: Iterable[Reading]) -> list[Reading]:
        """Take the readings of its units, sorted by the time of their requests; return them."""
        takers, taken = self._deriver.takers(), sorted(readings, key=lambda reading: reading.outcome.asked_at)
        for reading in taken:
            if taker := takers.get((reading.upstream, reading.outcome.unit)):
                taker.update(reading)
        return taken

    def lines(self) -> list[Shown]:
        """Return every register that is made from others or is constant."""
        return [self._line(each) for each in self._derived.made if each.has_source]

    def _line(self, made: Made) -> Shown:
        ingredients = tuple(map(self._ingredient, made.inputs))
        words = [None if self._stale.intersection(made.inputs) else self._mirror.data(part)
                 for part in made.register.parts]
        if None in words:
            with self._mirror.locked() as store:
                return Shown(made, None, store.why_of(made), ingredients)
        data = b"".join(each for each in words if each is not None)
        return Shown(made, data, said(made.register, made.register.decode(data, made.factor)), ingredients)

    def _ingredient(self, name: Input) -> Ingredient:
        latest = self._deriver.latest.get(name)
        if latest is None:
            return Ingredient(name, "not read yet", None)
        value = (name.register.decode(latest.words) if latest.words else
                 None if latest.value is None else float(latest.value))
        return Ingredient(name, said(name.register, value), clock.now() - latest.taken_at)


def said(register: Register, value: Value | None) -> str:
    """Return a value of a register as text, with its unit of measure."""
    return str(NamedValue(register, value))


def find_derived(topology: Topology, origin: str) -> tuple[Derived, Downstream | None]:
    """Return the derived unit "derived/NAME", and a downstream that serves it. Raises ConfigError."""
    found = {each.origin: each for each in topology.derived}
    if origin not in found:
        raise ConfigError(f"there is no {origin}; derived units are: {', '.join(found) or 'none'}")
    serves = (each for each in topology.downstreams
              if any(one.derived is found[origin] for one in each.derived))
    return found[origin], next(serves, None)


def readings_of(derived: Derived, status: Status) -> Iterator[Reading]:
    """Yield what a running splitter has read from the units of the inputs."""
    for upstream, unit in derived.units:
        report = _report_of(upstream, unit, status)
        reads = unit.reads_at(report.base if report else None)
        for block in report.blocks if report else ():
            whole = block.block if upstream.is_heard else _block(reads, block)
            if block.data is not None and block.age is not None and whole:
                asked_at = clock.now() - block.age - status.age
                yield Reading(upstream.name, Outcome.of_read(unit.unit, whole, asked_at, 0.0, block.data),
                              block.every or 0.0)


def base_of(upstream: Upstream, unit: Unit, status: Status) -> int | None:
    """Where the SunSpec model of a unit begins, as far as a running splitter knows."""
    report = _report_of(upstream, unit, status)
    return report.base if report else None


def _report_of(upstream: Upstream, unit: Unit, status: Status) -> UnitStatus | None:
    found = status.upstreams.get(upstream.name)
    return found.units.get(str(unit.unit)) if found else None


def _block(reads: Iterable[Read], status: BlockStatus) -> Block | None:
    """The polled block of a unit that a status names."""
    return next((each.block for each in reads if (each.block.table, each.block.address, each.block.count)
                 == (status.table, status.address, status.count)), None)
