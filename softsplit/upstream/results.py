"""Report the outcome of each request to the plan, the counters, the log and the mirrors."""

from softsplit import clock
from softsplit.errors import Refused, Unreachable, UpstreamError
from softsplit.polling.fairness import WireShares
from softsplit.polling.plan import Plan
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.pdu import GATEWAY_EXCEPTIONS, OWN_EXCEPTIONS
from softsplit.upstream.client import Client
from softsplit.upstream.counters import Counters
from softsplit.upstream.eventlog import EventLog
from softsplit.upstream.handover import HandOver
from softsplit.upstream.latereadings import LateReadings
from softsplit.upstream.othermaster import OtherMaster


class Results:
    """The results of one wire; for the thread that owns it."""

    def __init__(self, upstream: str, client: Client, plan: Plan, counters: Counters, words: EventLog, turns: WireShares,
                 hand_over: HandOver):
        self._client = client
        self._plan = plan
        self._tally = counters
        self.words = words
        self.turns = turns
        self._hand_over = hand_over
        self._others = OtherMaster(upstream, counters, words)
        self.late = LateReadings(upstream, client, plan, counters, words, hand_over.put)
        self._is_away = False  # the gateway or the adapter

    def count(self, unit: int, block: Block | None, error: UpstreamError | None = None,
              data: bytes | None = None) -> None:
        """Note a request and what came of it: the gateway, at least, was there."""
        took = clock.now() - self._client.asked_at
        self._tally.count(unit, block, self._client.asked_at, took, error, data)
        self._tally.busy += took + self._client.request_gap
        self.words.reached()
        if self._is_away:
            self._is_away = False
            self._plan.restart(clock.now())

    def read(self, unit: int, read: Read, data: bytes) -> None:
        """A read of the plan was answered with this."""
        self.count(unit, read.block, data=data)
        self._answered(unit, read, data)
        self.words.answers_block(unit, read.block)

    def failed(self, unit: int, read: Read, error: UpstreamError) -> None:
        """A read of the plan was answered with an exception, or not at all."""
        self.count(unit, read.block, error)
        code = error.exception_code if isinstance(error, Refused) else None
        if code in OWN_EXCEPTIONS:
            self._answered(unit, read, exception=code)
            self.words.refuses_block(unit, read.block, code)
        elif code is not None and self._plan.may_be_busy(unit, read, code):
            self._plan.is_busy(unit, read, clock.now())
        else:
            if code in GATEWAY_EXCEPTIONS:
                self.words.gateway_waits(unit, self._client.gateway)
            self._unanswered(unit, read, error)

    def unreachable(self, error: Unreachable) -> None:
        """The gateway or the adapter is away, and so are all units."""
        self._is_away = True
        self._tally.miss(error)
        self.words.unreachable(error)
        for unit in self._tally.blocks:
            self._hand_over.reading(unit, None, self._client.asked_at)

    def unit_stands(self, unit: int, has_answered: bool, error: UpstreamError | None) -> None:
        """Note whether a unit answers."""
        if has_answered:
            self._tally.mute.discard(unit)
            self.words.answers(unit)
        elif self._plan.is_mute(unit):
            self._tally.mute.add(unit)
            self.words.is_mute(unit, error)

    def listen(self) -> None:
        """Take note of what else was heard: late answers, and other masters."""
        self.late.take()
        if self._client.gateway:
            self._tally.gateway_wait = self._client.gateway.known
        self._tally.returns_ids = self._client.returns_ids
        self.words.returns_ids(self._client.returns_ids)
        for unit, question in self._client.take_mistaken():
            if block := question.block:  # what was served last may be another master's
                self._hand_over.has_written(unit, [block], clock.now())
                self._plan.hurry(unit, [block], clock.now())
                self._hand_over.wait()  # before anybody is told that the line is watched now
        for what in self._client.take_foreign():
            self._others.heard(what, self._client.other_master_is_sure)

    def _answered(self, unit: int, read: Read, data: bytes | None = None,
                  exception: int | None = None) -> None:
        """The unit said something: polling has had its turn, unless it was a write that made it read."""
        now, asked_at = clock.now(), self._client.asked_at
        if self._plan.is_owed(unit, read, asked_at):
            self.turns.forwarded(now - asked_at)
        else:
            self.turns.polled(now - asked_at)
        self._plan.answered(unit, read, asked_at, now, is_refused=exception is not None)
        self.words.weigh(self._plan.demand)
        self._hand_over.reading(unit, read.block, asked_at, data, exception)
        self.unit_stands(unit, True, None)

    def _unanswered(self, unit: int, read: Read, error: UpstreamError) -> None:
        self._plan.unanswered(unit, read, self._client.asked_at, clock.now())
        self._hand_over.reading(unit, read.block, self._client.asked_at)
        self.unit_stands(unit, False, error)
        if not self._plan.is_mute(unit) and self._plan.is_failing(unit, read):
            self.words.leaves_block(unit, read.block, error)
