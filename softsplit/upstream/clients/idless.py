"""Modbus TCP client for a gateway whose transaction ids mean nothing: the shape identifies an answer.

As on a line (see `rtu.py`), a request that was not answered is repeated only when another answer of the unit
shows that the missing one cannot come any more. Before each request nothing may come for a while, so that an
answer which comes twice is not taken for the next one.
"""

from contextlib import suppress

from softsplit import clock, standstill
from softsplit.config.line import Answers
from softsplit.config.url import Url
from softsplit.errors import BadAnswer, WrongUnit
from softsplit.protocol import adu
from softsplit.protocol import pdu as pdus
from softsplit.protocol.pdu import Question
from softsplit.security.identity import Identity
from softsplit.upstream.clients import replies
from softsplit.upstream.clients.outstanding import Outstanding
from softsplit.upstream.clients.rtu import LATE_TIMEOUTS, LONGEST_STALL
from softsplit.upstream.clients.sent import Sent
from softsplit.upstream.clients.tcp import TcpClient

QUIET = adu.JOIN  # s without a byte before each request
QUIET_AT_FIRST = 0.2  # s, the same after connecting: answers to an earlier connection may come then
MOST_STRAY = 100  # frames besides the answer to one request; more is a connection that babbles


class IdlessClient(TcpClient):
    """One connection to a gateway that returns other transaction ids than those of the requests."""

    tells_late = False

    def __init__(self, url: Url, timeout: float, answers: Answers = Answers(),
                 identity: Identity | None = None,
                 **delays):
        super().__init__(url, timeout, answers, identity, **delays)
        self._awaited = Outstanding(max(LONGEST_STALL, LATE_TIMEOUTS * timeout))
        self._stray = 0  # frames since the request
        self._fault: BadAnswer | None = None  # what came instead of the answer
        self._latest_id = b""  # of the latest answer
        self._ids_differ = False  # whether that and the one before had different ones
        self._is_new = True  # nothing was asked on this connection
        self._is_twin = False  # whether what looked like a second copy came instead of an answer

    def free_at(self, unit: int, question: Question) -> float:
        asked_at = self._awaited.asked_at(replies.shape(unit, question))
        return 0.0 if asked_at is None else asked_at + LATE_TIMEOUTS * self.get_timeout()

    def await_late(self, timeout: float) -> bool:
        return False  # a late answer does not tell its request

    def listen(self) -> None:
        with suppress(BadAnswer):  # the connection is closed then; the next request opens another
            super().listen()

    def _ask(self, unit: int, question: Question, timeout: float) -> bytes:
        """Ask, but if a late answer could be taken for this one, first have another question answered."""
        ask = super()._ask
        if replies.shape(unit, question) in self._awaited:
            self._awaited.outrun(unit, question, lambda probe: ask(unit, probe, timeout))
        return ask(unit, question, timeout)

    def _settle(self, timeout: float) -> None:
        """Wait until nothing comes any more. Raises BadAnswer when that never ends."""
        super()._settle(timeout)
        end, self._stray, self._fault, self._is_twin = clock.now() + timeout, 0, None, False
        self._overhear(b"")  # for bytes that came together with the latest answer
        while True:
            try:
                self._overhear(self._receive(QUIET_AT_FIRST if self._is_new else QUIET))
            except TimeoutError:
                self._frames.drop_loose()
                if not len(self._frames):
                    self._is_new = False
                    return
            if clock.now() > end:
                raise self._bad(f"{self._url} sends bytes that nobody asked for, without an end")

    def _take(self, frame: bytes) -> Sent | None:
        """Return the present request if this can be its answer; note any other frame."""
        unit, answer = frame[6], frame[7:]
        self._stray += 1
        if self._stray > MOST_STRAY:
            raise self._bad(f"{self._url} sends bytes that nobody asked for")
        if self._ids_differ and frame[:2] == self._latest_id:
            self._is_twin = bool(self._transaction)
            return None
        if not self._transaction:
            self._note_late(unit, answer)
        elif not self._answers.are_by(unit, self._unit):
            self._fault = WrongUnit(self._unit, unit)
        elif fault := pdus.reply_fault(self._question, answer):
            self._fault = self._fault or BadAnswer(f"unit {self._unit}: the answer has {fault}")
            self._note_late(self._unit, answer)
        else:
            return Sent(self._unit, self._question, self.asked_at)
        return None

    def _note_late(self, unit: int, answer: bytes) -> None:
        """Note an answer that nobody waits for, if it fits an earlier request."""
        if shapes := self._awaited.matching(unit, answer):
            self.late[unit] = standstill.seconds(self._awaited.latest(shapes), clock.now())
            self._awaited.answered(unit, answer)

    def _may_be_answer(self, transaction: bytes) -> bool:
        return bool(self._transaction)

    # What follows overrides modbus-tk.

    def _do_open(self):
        super()._do_open()
        self._latest_id, self._ids_differ = b"", False  # the ids may begin again
        self._is_new = True

    def _send(self, request):
        self._overhear(self._pending())  # what came since the line was quiet
        self._awaited.ask(replies.shape(request[6], self._question), clock.now())
        super()._send(request)

    def _recv(self, expected_length=-1):
        """Return the answer to the request just sent. Raises BadAnswer when it may belong to another one."""
        try:
            while not (sent := self._take(frame := self._next_frame())):
                pass
        except TimeoutError as error:
            self._ids_differ = self._ids_differ and not self._is_twin  # or all later answers would be dropped
            if self._fault:
                raise self._fault from error
            raise
        self._ids_differ, self._latest_id = self._latest_id not in (b"", frame[:2]), frame[:2]
        answer = frame[7:]
        is_ambiguous = len(self._awaited.matching(sent.unit, answer)) > 1
        self._awaited.answered(sent.unit, answer)
        self.gateway.note_answer(clock.now(), sent.asked_at,
                                 answer[0] >= 0x80 and answer[1] in pdus.GATEWAY_EXCEPTIONS,
                              stood_still=standstill.any_since(sent.asked_at))
        if is_ambiguous:
            raise BadAnswer(f"unit {sent.unit}: an exception may be the late answer to an earlier question")
        return frame
