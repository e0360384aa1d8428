"""The queue of the requests of masters for one wire; each is sent once."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

from softsplit import clock
from softsplit.bounded import BoundedDict
from softsplit.errors import Busy, NoAnswer, StoodStill, UpstreamError
from softsplit.polling.fairness import LONG_FORWARD
from softsplit.protocol.blocks import Block
from softsplit.protocol.pdu import BUSY, OWN_EXCEPTIONS, Question

MOST_OF_MASTER, MOST_OF_HOST, MOST_WAITING = 5, 64, 200  # waiting requests; further ones are refused as busy
LONGEST_WAIT = 5.0  # s that a master waits, if no read may take long
WAIT_FOR_LONG = 2  # times what one read may take, if that is long
SHARED_FOR = 5.0  # s for which masters share a read under way
STOOD_STILL = 0.5  # s after its deadline when a request has been failed, unless the process stood still
REFUSED_FOR = 10.0  # s for which a request that the unit refused is not sent again
UNANSWERED_FOR = 2.0  # s, the same after no answer, or an exception of a gateway
BUSY_FOR = 0.1  # s, the same for a unit that is busy
LOOK_AGAIN = 0.02  # s
MOST_REFUSALS = 500  # of all three
MOST_TURNS = 1000  # masters and hosts whose latest turn is known


@dataclass(slots=True, eq=False)
class Forward:
    """A request of a `master`, "host:port", to a unit, and the blocks it changes.

    `future` gets the answer PDU, or an UpstreamError.
    """

    unit: int
    question: Question
    is_write: bool = False
    changes: tuple[Block, ...] = ()
    master: str = ""
    asked_at: float = field(default_factory=clock.now)
    future: Future = field(default_factory=Future)
    taken_at: float | None = None  # when it had its turn

    @property
    def key(self) -> tuple[int, bytes]:
        """What it has in common with the same read of another master."""
        return self.unit, self.question.pdu


class RequestQueue:
    """The requests of masters for one wire; `wake` is called when there is a new one."""

    def __init__(self, wake: Callable[[], None]):
        self._wake = wake
        self._lock = threading.Lock()
        self._reads: dict[tuple[int, bytes], Forward] = {}
        self._writes: dict[int, Forward] = {}  # by identity, oldest first
        self._sharers: dict[tuple[int, bytes], list[str]] = {}  # masters that wait for the same read
        self._latest: Forward | None = None  # taken
        self._unshared: Forward | None = None  # a read that has been under way for too long to be shared
        self._longest = LONG_FORWARD  # s that one read may take
        self._turns: BoundedDict[str, int] = BoundedDict(MOST_TURNS)  # the latest turn of masters and hosts
        self._refusals: BoundedDict[tuple[int, bytes], tuple[float, bytes | UpstreamError]] = \
            BoundedDict(MOST_REFUSALS)  # until when the same request gets the same answer
        self._unsettled: dict[int, float] = {}  # by unit: until when a write may change what it refuses

    def hand_in(self, forward: Forward) -> Future:  # server thread
        """Return the future of a request, or that of the same read if one waits already."""
        with self._lock:
            if not forward.is_write:
                if known := self._recall(forward.key, forward.asked_at):
                    return known
                if self._is_shared(forward):
                    self._sharers[forward.key].append(forward.master)
                    return self._reads[forward.key].future
            if self._is_full(forward.master):
                return _done(Busy(f"unit {forward.unit}: too many requests wait for their turn"))
            if forward.is_write:
                self._writes[id(forward)] = forward
            else:
                self._reads[forward.key] = forward
                self._sharers[forward.key] = [forward.master]
        if forward.is_write:
            forward.future.add_done_callback(lambda future: future.cancelled() and self._remove(forward))
        self._wake()
        return forward.future

    def take(self, may_ask: Callable[[Forward], bool]) -> Forward | None:  # poller thread
        """Return the next request that may be sent now; None when there is none.

        Writes come first, those of one unit in their order, but not twice in a row while reads wait. Then the
        master comes first whose latest turn is longest ago; reads of the unit that was asked last come last.
        """
        with self._lock:
            for forward in self._in_turn():
                if may_ask(forward):
                    self._latest, forward.taken_at = forward, clock.now()
                    self._note_turn(forward.master)
                    return forward
        return None

    def begin(self, write: Forward) -> bool:  # poller thread
        """Note that a write is about to be sent; return whether its master still wants it."""
        with self._lock:
            if id(write) not in self._writes:
                return False
            if write.future.set_running_or_notify_cancel():
                return True
            del self._writes[id(write)]
            return False

    def answered(self, forward: Forward, result: bytes | UpstreamError) -> None:  # poller thread
        """Settle the future of a request; remember a refusal, so that it is not sent again at once.

        An answer that came while the process stood still is too old.
        """
        if not forward.is_write and clock.now() - forward.asked_at > self._longest_wait + STOOD_STILL:
            result = StoodStill("the process stood still")
        is_refusal = isinstance(result, UpstreamError) or result[0] & 0x80
        if is_refusal and not (forward.is_write or isinstance(result, StoodStill)):
            self._remember(forward, result)
        if self._remove(forward):  # else it was failed already
            _settle(forward.future, result)

    def forget(self, unit: int, until: float = 0.0) -> None:  # poller thread
        """Forget the refusals of a unit that was written to; the write may change them up to `until`."""
        with self._lock:
            for key in [each for each in self._refusals if each[0] == unit]:
                del self._refusals[key]
            self._unsettled[unit] = max(until, self._unsettled.get(unit, 0.0))

    @property
    def is_empty(self) -> bool:  # any thread
        return not (self._reads or self._writes)

    @property
    def pause(self) -> float:
        """Seconds until the next look: some requests wait until a late answer cannot come any more."""
        return LOOK_AGAIN if self._reads or self._writes else LONGEST_WAIT

    def give_up(self, error: UpstreamError,
                is_lost: Callable[[Forward], bool] = lambda each: True) -> None:  # any thread
        """Fail the requests that are lost."""
        with self._lock:
            waiting = self._waiting()
        for each in waiting:
            if is_lost(each) and self._remove(each) and not _is_taken_back(each):
                _settle(each.future, error)

    def give_up_late(self, now: float) -> None:  # any thread
        """Fail requests that have waited long enough, whatever the poller does."""
        longest = self._longest_wait
        self.give_up(NoAnswer("the unit does not answer, or the wire is busy"),
                     lambda each: now - each.asked_at > longest)

    def expect(self, longest: float) -> None:  # poller thread
        """Set the seconds that a read may take."""
        self._longest = longest

    @property
    def _longest_wait(self) -> float:
        return max(LONGEST_WAIT, WAIT_FOR_LONG * self._longest) if self._longest > LONG_FORWARD else LONGEST_WAIT

    def _waiting(self) -> list[Forward]:
        return [*self._writes.values(), *self._reads.values(), *filter(None, [self._unshared])]

    def _is_shared(self, forward: Forward) -> bool:
        """Whether the same read waits, or is under way and young enough to be shared."""
        same = self._reads.get(forward.key)
        if same and same.taken_at and forward.asked_at - same.taken_at > SHARED_FOR:
            self._unshared = self._reads.pop(forward.key)
            del self._sharers[forward.key]
            return False
        return same is not None

    def _in_turn(self) -> Iterable[Forward]:
        latest = self._latest
        oldest = {write.unit: write for write in reversed(self._writes.values())}  # of each unit
        writes = sorted(oldest.values(), key=lambda write: self._turn(write.master))
        reads = sorted(self._reads.values(), key=lambda read: (
            min(map(self._turn, self._sharers[read.key])), latest is not None and read.unit == latest.unit))
        return (*reads, *writes) if latest and latest.is_write else (*writes, *reads)

    def _turn(self, master: str) -> tuple[int, int]:
        """Return the numbers of the latest turns of a master's host and of itself."""
        return self._turns.get(_host(master), 0), self._turns.get(master, 0)

    def _note_turn(self, master: str) -> None:
        number = next(reversed(self._turns.values()), 0) + 1
        self._turns[_host(master)] = self._turns[master] = number

    def _is_full(self, master: str) -> bool:
        waiting = [each.master for each in self._waiting()]
        return len(waiting) >= MOST_WAITING or waiting.count(master) >= MOST_OF_MASTER \
            or sum(_host(each) == _host(master) for each in waiting) >= MOST_OF_HOST

    def _remove(self, forward: Forward) -> bool:  # any thread
        """Remove a request; return whether it was there."""
        with self._lock:
            if forward.is_write:
                return self._writes.pop(id(forward), None) is not None
            if forward is self._unshared:
                self._unshared = None
                return True
            if self._reads.get(forward.key) is not forward:
                return False
            del self._reads[forward.key], self._sharers[forward.key]
            return True

    def _recall(self, key: tuple[int, bytes], now: float) -> Future | None:
        until, result = self._refusals.get(key, (0.0, b""))
        return _done(result) if now < until else None

    def _remember(self, forward: Forward, result: bytes | UpstreamError) -> None:
        code = None if isinstance(result, UpstreamError) else result[1]
        lasts = BUSY_FOR if code in BUSY else REFUSED_FOR if code in OWN_EXCEPTIONS else UNANSWERED_FOR
        now = clock.now()
        with self._lock:
            self._refusals.pop(forward.key, None)
            if code in OWN_EXCEPTIONS and now < self._unsettled.get(forward.unit, 0.0):
                return
            self._refusals[forward.key] = now + lasts, result


def _host(master: str) -> str:
    return master.rpartition(":")[0]


def _is_taken_back(forward: Forward) -> bool:
    """Whether the master of a write has cancelled it; from now on it cannot."""
    future = forward.future
    return forward.is_write and not future.running() and not future.set_running_or_notify_cancel()


def _settle(future: Future, result: bytes | UpstreamError) -> None:
    if isinstance(result, UpstreamError):
        future.set_exception(result)
    else:
        future.set_result(result)


def _done(result: bytes | UpstreamError) -> Future:
    future: Future = Future()
    _settle(future, result)
    return future
