"""The latest values of units in a status; stale registers have none. Pure."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite

from softsplit.config.topology import Topology
from softsplit.daemon.status import Status
from softsplit.downstream.mirrors.freshness import good_until, unit_good_until
from softsplit.logs.conditions import show_age
from softsplit.profiles import Answer, Profile, Register
from softsplit.profiles.display import NamedValue
from softsplit.upstream.report import BlockStatus

KEPT = 240  # values of each register, about one a second


@dataclass(frozen=True, slots=True)
class Watched:
    """What a status lacks about a unit: its profile, and the seconds after which its data is too old."""

    profile: Profile
    max_age: float


@dataclass(frozen=True, slots=True)
class Latest:
    """A register: its value, None unless it `is_fresh`; its age in seconds, None before the first read.

    It `is_to_come` during the start.
    """

    named: NamedValue
    age: float | None
    is_fresh: bool
    is_to_come: bool = False

    @property
    def text(self) -> str:
        """The value with its unit of measure, or for how long it has been stale."""
        if self.is_fresh:
            return str(self.named)
        if self.age is not None:
            return f"STALE {show_age(self.age)}"
        return "not read yet" if self.is_to_come else "NEVER READ"

    @property
    def style(self) -> str:
        return "title" if self.is_fresh else "note" if self.is_to_come and self.age is None else "bad"

    @property
    def number(self) -> float | None:
        """The value if it is a number that can be drawn."""
        value = self.named.value
        return value if isinstance(value, (int, float)) and isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Look:
    """A status with its present `age`, when it was read, and what is known about its units."""

    status: Status
    watched: Mapping[tuple[str, str], Watched]
    seen_at: float
    topology: Topology | None = None  # of a running splitter


def ages(look: Look, upstream: str, unit: str) -> list[tuple[BlockStatus, float | None, bool]]:
    """Return each polled block of a unit, its age in seconds, and whether it is fresh.

    It is stale if one of the servers does not serve it, or if the unit no longer answers.
    """
    status, max_age = look.status, look.watched[upstream, unit].max_age
    bus = status.upstreams[upstream]
    report = bus.units[unit]
    stale = {name for downstream in status.downstreams.values() for each in downstream.units.values()
             if each.origin == f"{upstream}/{unit}" for name in each.stale}
    now = [None if block.age is None else block.age + status.age for block in report.blocks]
    is_silent = report.is_mute or not bus.is_reachable
    newest = min((age for age in now if age is not None), default=inf)
    until = unit_good_until(-newest, max_age, is_silent)  # now is 0
    return [(block, age, age is not None and block.data is not None and block.name not in stale
             and min(until, good_until(-age, max_age, block.every or 0.0)) >= 0.0)
            for block, age in zip(report.blocks, now)]


def latest_values(look: Look, upstream: str, unit: str) -> list[Latest]:
    """Return every register of a unit that is polled or heard, in the order of the profile.

    Another master may read a register in two blocks: then the newer one counts.
    """
    bus = look.status.upstreams[upstream]
    stated = look.watched[upstream, unit].profile
    profile = stated.located(bus.units[unit].base)
    sure = [read.block for read in profile.reads] if stated.base and not bus.is_heard else None  # of this device
    is_starting = look.status.health.is_starting(f"{upstream}/{unit}")
    found: dict[Register, Latest] = {}
    in_order = sorted((each for each in ages(look, upstream, unit) if sure is None or each[0].block in sure),
                      key=_newness)
    answers = [Answer(each.block_with(profile.step), each.data, -age, each.every or 0.0)
               for each, age, is_fresh in in_order
               if is_fresh and age is not None and each.data is not None]
    for each, age, is_fresh in in_order:
        for register in profile.registers_in(each.block_with(profile.step)):
            found[register] = Latest(NamedValue(register, None), age, is_fresh, is_starting)
    for register, said in profile.said(answers).items():
        found[register] = Latest(NamedValue(register, said.value), -said.taken_at, True, is_starting)
    return [found[register] for register in profile.registers if register in found]


def _newness(one: tuple[BlockStatus, float | None, bool]) -> tuple[bool, float]:
    """The sort key for blocks: the newest last."""
    _, age, is_fresh = one
    return is_fresh, -inf if age is None else -age


class History:
    """The latest numbers of all registers, one for each look; None if the register was stale."""

    def __init__(self):
        self._kept: dict[tuple[str, str, str], deque[float | None]] = {}

    def take(self, look: Look) -> None:
        for upstream, unit in look.watched:
            for latest in latest_values(look, upstream, unit):
                key = upstream, unit, latest.named.name
                self._kept.setdefault(key, deque(maxlen=KEPT)).append(latest.number)

    def of(self, upstream: str, unit: str, name: str) -> list[float | None]:
        return list(self._kept.get((upstream, unit, name), ()))
