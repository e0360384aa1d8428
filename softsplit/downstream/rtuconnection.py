"""One master behind a serial server: Modbus RTU frames on a TCP connection."""

import time
from concurrent.futures import Future

from softsplit.downstream.connection import Connection
from softsplit.downstream.undelivered import ANSWER_WITHIN, Undelivered
from softsplit.protocol import frames
from softsplit.protocol.units import unit_of


class RtuConnection(Connection):
    """Modbus RTU with whoever is behind a TCP connection; what comes in one piece is taken for a segment."""

    piece = 4096  # bytes; a segment must not be cut in two, and only one request of it is answered

    def __init__(self, sock, databank, *others):
        super().__init__(sock, databank, *others)
        self._framer = frames.Framer(databank.mirrors, frames.STREAM_JOIN)
        self._undelivered = Undelivered()

    @property
    def expires_at(self) -> float | None:
        return self._framer.expires_at

    def expire(self) -> None:
        """Nothing followed the beginning of what could have been a longer frame. Raises OSError."""
        self._ask_frame(self._framer.expire())
        self.send()

    def resume(self) -> None:
        """The awaited answer is there; it is of use only if the master still waits. Raises OSError."""
        request, future = self._awaited
        if time.monotonic() - self.asked_at <= ANSWER_WITHIN:
            super().resume()
            return
        self._undelivered.keep(request, future)
        self._awaited = None
        self._inbox = self._answer(self._inbox) if self._inbox else b""
        self.send()

    def _look_up(self, request: bytes, unit: int, pdu: bytes) -> bytes | Future:
        return self._undelivered.take(request) or super()._look_up(request, unit, pdu)

    def _answer(self, data: bytes) -> bytes:
        if self._awaited:
            return data
        now = time.monotonic()
        self._ask_frame(self._framer.segment(data, now, now) if data else self._framer.expire())
        return b""

    def _answer_at_once(self, data: bytes) -> bool:
        return False  # the short cut knows Modbus TCP only

    def _ask_frame(self, frame: bytes | None) -> None:
        if frame:
            self._ask(frame, *frames.take_apart(frame, self._framer.size))

    def _frame(self, request: bytes, answer: bytes) -> bytes:
        return frames.rtu_frame(unit_of(request, self._framer.size), answer)
