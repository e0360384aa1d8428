"""Statistics of a line: the requests to each unit, their rates and outcomes. Bounded."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import click

from softsplit.commands.shared.columns import columns
from softsplit.commands.sniff.hints import Hints
from softsplit.decoder.requests import between
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.logs.conditions import show_count, show_duration
from softsplit.protocol.functions import describe
from softsplit.upstream.counters import Latencies

MOST_LATENCIES = 1000  # latencies of one unit
MOST_INTERVALS = 32  # of one poll
MOST_POLLS = 200  # different requests that are counted
POLLS_SHOWN = 30
NAMED_KINDS = (Kind.LATE, Kind.SUSPECT, Kind.ORPHAN)


@dataclass(slots=True)
class UnitCounts:
    """The counters of one unit."""

    requests: int = 0
    replies: int = 0
    exceptions: Counter = field(default_factory=Counter)  # by code
    kinds: Counter = field(default_factory=Counter)
    retries: int = 0
    latencies: Latencies = field(default_factory=lambda: Latencies(maxlen=MOST_LATENCIES))
    extremes: tuple[float, float] | None = None  # of all latencies

    def count(self, transaction: Transaction) -> None:
        self.requests += has_request(transaction)
        self.replies += transaction.reply is not None and transaction.kind is not Kind.DAMAGED
        self.kinds[transaction.kind] += 1
        self.retries += transaction.retry and has_request(transaction)
        if transaction.exception is not None:
            self.exceptions[transaction.exception] += 1
        if transaction.kind in (Kind.OK, Kind.EXCEPTION) and transaction.latency is not None:
            self.latencies.append(transaction.latency)
            least, most = self.extremes or (transaction.latency, transaction.latency)
            self.extremes = min(least, transaction.latency), max(most, transaction.latency)


def has_request(transaction: Transaction) -> bool:
    """Whether it has an intact request that was not counted before."""
    is_intact = transaction.request is not None and not (transaction.damage or "").startswith("request")
    return is_intact and transaction.kind not in (Kind.LATE, Kind.ECHO)


@dataclass(slots=True)
class Poll:
    """The counters of one request that a master repeats."""

    requests: int = 0
    asked_at: float | None = None
    intervals: deque = field(default_factory=lambda: deque(maxlen=MOST_INTERVALS))

    def count(self, transaction: Transaction) -> None:
        if not transaction.retry:
            self.requests += 1
            if transaction.time is not None:
                if self.asked_at is not None:
                    self.intervals.append(transaction.time - self.asked_at)
                self.asked_at = transaction.time

    @property
    def period(self) -> float | None:
        """The median of the latest intervals, in seconds; None while there are too few."""
        ordered = sorted(self.intervals)
        return ordered[len(ordered) // 2] if len(ordered) >= 2 else None


class Statistics:
    """Counts the traffic of a line; a byte takes `character_time` seconds."""

    def __init__(self, character_time: float):
        self._character_time = character_time
        self._units: dict[int | None, UnitCounts] = {}
        self._polls: dict[tuple, Poll] = {}
        self._bytes = 0
        self._time: float | None = None  # of the last bytes
        self._seconds = 0.0
        self._unanswered: Transaction | None = None
        self._collisions = 0
        self._echoes = 0  # of requests
        self._hints = Hints()

    def is_later_than(self, time: float | None) -> bool:
        """Whether it has already heard something later than `time`."""
        return time is not None and self._time is not None and time < self._time

    def hear(self, time: float | None, size: int) -> None:
        """Note `size` bytes, or silence, up to `time`."""
        self._bytes += size
        if time is not None:
            self._seconds += 0.0 if self._time is None else max(0.0, time - self._time)
            self._time = time

    def count(self, transaction: Transaction) -> None:
        self._hints.take(transaction)
        if transaction.kind is Kind.ECHO:
            self._echoes += 1
            return
        unit = self._units.setdefault(transaction.unit, UnitCounts())
        unit.count(transaction)
        self._look_for_a_second_master(transaction)
        if has_request(transaction):
            key = transaction.unit, transaction.function, transaction.address, transaction.count
            if key in self._polls or len(self._polls) < MOST_POLLS:
                self._polls.setdefault(key, Poll()).count(transaction)

    def _look_for_a_second_master(self, transaction: Transaction) -> None:
        """Count requests that come sooner than replies do: another master, as the first one still waits."""
        earlier, self._unanswered = self._unanswered, None
        if earlier and transaction.request is not None and earlier.request != transaction.request:
            longest, waited = self._units[earlier.unit].extremes, between(earlier.time, transaction.time)
            self._collisions += bool(longest and waited is not None and waited < longest[1])
        if transaction.kind is Kind.NO_REPLY and transaction.time is not None:
            self._unanswered = transaction

    @property
    def load(self) -> float | None:
        """The share of the time in which the line carried a byte; None without times."""
        return self._bytes * self._character_time / self._seconds if self._seconds else None

    def draw(self, note: str = "") -> str:
        """Return the table; `note` says what was wrong with the source."""
        rows = [["unit", "requests", "replies", "exceptions", "no reply", "retries", "damaged",
                 "latency min / median / p99"]]
        rows += [self._unit(unit) for unit in sorted(self._units, key=lambda unit: (unit is None, unit))]
        parts = [self._totals(note), columns(rows) if self._units else [], columns(list(self._poll_rows()))
                 if self._polls else [], list(self._notes())]
        return "\n\n".join("\n".join(part) for part in parts if part) + "\n"

    def _totals(self, note: str) -> list[str]:
        span = "" if self._time is None else f" in {show_duration(self._seconds)}"
        parts = [show_count(self._bytes, "byte") + span]
        if self.load is not None:
            parts.append(f"line busy {100 * self.load:.1f} %")
        return ["  ".join(filter(None, [*parts, note]))]

    def _unit(self, unit: int | None) -> list[str]:
        counts = self._units[unit]
        exceptions = ", ".join(f"0x{code:02X}: {count}" for code, count in sorted(counts.exceptions.items()))
        latency = ""
        if counts.extremes:
            steps = counts.extremes[0], *counts.latencies.shares(0.5, 0.99)
            latency = " / ".join(f"{1000 * each:.1f}" for each in steps if each is not None) + " ms"
        return ["?" if unit is None else str(unit), str(counts.requests), str(counts.replies),
                exceptions or "0", _flagged(counts.kinds[Kind.NO_REPLY]), str(counts.retries),
                _flagged(counts.kinds[Kind.DAMAGED]), latency]

    def _poll_rows(self) -> Iterator[list[str]]:
        ordered = sorted(self._polls.items(), key=lambda each: -each[1].requests)
        for (unit, function, address, count), poll in ordered[:POLLS_SHOWN]:
            every = "" if poll.period is None else f"every {poll.period:.{1 if poll.period >= 10 else 2}f} s"
            yield [f"unit {unit}", describe(function, address, count), f"{poll.requests}x", every]
        if len(ordered) > POLLS_SHOWN:
            others = f"and {len(ordered) - POLLS_SHOWN} others{' or more' if len(ordered) == MOST_POLLS else ''}"
            yield ["", others, "", ""]

    def _notes(self) -> Iterator[str]:
        kinds = sum((counts.kinds for counts in self._units.values()), Counter())
        named = [f"{kinds[kind]} {kind}" for kind in NAMED_KINDS if kinds[kind]]
        if named:
            yield click.style(f"uncertain replies: {', '.join(named)}", fg="magenta")
        yield from (click.style(note, fg="magenta") for note in self._hints.notes())
        if self._echoes:
            yield f"{show_count(self._echoes, 'request')} came twice: the adapter hears itself"
        may_answer_either = kinds[Kind.SUSPECT] - self._hints.disturbed
        if self._collisions or may_answer_either:
            yield click.style("a second master is suspected: "
                              f"{show_count(self._collisions, 'request')} while another waited for its reply, "
                              f"{may_answer_either} replies that may answer either", fg="red", bold=True)


def _flagged(count: int) -> str:
    return click.style(str(count), fg="red") if count else "0"
