"""The master thread: owns one wire, reads what the plan says is due, and forwards requests of masters."""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from queue import Queue

from softsplit import clock
from softsplit.config.upstream import Unit, Upstream
from softsplit.errors import NoAnswer, NotSent, Refused, Unreachable, UpstreamError
from softsplit.polling.fairness import Turns
from softsplit.polling.plan import Plan
from softsplit.protocol import pdu
from softsplit.protocol.blocks import Block, Doubt, Read, Reading, in_both_tables
from softsplit.protocol.pdu import OWN_EXCEPTIONS, describe_request, read_question
from softsplit.rates import Rates
from softsplit.upstream import replies
from softsplit.upstream.clients import client_for
from softsplit.upstream.counters import Tally
from softsplit.upstream.eventlog import Words
from softsplit.upstream.latereadings import LateReadings
from softsplit.upstream.learner import Learner
from softsplit.upstream.othermaster import OtherMaster
from softsplit.upstream.queue import Forward, Forwards
from softsplit.upstream.report import report
from softsplit.worker import HUNG, Worker

log = logging.getLogger("softsplit")

REACH_AGAIN, OPEN_AGAIN = 1.5, 1.0  # s between tries to reach a gateway, or an adapter, that is away
PATIENCE = 5.0  # s to hand over a reading; a sync thread that is slower has failed
LOOK_UP = 60.0  # s the system may take to look up a host
LATE_WRITE = 3.0  # time-outs after which a write that was not answered is done, or never will be


