"""Modbus TCP client for a gateway or a device: the transaction id identifies an answer."""

from modbus_tk.modbus_tcp import TcpMaster, TcpQuery

from softsplit import clock
from softsplit.config.url import Url
from softsplit.errors import BadAnswer, NoAnswer, Stranger
from softsplit.protocol import adu, pdu
from softsplit.protocol.pdu import Question
from softsplit.transport.wire import SocketWire
from softsplit.upstream.clients.client import Client
from softsplit.upstream.clients.gatewaywait import GatewayWait
from softsplit.upstream.clients.sent import Sent, SentRequests


class Query(TcpQuery):
    """A request with a given transaction id, and its answer."""

    def __init__(self, transaction: int):
        super().__init__()
        self._transaction = transaction

    def _get_transaction_id(self):
        return self._transaction


class TcpClient(Client, TcpMaster):
    """One connection to a Modbus TCP gateway or device; `timeout` is in seconds, for connecting.

    At most one request is inside a gateway, until it was answered or the gateway was silent for so long that
    it is done with it: an answer gets the time that this gateway has shown to need, if it is longer than asked.
    That time is learned from late answers, which are lost with their connection; so it may be silent for long.
    """

    silent_timeouts = 8  # at time-outs of 1 s, two units that are off for which a gateway waits 3 s each

    gateway: GatewayWait

    def __init__(self, url: Url, timeout: float, **delays):
        TcpMaster.__init__(self, url.host, url.port, timeout)
        Client.__init__(self, url, SocketWire(url, timeout), **delays)
        self.gateway = GatewayWait(timeout)
        self._inbox = bytearray()
        self._sent = SentRequests()  # on this connection
        self._transaction = b""  # of the request that is waited for
        self._timeout = timeout  # s, asked for it

    def patience(self, timeout: float) -> float:
        return self.gateway.patience(timeout)

    def await_late(self, timeout: float) -> bool:
        self._deadline = clock.now() + timeout
        try:
            while self._is_opened and self._sent.may_come:
                self._take(self._next_frame())
        except (BadAnswer, OSError):
            pass  # nothing more comes
        return bool(self.late)

    def _ask(self, unit: int, question: Question, timeout: float) -> bytes:
        self._timeout = timeout
        try:
            return super()._ask(unit, question, timeout)
        except NoAnswer:
            self.gateway.is_silent()
            raise
        finally:
            self._transaction = b""

    def _settle(self, timeout: float) -> None:
        """Wait until a request may be sent: not before late answers that are sure to come."""
        self._deadline = clock.now() + self.patience(timeout)
        try:
            while self._sent.are_late:
                self._take(self._next_frame())
        except TimeoutError:
            self._sent.give_up()
        super()._settle(timeout)

    def _overhear(self, data: bytes) -> None:
        self._inbox += data
        while frame := self._whole_frame():
            self._take(frame)

    def _take(self, frame: bytes) -> Sent | None:
        """Return the request that is waited for, if this is its answer; take note of all others."""
        now, is_late = clock.now(), frame[:2] != self._transaction
        found = self._sent.answered(frame[:2], is_late)
        if not found:  # one that comes twice has an id of ours
            self.returns_ids = self.returns_ids and self._sent.is_known(frame[:2])
            return None
        sent, silent = found
        is_exception = frame[7] >= 0x80
        is_gateways = is_exception and frame[8:9] in map(int.to_bytes, pdu.GATEWAY_EXCEPTIONS)
        took = self.gateway.answered(now, sent.asked_at, is_gateways, silent)
        if not is_late:
            return sent
        self._deadline = max(self._deadline, now + self.patience(self._timeout))  # it begins the next one
        if frame[6] == sent.unit and not pdu.reply_fault(sent.question, frame[7:]):
            self._late_answers.append(sent.outcome(frame[7:], now))
            if not is_exception or frame[8] in pdu.OWN_EXCEPTIONS:
                self.late[sent.unit] = 0.0 if silent else took
        return None

    def _next_frame(self) -> bytes:
        """Return the next whole frame: header (7) and PDU. Raises TimeoutError, OSError or BadAnswer."""
        while True:
            if frame := self._whole_frame():
                return frame
            try:
                self._inbox += self._receive(self._left())
                self._hear()
            except (ConnectionResetError, TimeoutError) as error:
                if not self._inbox:
                    raise
                is_late = isinstance(error, TimeoutError)  # whatever comes next would be taken for the rest
                what = "left an answer incomplete" if is_late else "hung up in the middle of an answer"
                raise self._bad(f"{self._url} {what}") from error

    def _whole_frame(self) -> bytes:
        """Return the frame at the head of what has come, or nothing yet. Raises BadAnswer."""
        try:
            length = adu.tcp_frame_length(self._inbox)
        except ValueError as error:
            raise self._bad(f"{self._url} does not speak Modbus TCP: {error}", Stranger) from error
        if not length or len(self._inbox) < length:
            return b""
        frame = bytes(self._inbox[:length])
        del self._inbox[:length]
        if frame[2:4] != b"\0\0":
            raise self._bad(f"{self._url} does not speak Modbus TCP: protocol id {frame[2:4].hex()}", Stranger)
        return frame

    def _bad(self, what: str, kind: type[BadAnswer] = BadAnswer) -> BadAnswer:
        """The connection cannot be trusted any more: close it, and return the error to raise."""
        self.close()
        return kind(what)

    # What follows overrides modbus-tk.

    def _make_query(self):
        return Query(self._sent.new_id())

    def _do_open(self):
        super()._do_open()
        self._inbox.clear()
        self._sent = SentRequests()
        self.returns_ids = True

    def _send(self, request):
        self._transaction = request[:2]
        self._sent.add(request[:2], Sent(request[6], self._question, self.asked_at))
        self._wire.send(request, self._left())

    def _recv(self, expected_length=-1):
        """Return the one answer to the request just sent; what belongs to earlier ones is taken note of."""
        try:
            while not (sent := self._take(frame := self._next_frame())):
                pass
        except TimeoutError as error:
            if self.returns_ids:
                raise
            raise self._no_ids() from error
        fault = pdu.reply_fault(sent.question, frame[7:])
        if frame[6] != sent.unit:
            fault = f"unit {frame[6]} instead of {sent.unit}"
        if fault:
            raise self._bad(f"unit {sent.unit}: the answer has {fault}")
        if not self.returns_ids and self._sent.is_ambiguous(sent):
            raise self._no_ids()
        return frame

    def _no_ids(self) -> BadAnswer:
        return BadAnswer(f"{self._url} does not return our transaction ids, so answers cannot be "
                         "matched to requests")
