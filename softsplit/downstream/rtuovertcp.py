"""One master behind a serial server: Modbus RTU frames on a TCP connection."""

from concurrent.futures import Future

from softsplit import clock
from softsplit.downstream.connection import Connection
from softsplit.downstream.framing import STREAM_JOIN, Framer
from softsplit.downstream.lateanswers import ANSWER_WITHIN
from softsplit.protocol import adu
from softsplit.protocol.addresses import unit_of
from softsplit.protocol.pdu import SILENCE


class RtuConnection(Connection):
    """Modbus RTU with whoever is behind a TCP connection; what comes in one piece is taken for a segment.

    An awaited answer is of use until the next request begins, and no longer than ANSWER_WITHIN.
    """

    piece = 4096  # bytes; a segment must not be cut in two, and only one request of it is answered

    def __init__(self, sock, databank, *others):
        super().__init__(sock, databank, *others)
        self._framer = Framer(databank.mirrors, STREAM_JOIN)

    @property
    def expires_at(self) -> float | None:
        return self.asked_at + ANSWER_WITHIN if self._awaited else self._framer.expires_at

    def expire(self) -> None:
        """The awaited answer is too late, or nothing followed the beginning of what could have been a longer
        frame. Raises OSError."""
        if self._awaited:
            self._give_up()
        else:
            self._ask_frame(self._framer.expire())
        self.send()

    def resume(self) -> None:
        """An answer is there, perhaps to a request before the awaited one. Raises OSError."""
        if self._awaited and self._awaited[1].done() and clock.now() < self.expires_at:
            super().resume()

    def withdraw(self) -> None:
        if self._awaited:  # it may connect again, and try again
            self.tally.undelivered.keep(*self._awaited)
        self.tally.undelivered.withdraw()

    def _give_up(self) -> None:
        """The awaited answer is of no use any more."""
        self.tally.undelivered.keep(*self._awaited)
        self.tally.count_answer(SILENCE)
        self._awaited = None

    def _look_up(self, request: bytes, unit: int, pdu: bytes) -> bytes | Future:
        return self.tally.undelivered.take(request) or super()._look_up(request, unit, pdu)

    def _answer(self, data: bytes) -> bytes:
        if self._awaited and data:
            self._give_up()
        if not self._awaited:
            now = clock.now()
            self._ask_frame(self._framer.segment(data, now, now) if data else self._framer.expire())
        return b""

    def _answer_at_once(self, data: bytes) -> bool:
        return False  # the short cut knows Modbus TCP only

    def _ask_frame(self, frame: bytes | None) -> None:
        if frame:
            self._ask(frame, *adu.take_apart(frame, self._framer.size))

    def _frame(self, request: bytes, answer: bytes) -> bytes:
        return adu.rtu_frame(unit_of(request, self._framer.size), answer)