class Poller(Worker):
    """Polls these units of one upstream, and puts what each read brings home into `readings`.

    What masters ask besides is handed in by `forward` and `note`.
    """

    def __init__(self, upstream: Upstream, units: Sequence[Unit], readings: Queue):
        super().__init__(f"poller {upstream.name}")
        self._upstream = upstream
        self._readings = readings
        self._client = client_for(upstream.url, upstream.timeout, upstream.line, upstream.unit_bytes,
                                  connect_delay=upstream.connect_delay, request_gap=upstream.request_gap,
                                  pause=self.pause)
        self._reads = {unit.unit: unit.reads for unit in units}
        self._plan = Plan(self._reads, upstream.timeout, clock.now(), self._client.request_gap,
                          lambda unit, block: self._client.free_at(unit, read_question(block)),
                          self._client.patience)
        self.tally = Tally(self._reads)
        self._words = Words(upstream.name, str(upstream.url), self._reads)
        self._rates = Rates()  # main thread
        self.hung_after = HUNG + LOOK_UP + 4 * upstream.timeout  # connecting takes a time-out per address
        self._tried_at = 0.0
        self._late = LateReadings(upstream.name, self._client, self._plan, self.tally, self._words,
                                  lambda reading: readings.put(reading, timeout=PATIENCE))
        self._down_until: float | None = None  # when a gateway that is down is tried again
        self._others = OtherMaster(upstream.name, self.tally, self._words)
        self._bell = threading.Event()  # rung when there is something to do
        self._forwards = Forwards(self._bell.set)
        self._turns = Turns()
        self._learner = Learner(self._plan, self.tally, self._words)

    def forward(self, forward: Forward) -> Future:  # server thread
        """Have a master's own request sent once; the future gets the answer PDU, or an UpstreamError."""
        return self._forwards.hand_in(forward)

    def give_up_late(self, now: float) -> None:  # deadlines thread
        """No master waits longer for its turn, whatever the wire is busy with."""
        self._forwards.give_up_late(now)

    def note(self, unit: int, block: Block) -> None:  # server thread
        """A master has asked for a block that is not polled; what is asked often is learned."""
        self._learner.note(unit, block)

    def wake(self) -> None:  # any thread
        self._bell.set()

    def step(self) -> None:
        now = clock.now()
        self._learner.look(now)
        self._words.catch_up()
        self._forwards.give_up(NoAnswer("the unit does not answer"),
                               lambda each: not self._plan.may_ask(each.unit, now))
        if self._down_until is not None and now < self._down_until:
            self._forwards.give_up(Unreachable(self.tally.unreachable))
            self._wait(self._down_until - now)
            return
        due = self._plan.next(now)
        forward = None if self._turns.is_pollings(due is not None) else self._forwards.take(self._is_free)
        if forward:
            self._forward(forward)
        elif due:
            self._read(*due)
        else:
            self._wait(min(self._plan.pause(now) or 1.0, 1.0, self._forwards.pause))

    def close(self) -> None:
        self._forwards.give_up(NoAnswer("softsplit stops"))
        self._client.close()
        name, tally = self._upstream.name, self.tally
        if tally.asked_at is not None:
            log.info("%s: the wire was busy %.1f %% of the time", name, 100 * tally.utilisation)
            for unit in tally.blocks:
                log.info("%s: unit %s: %s", name, unit, tally.describe(unit))

    def report(self, now: float) -> dict:  # main thread
        """What `status.json` says of this upstream."""
        busy = self._rates.update({"busy": self.tally.busy}, now)["busy"]
        return report(self._upstream, self.tally, busy, now)

    def _wait(self, seconds: float) -> None:
        """Pause until there is something to do."""
        self._bell.wait(max(0.0, seconds))
        self._bell.clear()

    def _read(self, unit: int, read: Read) -> None:
        """Read what the plan wants."""
        self._tried_at = clock.now()
        try:
            data = self._client.read(unit, read.block, self._plan.timeout(unit))
        except Unreachable as error:
            self._unreachable(error)
            return
        except UpstreamError as error:
            if self.stopping.is_set():
                return
            self._count(unit, read.block, error)
            self._failed(unit, read, error)
        else:
            self._count(unit, read.block, data=data)
            self._answered(unit, read, data)
        self._listen()

    def _forward(self, forward: Forward) -> None:
        """Send a master's own request, and hand back what the unit says."""
        unit, question = forward.unit, forward.question
        self._tried_at = clock.now()
        if forward.is_write and not self._forwards.begin(forward):
            return  # its master is gone, or has waited long enough
        error = None
        try:
            if forward.is_write and not self._tell_mirrors(unit, forward.changes):
                raise NotSent("softsplit stops")
            timeout = self._plan.forward_timeout(unit, forward.is_write)
            result = self._client.ask(unit, question, timeout, not forward.is_write)
        except (Unreachable, NotSent) as reason:
            if isinstance(reason, Unreachable):
                self._unreachable(reason)
            self._plan.hurry(unit, in_both_tables(forward.changes), clock.now())
            self._forwards.answered(forward, reason)
            return
        except Refused as reason:
            error, result = reason, pdu.exception_pdu(question.function, reason.exception_code)
        except UpstreamError as reason:
            error = result = reason
        self._count(unit, forward.block, error, None if error or not forward.block else result[2:])
        self._take_home(forward, result, error)
        self._forwards.answered(forward, result)
        self._turns.forwarded(clock.now() - self._client.asked_at)
        self._listen()

    def _take_home(self, forward: Forward, result: bytes | UpstreamError,
                   error: UpstreamError | None) -> None:
        """Draw from a forwarded request what it tells of the unit, and keep what it has read."""
        unit, now, asked_at = forward.unit, clock.now(), self._client.asked_at
        has_answered = not error or isinstance(error, Refused) and error.exception_code in OWN_EXCEPTIONS
        is_known = forward.block is not None and self._learner.is_known(unit, forward.block)
        if not (isinstance(error, Refused) and error.exception_code in pdu.BUSY):
            self._plan.forwarded(unit, has_answered, asked_at, now, is_known)
        if has_answered:
            self.tally.mute.discard(unit)
            self._words.answers(unit)
        elif self._plan.is_mute(unit):
            self.tally.mute.add(unit)
            self._words.is_mute(unit, error)
        if forward.block and not error:
            self._learner.took(unit, forward.block, now - asked_at)
            self._hand_over(unit, forward.block, result[2:])
            self._tell_mirrors(unit)  # who asks again after the answer gets this
        elif has_answered:
            self._hand_over(unit, None, b"")
        elif not self._plan.has_reads(unit) and self._plan.is_mute(unit):
            self._hand_over(unit, None)
        if forward.is_write:
            self._late.wrote(unit)
            self._read_again(forward, now if has_answered else
                             asked_at + LATE_WRITE * self._client.patience(self._upstream.timeout))
            if not has_answered:
                self._words.does_not_say(unit, describe_request(forward.question.pdu), error)

    def _read_again(self, write: Forward, at: float) -> None:
        """See that what a write covers is read, at this time or after it; nothing older counts."""
        if at > clock.now():
            self._tell_mirrors(write.unit, write.changes, at)
        self._plan.hurry(write.unit, in_both_tables(write.changes), at)

    def _tell_mirrors(self, unit: int, changes: Sequence[Block] = (), until: float = 0.0) -> bool:
        """See that no master gets what is about to be changed, until it was read again, after `until`.

        Return when every mirror knows that, and all that was read before; false when all is to stop.
        """
        is_done = threading.Event()
        doubt = Doubt(self._upstream.name, unit, tuple(changes), is_done.set, until)
        self._readings.put(doubt, timeout=PATIENCE)
        while not is_done.wait(0.1):
            if self.pause(0):
                return False
        return True

    def _is_free(self, forward: Forward) -> bool:
        """Whether no late answer can be mistaken for that to this request, and polling waits for no such."""
        now, unit, question = clock.now(), forward.unit, forward.question
        if self._client.tells_late:
            return True
        wanted = [replies.shape(unit, read_question(block)) for block in self._plan.wanted(unit, now)]
        return self._client.free_at(unit, question) <= now and replies.shape(unit, question) not in wanted

    def _count(self, unit: int, block: Block | None, error: UpstreamError | None = None,
               data: bytes | None = None) -> None:
        """Note a request and what came of it: the gateway, at least, was there."""
        took = clock.now() - self._client.asked_at
        self.tally.count(unit, block, self._client.asked_at, took, error, data)
        self.tally.busy += took + self._client.request_gap
        self._words.reached()
        if self._down_until is not None:
            self._down_until = None
            self._plan.restart(clock.now())

    def _listen(self) -> None:
        """Take note of what else was heard: late answers, and other masters."""
        self._late.take()
        if self._client.gateway:
            self.tally.gateway_wait = self._client.gateway.known
        self.tally.returns_ids = self._client.returns_ids
        self._words.returns_ids(self._client.returns_ids)
        for what in self._client.take_foreign():
            self._others.heard(what)

    def _answered(self, unit: int, read: Read, data: bytes | None = None,
                  exception: int | None = None) -> None:
        now = clock.now()
        self._plan.answered(unit, read, self._client.asked_at, now)
        self._turns.polled(now - self._client.asked_at)
        self._words.weigh(self._plan.demand)
        self._hand_over(unit, read.block, data, exception)
        self.tally.mute.discard(unit)
        self._words.answers(unit)
        if exception is None:
            self._words.answers_block(unit, read.block)
        else:
            self._words.refuses_block(unit, read.block, exception)

    def _failed(self, unit: int, read: Read, error: UpstreamError) -> None:
        """Draw from an exception, or from no answer at all, what it means for a block and its unit."""
        code = error.exception_code if isinstance(error, Refused) else None
        if code in OWN_EXCEPTIONS:
            self._answered(unit, read, exception=code)
        elif code is not None and self._plan.may_be_busy(unit, read, code):
            self._plan.is_busy(unit, read, clock.now())
        else:
            if code in pdu.GATEWAY_EXCEPTIONS:
                self._words.gateway_waits(unit, self._client.gateway)
            self._unanswered(unit, read, error)

    def _unanswered(self, unit: int, read: Read, error: UpstreamError) -> None:
        self._plan.unanswered(unit, read, self._client.asked_at, clock.now())
        self._hand_over(unit, read.block)
        if self._plan.is_mute(unit):
            self.tally.mute.add(unit)
            self._words.is_mute(unit, error)
        elif self._plan.is_failing(unit, read):
            self._words.leaves_block(unit, read.block, error)

    def _unreachable(self, error: Unreachable) -> None:
        now = clock.now()
        self._down_until = max(now, self._tried_at + (OPEN_AGAIN if self._upstream.url.is_serial else REACH_AGAIN))
        self.tally.miss(error)
        self._words.unreachable(error)
        for unit in self._reads:
            self._hand_over(unit, None)

    def _hand_over(self, unit: int, block: Block | None, data: bytes | None = None,
                   exception: int | None = None) -> None:
        reading = Reading(self._upstream.name, unit, block, self._client.asked_at, data, exception)
        self._readings.put(reading, timeout=PATIENCE)
