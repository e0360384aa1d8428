"""Modbus RTU over TCP: one master behind a serial server."""

import socket
from concurrent.futures import Future

from softsplit import clock
from softsplit.downstream.servers.connection import Connection
from softsplit.downstream.servers.echo import Echo
from softsplit.downstream.servers.framing import Framer
from softsplit.downstream.servers.lateanswers import ANSWER_WITHIN
from softsplit.downstream.servers.tcp import TcpServer
from softsplit.protocol import adu
from softsplit.protocol.addresses import unit_of
from softsplit.protocol.pdu import SILENCE

SLOWEST = adu.character_time(1200, "8E1")  # s for a character on the line behind a serial server, at most


class RtuConnection(Connection):
    """Modbus RTU with one master on a TCP connection; bytes that come together are a segment.

    An awaited answer is sent within ANSWER_WITHIN, and before the next request begins, or not at all.
    """

    piece = 4096  # bytes; a segment must not be cut in two, and only one request of it is answered

    def __init__(self, sock, databank, *others):
        super().__init__(sock, databank, *others)
        self._framer = Framer(databank.unserved, adu.STREAM_JOIN)
        self._echo = Echo(None, self._framer.size, adu.STREAM_JOIN)

    @property
    def is_at_rest(self) -> bool:
        return False  # remembered answers are frames of Modbus TCP

    @property
    def expires_at(self) -> float | None:
        if self._awaited:
            return self.asked_at + ANSWER_WITHIN
        return self._framer.expires_at or self._echo.expires_at

    def expire(self) -> None:
        """End the waiting for an answer, for the rest of a frame, or for an echo. Raises OSError."""
        now = clock.now()
        if self._awaited:
            self._give_up(*self._awaited)
        elif not self._outbox and self._has_more():  # bytes that came before the time was over
            self.receive()
        elif self._framer.expires_at is None:
            self._echo.nothing_came(now)
        else:
            self._ask_frame(self._framer.expire())
        self.send()

    def resume(self) -> None:
        """Send an answer if it is the awaited one, and not an earlier one. Raises OSError."""
        if self._awaited and self._awaited[1].done() and clock.now() < self.asked_at + ANSWER_WITHIN:
            super().resume()

    def withdraw(self) -> None:
        if self._awaited:  # the master may connect again and retry
            self.counters.undelivered.keep(*self._awaited)
        self.counters.undelivered.withdraw()
        self._framer.end()

    def _has_more(self) -> bool:
        """Whether there are unread bytes."""
        try:
            return bool(self.sock.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    def _give_up(self, request: bytes, answer: Future) -> None:
        """Give up the awaited answer, which comes too late."""
        self.counters.undelivered.keep(request, answer)
        self.counters.count_answer(SILENCE)
        self._awaited = None

    def _look_up(self, request: bytes, unit: int, pdu: bytes) -> bytes | Future:
        return self.counters.undelivered.take(request) or super()._look_up(request, unit, pdu)

    def _answer(self, data: bytes) -> bytes:
        now = clock.now()
        if data:
            data = self._echo.strip(data, now)
            if not data:
                return b""
            if self._awaited:
                self._give_up(*self._awaited)
        if not self._awaited:
            self._ask_frame(self._framer.segment(data, now, now) if data else self._framer.expire())
        return b""

    def _ask_frame(self, frame: bytes | None) -> None:
        if frame and not self._echo.is_own(frame):
            self._ask(frame, *adu.take_apart(frame, self._framer.size))

    def _reply(self, request: bytes, answer: bytes) -> None:
        if answer:
            frame = self._frame(request, answer)
            self._outbox += frame
            self._echo.expect(frame, clock.now() + len(frame) * SLOWEST)

    def _frame(self, request: bytes, answer: bytes) -> bytes:
        return adu.rtu_frame(unit_of(request, self._framer.size), answer)


class RtuOverTcpServer(TcpServer):
    """Serves a databank to masters that speak Modbus RTU on a TCP connection, as behind a serial server."""

    connection_class = RtuConnection
