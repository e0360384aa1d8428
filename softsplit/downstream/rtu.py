"""A Modbus RTU server on a serial device: modbus-tk's, with a loop of its own that outlives the adapter.

modbus-tk's loop spins at full load once the adapter is pulled, and never serves again.
"""

import selectors
from concurrent.futures import Future

from modbus_tk.modbus_rtu import RtuServer as ModbusTkRtuServer

from softsplit import clock
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.downstream.databank import Databank
from softsplit.downstream.framing import Framer
from softsplit.downstream.lateanswers import ANSWER_WITHIN
from softsplit.downstream.server import TICK, Server
from softsplit.protocol import adu
from softsplit.protocol.addresses import unit_of
from softsplit.protocol.pdu import SILENCE
from softsplit.transport.serialport import Adapter, cause

LONGEST_SEGMENT = 4096  # bytes without a silence that are kept; more is no traffic but noise


class Echo:
    """What we have just sent, as long as an adapter that hears itself may still deliver it."""

    def __init__(self, is_expected: bool):
        self._is_expected = is_expected
        self._sent = b""
        self._missing = 0  # bytes of it not yet heard
        self._until = 0.0

    def expect(self, frame: bytes, until: float) -> None:
        self._sent, self._missing, self._until = frame, len(frame), until

    def strip(self, data: bytes, now: float) -> bytes:
        """Return `data` without the echo at its front, if the adapter is known to hear itself.

        It is known from what no master says: an answer that cannot be a request. A damaged echo is left to
        the framer, as any noise.
        """
        if data == self._sent and now <= self._until and adu.request_length(data) != len(data):
            self._is_expected = True
        size = min(len(data), self._missing)
        begin = len(self._sent) - self._missing
        if not self._is_expected or now > self._until or data[:size] != self._sent[begin:begin + size]:
            self._missing = 0
            return data
        self._missing -= size
        if not self._missing:
            self._sent = b""  # what is the same after it comes from a master
        return data[size:]

    def is_heard(self, request: bytes, now: float) -> bool:
        """Whether a request is our own answer, which may look like one (MAP 6.5, 6.6)."""
        return self._is_expected and request == self._sent and now <= self._until


class RtuServer(Server, ModbusTkRtuServer):
    """Serves a databank on one serial line, which may have other units besides ours."""

    def __init__(self, name: str, url: Url, line: Line, databank: Databank):
        ModbusTkRtuServer.__init__(self, Adapter(url, line), databank=databank)
        Server.__init__(self, name, url, databank)
        self._silence = adu.frame_silence(line.baudrate, line.mode)
        self._character = adu.character_time(line.baudrate, line.mode)
        self._framer = Framer(databank.mirrors)
        self._echo = Echo(line.echo)
        self._master = self.masters.meet(url.path)  # all that ask on this line

    def acquire(self) -> None:
        self._serial.open()
        self.selector.register(self._serial.fd, selectors.EVENT_READ)

    @property
    def is_open(self) -> bool:
        return self._serial.is_open

    cause = staticmethod(cause)

    def step(self) -> None:
        self.allowance.catch_up()
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
        expires_at = self._framer.expires_at
        pause = TICK if expires_at is None else max(0.0, expires_at - clock.now())
        segment = self._receive(pause)
        began = clock.now()
        if not segment:
            return self._framer.expire() if expires_at is not None and began >= expires_at else None
        while (more := self._receive(self._silence)) and not self.stopping.is_set():
            self.beat = clock.now()
            segment += more
            if len(segment) > LONGEST_SEGMENT:  # a babbler; what matters is how it ends
                segment = segment[-adu.MAX_RTU_FRAME:]
        segment = self._echo.strip(segment, began)
        request = self._framer.segment(segment, began, clock.now()) if segment else None
        return None if request and self._echo.is_heard(request, began) else request

    def _receive(self, timeout: float) -> bytes:
        for key, _ in self.selector.select(timeout):
            if key.fd != self._serial.fd:
                self.hear()
            else:
                return self._serial.receive()
        return b""

    def _serve(self, request: bytes) -> None:
        """Answer a request, unless the next one has begun to arrive meanwhile."""
        unit, pdu = adu.take_apart(request, self._framer.size)
        self._master.count_request(unit, pdu)
        try:
            answer = self._master.undelivered.take(request) or self.databank.answer(unit, pdu, self.name)
            if isinstance(answer, Future):
                answer = self._await(request, answer)
        except Exception as error:
            self.report_bug(error)
            return
        self._master.count_answer(answer)
        if answer and self._may_send(answer):
            self._send(self._frame(request, answer))

    def _may_send(self, answer: bytes) -> bool:
        """Whether no other request has begun to arrive."""
        return not any(key.fd == self._serial.fd for key, _ in self.selector.select(0))

    def _await(self, request: bytes, answer: Future) -> bytes:
        """Return the answer which the unit itself has to give, or SILENCE when it comes too late."""
        deadline = clock.now() + ANSWER_WITHIN
        answer.add_done_callback(lambda _: self.wake())
        while not answer.done() and not self.stopping.is_set():
            left = deadline - clock.now()
            events = self.selector.select(max(0.0, left))
            if left <= 0 or any(key.fd == self._serial.fd for key, _ in events):  # the next request has begun
                self._master.undelivered.keep(request, answer)
                return SILENCE
            if events:
                self.hear()
        return answer.result() if answer.done() else SILENCE

    def _frame(self, request: bytes, answer: bytes) -> bytes:
        return adu.rtu_frame(unit_of(request, self._framer.size), answer)

    def _send(self, frame: bytes) -> None:
        duration = len(frame) * self._character
        self._echo.expect(frame, clock.now() + duration + adu.JOIN)
        self._serial.send(frame)
