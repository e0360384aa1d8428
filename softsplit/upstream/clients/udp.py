"""Modbus UDP client, for a device or a gateway: one datagram, one request or answer.

Datagrams get lost, and arrive twice, late or in another order. The transaction id tells to which request an
answer belongs; no id is used again for a long time.
"""

from contextlib import suppress
from random import randrange

from modbus_tk.modbus_tcp import TcpMaster

from softsplit import clock, standstill
from softsplit.bounded import BoundedDict
from softsplit.config.line import Answers
from softsplit.config.url import Url
from softsplit.errors import BadAnswer, NoAnswer, Unreachable, WrongUnit
from softsplit.protocol import adu, pdu
from softsplit.protocol.pdu import Question
from softsplit.transport.datagrams import DatagramWire
from softsplit.transport.wire import TellPort
from softsplit.upstream.clients.client import Client
from softsplit.upstream.clients.queries import NumberedQuery
from softsplit.upstream.clients.sent import MOST_IDS, MOST_OPEN, Sent

IDS = 0x10000
TIMEOUTS = 2  # time-outs that an answer gets at least: one for each of two datagrams
MOST_UNASKED = 1000  # datagrams taken between two requests


class UdpClient(Client, TcpMaster):
    """Datagrams to and from one device or gateway; `timeout` is in seconds, for an answer.

    A read that is not answered in this time is sent once more, with another id, and gets the same time again.
    The answer to either counts as of the time when its own datagram was sent. Other requests are sent once.
    """

    def __init__(self, url: Url, timeout: float, answers: Answers = Answers(),
                 tell_port: TellPort | None = None,
                 **delays):
        TcpMaster.__init__(self, url.host, url.port, timeout)
        self._datagrams = DatagramWire(url, timeout, tell_port)
        Client.__init__(self, url, self._datagrams, **delays)
        self._answers = answers
        self._latest_id = randrange(IDS)  # so that it differs from those of an earlier process
        self._unanswered: BoundedDict[bytes, Sent] = BoundedDict(MOST_OPEN)  # by transaction id
        self._awaited: set[bytes] = set()  # ids of the present request
        self._may_repeat = True
        self._fault = ""  # what came instead of an answer

    def patience(self, timeout: float) -> float:
        return max(timeout, TIMEOUTS * self.get_timeout())

    def await_late(self, timeout: float) -> bool:
        end = clock.now() + timeout
        with suppress(BadAnswer, OSError):  # then nothing more comes
            while self._is_opened and self._unanswered:
                self._take(self._next(end))
        return bool(self.late)

    def _ask_twice(self, unit: int, question: Question, timeout: float, may_repeat: bool) -> bytes:
        """Ask; try the next address of the host when nothing listens at one."""
        self._may_repeat = may_repeat
        tries = 0
        while True:
            if not self._is_usable():
                self._connect()
            try:
                return self._ask(unit, question, timeout)
            except ConnectionResetError as error:
                tries += 1
                if not may_repeat:  # the refusal may be of an earlier datagram, and this request done
                    raise NoAnswer(f"unit {unit} does not answer: {self._url}: {error}") from error
                if tries >= self._datagrams.addresses:
                    raise Unreachable(f"cannot reach {self._url}: {error}") from error

    def _connect(self) -> None:
        if self._peer.is_silent:
            self._datagrams.take_next_address()
        super()._connect()

    def _ask(self, unit: int, question: Question, timeout: float) -> bytes:
        self._awaited.clear()
        self._fault = ""
        try:
            return super()._ask(unit, question, timeout)
        finally:
            self._awaited.clear()

    def _overhear(self, data: bytes) -> None:
        for _ in range(MOST_UNASKED):
            try:
                self._take(data)
                data = self._datagrams.pending()
            except (BadAnswer, OSError):
                return  # the next request finds out
            if not data:
                return

    def _next(self, end: float) -> bytes:
        """Return the next datagram. Raises TimeoutError when none comes up to `end`, or OSError."""
        left = end - clock.now()
        if left <= 0:
            raise TimeoutError
        return self._receive(left)

    def _take(self, frame: bytes) -> Sent | None:
        """Return the present request if this is its answer; note any other datagram.

        Raises BadAnswer when it is a wrong answer to that request.
        """
        if fault := _frame_fault(frame):
            self._fault = f"{self._url} does not speak Modbus over UDP: {fault}"
            return None
        transaction, unit, answer = frame[:2], frame[6], frame[adu.HEADER.size:]
        sent = self._unanswered.pop(transaction, None)
        if sent is None:
            self._note_unknown(transaction)
            return None
        self._peer.hear()
        is_awaited, is_by_unit = transaction in self._awaited, self._answers.are_by(unit, sent.unit)
        fault = pdu.reply_fault(sent.question, answer) if is_by_unit else "another unit"
        if is_awaited and not is_by_unit:
            raise WrongUnit(sent.unit, unit)
        if fault and is_awaited:
            raise BadAnswer(f"unit {sent.unit}: the answer has {fault}")
        stood_still = standstill.any_since(sent.asked_at)
        if not (fault or stood_still):
            self._note_time(sent, answer)
        if not (is_awaited or fault):
            self.skipped.late += not stood_still
            self._late_answers.append(sent.outcome(answer, clock.now(), stood_still))
        return sent if is_awaited else None

    def _note_time(self, sent: Sent, answer: bytes) -> None:
        """Note the time of an answer that came after its time-out."""
        took = clock.now() - sent.asked_at
        if took > self.get_timeout() and (answer[0] < 0x80 or answer[1] in pdu.OWN_EXCEPTIONS):
            self.late[sent.unit] = took

    def _note_unknown(self, transaction: bytes) -> None:
        """Note a datagram without an unanswered request: it came twice, or its id is wrong."""
        number = int.from_bytes(transaction, "big")
        is_double = (self._latest_id - number) % IDS < MOST_IDS
        self.skipped.double += is_double
        self.skipped.unknown += not is_double
        if self._awaited and not is_double:
            self._fault = f"answers came with transaction id {number} instead of {self._latest_id}"

    # What follows overrides modbus-tk.

    def _make_query(self):
        return NumberedQuery(self._new_id())

    def _new_id(self) -> int:
        self._latest_id = (self._latest_id + 1) % IDS or 1  # a device without ids may send 0
        return self._latest_id

    def _do_open(self):
        super()._do_open()
        self._unanswered.clear()

    def _send(self, request):
        self._awaited.add(request[:2])
        self._unanswered[request[:2]] = Sent(request[6], self._question, clock.now())
        self._datagrams.send(request, self._left())
        self._request = request

    def _recv(self, expected_length=-1):
        """Return the answer to the request; send that again when none comes in time."""
        again_at = self.asked_at + self.get_timeout()
        if self._may_repeat and again_at < self._deadline:
            try:
                return self._answer(again_at)
            except TimeoutError:
                if clock.now() < again_at:
                    raise  # the thread is to stop
            self._send(self._new_id().to_bytes(2, "big") + self._request[2:])
        try:
            return self._answer(self._deadline)
        except TimeoutError as error:
            if self._fault:
                raise BadAnswer(self._fault) from error
            raise

    def _answer(self, end: float) -> bytes:
        """Return the answer, and set `asked_at`. Raises TimeoutError, BadAnswer or OSError."""
        while not (sent := self._take(frame := self._next(end))):
            pass
        self.asked_at = sent.asked_at
        return frame


def _frame_fault(datagram: bytes) -> str | None:
    """Say why a datagram is no frame of Modbus; None when it is one."""
    try:
        length = adu.tcp_frame_length(datagram)
    except ValueError as error:
        return str(error)
    if length != len(datagram):
        return f"{len(datagram)} bytes in a datagram whose length field says {length or 'nothing'}"
    return None if datagram[2:4] == b"\0\0" else f"protocol id {datagram[2:4].hex()}"
