"""Base class of the Modbus clients: one request at a time, with one deadline for the whole answer.

A client is one of modbus-tk's masters and inherits `open`, `close` and `execute`, which frames a request with
a query of the transport, sends it, receives and unpacks the answer, and raises exceptions. We override each
step in which bytes go in or out: modbus-tk's own ones read byte by byte with a time-out for each, take late
answers for errors or for right ones, and hold one lock for the whole process.
"""

import time
from collections.abc import Callable
from contextlib import suppress

from modbus_tk import defines
from modbus_tk.exceptions import ModbusError
from modbus_tk.modbus import Master

from softsplit import clock, standstill
from softsplit.config.url import Url
from softsplit.errors import NoAnswer, Unreachable, UpstreamError
from softsplit.protocol import pdu
from softsplit.protocol.blocks import Block
from softsplit.protocol.outcome import Outcome, refusal
from softsplit.protocol.pdu import Question
from softsplit.transport.wire import Wire
from softsplit.upstream.clients.foreign import ForeignTraffic
from softsplit.upstream.clients.gatewaywait import GatewayWait
from softsplit.upstream.clients.heard import Heard, Skipped
from softsplit.upstream.clients.peer import Peer

SLICE = 0.3  # s of waiting, after which a stop is noticed


class Client(Master):
    """The wire to real devices, opened when it is needed. One thread, one client, one wire.

    A subclass has it before one of modbus-tk's masters. `asked_at` is the time just before the latest
    request. `connect_delay` passes between connecting and the first request, `request_gap` between an answer
    and the next request, both in seconds; `pause` waits for so long, and returns true when the thread is to
    stop.
    """

    tells_late = True  # whether the client can tell the answer to an earlier request from the right one
    silent_timeouts = 0  # time-outs for which a connection may be silent, however many requests that were
    wrong_ids = ""  # what is wrong with the transaction ids of answers, and what to set
    gateway: GatewayWait | None = None  # how long a gateway takes
    lets_gateway_finish = False  # whether to wait for it before that is known

    def __init__(self, url: Url, wire: Wire, connect_delay: float = 0.0,
                 request_gap: float = 0.0, pause: Callable[[float], object] = time.sleep):
        self.asked_at = 0.0
        self._url = url
        self._wire = wire
        self._connect_delay = connect_delay
        self.request_gap = request_gap
        self._pause = pause
        self._free_at, self._deadline = 0.0, 0.0  # of the next request; of the answer
        self._question: Question  # the present or latest one
        self._peer = Peer()
        self.skipped = Skipped()
        self.others = ForeignTraffic()
        self.late: dict[int, float] = {}  # by unit: the seconds that a late answer took; see `take_late`
        self.connected_at, self._heard = 0.0, Heard()
        self._late_answers: list[Outcome] = []
        self.keep_shape: set[tuple[int, bytes]] = set()  # units and reads that must not become longer ones

    def read(self, unit: int, block: Block, timeout: float) -> bytes:
        """Return the data of the unit's answer to a read of `block`, as it came over the wire; see `ask`."""
        return self.ask(unit, pdu.read_question(block), timeout)[2:]

    def outcome(self, unit: int, question: Question, timeout: float, may_repeat: bool = True) -> Outcome:
        """Ask as `ask` does, and return an outcome instead of raising."""
        answer = error = None
        try:
            answer = self.ask(unit, question, timeout, may_repeat)
        except UpstreamError as reason:
            error = reason
        took = clock.now() - self.asked_at
        return Outcome(unit, question, self.asked_at, took, answer, error,
                       standstill.any_since(self.asked_at))

    def ask(self, unit: int, question: Question, timeout: float, may_repeat: bool = True) -> bytes:
        """Return the PDU of the unit's answer.

        The answer has `timeout` seconds (but see `patience`), not counting the time to connect. If the
        question `may_repeat`, it is sent again when the peer has closed the idle connection, or is known to
        lose the first request on a new one. Raises NoAnswer, BadAnswer, Refused, or Unreachable if nothing
        was sent.
        """
        try:
            return self._ask_twice(unit, question, timeout, may_repeat)
        except UpstreamError as error:
            if stranger := self._heard.find_stranger(self._url, error):
                self.close()
                raise stranger from error
            raise
        finally:
            self._heard.forget()

    def _ask_twice(self, unit: int, question: Question, timeout: float, may_repeat: bool) -> bytes:
        """Ask, and repeat where `ask` says so."""
        was_open = self._is_usable()
        if not was_open:
            self._connect()
        is_lost = not was_open and self._peer.loses_first and self.tells_late and may_repeat
        try:
            return (self._ask_surely if is_lost else self._ask)(unit, question, timeout)
        except ConnectionResetError as error:
            lost = error
        if was_open and self.tells_late and may_repeat:  # most likely closed while idle
            left = self._deadline - clock.now()
            self._connect()
            try:
                return self._ask(unit, question, left)
            except ConnectionResetError as error:
                lost = error
        raise NoAnswer(f"unit {unit} does not answer: {self._url}: {lost}") from lost

    def _ask_surely(self, unit: int, question: Question, timeout: float) -> bytes:
        """Ask, and once more on the same connection if that is not answered. Raises as `_ask`."""
        with suppress(NoAnswer):
            return self._ask(unit, question, timeout)
        return self._ask(unit, question, timeout)

    def free_at(self, unit: int, question: Question) -> float:
        """Return the time from which on no late answer can be taken for the answer to this question."""
        return 0.0

    def take_late(self) -> dict[int, float]:
        """Return the units whose answers came too late since the last call, and the seconds they took."""
        late, self.late = self.late, {}
        return late

    def take_late_answers(self) -> list[Outcome]:
        """Return the late answers since the last call whose requests are known."""
        late, self._late_answers = self._late_answers, []
        return late

    def await_late(self, timeout: float) -> bool:
        """Wait for late answers whose requests can be known; return whether any came."""
        return False

    def patience(self, timeout: float) -> float:
        """Return the seconds that an answer really gets, at least `timeout`."""
        return timeout

    def certificate(self) -> str:  # main thread
        """Return the problem of our own certificate, if it has one."""
        return self._wire.certificate

    def listen(self) -> None:
        """Take what has come, while no request is under way."""
        self._is_usable()  # if it is not, the next request opens it again

    def _connect(self) -> None:
        """Open the wire anew. Raises Unreachable."""
        self.close()
        try:
            self.open()
        except OSError as error:
            raise Unreachable(f"cannot reach {self._url}: {error.strerror or error}") from error
        self._peer.connect()
        self.connected_at = clock.now()
        self._pause(self._connect_delay)

    def _settle(self, timeout: float) -> None:
        """Wait until a request may be sent."""
        if (left := self._free_at - clock.now()) > 0:
            self._pause(left)

    def _ask(self, unit: int, question: Question, timeout: float) -> bytes:
        """Ask once. Raises NoAnswer, BadAnswer, Refused, or ConnectionResetError when the wire is lost."""
        self._question = question
        self.asked_at = clock.now()
        self._peer.ask(self.asked_at)
        try:
            self._settle(timeout)
            self.asked_at = clock.now()
            self._deadline = self.asked_at + self.patience(timeout)
            rest = self.execute(unit, defines.RAW, 0, pdu=question.pdu, returns_raw=True, threadsafe=False)
            self._peer.answer(unit)
            return question.pdu[:1] + rest
        except ModbusError as error:
            self._peer.answer(unit)
            raise refusal(unit, error.get_exception_code()) from error
        except TimeoutError as error:
            self._peer.lose(unit)
            raise NoAnswer(f"unit {unit} does not answer") from error
        except OSError as error:
            self.close()
            raise ConnectionResetError(error.strerror or str(error)) from error
        finally:
            self._free_at = clock.now() + self.request_gap

    def _receive(self, timeout: float) -> bytes:
        """Return what comes within `timeout`. Raises TimeoutError when nothing does, or to stop the thread."""
        end = clock.now() + timeout
        while True:
            left = end - clock.now()
            with suppress(TimeoutError):
                return self._heard.note(self._wire.receive(max(0.0, min(left, SLICE))))
            if left <= SLICE or self._pause(0):
                if data := self._pending():  # that came while this thread waited for a processor
                    return data
                raise TimeoutError

    def _pending(self) -> bytes:
        """Return what has come. Raises OSError when the wire is lost."""
        return self._heard.note(self._wire.pending())

    def _left(self) -> float:
        """Return the seconds until the deadline. Raises TimeoutError when it has passed."""
        left = self._deadline - clock.now()
        if left <= 0:
            raise TimeoutError
        return left

    def _is_usable(self) -> bool:
        """Whether the wire is open, and the peer has not been silent for too long; takes what has come."""
        if not self._is_opened:
            return False
        try:
            data = self._pending()
        except OSError:
            return False
        if data:
            self._peer.hear()
            self._overhear(data)
        longest = self.silent_timeouts * self.get_timeout()
        return self._url.is_serial or not self._peer.may_be_gone(clock.now(), longest)

    def _overhear(self, data: bytes) -> None:
        """Take bytes that came while no request was under way."""
        raise NotImplementedError

    # What follows overrides modbus-tk.

    def _do_open(self):
        self._wire.open()

    def _do_close(self):
        self._wire.close()
        return True
