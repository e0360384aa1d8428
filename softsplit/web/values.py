"""The values of units as masters get them now; a stale one has a reason instead."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

from softsplit import clock
from softsplit.config.deriving.inputs import DERIVED
from softsplit.config.downstream import Downstream
from softsplit.daemon.status import Status
from softsplit.daemon.troubles.upstreams import latest_error
from softsplit.downstream.mirrors.answering import Answering
from softsplit.downstream.mirrors.freshness import NEVER
from softsplit.downstream.mirrors.latest import look_at
from softsplit.downstream.mirrors.store import Seen
from softsplit.profiles import Answer, Profile, Register
from softsplit.profiles.display import NamedValue
from softsplit.profiles.importance import rank, shortlist
from softsplit.profiles.joining import said_in
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.pdu import describe_exception
from softsplit.protocol.values import parse_resolution
LONG = 1e6  # s that a value which never changes is good for
MAIN = 6  # values of a unit on the page of all units

Key = tuple[str, str]  # upstream and unit


@dataclass(frozen=True, slots=True)
class Shown:
    """A value, None when it is stale or the device has none, and its age, None before the first reading.

    It may be shown for `good_for` seconds, 0 when it is stale; then `why` is the reason.
    """

    named: NamedValue
    age: float | None
    good_for: float
    why: str = ""

    @property
    def is_stale(self) -> bool:
        return self.good_for <= 0

    @property
    def number(self) -> float | None:
        """The value, if that is a number and fresh."""
        value = self.named.value
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
        return float(value) if is_number and not self.is_stale else None  # type: ignore[arg-type]


@dataclass(frozen=True)
class WatchedUnit:
    """A unit of an upstream: its profile, and its mirrors, one for each downstream that serves it."""

    upstream: str
    unit: str
    profile: Profile
    mirrors: Sequence[Answering]
    registers: Sequence[Register]
    reads_at: Callable[[int | None], Sequence[Read]] = lambda at: ()

    @property
    def key(self) -> Key:
        return self.upstream, self.unit

    @cached_property
    def main(self) -> list[Register]:
        """The registers that matter most."""
        return shortlist(self.registers, MAIN)

    @cached_property
    def ranked(self) -> list[Register]:
        """All registers, those that matter most first."""
        return sorted(self.registers, key=lambda each: rank(each.name))

    def values(self, registers: Iterable[Register], status: Status | None = None) -> list[Shown]:
        """Return the values of these registers; with `status`, also why some are stale. For any thread."""
        return [self._value(register, status) for register in registers]

    def _value(self, register: Register, status: Status | None) -> Shown:
        """Return a value; it is good when masters get all of it from every downstream."""
        now, base = clock.now(), self._base()
        placed = self._placed(register, base)
        if placed is None:
            return Shown(NamedValue(register, None), None, 0.0, self._why_unknown() if status else "")
        register, reads = placed, self.reads_at(base)
        seen = self._look(register)
        taken_at = min(each.taken_at for each in seen.values())
        age = None if taken_at == NEVER else round(max(0.0, now - taken_at), 3)
        answers = [Answer(part, each.data, each.taken_at, _every(part, reads)) for part, each in seen.items()
                   if each.data is not None and self._base() == base]
        if len(answers) < len(seen):
            part = next((part for part, each in seen.items() if each.data is None), register.parts[0])
            why = self._why(part, seen[part].exception, status) if status else ""
            return Shown(NamedValue(register, None), age, 0.0, why)
        home = next(each for each in answers if each.block == register.parts[0])
        good_for = min(each.good_until for each in seen.values()) - now
        said = NamedValue(register, said_in(register, home, answers).value)
        return Shown(said, age, min(max(good_for, 0.001), LONG))

    def _look(self, register: Register) -> dict[Block, Seen]:
        """Return the parts of a value as they are at one moment, though a new reading may come just now."""
        return look_at(register.needs, self._seen) or {part: Seen(None, self._seen(part).taken_at, NEVER)
                                                       for part in register.needs}

    def _seen(self, part: Block) -> Seen:
        """Return a part of a value as the worst of its mirrors has it."""
        return min((mirror.seen(part) for mirror in self.mirrors), key=lambda each: each.good_until)

    def _base(self) -> int | None:
        """Return the address of the SunSpec model of its profile; None if unknown, or without one."""
        bases = {mirror.base for mirror in self.mirrors} if self.profile.base else {None}
        return bases.pop() if len(bases) == 1 else None

    def _placed(self, register: Register, base: int | None) -> Register | None:
        """Return a register at its address on this device; None while that is unknown."""
        if not self.profile.base:
            return register
        found = self.profile.located(base)
        return next((each for each in found.registers if each.name == register.name), None)

    def _why_unknown(self) -> str:
        base = self.profile.base
        return f"{base} was not found yet" if base else ""

    def _why(self, block: Block, exception: int | None, status: Status) -> str:
        upstream = status.upstreams.get(self.upstream)
        unit = upstream.units.get(self.unit) if upstream else None
        if upstream is None or unit is None:
            return self._why_derived(status) if self.upstream == DERIVED else "it is not read"
        if not upstream.is_reachable:
            return upstream.error or "unreachable"
        around = next((each for each in unit.blocks
                       if each.block_with(self.profile.step).contains(block)), None)
        if around is None:
            return "it is not read" if not upstream.is_heard else "the other master does not read it"
        if not unit.answers_now and (error := latest_error(unit.blocks)):
            return error
        if around.last_error and around.is_failing:
            return around.last_error
        if around.age is None:
            return "it was not read yet"
        return describe_exception(exception) if exception and not around.answers else "its data is too old"

    def _why_derived(self, status: Status) -> str:
        own = (each for downstream in status.downstreams.values() for each in downstream.units.values()
               if each.origin == f"{DERIVED}/{self.unit}")
        return next((each.why for each in own if each.why), "what it is made from is stale")


def watched_units(downstreams: Sequence[Downstream],
                  mirrors: Sequence[Mapping[int, Answering]]) -> list[WatchedUnit]:
    """Return every unit that is served, once; `mirrors` are those of each downstream, by unit."""
    found: dict[Key, list[Answering]] = {}
    known: dict[Key, tuple[Profile, Sequence[Register], Callable[[int | None], Sequence[Read]]]] = {}
    for downstream, own in zip(downstreams, mirrors):
        for served in downstream.served:
            key, profile = (served.upstream.name, str(served.origin.unit)), served.origin.profile
            reads_at = _none_at if served.upstream.is_heard else served.origin.reads_at
            known[key] = profile, profile.stated.registers, reads_at
            found.setdefault(key, []).append(own[served.unit])
        for each in downstream.derived:
            key, derived = (DERIVED, each.derived.name), each.derived
            known[key] = derived.profile, [made.register for made in derived.made if made.has_source], _none_at
            found.setdefault(key, []).append(own[each.unit])
    return [WatchedUnit(*key, profile, found[key], registers, reads_at)
            for key, (profile, registers, reads_at) in known.items()]


def _none_at(at: int | None) -> Sequence[Read]:
    """Return the reads of a unit that is not polled."""
    return ()


def _every(part: Block, reads: Sequence[Read]) -> float:
    """Return the seconds between reads of a part of a value, 0 when they are unknown."""
    return next((read.every for read in reads if read.block.contains(part)), 0.0)


def as_json(unit: WatchedUnit, status: Status) -> dict:
    """Return each value of a unit by name, with measure and age; a stale one is null, with its reason."""
    return {"upstream": unit.upstream, "unit": unit.unit, "profile": unit.profile.name,
            "values": {each.named.name: _entry(each) for each in unit.values(unit.registers, status)}}


def _entry(shown: Shown) -> dict:
    found = {"value": shown.named.plain, "measure": measure_of(shown.named.register), "age": shown.age}
    return found | ({"stale": shown.why} if shown.is_stale else {})


def measure_of(register: Register) -> str:
    """Return the unit of measure of a register, "" if that holds no number."""
    return parse_resolution(register.resolution)[1] if register.row.number else ""
