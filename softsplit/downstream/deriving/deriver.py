"""Compute derived units: once for each new reading of an input, before the mirrors take it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from softsplit.bounded import BoundedDict
from softsplit.config.deriving.derived import Derived
from softsplit.config.deriving.expression import Input, Values
from softsplit.config.deriving.made import Made
from softsplit.downstream.deriving.counters import Counters
from softsplit.downstream.deriving.words import absent, copied, in_words, lay_out, words_of
from softsplit.downstream.mirrors.derivedlayout import Field
from softsplit.downstream.mirrors.derivedmirror import DerivedMirror
from softsplit.downstream.mirrors.derivedstore import Computed, Origin
from softsplit.downstream.mirrors.freshness import NEVER
from softsplit.logs.conditions import Condition, TokenBucket
from softsplit.profiles.base import from_base
from softsplit.profiles.joining import Answer, numbers_by
from softsplit.protocol.blocks import Block
from softsplit.protocol.outcome import Location, Outcome, Reading
from softsplit.protocol.pdu import read_question

MOST_BLOCKS = 500  # of one derived unit; another master may read any


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest reading of an input: its number, None if it has none, or its words if they are copied."""

    taken_at: float
    every: float
    value: Decimal | None = None
    words: bytes = b""
    ended_at: float = NEVER  # when it was there at the latest, of all from which it is


@dataclass(frozen=True, slots=True)
class Contents:
    """The inputs in a block: `numbers` and where they are in its data, numbers `joined` with parts in other blocks,
    `copied` ones; and the `fields` that are made from them.
    """

    every: float
    numbers: list[tuple[Input, slice]]
    joined: list[Input]
    copied: list[Input]
    fields: list[Field]

    @classmethod
    def of(cls, block: Block, every: float, inputs: list[Input], made_from: Mapping[Input, list[Field]],
           copies: Collection[Input]) -> "Contents":
        plain = [name for name in inputs if name not in copies and name.register.needs == (name.register.block,)
                 and not name.register.factors]
        places = ((name, block.span(name.register.block)) for name in plain)
        return cls(every, [(name, slice(2 * place.start, 2 * place.stop)) for name, place in places],
                   [name for name in inputs if name not in copies and name not in plain],
                   [name for name in inputs if name in copies],
                   list(dict.fromkeys(field for name in inputs for field in made_from[name])))


