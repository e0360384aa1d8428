"""Modbus RTU with the devices on a line, whether the line is ours or behind a TCP connection.

Nothing but its content tells a reply from another: a late one of the same shape looks like the right one. So
the line has to be ours alone, and who asks has to keep to `free_at`.
"""

import time
from contextlib import suppress

from modbus_tk.modbus import Master
from modbus_tk.modbus_rtu import RtuMaster, RtuQuery

from softsplit.errors import BadAnswer, NoAnswer, Refused
from softsplit.line import Line
from softsplit.protocol import frames, pdus, replies
from softsplit.protocol.blocks import Block, Table
from softsplit.protocol.pdus import Question
from softsplit.protocol.units import unit_of
from softsplit.upstream.client import Client
from softsplit.upstream.wire import SerialWire, SocketWire
from softsplit.url import Url

QUIET = frames.JOIN  # s without a byte, after which a line that was disturbed is quiet
GLITCHES = b"\x00\xff"  # bytes that a line makes by itself when a driver lets go of it
TOO_MUCH = 4096  # bytes besides a reply; more is a line that babbles
LATEST = 1.75  # time-outs after which a reply is not expected any more
REMEMBERED = 10.0  # s for which a late reply is told from a foreign one
FOREIGN = 100  # foreign frames kept until somebody takes them
PROBE = pdus.read_question(Block(Table.HOLDING_REGISTERS, 0, 1))  # harmless, and unlike its reply


class Query(RtuQuery):
    """A request and its reply, whose unit address takes so many bytes."""

    def __init__(self, unit_bytes: int):
        super().__init__()
        self._unit_bytes = unit_bytes

    def build_request(self, pdu, slave):
        return frames.rtu_frame(slave, pdu)

    def parse_response(self, response):  # which RtuClient._recv has checked
        return frames.take_apart(response, self._unit_bytes)[1]


