"""Requests of masters that wait for their turn on a wire, to be sent once."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from softsplit import clock
from softsplit.errors import NoAnswer, UpstreamError
from softsplit.protocol.blocks import Block
from softsplit.protocol.pdu import OWN_EXCEPTIONS, Question

WAITING = 200  # requests, of one wire; more find it busy
LONGEST_WAIT = 5.0  # s; no master waits longer
REMEMBER = 10.0  # s for which what the unit itself refuses is not asked again
REMEMBER_SILENCE = 2.0  # s, the same for what got no answer, or that of a gateway, or of a unit that is busy
LOOK_AGAIN = 0.02  # s
REMEMBERED = 500  # of those


@dataclass(slots=True)
class Forward:
    """One request for a unit: the `block` it reads, if it is such, or the blocks it changes.

    `future` gets the answer PDU, or an UpstreamError.
    """

    unit: int
    question: Question
    block: Block | None = None
    is_write: bool = False
    changes: tuple[Block, ...] = ()
    asked_at: float = field(default_factory=clock.now)
    future: Future = field(default_factory=Future)


class Forwards:
    """What masters ask of one wire; `wake` is called when there is something."""

    def __init__(self, wake: Callable[[], None]):
        self._wake = wake
        self._lock = threading.Lock()
        self._reads: OrderedDict[tuple[int, bytes], Forward] = OrderedDict()
        self._writes: list[Forward] = []
        self._latest: Forward | None = None  # that was taken
        self._remembered: OrderedDict[tuple[int, bytes], tuple[float, bytes | UpstreamError]] = OrderedDict()

    def hand_in(self, forward: Forward) -> Future:  # server thread
        """Return the future of a request; one for the same read that waits already is shared."""
        key = forward.unit, forward.question.pdu
        with self._lock:
            if forward.is_write:
                self._writes.append(forward)
            elif known := self._recall(key, forward.asked_at):
                return known
            elif key in self._reads:
                return self._reads[key].future
            elif len(self._reads) >= WAITING:
                return _done(NoAnswer(f"unit {forward.unit}: too many requests wait for their turn"))
            else:
                self._reads[key] = forward
        self._wake()
        return forward.future

    def take(self, may_ask: Callable[[Forward], bool]) -> Forward | None:  # poller thread
        """Return the next request that may be asked now; None when there is none.

        Writes come first, but not twice in a row when reads wait, and those of one unit in their order;
        reads of the unit that was asked last come last. It is shared until it is `answered`.
        """
        with self._lock:
            writes = list({write.unit: write for write in reversed(self._writes)}.values())  # oldest of each
            reads = list(self._reads.values())
            latest = self._latest
            if latest:
                reads.sort(key=lambda read: read.unit == latest.unit)
            in_turn = (*reads, *writes) if latest and latest.is_write else (*writes, *reads)
            for forward in in_turn:
                if may_ask(forward):
                    self._latest = forward
                    return forward
        return None

    def answered(self, forward: Forward, result: bytes | UpstreamError) -> None:  # poller thread
        """Hand back what came of a request; remember what is not worth to be asked again at once."""
        key = forward.unit, forward.question.pdu
        with self._lock:
            if forward.is_write:
                self._writes.remove(forward)
            else:
                self._reads.pop(key, None)
                if isinstance(result, UpstreamError) or result[0] & 0x80:
                    self._remember(key, result)
        _settle(forward.future, result)

    def drop(self, write: Forward) -> None:  # poller thread
        """A write is not wanted any more."""
        with self._lock:
            self._writes.remove(write)

    @property
    def pause(self) -> float:
        """Seconds after which it is worth to look again: some wait until a late answer can come no more."""
        return LOOK_AGAIN if self._reads or self._writes else LONGEST_WAIT

    def give_up(self, error: UpstreamError,
                is_lost: Callable[[Forward], bool] = lambda each: True) -> None:  # poller thread
        """Fail requests that cannot be answered any more."""
        if not self._reads and not self._writes:
            return
        with self._lock:
            late = [each for each in (*self._writes, *self._reads.values()) if is_lost(each)]
            self._writes = [each for each in self._writes if each not in late]
            for each in late:
                self._reads.pop((each.unit, each.question.pdu), None)
        for each in late:
            if each.future.set_running_or_notify_cancel():  # or its master is gone
                _settle(each.future, error)

    def _recall(self, key: tuple[int, bytes], now: float) -> Future | None:
        until, result = self._remembered.get(key, (0.0, b""))
        return _done(result) if now < until else None

    def _remember(self, key: tuple[int, bytes], result: bytes | UpstreamError) -> None:
        self._remembered.pop(key, None)
        is_own = not isinstance(result, UpstreamError) and result[1] in OWN_EXCEPTIONS
        lasts = REMEMBER if is_own else REMEMBER_SILENCE
        self._remembered[key] = clock.now() + lasts, result
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)


def _settle(future: Future, result: bytes | UpstreamError) -> None:
    if isinstance(result, UpstreamError):
        future.set_exception(result)
    else:
        future.set_result(result)


def _done(result: bytes | UpstreamError) -> Future:
    future: Future = Future()
    _settle(future, result)
    return future
