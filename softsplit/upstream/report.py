"""The status of an upstream, its units and their blocks. Ages and latencies are in seconds."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Literal

from softsplit.config.upstream import Upstream
from softsplit.config.url import Url
from softsplit.polling.demand import LEARNED
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.upstream.clients.heard import Skipped
from softsplit.upstream.counters import BlockCounters, Counters, Counts, ForwardedCounters, Latencies, total

FOREIGNER_FOR = 600.0  # s for which another master is reported after it was heard


@dataclass(frozen=True, slots=True)
class Errors:
    """Requests without a good answer: without any, with a damaged one, with an exception, by code."""

    no_answer: int
    damaged: int
    exceptions: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Requests and their results."""

    requests: int
    answers: int
    errors: Errors


@dataclass(frozen=True, slots=True)
class Latency:
    """The median and the 99th percentile of the latest answers; None without any."""

    p50: float | None
    p99: float | None


def _is_failing(status: "BlockStatus | ForwardedStatus") -> bool:
    """Whether the latest request was not answered."""
    return status.last_error_age is not None and (status.age is None or status.last_error_age < status.age)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStatus(Counted):
    """A block: its period, None if unknown, its latest data and last error, and the ages of these."""

    name: str
    table: Table
    address: int
    count: int
    every: float | None
    age: float | None
    data: bytes | None
    last_error: str | None
    last_error_age: float | None
    is_failing = property(_is_failing)

    @property
    def is_learned(self) -> bool:
        """Whether it is polled because masters ask for it often."""
        return self.name.startswith(LEARNED)

    @property
    def block(self) -> Block:
        """The block. Raises ConfigError when there is none with these numbers, which a file may have."""
        return Block(self.table, self.address, self.count)

    def block_with(self, step: int) -> Block:
        """The block, on a device whose registers take `step` addresses each. Raises ConfigError, as `block`."""
        return replace(self.block, step=1 if self.table.holds_bits else step)

    @property
    def agrees(self) -> bool:
        """Whether the data has the size of the block. Raises ConfigError, as `block`."""
        return self.block.byte_count == len(self.data) if self.data is not None else bool(self.block)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedStatus(Counted):
    """The forwarded requests to a unit: the age of the last answer, the last error and the age of that."""

    age: float | None = None
    last_error: str | None = None
    last_error_age: float | None = None
    is_failing = property(_is_failing)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStatus(Counted):
    """A unit. `forwarded` also counts the requests of blocks that were learned and forgotten."""

    profile: str
    state: Literal["answers", "mute", "never heard"]
    latency: Latency
    forwarded: ForwardedStatus
    blocks: tuple[BlockStatus, ...]
    base: int | None = None  # the address where its registers begin
    missing: str = ""  # the SunSpec model that its profile describes, while that was not found

    @property
    def answers_now(self) -> bool:
        return self.state == "answers"

    @property
    def is_mute(self) -> bool:
        return self.state == "mute"

    @property
    def ages(self) -> list[float]:
        """The ages of the blocks that have been read."""
        return [block.age for block in self.blocks if block.age is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamStatus(Counted):
    """An upstream: its url, its wire and its units."""

    url: Url
    state: Literal["connected", "unreachable", "starting"]
    error: str | None  # why it is unreachable
    utilisation: float  # share of the latest minute in which the wire was busy, or waited for a mute unit
    unreachable: int  # failed attempts to reach it
    latency: Latency
    gateway_wait: float | None = None  # s that the gateway spends on a unit which is off
    reconnects: int = 0  # connections after the first
    returns_ids: bool = True  # false: its answers have other transaction ids than the requests
    wrong_ids: str = ""  # which ones; a status of an earlier version has only `returns_ids`
    is_overloaded: bool = False  # the periods of the reads are stretched
    skipped: Skipped = field(default_factory=Skipped)
    is_heard: bool  # we only listen
    foreign_frames: int  # heard frames that answer no request of ours
    other_master: str  # what another master does on the line
    advice: tuple[str, ...] = ()  # settings that would help units to be read in time
    unlisted: tuple[int, ...] = ()  # units on the line that are not configured
    certificate: str = ""  # the problem of our own, if it has one
    units: dict[str, UnitStatus]

    @property
    def is_reachable(self) -> bool:
        return self.state != "unreachable"

    @property
    def is_silent(self) -> bool:
        """Whether units were asked, and none answers."""
        return self.requests > 0 and not any(unit.answers_now for unit in self.units.values())


def report(upstream: Upstream, counters: Counters, utilisation: float, now: float,
           unlisted: Collection[int] = ()) -> UpstreamStatus:
    """Return the status of one upstream; `utilisation` is that of the latest minute."""
    counts = total(counters.unit(unit) for unit in counters.blocks)
    return UpstreamStatus(
        **_counts(counts),
        url=upstream.url,
        state="unreachable" if counters.unreachable else "starting" if counters.asked_at is None
        else "connected",
        error=counters.unreachable,
        utilisation=round(utilisation, 4),
        unreachable=counters.missed,
        reconnects=max(0, counters.connections - 1),
        latency=_latency(counters.wire_latencies),
        gateway_wait=_rounded(counters.gateway_wait),
        returns_ids=not counters.wrong_ids,
        wrong_ids=counters.wrong_ids,
        is_overloaded=counters.is_overloaded,
        skipped=replace(counters.skipped),
        is_heard=upstream.is_heard,
        foreign_frames=counters.foreign,
        advice=counters.advice,
        other_master=counters.foreigner if now - counters.foreigner_at < FOREIGNER_FOR else "",
        unlisted=tuple(sorted(unlisted)),
        units={str(unit): _unit(upstream, unit, counters, now) for unit in counters.blocks},
    )


def _unit(upstream: Upstream, unit: int, counters: Counters, now: float) -> UnitStatus:
    counts, profile = counters.unit(unit), upstream.unit(unit).profile
    return UnitStatus(
        **_counts(counts),
        profile=profile.name,
        state="mute" if unit in counters.mute else "answers" if counters.has_answered(unit)
        else "never heard",
        latency=_latency(counters.latencies[unit]),
        forwarded=_forwarded(counters.forwarded[unit], now),
        blocks=tuple(_block(block, now) for block in tuple(counters.blocks[unit].values())),
        base=counters.places.get(unit),
        missing=str(profile.base) if profile.base and counters.places.get(unit) is None else "",
    )


def _forwarded(counters: ForwardedCounters, now: float) -> ForwardedStatus:
    return ForwardedStatus(
        **_counts(counters),
        age=_age(counters.answered_at, now),
        last_error=counters.error or None,
        last_error_age=_age(counters.failed_at, now),
    )


def _age(at: float | None, now: float) -> float | None:
    return None if at is None else _rounded(now - at)


def _block(counters: BlockCounters, now: float) -> BlockStatus:
    taken_at, data = counters.latest
    return BlockStatus(
        **_counts(counters),
        name=counters.name,
        table=counters.block.table,
        address=counters.block.address,
        count=counters.block.count,
        every=_rounded(counters.every),
        age=_age(taken_at, now),
        data=data,
        last_error=counters.error,
        last_error_age=_age(counters.failed_at, now),
    )


def _counts(counts: Counts) -> dict:
    errors = Errors(counts.no_answer, counts.damaged, dict(sorted(dict(counts.exceptions).items())))
    return {"requests": counts.requests, "answers": counts.answers, "errors": errors}


def _latency(latencies: Latencies) -> Latency:
    return Latency(*map(_rounded, latencies.shares(0.5, 0.99)))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(max(0.0, seconds), 4)