class RtuClient(Client, RtuMaster):
    """One line with Modbus RTU; `timeout` is in seconds, what a unit gets for a whole answer, or connecting.

    `line` says how a serial device is spoken on; without it the line is behind a TCP connection. `unit_bytes`
    is the size of a unit address.
    """

    tells_late = False

    def __init__(self, url: Url, timeout: float, line: Line | None = None, request_gap: float = 0.0,
                 unit_bytes: int = 1, **others):
        Master.__init__(self, timeout)
        wire = SerialWire(url, line) if line else SocketWire(url, timeout)
        silence = frames.frame_silence(line.baudrate, line.mode) if line else 0.0
        Client.__init__(self, url, wire, request_gap=max(request_gap, silence), **others)
        self._unit_bytes = unit_bytes
        self._request, self._unit = b"", 0  # the latest request, and whom it asks
        self._echo = True if line and line.echo else None  # None: to be found out
        self._hears_itself = self._echo
        self._stray = b""  # what came and is not the reply
        self._is_disturbed = True  # there may be something on the line
        self._unanswered: dict[replies.Shape, float] = {}  # when a question was asked that awaits its reply
        self._asked_by_others: dict[replies.Shape, float] = {}  # when it was heard

    def free_at(self, unit: int, question: Question) -> float:
        return self._expected_until(replies.shape(unit, question))

    def _expected_until(self, shape: replies.Shape) -> float:
        """Until when a late reply of this shape may come."""
        asked_at = self._unanswered.get(shape)
        return 0.0 if asked_at is None else asked_at + LATEST * self.get_timeout()

    def _ask(self, unit: int, question: Question, timeout: float) -> bytes:
        """Ask, as `Client` does; but first find out whether our own echo could be taken for the answer."""
        if question.answer == question.pdu and self._hears_itself is None:
            with suppress(NoAnswer, BadAnswer, Refused):
                super()._ask(unit, PROBE, timeout)
            if self._hears_itself is None:
                raise NoAnswer(f"unit {unit}: nothing was sent; on a line with so much noise, its answer "
                               "could not be told from our own echo")
        return super()._ask(unit, question, timeout)

    def _settle(self, timeout: float) -> None:
        """Wait until the line is quiet. Raises BadAnswer when it never is."""
        super()._settle(timeout)
        self._stray += self._wire.pending()
        end = time.monotonic() + timeout
        while self._is_disturbed or self._stray:
            is_glitch = not self._is_disturbed and not self._stray.strip(GLITCHES)
            try:
                self._stray += self._receive(self.request_gap if is_glitch else QUIET)
            except TimeoutError:
                self._is_disturbed = False
                self._sort()
            if len(self._stray) > TOO_MUCH or time.monotonic() > end:
                self._sort()
                raise BadAnswer(f"{self._url}: the line is never quiet")

    def _overhear(self, data: bytes) -> None:
        self._stray += data

    def _sort(self) -> list[tuple[int, bytes]]:
        """Take note of what is not the reply: our own echo, late replies, other masters, noise.

        Return what nobody can have sent whom we asked, each a unit and a PDU.
        """
        data, self._stray = self._stray[-2 * frames.MAX_RTU_FRAME:], b""
        foreign = []
        size = self._unit_bytes
        for frame in frames.split(data, size)[0]:
            unit, pdu = frames.take_apart(frame, size)
            if frame == self._request:
                self._hears_itself = True
            elif self._is_late(unit, pdu):
                self._late.add(unit)
            else:
                foreign.append((unit, pdu))
                self._hear_foreign(unit, pdu, frames.request_length(frame, size) == len(frame))
        return foreign

    def _is_late(self, unit: int, pdu: bytes) -> bool:
        """Whether this may be the reply to an earlier question, or an exception in its place."""
        if pdu[0] >= 0x80:
            asked = unit, pdu[0] & 0x7F
            return any((each, answer[0]) == asked for each, answer, _ in self._unanswered)
        return any(replies.has_shape(unit, pdu, shape) for shape in self._unanswered)

    def _hear_foreign(self, unit: int, pdu: bytes, is_request: bool) -> None:
        """Remember what another master said, or made said; a unit that we ask may also just be wrong."""
        asked = pdus.asked_block(pdu, tuple(Table))
        if isinstance(asked, Block):
            shape = replies.shape(unit, pdus.read_question(asked))
            self._asked_by_others[shape] = time.monotonic()
        is_evidence = isinstance(asked, Block) or unit != self._unit
        if is_evidence and len(self._foreign) < FOREIGN:
            what = f"asks for {pdus.describe_request(pdu)}" if is_request else "is made to answer"
            self._foreign.append(f"unit {unit} {what}")

    def _accept(self, heard: bytes, at: int, frame: bytes) -> bytes:
        """Return the reply, unless it may be the reply to another question. Raises BadAnswer then."""
        self._stray = heard[:at]
        self._sort()
        self._heard_besides(heard[:at])
        self._stray = heard[at + len(frame):]  # what comes next may belong to it
        unit, function = self._unit, self._question.function
        shape = replies.shape(unit, self._question)
        now = time.monotonic()
        if now - self._asked_by_others.get(shape, 0.0) < self.get_timeout():
            raise BadAnswer(f"unit {unit}: another master asked the same; nobody knows whom it answers")
        others = [other for other in self._unanswered if other[0] == unit and other != shape]
        is_exception = frame[self._unit_bytes] & 0x80
        if is_exception and any(answer[0] == function and now < self._expected_until((each, answer, size))
                                for each, answer, size in others):
            raise BadAnswer(f"unit {unit}: an exception may be the late answer to an earlier question")
        for other in (*others, shape):  # a unit answers in the order in which it was asked
            del self._unanswered[other]
        return frame

    def _heard_besides(self, data: bytes) -> None:
        """Conclude that there is no echo, when nothing came besides a reply."""
        if self._hears_itself is None and not data.strip(GLITCHES):
            self._hears_itself = False

    # What follows overrides modbus-tk.

    def _make_query(self):
        return Query(self._unit_bytes)

    def _do_open(self):
        super()._do_open()
        self._stray = b""
        self._is_disturbed = True
        self._hears_itself = self._echo

    def _send(self, request):
        self._request, self._unit = request, unit_of(request, self._unit_bytes)
        now = time.monotonic()
        self._unanswered = {shape: asked_at for shape, asked_at in self._unanswered.items()
                            if now - asked_at < max(REMEMBERED, LATEST * self.get_timeout())}
        self._unanswered[replies.shape(self._unit, self._question)] = now
        self._wire.send(request, self._left())

    def _recv(self, expected_length=-1):
        """Return the reply to the request just sent, whatever else the line carries."""
        heard = b""
        is_damaged = False
        while len(heard) < TOO_MUCH:
            try:
                heard += self._receive(min(self._left(), QUIET) if is_damaged else self._left())
            except TimeoutError:
                break
            self._silent = 0
            if found := replies.find_reply(heard, self._request, self._question, self._hears_itself):
                return self._accept(heard, *found)
            is_damaged = replies.is_damaged(heard, self._request, self._question)
        self._is_disturbed = True
        self._stray = heard
        foreign = self._sort()
        self._heard_besides(heard)
        _, loose = frames.split(heard.replace(self._request, b""), self._unit_bytes)
        fault = "a wrong CRC" if is_damaged else replies.fault(foreign, loose, self._unit, self._question)
        if fault:
            raise BadAnswer(f"unit {self._unit}: the answer has {fault}")
        raise TimeoutError
