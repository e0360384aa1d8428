"""Counters of one wire: requests for each block, their outcomes and latencies.

The poller counts; the main thread and servers look on, at numbers that may be one request apart.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from softsplit import clock
from softsplit.errors import BadAnswer, Refused, UpstreamError
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import describe_pdu
from softsplit.protocol.outcome import Outcome
from softsplit.upstream.clients.skipped import Skipped
from softsplit.upstream.faults import UnitFault

MOST_LATENCIES = 300  # the latest, of one unit


@dataclass(slots=True)
class Counts:
    """Requests, each of which ended in one way: an answer, an exception, or neither.

    `damaged` are those to which something came that was not the answer.
    """

    requests: int = 0
    answers: int = 0
    exceptions: Counter = field(default_factory=Counter)  # by code
    no_answer: int = 0
    damaged: int = 0

    def count(self, error: UpstreamError | None) -> None:
        """Add one request and what came of it."""
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
        """Count in what was counted elsewhere."""
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
    """Return the sum."""
    found = Counts()
    for each in counts:
        found.add(each)
    return found


@dataclass(slots=True)
class ForwardedCounters(Counts):
    """What masters had sent to one unit: when it answered last, and what went wrong last, and when."""

    answered_at: float | None = None
    error: str = ""
    failed_at: float | None = None

    def note(self, outcome: Outcome) -> None:
        """Take note of what came of one request. What the unit itself refuses is an answer."""
        if outcome.is_of_unit:
            self.answered_at = clock.now()
        elif outcome.question:
            self.error, self.failed_at = f"{describe_pdu(outcome.question.pdu)}: {outcome.error}", clock.now()


@dataclass(slots=True, kw_only=True)
class BlockCounters(Counts):
    """One block of one unit: how often it is read, its latest data and since when, what went wrong last."""

    name: str
    block: Block
    every: float | None = None  # s; None when nobody knows
    latest: tuple[float | None, bytes | None] = None, None  # before the request; data
    error: str = ""
    failed_at: float | None = None

    @property
    def taken_at(self) -> float | None:
        return self.latest[0]

    def note(self, outcome: Outcome) -> None:
        """Take note of data and when it was taken, or of what went wrong just now.

        What the unit itself refuses has no data any more.
        """
        if outcome.error is None:
            self.latest = outcome.asked_at, outcome.data
            return
        self.error, self.failed_at = str(outcome.error), clock.now()
        if outcome.own_exception is not None:
            self.latest = self.taken_at, None


class Latencies(deque):
    """The seconds that the latest answers and exceptions took."""

    def shares(self, *shares: float) -> tuple[float | None, ...]:
        """Return the latencies which these shares of all did not exceed; None without any."""
        ordered = sorted(tuple(self))
        return tuple(ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None
                     for share in shares)


class Counters:
    """One wire: its blocks by unit, the seconds it was `busy` with them, the `foreign` frames heard on it.

    `forwarded` counts, by unit, what masters had sent besides, and what was learned and is forgotten.
    `connections` counts those that were made, `missed` the tries in vain to reach the gateway or the adapter, and `unreachable` says why while
    that lasts; `mute` are the units that do not answer; `foreigner` tells what another master did.
    """

    def __init__(self, reads: Mapping[int, Sequence[Read]]):
        self.blocks: dict[int, dict[Block, BlockCounters]] = {unit: {} for unit in reads}
        for unit, each in reads.items():
            for read in each:
                self.learn(unit, read.block, read.name, read.every)
        self.forwarded = {unit: ForwardedCounters() for unit in reads}
        self.latencies = {unit: Latencies(maxlen=MOST_LATENCIES) for unit in reads}
        self.wire_latencies = Latencies(maxlen=MOST_LATENCIES)
        self.asked_at: float | None = None
        self.mute: set[int] = set()
        self.faults = {unit: UnitFault() for unit in reads}
        self.places: dict[int, int | None] = {}  # where the registers of a unit begin that were looked for; None in vain
        self.missed = 0
        self.connections, self._connected_at = 0, 0.0  # to the gateway, or of the adapter
        self.unreachable, self.unreachable_since = "", 0.0
        self.gateway_wait: float | None = None  # s that the gateway spends on a unit which is off
        self.wrong_ids = ""  # what is wrong with transaction ids
        self.is_overloaded = False  # by the reads of the plan
        self.skipped = Skipped()
        self.advice: tuple[str, ...] = ()  # what to set in the configuration
        self.foreign = 0
        self.foreigner, self.foreigner_at = "", float("-inf")
        self.busy = 0.0  # s, from a request to the end of its answer or of the wait for it
        self.since = clock.now()

    def connected(self, at: float) -> None:  # poller thread
        """The wire that is used was opened at this time."""
        if at != self._connected_at:
            self.connections, self._connected_at = self.connections + 1, at

    def miss(self, error: UpstreamError) -> None:  # poller thread
        """The gateway or the adapter is away."""
        self.missed += 1
        if not self.unreachable:
            self.unreachable_since = clock.now()
        self.unreachable = str(error)

    def learn(self, unit: int, block: Block, name: str, every: float | None) -> None:  # poller thread
        """A block is read from now on, or read every so many seconds."""
        known = self.blocks[unit].setdefault(block, BlockCounters(name=name, block=block))
        known.every = every

    def forget(self, unit: int, block: Block) -> None:  # poller thread
        """A block is read no more."""
        self.forwarded[unit].add(self.blocks[unit].pop(block))

    def count(self, outcome: Outcome) -> None:  # poller thread
        """Add a request and what came of it."""
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
        """An answer came to a read that was counted as unanswered already."""
        if outcome.block:
            self.blocks[outcome.unit][outcome.block].note(outcome)
        self.faults[outcome.unit].note(outcome)
        self.mute.discard(outcome.unit)

    def unit(self, unit: int) -> Counts:
        """Everything counted of one unit."""
        return total((*tuple(self.blocks[unit].values()), self.forwarded[unit]))

    def snapshot(self, unit: int) -> tuple[int, int, int, int, int]:
        """Requests to a unit, answers, exceptions, those without an answer, and with a damaged one."""
        found = self.unit(unit)
        return found.requests, found.answers, found.exceptions.total(), found.no_answer, found.damaged

    def describe(self, unit: int) -> str:
        """Say what came of all requests to a unit."""
        median, p99 = self.latencies[unit].shares(0.5, 0.99)
        latency = "" if median is None or p99 is None else (
            f", latency {1000 * median:.0f} ms (p99 {1000 * p99:.0f} ms)")
        return f"{self.unit(unit)}{latency}"

    @property
    def utilisation(self) -> float:
        """The share of the time in which the wire was busy."""
        return self.busy / max(clock.now() - self.since, 1e-6)
