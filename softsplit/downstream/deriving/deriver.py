"""Compute derived units: once for each new reading of an input, before the mirrors take it."""

from collections.abc import Sequence
from dataclasses import dataclass
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
from softsplit.profiles.joining import Answer, Exactly, numbers_by
from softsplit.protocol.blocks import Block
from softsplit.protocol.outcome import Reading

MOST_BLOCKS = 500  # for which it is remembered which inputs they have; who only listens hears any


@dataclass(frozen=True, slots=True)
class Latest:
    """What an input said in its latest reading: a number, None where there is none; or the words of what is copied."""

    taken_at: float
    every: float
    value: Decimal | None = None
    words: bytes = b""


class Deriver:
    """One derived unit, computed for all its mirrors. For the sync thread. `latest` is what its inputs said last.

    An input counts as its mirrors take it: polled blocks alone where softsplit asks, any where it listens.
    """

    def __init__(self, derived: Derived):
        self.name = derived.origin
        self.layout = lay_out(derived)
        self._derived = derived
        self._mirrors: list[DerivedMirror] = []
        self._units = {(upstream.name, unit.unit): (upstream, unit) for upstream, unit in derived.units}
        self._made_from: dict[Input, list[Field]] = {}
        for field in self.layout.fields:
            for name in field.inputs:
                self._made_from.setdefault(name, []).append(field)
        self._copied = {field.made.copied for field in self.layout.fields if field.made.copied}
        self._inputs_in: BoundedDict[tuple[Origin, Block], tuple[list[Input], float]] = BoundedDict(MOST_BLOCKS)
        self.latest: dict[Input, Latest] = {}
        self._answers: dict[Origin, BoundedDict[Block, Answer]] = {origin: BoundedDict(MOST_BLOCKS) for origin in self._units}
        self._bucket = TokenBucket()
        self._conditions: dict[Made, Condition] = {}
        self._counters = Counters(self.name, self._bucket)

    def add(self, mirror: DerivedMirror) -> None:
        """Hand over to one more mirror what is computed from now on."""
        self._mirrors.append(mirror)

    def takers(self) -> "dict[Origin, UnitTaker]":
        """What takes over the readings of each unit from which something is made."""
        return {origin: UnitTaker(self, origin) for origin in self._units}

    def update(self, reading: Reading) -> None:
        """Compute what a reading changes; that may be nothing but how old it all is."""
        fields = dict.fromkeys(each for name in self._read(reading) for each in self._made_from[name])
        computed = {each: self._compute(each) for each in fields}
        for mirror in self._mirrors:
            mirror.take(reading, computed)
        self._bucket.catch_up()

    def doubt(self, origin: Origin, blocks: Sequence[Block], until: float) -> None:
        """A write changes these blocks of one of the units; see `Invalidation`."""
        for mirror in self._mirrors:
            mirror.doubt(origin, blocks, until)

    def _read(self, reading: Reading) -> list[Input]:
        """Take over what the inputs say in a reading; return which these are."""
        outcome, origin = reading.outcome, (reading.upstream, reading.outcome.unit)
        if outcome.data is None or outcome.block is None:
            return []
        inputs, every = self._inputs(origin, outcome.block)
        if inputs:
            answers = self._answers[origin]
            answers[outcome.block] = Answer(outcome.block, outcome.data, outcome.asked_at, every or reading.every)
            numbers = numbers_by([each.register for each in inputs], tuple(answers.values()))
            for each in inputs:
                self._take(each, numbers.get(each.register), answers[outcome.block])
        return inputs

    def _take(self, name: Input, number: Exactly | None, answer: Answer) -> None:
        if name in self._copied:
            self.latest[name] = Latest(answer.taken_at, answer.every, words=answer.part(name.register.block))
        elif number:
            self.latest[name] = Latest(number.taken_at, name.every or answer.every, number.value)
            if number.value is not None:
                self._counters.read(name, number.value)

    def _inputs(self, origin: Origin, block: Block) -> tuple[list[Input], float]:
        """The inputs that a block of a unit changes, if mirrors take them from it; and its period."""
        if (origin, block) not in self._inputs_in:
            upstream, unit = self._units[origin]
            every = next((read.every for read in unit.reads if read.block == block), 0.0)
            is_taken = block not in unit.profile.alone if upstream.is_heard else bool(every)
            self._inputs_in[origin, block] = [each for each in self._made_from if (each.upstream, each.unit) == origin and is_taken
                                              and any(block.contains(part) for part in each.register.needs)], every
        return self._inputs_in[origin, block]

    def _compute(self, field: Field) -> Computed:
        """What a field comes to now."""
        latest = {name: self.latest[name] for name in field.inputs if name in self.latest}
        times = [each.taken_at for each in latest.values()]
        if len(times) < len(field.inputs):
            return Computed(None, NEVER, f"{next(name for name in field.inputs if name not in latest)} was not read yet")
        apart = max(times) - min(times)
        if apart > self._derived.skew(field.made, max(each.every for each in latest.values())):
            return Computed(None, min(times), f"its inputs were read {apart:.1f} s apart")
        if field.made.copied:
            return Computed(copied(field.made, latest[field.made.copied].words), min(times), "its text does not fit")
        data, why = self._words(field.made, {name: each.value for name, each in latest.items()})
        return Computed(data, min(times), why)

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
        """Whether a register is beyond its type, which is told once."""
        if made not in self._conditions:
            self._conditions[made] = Condition(self._bucket, well_at_first=True, tries="")
        return self._conditions[made]


@dataclass(frozen=True, slots=True)
class UnitTaker:
    """Takes over for a derived unit what comes from one of the units that it is made from."""

    deriver: Deriver
    origin: Origin

    def update(self, reading: Reading) -> None:  # sync thread
        self.deriver.update(reading)

    def doubt(self, blocks: Sequence[Block], until: float) -> None:  # sync thread
        self.deriver.doubt(self.origin, blocks, until)
