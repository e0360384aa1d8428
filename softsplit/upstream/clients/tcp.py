"""Modbus TCP client for a gateway or a device: the transaction id identifies an answer."""

from contextlib import suppress

from modbus_tk.modbus_tcp import TcpMaster

from softsplit import clock, standstill
from softsplit.config.line import Answers
from softsplit.config.url import Url
from softsplit.errors import BadAnswer, NoAnswer, Stranger, WrongUnit
from softsplit.protocol import pdu
from softsplit.protocol.pdu import Question
from softsplit.security.identity import Identity
from softsplit.transport.wire import SocketWire, TellPort
from softsplit.upstream.clients.client import Client
from softsplit.upstream.clients.gatewaywait import GatewayWait
from softsplit.upstream.clients.queries import NumberedQuery
from softsplit.upstream.clients.sent import Sent, SentRequests
from softsplit.upstream.clients.tcpframes import CODE_WITHIN, Frames


class TcpClient(Client, TcpMaster):
    """One connection to a Modbus TCP gateway or device; `timeout` is in seconds, for connecting.

    At most one request is inside a gateway, until it was answered, or the gateway was silent for as long as
    it takes for a unit that is off. That time is learned from late answers, which are lost with their
    connection; so a silent connection is kept for long.
    """

    silent_timeouts = 8  # at time-outs of 1 s, two units that are off for which a gateway waits 3 s each
    gateway: GatewayWait

    def __init__(self, url: Url, timeout: float, answers: Answers = Answers(),
                 identity: Identity | None = None, tell_port: TellPort | None = None, **delays):
        TcpMaster.__init__(self, url.host, url.port, timeout)
        Client.__init__(self, url, _wire(url, timeout, identity, tell_port), **delays)
        self.gateway = GatewayWait(timeout)
        self._frames = Frames()
        self._answers = answers
        self._sent = SentRequests()  # on this connection
        self._transaction = b""  # of the present request
        self._unit = 0  # of the present request
        self._strange = b"", b""  # the latest id that came instead of ours, and ours
        self._are_ids_odd = False  # whether ids that are not ours have come on this connection
        self._timeout = timeout  # s, of the present request

    def patience(self, timeout: float) -> float:
        return self.gateway.patience(timeout, self.lets_gateway_finish)

    def await_late(self, timeout: float) -> bool:
        self._deadline = clock.now() + timeout
        with suppress(BadAnswer, OSError):  # then nothing more comes
            while self._is_opened and self._sent.may_come:
                self._take(self._next_frame())
        return bool(self.late)

    def _ask(self, unit: int, question: Question, timeout: float) -> bytes:
        self._timeout = timeout
        try:
            return super()._ask(unit, question, timeout)
        except NoAnswer:
            if not standstill.any_since(self.asked_at):
                self.gateway.note_silence()
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
        self._frames.add(data)
        while frame := self._whole_frame():
            self._take(frame)

    def _take(self, frame: bytes) -> Sent | None:
        """Return the present request if this is its answer; note any other frame."""
        now, is_late = clock.now(), frame[:2] != self._transaction
        found = self._sent.answered(frame[:2], is_late)
        if not found:
            self._note_unknown(frame)
            return None
        sent, silent = found
        is_exception = frame[7] >= 0x80
        is_gateways = is_exception and frame[8:9] in map(int.to_bytes, pdu.GATEWAY_EXCEPTIONS)
        stood_still = standstill.any_since(min([sent.asked_at, *silent]))
        took = self.gateway.note_answer(now, sent.asked_at, is_gateways, silent, stood_still)
        if not is_late:
            return sent
        self.skipped.late += not stood_still
        self._deadline = max(self._deadline, now + self.patience(self._timeout))  # it begins ours now
        if self._answers.are_by(frame[6], sent.unit) and not pdu.reply_fault(sent.question, frame[7:]):
            self._late_answers.append(sent.outcome(frame[7:], now, stood_still))
            if not is_exception or frame[8] in pdu.OWN_EXCEPTIONS:
                self.late[sent.unit] = 0.0 if silent or stood_still else took
        return None

    def _note_unknown(self, frame: bytes) -> None:
        """Note an answer without an open request: it comes twice or unasked, or ids mean nothing here."""
        is_double = self._sent.is_known(frame[:2])
        self.skipped.double += is_double
        self.skipped.unknown += not is_double
        if self._transaction and not is_double:
            self._are_ids_odd = True
            if self._answers.are_by(frame[6], self._unit) and not pdu.reply_fault(self._question, frame[7:]):
                self._strange = frame[:2], self._transaction

    def _next_frame(self) -> bytes:
        """Return the next whole frame: header (7) and PDU. Raises TimeoutError, OSError or BadAnswer."""
        while True:
            if frame := self._whole_frame():
                return frame
            self._check_length()
            may_be_over = self._frames.may_be_over
            try:
                self._frames.add(self._receive(min(self._left(), CODE_WITHIN) if may_be_over
                                               else self._left()))
                self._peer.hear()
            except (ConnectionResetError, TimeoutError) as error:
                if may_be_over and (frame := self._frames.next(is_over=True)):
                    return frame
                if not len(self._frames):
                    raise
                is_late = isinstance(error, TimeoutError)  # later bytes would be taken for the rest
                what = "left an answer incomplete" if is_late else "hung up in the middle of an answer"
                raise self._bad(f"{self._url} {what}") from error

    def _whole_frame(self) -> bytes:
        """Return the first whole frame, or nothing yet. Raises BadAnswer."""
        try:
            return self._frames.next()
        except ValueError as error:
            raise self._bad(f"{self._url} does not speak Modbus TCP: {error}", Stranger) from error

    def _check_length(self) -> None:
        """Raise BadAnswer when the answer that has begun claims a length it cannot have."""
        if not self._may_be_answer(self._frames.transaction):
            return
        said, right = self._frames.said_length(self._question.answer[:2]), self._question.size + 1
        if said and right > 1 and said != right:
            raise self._bad(f"{self._url}: an answer says length {said} instead of {right} in its header")

    def _may_be_answer(self, transaction: bytes) -> bool:
        """Whether an answer with this transaction id may be that to the present request."""
        return bool(self._transaction) and transaction == self._transaction

    def _bad(self, what: str, kind: type[BadAnswer] = BadAnswer) -> BadAnswer:
        """Close the connection, which cannot be trusted any more, and return the error to raise."""
        self.close()
        return kind(what)

    # What follows overrides modbus-tk.

    def _make_query(self):
        return NumberedQuery(self._sent.new_id())

    def _do_open(self):
        super()._do_open()
        self._frames.clear()
        self._sent = self._sent.anew()
        self._are_ids_odd = False

    def _send(self, request):
        self._transaction, self._unit = request[:2], request[6]
        self._frames.drop_loose()
        self._sent.add(request[:2], Sent(request[6], self._question, self.asked_at))
        self._wire.send(request, self._left())

    def _recv(self, expected_length=-1):
        """Return the answer to the request just sent; note those to earlier ones."""
        try:
            while not (sent := self._take(frame := self._next_frame())):
                pass
        except TimeoutError as error:
            if self._strange[1] == self._transaction:
                raise self._no_ids() from error
            raise
        if not self._answers.are_by(frame[6], sent.unit):
            self.close()
            raise WrongUnit(sent.unit, frame[6])
        if fault := pdu.reply_fault(sent.question, frame[7:]):
            raise self._bad(f"unit {sent.unit}: the answer has {fault}")
        if self._are_ids_odd and self._sent.is_ambiguous(sent):
            self.close()  # so that no answer to an earlier request can come any more
            raise self._no_ids()
        self.wrong_ids = ""
        return frame

    def _no_ids(self) -> BadAnswer:
        got, asked = (int.from_bytes(each, "big") for each in self._strange)
        self.wrong_ids = f'answers came with transaction id {got} instead of {asked}; set transaction_ids = "ignore"'
        return BadAnswer(f"{self._url}: {self.wrong_ids}")


def _wire(url: Url, timeout: float, identity: Identity | None, tell_port: TellPort | None) -> SocketWire:
    """Return the connection, not yet open; inside TLS with an identity."""
    if identity is None:
        return SocketWire(url, timeout, tell_port=tell_port)
    from softsplit.transport.securewire import SecureWire  # takes long to import, because of OpenSSL
    return SecureWire(url, timeout, identity)
