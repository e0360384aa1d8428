"""Send requests of masters over the wire of a poller, each once, and evaluate the answers."""

from dataclasses import replace

from softsplit import clock, standstill
from softsplit.config.upstream import Upstream
from softsplit.errors import NoAnswer, NotSent, StoodStill, Unreachable, UpstreamError
from softsplit.polling.plan import Plan
from softsplit.protocol import pdu
from softsplit.protocol.blocks import Read, in_both_tables
from softsplit.protocol.functions import PLAIN_WRITES
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import read_question
from softsplit.upstream.clients import replies
from softsplit.upstream.clients.client import Client
from softsplit.upstream.handover import HandOver
from softsplit.upstream.learner import Learner
from softsplit.upstream.queue import Forward, RequestQueue
from softsplit.upstream.results import Results

TOO_OLD = 0.5  # s from a request to its answer, if the process stood still meanwhile
LATE_WRITE = 3.0  # time-outs after which an unanswered write is done, or will never be


class Forwarding:
    """The requests of masters that a poller sends between its own; for the thread that owns the wire."""

    def __init__(self, upstream: Upstream, client: Client, plan: Plan, queue: RequestQueue, learner: Learner,
                 hand_over: HandOver, results: Results):
        self._timeout = upstream.timeout
        self._client = client
        self._plan = plan
        self._queue = queue
        self._learner = learner
        self._hand_over = hand_over
        self._results = results
        self._was_forwarded: set[replies.Shape] = set()  # since a block of this shape was polled

    def take(self) -> Forward | None:
        """Return the next request that may be sent now."""
        self._queue.expect(self._plan.longest_forward)
        return self._queue.take(self._is_free)

    def polls(self, unit: int, read: Read) -> None:
        """Note that a polled block is read; then a request of the same shape may be sent."""
        if not self._client.tells_late:
            self._was_forwarded.discard(replies.shape(unit, read_question(read.block)))

    def send(self, forward: Forward) -> None:
        """Send a request, and settle its future. Raises Unreachable after that."""
        if forward.is_write and not self._queue.begin(forward):
            return  # its master is gone, or has waited long enough
        if not self._client.tells_late:
            self._was_forwarded.add(replies.shape(forward.unit, forward.question))
        outcome = self._ask(forward)
        error = outcome.error
        if isinstance(error, (Unreachable, NotSent)):
            if forward.is_write:
                self._hand_over.withdraw_write(forward.unit, forward.changes)
            self._queue.answered(forward, error)
            if isinstance(error, Unreachable):
                raise error
            return
        explained = self._results.count(outcome)
        if not (forward.is_write or self._plan.is_mute(forward.unit)):
            self._results.eventlog.forwarded(explained)
        self._use_outcome(forward, outcome)
        self._queue.answered(forward, _result(forward, outcome))
        if not outcome.stood_still:
            self._results.shares.forwarded(clock.now() - outcome.asked_at)

    def _ask(self, forward: Forward) -> Outcome:
        """Ask the unit; the blocks that a write changes are stale from now on."""
        if forward.is_write and not self._hand_over.announce_write(forward.unit, forward.changes):
            return Outcome(forward.unit, forward.question, clock.now(), 0.0, error=NotSent("softsplit stops"))
        timeout = self._plan.forward_timeout(forward.unit, forward.is_write)
        outcome = self._client.outcome(forward.unit, forward.question, timeout, not forward.is_write)
        if timeout < self._timeout and outcome.took >= timeout and isinstance(outcome.error, NoAnswer) \
                and not outcome.stood_still:
            error = NoAnswer(f"unit {forward.unit} does not answer within {timeout:.2g} s, the part of its time-out "
                             "that polling leaves")
            return replace(outcome, error=error)
        return outcome

    def _use_outcome(self, forward: Forward, outcome: Outcome) -> None:
        """Update plan, log and mirrors from a forwarded request."""
        unit, block, now, asked_at = forward.unit, outcome.block, clock.now(), outcome.asked_at
        has_answered = outcome.is_of_unit
        is_known = block is not None and self._learner.is_known(unit, block)
        self._plan.forwarded(outcome, now, is_known)
        self._results.note_unit(outcome)
        if has_answered or not self._plan.has_reads(unit) and self._plan.is_mute(unit):
            self._hand_over.reading(outcome)
        if block is not None and outcome.answer is not None:
            if not outcome.stood_still:
                self._learner.took(unit, block, now - asked_at)
            self._hand_over.wait()  # so that the next request of this master gets this data
        if forward.is_write:
            longest = LATE_WRITE * self._client.patience(self._timeout)
            self._wrote(forward, now if has_answered else asked_at + longest)
            if not has_answered:
                self._results.eventlog.unclear_write(outcome)

    def _wrote(self, write: Forward, until: float) -> None:
        """Note that a write is over at the time `until`; the blocks it changes are read after that."""
        self._results.late.wrote(write.unit)
        self._queue.forget(write.unit, until)
        self._hand_over.doubt(write.unit, write.changes, until)
        touched = self._hand_over.touched(write.unit, write.changes)
        self._plan.hurry(write.unit, in_both_tables(touched), until)
        self._results.wrote(write.unit, in_both_tables(touched), until)

    def _is_free(self, forward: Forward) -> bool:
        """Whether no late answer can be taken for this one, and no polled block of its shape waits longer."""
        if self._client.tells_late:
            return True
        now, unit, shape = clock.now(), forward.unit, replies.shape(forward.unit, forward.question)
        if self._client.free_at(unit, forward.question) > now:
            return False
        return shape not in self._was_forwarded or all(replies.shape(unit, read) != shape
                                                       for read in self._plan.wanted(unit, now))


def _result(forward: Forward, outcome: Outcome) -> bytes | UpstreamError:
    """Return what the master gets: the answer PDU, an exception PDU, or why there is neither."""
    if outcome.exception is not None:
        return pdu.exception_pdu(forward.question.function, outcome.exception)
    if outcome.answer is None:
        return outcome.failure
    if forward.question.function not in PLAIN_WRITES and _is_too_old(outcome.asked_at):
        return StoodStill("the process stood still")
    return outcome.answer


def _is_too_old(asked_at: float) -> bool:
    """Whether the process stood still since `asked_at`, so that nobody knows when the unit has answered."""
    return clock.now() - asked_at > TOO_OLD and standstill.any_since(asked_at)
