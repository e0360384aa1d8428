"""For random topologies, expressions, faults and times: what is served is what an evaluation of its own gives, or refused.

The evaluation here shares nothing with the program: it computes with fractions, and has a rule of freshness of its own.
"""

import math
import random
import struct
from fractions import Fraction

import pytest

from softsplit import Derived, Downstream, Unit, Upstream
from softsplit.downstream.deriving.choice import Derivers
from softsplit.errors import ConfigError
from softsplit.profiles.loader import parse_profile
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.outcome import NOT_SENT, UNDER_WAY
from tests.support import Clock, read_request
from tests.support.outcomes import reading

# name, address, form, what one count is worth, unit of measure, pattern for "not available"; two blocks of a meter
METER = [("p", 0, ">i", Fraction(1, 10), "W", 0x7FFFFFFF), ("q", 2, ">h", Fraction(1), "kW", None),
         ("k", 3, ">H", Fraction(1, 100), "", 0xFFFF), ("f", 4, ">f", Fraction(1), "W", None),
         ("slow", 10, ">q", Fraction(1, 1000), "W", None), ("ratio", 14, ">h", Fraction(1), "", -0x8000)]
BLOCKS = {0: (6, 1.0), 10: (5, 7.0)}  # where a block begins: registers, and period in seconds
MAKE = [("p", 0, ">h", Fraction(1), "W", 0x7FFF), ("q", 1, ">I", Fraction(1, 100), "kW", None), ("k", 3, ">H", Fraction(1, 10), "", None),
        ("f", 4, ">f", Fraction(1), "W", None), ("slow", 6, ">q", Fraction(1), "W", None)]
TYPES = {">h": "s16", ">H": "u16", ">i": "s32", ">I": "u32", ">q": "s64", ">f": "f32"}
WORTH = {"W": Fraction(1), "kW": Fraction(1000), "": Fraction(1)}
STALE = bytes((0x83, 0x0B))


def profile_of(rows, name: str, more: str):
    def row(name, address, form, worth, measure, absent):
        said = f", not_available = {absent}" if absent is not None else ""
        return (f'{{ name = "{name}", address = {address}, type = "{TYPES[form]}", '
                f'resolution = "{float(worth):g} {measure}"{said} }}')
    return parse_profile(f"{more}\nregister = [{', '.join(row(*each) for each in rows)}]", name)


METER_PROFILE = profile_of(METER, "meter", "block = [" + ", ".join(
    f'{{ name = "{start}", address = {start}, count = {count}, every = {every} }}' for start, (count, every) in BLOCKS.items()) + "]")
MAKE_PROFILE = profile_of(MAKE, "make", "block = [{ address = 0, count = 10 }]")


