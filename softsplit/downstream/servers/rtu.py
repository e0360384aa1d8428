"""Modbus RTU server on a serial device, with its own loop: modbus-tk's spins once the adapter is pulled."""

import selectors
from concurrent.futures import Future

from modbus_tk.modbus_rtu import RtuServer as ModbusTkRtuServer

from softsplit import clock
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.downstream.databank import Databank
from softsplit.downstream.servers.echo import Echo
from softsplit.downstream.servers.framing import Framer
from softsplit.downstream.servers.lateanswers import ANSWER_WITHIN
from softsplit.downstream.servers.server import TICK, Server
from softsplit.protocol import adu
from softsplit.protocol.addresses import unit_of
from softsplit.protocol.pdu import SILENCE
from softsplit.transport.serialport import Adapter, cause

STOOD_STILL = 2 * ANSWER_WITHIN  # s from a request to its answer; longer if the process stood still
LONGEST_SEGMENT = 4096  # bytes without a silence that are kept; more is noise


class RtuServer(Server, ModbusTkRtuServer):
    """Serves a databank on one serial line, which may have other units besides ours."""

    too_late = STOOD_STILL

    def __init__(self, name: str, url: Url, line: Line, databank: Databank):
        ModbusTkRtuServer.__init__(self, Adapter(url, line), databank=databank)
        Server.__init__(self, name, url, databank)
        self._silence = adu.frame_silence(line.baudrate, line.mode)
        self._character = adu.character_time(line.baudrate, line.mode)
        self._framer = Framer(databank.unserved)
        self._has_echo = line.echo or None  # None: unknown
        self._master = self.masters.meet(url.path)  # all masters of this line

    def acquire(self) -> None:
        self._serial.open()
        self._echo = Echo(self._has_echo, self._framer.size)
        self.selector.register(self._serial.fd, selectors.EVENT_READ)

    @property
    def is_open(self) -> bool:
        return self._serial.is_open

    cause = staticmethod(cause)

    def step(self) -> None:
        self.bucket.catch_up()
        if not self.is_open:
            self.open_again()
            return
        try:
            if request := self._request():
                self._serve(request)
        except OSError as error:
            self.selector.unregister(self._serial.fd)
            self._serial.close()
            self.lose(error)

    def close(self) -> None:
        self._serial.close()
        super().close()

    def _request(self) -> bytes | None:
        """Return the next request for one of our units, or None when there is none for a while."""
        segment, began = self._segment()
        request = None
        if segment:
            segment = self._echo.strip(segment, began)
            request = self._framer.segment(segment, began, clock.now()) if segment else None
        elif self._framer.expires_at is None:
            self._echo.nothing_came(began)
        elif began >= self._framer.expires_at:
            request = self._framer.expire()
        return None if request and self._echo.is_own(request) else request

    def _segment(self) -> tuple[bytes, float]:
        """Return the bytes up to a silence, and when they began; b"" if none come for a while."""
        expires_at = self._framer.expires_at or self._echo.expires_at
        segment = self._receive(TICK if expires_at is None else min(TICK, max(0.0, expires_at - clock.now())))
        began = self.beat = clock.now()
        if not segment:
            segment = self._receive(0.0)  # bytes that came while the process stood still
        quiet_at = began + self._silence
        while segment and not self.stopping.is_set():
            if more := self._receive(max(0.0, quiet_at - clock.now())):
                segment = (segment + more)[-LONGEST_SEGMENT:]  # only the end can be a request
                self.beat = clock.now()
                quiet_at = self.beat + self._silence
            elif clock.now() >= quiet_at:  # else it was a wake-up
                break
        return segment, began

    def _receive(self, timeout: float) -> bytes:
        for key, _ in self.selector.select(timeout):
            if key.fd != self._serial.fd:
                self.clear_wake()
            else:
                return self._serial.receive()
        return b""

    def _serve(self, request: bytes) -> None:
        """Answer a request, unless the next one has begun to arrive meanwhile."""
        unit, pdu = adu.take_apart(request, self._framer.size)
        self._master.count_request(unit, pdu)
        begun_at = clock.now()
        try:
            answer = self._master.undelivered.take(request) or self.databank.answer(unit, pdu, self.name)
            if isinstance(answer, Future):
                answer = self._await(request, answer)
        except Exception as error:
            self.bugs.report(error)
            return
        self._master.count_answer(answer)
        if answer and self._may_send(answer):
            self._send(self._frame(request, answer), begun_at + self.too_late)

    def _may_send(self, answer: bytes) -> bool:
        """Whether no other request has begun to arrive."""
        return not any(key.fd == self._serial.fd for key, _ in self.selector.select(0))

    def _await(self, request: bytes, answer: Future) -> bytes:
        """Return the answer of the unit itself, or SILENCE when it comes too late."""
        deadline = clock.now() + ANSWER_WITHIN
        answer.add_done_callback(lambda _: self.wake())
        while not answer.done() and not self.stopping.is_set():
            left = deadline - clock.now()
            events = self.selector.select(max(0.0, left))
            if left <= 0 or any(key.fd == self._serial.fd for key, _ in events):  # the next request has begun
                self._master.undelivered.keep(request, answer)
                return SILENCE
            if events:
                self.clear_wake()
        return answer.result() if answer.done() else SILENCE

    def _frame(self, request: bytes, answer: bytes) -> bytes:
        return adu.rtu_frame(unit_of(request, self._framer.size), answer)

    def _send(self, frame: bytes, latest: float) -> None:
        """Send a frame before `latest`; the time is checked last, as the process may stand still anywhere."""
        now = clock.now()
        if now < latest:
            self._serial.send(frame)
            self._echo.expect(frame, now + len(frame) * self._character)
