"""Use late answers of a gateway as readings of the time when they were requested."""

from collections.abc import Callable

from softsplit import clock
from softsplit.polling.plan import Plan
from softsplit.protocol.blocks import Block, Reading
from softsplit.protocol.pdu import GATEWAY_EXCEPTIONS
from softsplit.upstream.clients.client import Client
from softsplit.upstream.counters import Counters
from softsplit.upstream.eventlog import EventLog


class LateReadings:
    """The late answers of one upstream; for the thread that owns the wire. `hand_over` gets the readings."""

    def __init__(self, upstream: str, client: Client, plan: Plan, counters: Counters, words: EventLog,
                 hand_over: Callable[[Reading], None]):
        self._upstream = upstream
        self._client = client
        self._plan = plan
        self._tally = counters
        self._eventlog = words
        self._hand_over = hand_over
        self._written_at: dict[int, float] = {}  # by unit: when the latest write was over

    def wrote(self, unit: int) -> None:
        """A write to this unit is over: what was asked for before may have been read before it was done."""
        self._written_at[unit] = clock.now()

    def take(self) -> dict[int, float]:
        """Take home what has come late since the last call; return the units, and how long their answers took."""
        for late in self._client.take_late_answers():
            unit, answer = late.sent.unit, late.answer
            if answer[0] < 0x80:
                self._take_data(unit, late.sent.question.block, late.sent.asked_at, answer[2:])
            elif answer[1] in GATEWAY_EXCEPTIONS:
                self._eventlog.gateway_waits(unit, self._client.gateway)
        units = self._client.take_late()
        for unit in units:
            self._plan.heard(unit, clock.now())
        return units

    def _take_data(self, unit: int, block: Block | None, asked_at: float, data: bytes) -> None:
        """Take home the data of a polled block, unless something newer is known or may have been written."""
        if block is None:
            return  # it was no read
        counters = self._tally.blocks[unit].get(block)
        if counters and asked_at > max(counters.taken_at or 0.0, self._written_at.get(unit, 0.0)):
            self._tally.late(unit, block, asked_at, data)
            self._plan.answered_late(unit, block, asked_at, clock.now())
            self._hand_over(Reading(self._upstream, unit, block, asked_at, data))
            self._eventlog.answers(unit)
