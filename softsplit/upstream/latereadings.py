"""Use late answers of a gateway as readings of the time when they were asked for."""

from softsplit import clock
from softsplit.polling.plan import Plan
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import GATEWAY_EXCEPTIONS
from softsplit.upstream.clients.client import Client
from softsplit.upstream.counters import Counters
from softsplit.upstream.eventlog import EventLog
from softsplit.upstream.handover import HandOver
from softsplit.upstream.locator import Locator


class LateReadings:
    """The late answers of one upstream; for the thread that owns the wire."""

    def __init__(self, client: Client, plan: Plan, counters: Counters, eventlog: EventLog,
                 hand_over: HandOver,
                 locator: Locator):
        self._client = client
        self._plan = plan
        self._counters = counters
        self._eventlog = eventlog
        self._hand_over = hand_over
        self._locator = locator
        self._written_at: dict[int, float] = {}  # by unit: when the latest write was over

    def wrote(self, unit: int) -> None:
        """Note the end of a write: an answer to an earlier request may have older data."""
        self._written_at[unit] = clock.now()

    def take(self) -> dict[int, float]:
        """Use the late answers since the last call; return the units, and the seconds their answers took."""
        for outcome in self._client.take_late_answers():
            self._take_answer(outcome)
            if outcome.exception in GATEWAY_EXCEPTIONS:
                self._eventlog.gateway_wait(outcome.unit, self._client.gateway)
        units = self._client.take_late()
        for unit in units:
            self._plan.heard(unit, clock.now())
        return units

    def _take_answer(self, outcome: Outcome) -> None:
        """Use the data of a polled block, unless there is newer data, or something was written since."""
        unit, block, asked_at = outcome.unit, outcome.block, outcome.asked_at
        counters = self._counters.blocks[unit].get(block) if block and outcome.answer else None
        is_newer = counters and asked_at > max(counters.taken_at or 0.0, self._written_at.get(unit, 0.0))
        if is_newer and self._locator.is_sure(outcome):
            self._counters.late(outcome)
            self._plan.answered_late(outcome, clock.now())
            self._hand_over.reading(outcome)
            self._eventlog.answers(unit)
