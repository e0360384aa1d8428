"""Counters of one wire: requests for each block, their outcomes and latencies.

The poller counts; the main thread and servers read, and may see numbers that are one request apart.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from softsplit import clock
from softsplit.errors import BadAnswer, Refused, UpstreamError
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import describe_pdu
from softsplit.protocol.outcome import Outcome
from softsplit.upstream.clients.heard import Skipped
from softsplit.upstream.faults import UnitFault

MOST_LATENCIES = 300  # latest ones of one unit


@dataclass(slots=True)
class Counts:
    """Requests by result: an answer, an exception, no answer, or a damaged one."""

    requests: int = 0
    answers: int = 0
    exceptions: Counter = field(default_factory=Counter)  # by code
    no_answer: int = 0
    damaged: int = 0

    def count(self, error: UpstreamError | None) -> None:
        """Add one request and its result."""
        self.requests += 1
        if isinstance(error, BadAnswer):
            self.damaged += 1
        elif isinstance(error, Refused):
            self.exceptions[error.exception_code] += 1
        elif error:
            self.no_answer += 1
        else:
            self.answers += 1

    def add(self, other: "Counts") -> None:
        self.requests += other.requests
        self.answers += other.answers
        self.exceptions.update(dict(other.exceptions))
        self.no_answer += other.no_answer
        self.damaged += other.damaged

    def __str__(self) -> str:
        parts = [f"{self.requests} requests", f"{self.answers} answers"]
        parts += [f"{count} times exception 0x{code:02X}" for code, count in sorted(self.exceptions.items())]
        parts += [f"{count} {what}" for count, what in ((self.no_answer, "without an answer"),
                                                        (self.damaged, "with a damaged one")) if count]
        return ", ".join(parts)


def total(counts: Iterable[Counts]) -> Counts:
    found = Counts()
    for each in counts:
        found.add(each)
    return found


@dataclass(slots=True)
class ForwardedCounters(Counts):
    """The forwarded requests to one unit: when it answered last, its last error and the time of that."""

    answered_at: float | None = None
    error: str = ""
    failed_at: float | None = None

    def note(self, outcome: Outcome) -> None:
        """Note an outcome. An exception of the unit itself is an answer."""
        if outcome.is_of_unit:
            self.answered_at = clock.now()
        elif outcome.question:
            self.error, self.failed_at = f"{describe_pdu(outcome.question.pdu)}: {outcome.error}", clock.now()


@dataclass(slots=True, kw_only=True)
class BlockCounters(Counts):
    """One block of one unit: its period, its latest data and the time of that, its last error."""

    name: str
    block: Block
    every: float | None = None  # s; None if unknown
    latest: tuple[float | None, bytes | None] = None, None  # when it was asked for, data
    error: str = ""
    failed_at: float | None = None
    written_until: float = float("-inf")  # what was asked for before that has no data

    @property
    def taken_at(self) -> float | None:
        return self.latest[0]

    def note(self, outcome: Outcome) -> None:
        """Note data or an error. A block that the unit itself refuses has no data any more."""
        if outcome.error is None:
            self.latest = outcome.asked_at, outcome.data if outcome.asked_at >= self.written_until else None
            return
        self.error, self.failed_at = str(outcome.error), clock.now()
        if outcome.own_exception is not None:
            self.latest = self.taken_at, None


class Latencies(deque):
    """The seconds that the latest answers and exceptions took."""

    def shares(self, *shares: float) -> tuple[float | None, ...]:
        """Return the quantiles for these shares; None without any latencies."""
        ordered = sorted(tuple(self))
        return tuple(ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None
                     for share in shares)


class Counters:
    """The counters of one wire."""

    def __init__(self, reads: Mapping[int, Sequence[Read]]):
        self.blocks: dict[int, dict[Block, BlockCounters]] = {unit: {} for unit in reads}
        for unit, each in reads.items():
            for read in each:
                self.learn(unit, read.block, read.name, read.every)
        self.forwarded = {unit: ForwardedCounters() for unit in reads}  # and forgotten blocks
        self.latencies = {unit: Latencies(maxlen=MOST_LATENCIES) for unit in reads}
        self.wire_latencies = Latencies(maxlen=MOST_LATENCIES)
        self.asked_at: float | None = None
        self.mute: set[int] = set()  # units that do not answer
        self.faults = {unit: UnitFault() for unit in reads}
        self.places: dict[int, int | None] = {}  # where registers begin; None: not found
        self.missed = 0  # failed attempts to reach the gateway or the adapter
        self.connections, self._connected_at = 0, 0.0  # to the gateway, or of the adapter
        self.unreachable, self.unreachable_since = "", 0.0  # why the gateway or the adapter is away
        self.gateway_wait: float | None = None  # s that the gateway spends on a unit which is off
        self.wrong_ids = ""  # what is wrong with transaction ids
        self.is_overloaded = False  # the wire cannot carry the plan
        self.skipped = Skipped()
        self.advice: tuple[str, ...] = ()  # what to set in the configuration
        self.foreign = 0  # frames that answer no request of ours
        self.foreigner, self.foreigner_at = "", float("-inf")  # what another master did
        self.busy = 0.0  # s, from a request to the end of its answer or of the wait for it
        self.since = clock.now()

    def connected(self, at: float) -> None:  # poller thread
        """Note that the present connection was opened at this time."""
        if at != self._connected_at:
            self.connections, self._connected_at = self.connections + 1, at

    def miss(self, error: UpstreamError) -> None:  # poller thread
        """Note that the gateway or the adapter is away."""
        self.missed += 1
        if not self.unreachable:
            self.unreachable_since = clock.now()
        self.unreachable = str(error)

    def learn(self, unit: int, block: Block, name: str, every: float | None) -> None:  # poller thread
        """Count a block from now on, which is read every so many seconds."""
        known = self.blocks[unit].setdefault(block, BlockCounters(name=name, block=block))
        known.every = every

    def forget(self, unit: int, block: Block) -> None:  # poller thread
        """Count a block no more."""
        if known := self.blocks[unit].pop(block, None):  # it may have been read for two reasons
            self.forwarded[unit].add(known)

    def wrote(self, unit: int, blocks: Iterable[Block], until: float) -> None:  # poller thread
        """Drop the data of these blocks, which may have been written, until a request after `until`."""
        for known in self.blocks[unit].values():
            if any(known.block.overlaps(block) for block in blocks):
                known.written_until = max(until, known.written_until)
                known.latest = known.taken_at, None

    def count(self, outcome: Outcome) -> None:  # poller thread
        """Count a request and its outcome."""
        unit, self.unreachable, self.asked_at = outcome.unit, "", outcome.asked_at
        block, forwarded = outcome.block, self.forwarded[unit]
        counters: ForwardedCounters | BlockCounters = forwarded
        if block is not None:
            counters = self.blocks[unit].get(block, forwarded)
        counters.count(outcome.error)
        counters.note(outcome)
        self.faults[unit].note(outcome)
        if (outcome.answer is not None or outcome.exception is not None) and not outcome.stood_still:
            self.latencies[unit].append(outcome.took)
            self.wire_latencies.append(outcome.took)

    def late(self, outcome: Outcome) -> None:  # poller thread
        """Note an answer to a read that was already counted as unanswered."""
        if outcome.block:
            self.blocks[outcome.unit][outcome.block].note(outcome)
        self.faults[outcome.unit].note(outcome)
        self.mute.discard(outcome.unit)

    def has_answered(self, unit: int) -> bool:  # any thread
        """Whether a unit has answered ever, and be it too late."""
        found = self.unit(unit)
        return bool(found.answers or found.exceptions) or any(
            block.taken_at is not None for block in tuple(self.blocks[unit].values()))

    def unit(self, unit: int) -> Counts:
        """Return all counts of one unit."""
        return total((*tuple(self.blocks[unit].values()), self.forwarded[unit]))

    def snapshot(self, unit: int) -> tuple[int, int, int, int, int]:
        """Return requests to a unit, answers, exceptions, and requests without or with a damaged answer."""
        found = self.unit(unit)
        return found.requests, found.answers, found.exceptions.total(), found.no_answer, found.damaged

    def describe(self, unit: int) -> str:
        """Return counts and latencies of a unit in words."""
        median, p99 = self.latencies[unit].shares(0.5, 0.99)
        latency = "" if median is None or p99 is None else (
            f", latency {1000 * median:.0f} ms (p99 {1000 * p99:.0f} ms)")
        return f"{self.unit(unit)}{latency}"

    @property
    def utilisation(self) -> float:
        """The share of the time in which the wire was busy."""
        return self.busy / max(clock.now() - self.since, 1e-6)
