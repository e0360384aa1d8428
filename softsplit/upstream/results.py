"""Report the outcome of each request to the plan, the counters, the log and the mirrors."""

from collections.abc import Sequence

from softsplit import clock
from softsplit.errors import Unreachable
from softsplit.polling.fairness import WireShares
from softsplit.polling.plan import Plan
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import GATEWAY_EXCEPTIONS
from softsplit.upstream.causes.causes import Causes
from softsplit.upstream.clients.client import Client
from softsplit.upstream.counters import Counters
from softsplit.upstream.eventlog import EventLog
from softsplit.upstream.handover import HandOver
from softsplit.upstream.latereadings import LateReadings
from softsplit.upstream.locator import Locator
from softsplit.upstream.othermaster import OtherMaster


class Results:
    """The results of one wire; for the thread that owns it."""

    def __init__(self, upstream: str, client: Client, plan: Plan, counters: Counters, eventlog: EventLog,
                 shares: WireShares,
                 hand_over: HandOver, causes: Causes, locator: Locator):
        self._client = client
        self._plan = plan
        self._counters = counters
        self.eventlog = eventlog
        self.shares = shares
        self._hand_over = hand_over
        self._locator = locator
        self._causes = causes
        self._others = OtherMaster(upstream, counters, eventlog)
        self.late = LateReadings(client, plan, counters, eventlog, hand_over, locator)
        self._is_away = False  # the gateway or the adapter

    def count(self, outcome: Outcome) -> Outcome:
        """Count an outcome of a wire that was reached; return it with its cause."""
        outcome = self._causes.explain(outcome)
        self._counters.count(outcome)
        self._counters.busy += (0.0 if outcome.stood_still else outcome.took) + self._client.request_gap
        self._counters.connected(self._client.connected_at)
        self.eventlog.reached()
        if self._is_away:
            self._is_away = False
            self._plan.restart(clock.now())
        return outcome

    def take(self, read: Read, outcome: Outcome) -> None:
        """Use the outcome of a read of the plan."""
        outcome = self.count(self._locator.confirmed(outcome))
        if self._locator.is_missing(outcome.unit):
            return  # another device's; the read is not in the plan any more
        unit, now, asked_at = outcome.unit, clock.now(), outcome.asked_at
        was_owed = self._plan.is_owed(unit, read, asked_at)
        if not self._plan.take(read, outcome, now):
            self.eventlog.busy(outcome)
            return
        if outcome.is_of_unit and not outcome.stood_still:  # a read after a write counts as forwarded
            (self.shares.forwarded if was_owed else self.shares.polled)(now - asked_at)
            self._counters.is_overloaded = self.eventlog.weigh(self._plan.demand)
        elif outcome.exception in GATEWAY_EXCEPTIONS:
            self.eventlog.gateway_wait(unit, self._client.gateway)
        self._hand_over.reading(outcome)
        self.note_unit(outcome)
        if outcome.is_of_unit or self._plan.is_failing(unit, read):
            self.eventlog.block(outcome, read.name, self._counters.unit(unit).answers > 0)

    def unreachable(self, error: Unreachable) -> None:
        """Note that the gateway or the adapter is away, and so are all units."""
        self._is_away = True
        error = self._causes.explain_unreachable(error)
        self._counters.miss(error)
        self.eventlog.unreachable(error)
        for unit in self._counters.blocks:
            self._hand_over.reading(Outcome(unit, None, self._client.asked_at, 0.0, error=error))

    def wrote(self, unit: int, blocks: Sequence[Block], until: float) -> None:
        """Note a write to these blocks, done by `until`: nobody sees data from before."""
        self._counters.wrote(unit, blocks, until)

    def note_unit(self, outcome: Outcome) -> None:
        """Note whether a unit answers."""
        unit = outcome.unit
        if outcome.is_of_unit:
            self._counters.mute.discard(unit)
            self.eventlog.answers(unit)
        elif self._plan.is_mute(unit):
            self._counters.mute.add(unit)
            self.eventlog.mute(outcome)

    def listen(self) -> None:
        """Note what else came: late answers, frames of other masters."""
        self._causes.came_late(self.late.take())
        if self._client.gateway:
            self._counters.gateway_wait = self._client.gateway.known
        self._counters.wrong_ids = self._client.wrong_ids
        self.eventlog.wrong_ids(self._client.wrong_ids)
        self.eventlog.skipped(self._client.skipped)
        if mistaken := self._client.others.take_mistaken():
            for unit, question in mistaken:
                if block := question.block:  # what was served last may be another master's
                    self._hand_over.doubt(unit, [block], clock.now())
                    self._plan.hurry(unit, self._hand_over.touched(unit, [block]), clock.now())
            self._hand_over.wait()  # before the log names the other master
        for what in self._client.others.take_said():
            self._others.heard(what, self._client.others.is_sure)
