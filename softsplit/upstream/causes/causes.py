"""Find the causes of failures on one wire, for errors, counters and the log."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from softsplit import clock, standstill
from softsplit.config.upstream import Upstream
from softsplit.errors import Unreachable
from softsplit.protocol.blocks import Block
from softsplit.protocol.outcome import Outcome
from softsplit.upstream.causes.diagnosis import Diagnosis
from softsplit.upstream.causes.dialect import OtherDialect
from softsplit.upstream.clients.client import Client
from softsplit.upstream.counters import Counters
from softsplit.upstream.eventlog import EventLog


class Causes:
    """The causes of one upstream; for the thread of the wire. `pause` returns true when that is to stop."""

    def __init__(self, upstream: Upstream, client: Client, counters: Counters, events: EventLog,
                 pause: Callable[[float], object]):
        self._client = client
        self._counters = counters
        self._events = events
        self._timeout = upstream.timeout
        self._diagnosis = Diagnosis(upstream.url, upstream.line, counters.blocks, upstream.timeout,
                                    client.request_gap, upstream.connect_delay)
        self._other_dialect = OtherDialect(upstream.url, upstream.timeout, pause, upstream.connect_delay)

    def explain(self, outcome: Outcome) -> Outcome:
        """Note an outcome; return it, with the cause in its error if that is known."""
        unit, block, error = outcome.unit, outcome.block, outcome.error
        now, client = clock.now(), self._client
        self._diagnosis.count(outcome, client.connected_at, standstill.any_since(client.connected_at))
        self.came_late(client.late)
        if error is None:
            return outcome
        connected_for = now - client.connected_at
        if block and self._diagnosis.is_mute and not self._counters.foreign and self._other_dialect.is_due():
            self._ask_otherwise(unit, block)
            self.came_late(client.late)
        return replace(outcome, error=self._diagnosis.explain(unit, error, connected_for,
                                                              self._other_dialect.said, now))

    def _ask_otherwise(self, unit: int, block: Block) -> None:
        """Ask in the other dialect, unless late answers come."""
        if not self._client.await_late(self._timeout):
            self._client.close()  # a gateway may have room for one connection only
            self._other_dialect.ask(unit, block)

    def pause_before(self, unit: int) -> float:
        """Return the seconds to wait before a unit is asked."""
        return self._diagnosis.pause_before(unit, clock.now())

    def explain_unreachable(self, error: Unreachable) -> Unreachable:
        return self._diagnosis.explain_unreachable(error)

    def came_late(self, late: Mapping[int, float]) -> None:
        """Note units whose answers were late, and the seconds they took; update the advice."""
        self._diagnosis.came_late(late, clock.now())
        self._counters.advice = self._diagnosis.advice(clock.now())
        self._events.advise("; ".join(self._counters.advice))