class House:
    """Meters with what came of their reads, told to the program and kept here, too."""

    def __init__(self, chance: random.Random, clock: Clock):
        self.chance, self.clock = chance, clock
        self.wires = [Upstream(f"tcp://10.0.0.{number}", [Unit(unit, METER_PROFILE) for unit in (1, 2)], name=f"w{number}")
                      for number in range(chance.randint(1, 2))]
        self.inputs = [(wire.name, unit, row) for wire in self.wires for unit in (1, 2) for row in METER]
        self.trees = {name: self.tree(measure, 3) for name, *_, measure, _ in MAKE if chance.random() < 0.9}
        self.skew = chance.choice([None, 0.5, 3.0])
        self.derived = Derived(MAKE_PROFILE, values={name: text(tree) for name, tree in self.trees.items()}, upstreams=self.wires,
                               max_skew=self.skew)
        self.max_ages = [chance.choice([2.0, 5.0]), 10.0]
        derivers = Derivers()
        self.mirrors = []
        for max_age in self.max_ages:
            downstream = Downstream("tcp://127.0.0.1:0", units={1: self.derived}, max_age=max_age)
            self.mirrors.append(derivers.mirror(downstream, downstream.derived[0]))
        self.takers = dict(derivers.takers())
        self.good, self.refused, self.silence, self.lived = {}, set(), {}, {}
        self.writing, self.written = {}, {}

    def tree(self, measure: str, depth: int):
        """A random expression for a power (W), or for a number."""
        chance, is_power = self.chance, measure != ""
        fitting = [each for each in self.inputs if (each[2][4] != "") == is_power]
        kind = chance.choice(["input", "input", "number", "+", "-", "*", "/", "max", "min", "abs", "sum_of", "negative", "clamp"])
        if depth == 0 or kind == "input":
            return ("input", chance.choice(fitting))
        if kind == "number":
            return ("number", Fraction(chance.randint(-99, 999), 10), chance.choice(["W", "kW"]) if is_power else "")
        if kind in "*/":
            return (kind, self.tree(measure, depth - 1), self.tree("", depth - 1))
        count = {"abs": 1, "negative": 1, "clamp": 3}.get(kind, 2)
        return (kind, *(self.tree(measure, depth - 1) for _ in range(count)))

    def happen(self) -> None:
        """One thing comes to pass."""
        chance, clock = self.chance, self.clock
        origin = chance.choice(list(self.takers))
        start = chance.choice(list(BLOCKS))
        block = Block(Table.HOLDING_REGISTERS, start, BLOCKS[start][0])
        asked_at = clock.now - chance.choice([0.0, 0.1, 0.9])
        kind = chance.choice(["read"] * 12 + ["silence", "refusal", "write", "written", "time", "time"])
        if kind == "read":
            data = self.data(start)
            took, slack = chance.choice([0.0, 0.0, 0.05, 0.7]), chance.choice([0.0, 0.0, 0.3])
            self.good[origin, start] = asked_at, data, asked_at + took + slack
            self.refused.discard((origin, start))
            self.silence[origin], self.lived[origin] = 0, max(asked_at, self.lived.get(origin, -math.inf))
            self.takers[origin].update(told(origin, reading(origin[1], block, asked_at, data, took=took, slack=slack)))
            self.written = {key: until for key, until in self.written.items() if key[:2] != (origin, start) or until > asked_at}
        elif kind == "silence":
            self.silence[origin] = self.silence.get(origin, 0) + 1
            self.takers[origin].update(told(origin, reading(origin[1], block, asked_at)))
        elif kind == "refusal":
            self.refused.add((origin, start))
            self.silence[origin], self.lived[origin] = 0, max(asked_at, self.lived.get(origin, -math.inf))
            self.takers[origin].update(told(origin, reading(origin[1], block, asked_at, exception=2)))
        elif kind in ("write", "written"):
            self.write(origin, start, kind == "written")
        else:
            clock.now += chance.choice([0.3, 1.0, 4.0])

    def write(self, origin, start: int, is_over: bool) -> None:
        """A write is under way; perhaps it is over, too, or was not sent."""
        address = start + self.chance.randrange(BLOCKS[start][0])
        until = self.chance.choice([self.clock.now, self.clock.now - 0.5, NOT_SENT])
        for each in (UNDER_WAY, *([until] if is_over else [])):
            self.takers[origin].doubt((Block(Table.HOLDING_REGISTERS, address, 1),), each)
        self.writing = {key: value for key, value in self.writing.items() if key[0] != origin}
        if not is_over:
            self.writing[origin, start] = address
        elif until != NOT_SENT:
            key = origin, start, address
            self.written[key] = max(until, self.written.get(key, until))
            for refused in [each for each in self.refused if each[0] == origin]:
                self.refused.discard(refused)
                self.good.pop(refused, None)

    def data(self, start: int) -> bytes:
        data = bytearray(2 * BLOCKS[start][0])
        for _, address, form, _, _, absent in METER:
            if start <= address < start + BLOCKS[start][0]:
                struct.pack_into(form, data, 2 * (address - start), self.number(form, absent))
        return bytes(data)

    def number(self, form: str, absent):
        chance = self.chance
        if form == ">f":
            return chance.choice([0.0, -1.5, 230.25, 1e30, math.nan, math.inf, chance.uniform(-5000, 5000)])
        size = 8 * struct.calcsize(form)
        low, high = (0, 2**size - 1) if form.isupper() else (-2**(size - 1), 2**(size - 1) - 1)
        return chance.choice([0, low, high, *[chance.randint(max(low, -4000), min(high, 4000))] * 6, *([absent] * (absent is not None))])

    def check(self) -> int:
        """Compare all that the program serves; return how much that was."""
        served = 0
        for mirror, max_age in zip(self.mirrors, self.max_ages):
            for name, address, form, worth, measure, absent in MAKE:
                count = struct.calcsize(form) // 2
                answer = mirror.handle_request(read_request(address, count))
                answer = bytes((3, 4, 0, 0, 0, 0)) if form == ">f" and answer[2:] == b"\x80\0\0\0" else answer  # -0.0 is 0
                if name not in self.trees:
                    nan = form == ">f"
                    assert absent is not None or nan or answer == bytes((0x83, 0x02))
                    continue
                expected = self.expected(self.trees[name], form, worth * WORTH[measure], absent, max_age)
                assert answer == (STALE if expected is None else bytes((3, 2 * count)) + expected), (name, text(self.trees[name]))
                served += expected is not None
        return served

    def expected(self, tree, form: str, worth: Fraction, absent, max_age: float):
        inputs = list(inputs_of(tree))
        times, periods = [0.0], [0.0]
        if inputs:
            times, periods = zip(*((self.taken_at(each, max_age), self.period(each)) for each in inputs))
        skew = max(1.5, 1.5 * max(periods)) if self.skew is None else self.skew
        if None in times or self.is_too_far_apart(inputs, skew):
            return None
        value = evaluate(tree, lambda each: self.said(each))
        try:
            if value is None:
                raise OverflowError
            if form == ">f":
                return struct.pack(form, float(value / worth))
            count = round(value / worth)
            if count == absent:
                raise OverflowError
            return struct.pack(form, count)
        except (OverflowError, struct.error):
            return struct.pack(form, absent) if absent is not None else struct.pack(form, math.nan) if form == ">f" else None

    def is_too_far_apart(self, inputs, skew: float) -> bool:
        """Whether two inputs of different reads may have been measured further apart than they may be."""
        reads = {(each[0], each[1], self.start(each)) for each in inputs}
        spans = [self.good[(wire, unit), start] for wire, unit, start in reads]
        begins = [(begin, begin if self.skew is None else end) for begin, _, end in spans]
        return any(one[1] - other[0] > skew for one in begins for other in begins if one[0] != other[0])

    def period(self, each) -> float:
        return BLOCKS[self.start(each)][1]

    def start(self, each) -> int:
        return 0 if each[2][1] < 10 else 10

    def taken_at(self, each, max_age: float):
        """When an input was read, or None when it is stale."""
        wire, unit, (_, address, form, *_) = each
        origin, start, now = (wire, unit), self.start(each), self.clock.now
        if (origin, start) not in self.good or (origin, start) in self.refused:
            return None
        taken_at = self.good[origin, start][0]
        words = range(address, address + struct.calcsize(form) // 2)
        is_doubtful = any(at in words for key, at in self.writing.items() if key == (origin, start)) or any(
            key[:2] == (origin, start) and key[2] in words for key in self.written)
        is_mute = self.silence.get(origin, 0) >= 2 and now > self.lived[origin] + max_age
        is_old = now > taken_at + max(max_age, 3 * self.period(each))
        return None if is_doubtful or is_mute or is_old else taken_at

    def said(self, each):
        wire, unit, (_, address, form, worth, measure, absent) = each
        start = self.start(each)
        number, = struct.unpack_from(form, self.good[(wire, unit), start][1], 2 * (address - start))
        if number == absent or not math.isfinite(number):
            return None
        return Fraction(number) * worth * WORTH[measure]


def told(origin, one):
    return type(one)(origin[0], one.outcome, one.every, one.beat, one.slack)


def inputs_of(tree):
    if tree[0] == "input":
        yield tree[1]
    elif tree[0] != "number":
        for each in tree[1:]:
            yield from inputs_of(each)


def text(tree) -> str:
    kind, *of = tree
    if kind == "input":
        return f"{of[0][0]}/{of[0][1]}.{of[0][2][0]}"
    if kind == "number":
        return f"({float(of[0])} {of[1]})"
    if kind in "+-*/":
        return f"({text(of[0])} {kind} {text(of[1])})"
    return f"-({text(of[0])})" if kind == "negative" else f"{kind}({', '.join(map(text, of))})"


def evaluate(tree, said):
    kind, *of = tree
    if kind == "input":
        return said(of[0])
    if kind == "number":
        return of[0] * WORTH[of[1]]
    values = [evaluate(each, said) for each in of]
    if None in values:
        return None
    if kind == "/":
        return values[0] / values[1] if values[1] else None
    if kind == "clamp":
        return None if values[1] > values[2] else min(max(values[0], values[1]), values[2])
    if kind in ("+", "sum_of"):
        return sum(values)
    if kind == "*":
        return values[0] * values[1]
    if kind == "-":
        return values[0] - values[1]
    return {"max": max, "min": min}[kind](values) if kind in ("max", "min") else abs(values[0]) if kind == "abs" else -values[0]


def run(seed: int, clock: Clock, things: int) -> int:
    """Return how many values were served in one house; some expressions are none, as 1 / 0."""
    try:
        house = House(random.Random(seed), clock)
    except ConfigError as error:
        assert any(each in str(error) for each in ("divides by 0", "is no number", "is not possible", "nothing is made", "least value"))
        return 0
    served = 0
    for _ in range(things):
        house.happen()
        served += house.check()
    return served


@pytest.mark.parametrize("seed", range(2))
def test_what_is_served_is_what_the_readings_make_or_refused(seed, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("softsplit.clock.now", clock)
    assert sum(run(each, clock, 40) for each in range(8 * seed, 8 * seed + 8)) > 100