class Deriver:
    """Computes one derived unit for all its mirrors. For the sync thread. `latest` has its inputs.

    It takes the same blocks as mirrors do: only polled ones where softsplit asks, any where it listens.
    """

    def __init__(self, derived: Derived):
        self.name = derived.origin
        self.layout = lay_out(derived)
        self._derived = derived
        self._mirrors: list[DerivedMirror] = []
        self._units = {(upstream.name, unit.unit): (upstream, unit.stated) for upstream, unit in derived.units}
        self._bases: dict[Origin, int | None] = {(upstream.name, unit.unit): None for upstream, unit in derived.units
                                                 if unit.profile.base}
        self._made_from: dict[Input, list[Field]] = {}
        for field in self.layout.fields:
            for name in field.inputs:
                self._made_from.setdefault(name, []).append(field)
        self._copied = {field.made.copied for field in self.layout.fields if field.made.copied}
        self._brought: BoundedDict[tuple[Origin, Block], Contents] = BoundedDict(MOST_BLOCKS)
        self._results: dict[Made, tuple[list[Decimal | None], bytes | None, str]] = {}
        self.latest: dict[Input, Latest] = {}
        self._answers = {origin: BoundedDict[Block, Answer](MOST_BLOCKS) for origin in self._units}
        self._bucket = TokenBucket()
        self._conditions: dict[Made, Condition] = {}
        self._counters = Counters(self.name, derived.made, self._bucket)

    def add(self, mirror: DerivedMirror) -> None:
        """Add a mirror that takes what is computed from now on."""
        self._mirrors.append(mirror)

    def takers(self) -> "dict[Origin, UnitTaker]":
        """Return a taker for the readings of each unit that it is made from."""
        return {origin: UnitTaker(self, origin) for origin in self._units}

    def update(self, reading: Reading) -> None:
        """Compute the fields that a reading changes, if only in age."""
        reading = self._from_base(reading)
        computed = {field: self._compute(field) for field in self._read(reading)}
        for mirror in self._mirrors:
            mirror.take(reading, computed)
        self._bucket.catch_up()

    def doubt(self, origin: Origin, blocks: Sequence[Block], until: float) -> None:
        """A write changes these blocks of one of the units; see `Invalidation`."""
        if origin in self._bases:
            at = self._bases[origin]
            blocks = [] if at is None else [own for block in blocks if (own := from_base(block, at))]
        for mirror in self._mirrors:
            mirror.doubt(origin, blocks, until)

    def locate(self, location: Location) -> None:
        """Take the address where the registers of a unit begin, and forget what was read before."""
        origin = location.upstream, location.unit
        _, unit = self._units[origin]
        self._bases[origin] = location.at
        self._answers[origin].clear()
        for name in [each for each in self.latest if (each.upstream, each.unit) == origin]:
            del self.latest[name]
        own = replace(location, reads=unit.reads, names=unit.profile.spans)
        for mirror in self._mirrors:
            mirror.locate(origin, own)

    def _from_base(self, reading: Reading) -> Reading:
        """Return a reading with addresses from the base of its unit; without data if it is outside."""
        outcome, origin = reading.outcome, (reading.upstream, reading.outcome.unit)
        if origin not in self._bases or outcome.block is None:
            return reading
        at, block = self._bases[origin], outcome.block
        own = None if at is None else from_base(block, at)
        if at is None or own is None:
            return replace(reading, outcome=replace(outcome, question=None))
        if outcome.data is None:
            question = read_question(own) if own.count == block.count else None
            return replace(reading, outcome=replace(outcome, question=question))
        data = Answer(block, outcome.data).part(replace(own, address=own.address + at))
        return replace(reading, outcome=Outcome.of_read(outcome.unit, own, outcome.asked_at, outcome.took, data))

    def _read(self, reading: Reading) -> Sequence[Field]:
        """Take the inputs in a reading; return the fields made from them."""
        outcome, origin = reading.outcome, (reading.upstream, reading.outcome.unit)
        if outcome.data is None or outcome.block is None:
            return ()
        found = self._contents(origin, outcome.block)
        every = found.every or reading.every
        for name, part in found.numbers:
            value = name.register.exact(outcome.data[part])
            self._take(name, Latest(outcome.asked_at, name.every or every, value, ended_at=reading.ended_at))
        answer = Answer(outcome.block, outcome.data, outcome.asked_at, every)
        for name in found.copied:
            self.latest[name] = Latest(outcome.asked_at, every, words=answer.part(name.register.block))
        if found.joined:
            self._answers[origin][outcome.block] = answer
            said = numbers_by([name.register for name in found.joined], tuple(self._answers[origin].values()))
            for name in found.joined:
                if number := said.get(name.register):
                    self._take(name, Latest(number.taken_at, name.every or every, number.value,
                                            ended_at=reading.ended_at))
        return found.fields

    def _take(self, name: Input, latest: Latest) -> None:
        self.latest[name] = latest
        if latest.value is not None:
            self._counters.read(name, latest.value)

    def _contents(self, origin: Origin, block: Block) -> Contents:
        """Return the inputs in a block of a unit, if mirrors take that block."""
        if (origin, block) not in self._brought:
            upstream, unit = self._units[origin]
            polled = [read.every for read in unit.reads if read.block == block]
            is_taken = block not in unit.profile.alone if upstream.is_heard else bool(polled)
            every = polled[0] if polled and not upstream.is_heard else 0.0  # others have own periods
            self._brought[origin, block] = Contents.of(block, every, [
                name for name in self._made_from if (name.upstream, name.unit) == origin and is_taken
                and any(block.contains(part) for part in name.register.needs)], self._made_from, self._copied)
        return self._brought[origin, block]

    def _compute(self, field: Field) -> Computed:
        """Compute a field from the latest readings."""
        made, latest = field.made, []
        for name in made.inputs:
            if name not in self.latest:
                return Computed(None, NEVER, f"{name} was not read yet")
            latest.append(self.latest[name])
        taken_at = min(each.taken_at for each in latest)
        apart = _apart(latest, is_strict=self._derived.max_skew is not None)
        if apart and apart > self._derived.skew(made, max(each.every for each in latest)):
            oldest = next(name for name, each in zip(made.inputs, latest) if each.taken_at == taken_at)
            return Computed(None, taken_at, f"its inputs were read {apart:.1f} s apart, {oldest} first",
                            f"{oldest.upstream}/{oldest.unit}")
        if made.copied:
            return Computed(copied(made, latest[0].words), taken_at, "its text does not fit")
        values = [each.value for each in latest]
        before = self._results.get(made)
        if before is None or before[0] != values:  # equal values give an equal result
            before = self._results[made] = values, *self._words(made, dict(zip(made.inputs, values)))
        return Computed(before[1], taken_at, before[2])

    def _words(self, made: Made, said: Values) -> tuple[bytes | None, str]:
        """Return the words of a register; or None, and why it cannot be served."""
        value = made.value(said)
        if value is None:
            return absent(made.register), "it has no value"
        self._counters.computed(made, value)
        try:
            words = words_of(made, value)
        except OverflowError:
            why = f"{in_words(made.register, value)} does not fit into {made.register.type}"
            self._beyond(made).trouble(f"{self.name}: {made.register.name} is not available: {why}")
            return absent(made.register), why
        if made in self._conditions:
            self._beyond(made).well(f"{self.name}: {made.register.name} fits into its registers again")
        return words, ""

    def _beyond(self, made: Made) -> Condition:
        """Return the condition of a register whose value is beyond its type."""
        if made not in self._conditions:
            self._conditions[made] = Condition(self._bucket, well_at_first=True, tries="")
        return self._conditions[made]


def _apart(latest: Sequence[Latest], is_strict: bool) -> float:
    """How far apart inputs were read, in seconds; 0 when all are from one reading.

    If `is_strict`, how far they may be apart at most: from the request of one to the answer of another.
    """
    first = min(each.taken_at for each in latest)
    later = [each for each in latest if each.taken_at > first]
    if not (later and is_strict):
        return max((each.taken_at for each in later), default=first) - first
    overlap = max(each.ended_at for each in latest if each.taken_at == first) - min(each.taken_at for each in later)
    return max(overlap, *(each.ended_at - first for each in later))


@dataclass(frozen=True, slots=True)
class UnitTaker:
    """Takes the readings of one unit for a derived unit that is made from it."""

    deriver: Deriver
    origin: Origin

    def update(self, reading: Reading) -> None:  # sync thread
        self.deriver.update(reading)

    def locate(self, location: Location) -> None:  # sync thread
        self.deriver.locate(location)

    def doubt(self, blocks: Sequence[Block], until: float) -> None:  # sync thread
        self.deriver.doubt(self.origin, blocks, until)
