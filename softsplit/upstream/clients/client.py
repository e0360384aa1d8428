"""Base class of the Modbus clients: one request at a time, with one deadline for the whole answer.

A client is one of modbus-tk's masters, and inherits what carries a request: `open` and `close`, and `execute`,
which frames it with a query of the transport, sends it, receives and unpacks the answer, and raises exceptions.
What is overridden is each step in which bytes go in or out, because modbus-tk's own ones read byte by byte with
a time-out for each, mistake late answers for errors or for right ones, and hold one lock for the whole process.
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
from softsplit.upstream.clients.gatewaywait import GatewayWait
from softsplit.upstream.clients.heard import Heard
from softsplit.upstream.clients.peer import Peer
from softsplit.upstream.clients.skipped import Skipped

SLICE = 0.3  # s of waiting, after which a stop is noticed


class Client(Master):
    """The wire to real devices, opened when it is needed. One thread, one client, one wire.

    Stands before one of modbus-tk's masters in the bases of a class. `asked_at` is the time just before the
    latest request. After connecting, `connect_delay` passes before the first request, and `request_gap` between an answer and the next request, both in seconds; `pause` waits
    for so long, and returns true when all is to stop.
    """

    tells_late = True  # whether the answer to an earlier question can be told from the right one
    silent_timeouts = 0  # time-outs for which a connection may be silent, however many requests that were
    wrong_ids = ""  # what is wrong with transaction ids, which are to tell that, and what to set
    gateway: GatewayWait | None = None  # what is known of a gateway's own time-out
    lets_gateway_finish = False  # before anything is known of that, so that no requests heap up in it

    def __init__(self, url: Url, wire: Wire, connect_delay: float = 0.0,
                 request_gap: float = 0.0, pause: Callable[[float], object] = time.sleep):
        self.asked_at = 0.0
        self._url = url
        self._wire = wire
        self._connect_delay = connect_delay
        self.request_gap = request_gap
        self._pause = pause
        self._free_at, self._deadline = 0.0, 0.0  # when the next request may be sent; when an answer has to be there
        self._question: Question  # that is asked, or was asked last
        self._peer = Peer()
        self.skipped = Skipped()
        self.late: dict[int, float] = {}  # seconds that late answers took which nobody has taken yet
        self.connected_at, self._heard = 0.0, Heard()
        self._late_answers: list[Outcome] = []
        self.keep_shape: set[tuple[int, bytes]] = set()  # units and reads that must not be part of longer ones

    def read(self, unit: int, block: Block, timeout: float) -> bytes:
        """Return the data of the unit's answer to a read of `block`, as it came over the wire; see `ask`."""
        return self.ask(unit, pdu.read_question(block), timeout)[2:]

    def outcome(self, unit: int, question: Question, timeout: float, may_repeat: bool = True) -> Outcome:
        """Ask as `ask` does, and return what came of it, whatever that is."""
        answer = error = None
        try:
            answer = self.ask(unit, question, timeout, may_repeat)
        except UpstreamError as reason:
            error = reason
        took = clock.now() - self.asked_at
        return Outcome(unit, question, self.asked_at, took, answer, error, standstill.any_since(self.asked_at))

    def ask(self, unit: int, question: Question, timeout: float, may_repeat: bool = True) -> bytes:
        """Return the PDU of the unit's answer.

        The answer has `timeout` seconds (but see `patience`), besides the time it takes to connect. A connection which the peer
        has closed while idle is opened again, and the question repeated on it, if it `may_repeat`; so is the first
        one on a connection to who loses that. Raises Unreachable, of which a unit has heard nothing, or NoAnswer, BadAnswer or Refused.
        """
        self._heard.begin()
        try:
            return self._ask_twice(unit, question, timeout, may_repeat)
        except UpstreamError as error:
            if stranger := self._heard.find_stranger(self._url, error):
                self.close()
                raise stranger from error
            raise

    def _ask_twice(self, unit: int, question: Question, timeout: float, may_repeat: bool) -> bytes:
        """Ask, and once more when the peer has closed an idle connection, or loses the first request on a new one."""
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
        """Ask, and once more on the same connection when that is not answered. Raises as `_ask`."""
        with suppress(NoAnswer):
            return self._ask(unit, question, timeout)
        return self._ask(unit, question, timeout)

    def free_at(self, unit: int, question: Question) -> float:
        """Return the time from which on no late answer can be mistaken for the one to this."""
        return 0.0

    def take_late(self) -> dict[int, float]:
        """Return the units whose answers have come too late since the last call, and how long they took, in seconds."""
        late, self.late = self.late, {}
        return late

    def take_late_answers(self) -> list[Outcome]:
        """Return the late answers since the last call, where it is known to what they belong."""
        late, self._late_answers = self._late_answers, []
        return late

    def await_late(self, timeout: float) -> bool:
        """Wait for answers that may still come, where it can be told to what they belong; return whether any did."""
        return False

    def patience(self, timeout: float) -> float:
        """Return the seconds that an answer really gets which is to have `timeout`."""
        return timeout

    def take_foreign(self) -> list[str]:
        """Return what was said since the last call that neither we nor a unit that we asked can have said."""
        return []

    @property
    def other_master_is_sure(self) -> bool:
        """Whether something that was heard proves another master."""
        return False

    def take_mistaken(self) -> list[tuple[int, Question]]:
        """Return which answers since the last call have turned out to be, perhaps, another master's."""
        return []

    def certificate(self) -> str:  # main thread
        """What is the matter with our own certificate, if anything."""
        return self._wire.certificate

    def listen(self) -> None:
        """Take what has come unasked, while nothing is asked."""
        self._is_usable()  # or it is opened again by who asks next

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
        """Return what comes within `timeout`. Raises TimeoutError when nothing does, or all is to stop."""
        end = clock.now() + timeout
        while True:
            left = end - clock.now()
            with suppress(TimeoutError):
                return self._heard.note(self._wire.receive(max(0.0, min(left, SLICE))))
            if left <= SLICE or self._pause(0):
                if data := self._wire.pending():  # it came while this thread waited for a processor
                    return self._heard.note(data)
                raise TimeoutError

    def _left(self) -> float:
        """Seconds until the deadline. Raises TimeoutError when it has passed."""
        left = self._deadline - clock.now()
        if left <= 0:
            raise TimeoutError
        return left

    def _is_usable(self) -> bool:
        """Whether the wire is open, as far as can be known; takes what has come unasked.

        It is not when the peer has hung up, or left several requests in a row without any answer, not even a
        late one.
        """
        if not self._is_opened:
            return False
        try:
            data = self._heard.note(self._wire.pending())
        except OSError:
            return False
        if data:
            self._peer.hear()
            self._overhear(data)
        longest = self.silent_timeouts * self.get_timeout()
        return self._url.is_serial or not self._peer.may_be_gone(clock.now(), longest)

    def _overhear(self, data: bytes) -> None:
        """Take what has come unasked."""
        raise NotImplementedError

    # What follows overrides modbus-tk.

    def _do_open(self):
        self._wire.open()

    def _do_close(self):
        self._wire.close()
        return True
