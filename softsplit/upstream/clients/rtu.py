"""Modbus RTU client, on a serial device or over a TCP connection.

Only its content identifies a reply: a late one of the same shape looks like the right one. So the line has to
be ours alone, and a request that was not answered is repeated only when another answer of the unit shows that
the missing one cannot come any more. Callers have to wait until `free_at`, before which such an answer may
still come.
"""

from contextlib import suppress

from modbus_tk.modbus import Master
from modbus_tk.modbus_rtu import RtuMaster

from softsplit import clock, standstill
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.errors import BadAnswer, Garbage, NoAnswer, NotSent, Refused
from softsplit.protocol import adu
from softsplit.protocol import pdu as pdus
from softsplit.protocol.addresses import unit_of
from softsplit.protocol.pdu import UNTOLD, Question
from softsplit.transport.wire import SerialWire, SocketWire, TellPort
from softsplit.upstream.clients import replies
from softsplit.upstream.clients.client import Client
from softsplit.upstream.clients.outstanding import Outstanding
from softsplit.upstream.clients.queries import LineQuery
from softsplit.upstream.clients.widening import cut, wider

QUIET = adu.JOIN  # s without a byte, after which a disturbed line is quiet; longer on a slow one
GLITCHES = b"\x00\xff"  # bytes that appear on a line when a driver releases it
MOST_STRAY = 4096  # bytes besides a reply; more is a line that babbles
LATE_TIMEOUTS = 1.75  # time-outs after which a late reply is not expected any more, if nothing stalls
LONGEST_STALL = 30.0  # s after which a late reply cannot come any more, even if nothing else shows that
LISTEN = 0.2  # s


class RtuClient(Client, RtuMaster):
    """One line with Modbus RTU; `timeout` is in seconds, for a whole answer, and for connecting.

    `line` has the settings of a serial device; without it the line is behind a TCP connection. `unit_bytes`
    is the size of a unit address.
    """

    tells_late = False

    def __init__(self, url: Url, timeout: float, line: Line | None = None, request_gap: float = 0.0,
                 unit_bytes: int = 1, tell_port: TellPort | None = None, **others):
        Master.__init__(self, timeout)
        wire = SerialWire(url, line) if line else SocketWire(url, timeout, tell_port=tell_port)
        silence = adu.frame_silence(line.baudrate, line.mode) if line else 0.0
        self._quiet, self._join = max(QUIET, silence), max(QUIET, silence) if line else adu.STREAM_JOIN
        Client.__init__(self, url, wire, request_gap=max(request_gap, silence), **others)
        self._unit_bytes = unit_bytes
        self._request, self._unit = b"", 0  # the latest request, and its unit
        self._is_mirrored = False  # whether its answer may equal it
        self._echo = True if line and line.echo else None  # None: to be found out
        self._hears_itself = self._echo
        self._stray = b""  # what came and is not the reply
        self._is_disturbed = True  # there may be something on the line
        self._awaited = Outstanding(max(LONGEST_STALL, LATE_TIMEOUTS * timeout))
        self._ours: set[int] = set()  # units that were ever asked
        self._is_new = True  # the connection may bring answers to requests from before it

    def free_at(self, unit: int, question: Question) -> float:
        asked_at = self._awaited.asked_at(replies.shape(unit, question))
        return 0.0 if asked_at is None else asked_at + LATE_TIMEOUTS * self.get_timeout()

    def _ask(self, unit: int, question: Question, timeout: float) -> bytes:
        """Ask as `Client` does, but first make sure that nothing else can be taken for the answer."""
        ask = super()._ask
        if self.others.has_asked(replies.shape(unit, question), clock.now()):
            return self._ask_wider(unit, question, timeout)
        if replies.shape(unit, question) in self._awaited:
            self._awaited.outrun(unit, question, lambda probe: ask(unit, probe, timeout))
        request = adu.rtu_frame(unit, question.pdu)
        if self._hears_itself is None and replies.looks_answered(request, question):
            with suppress(NoAnswer, BadAnswer, Refused):
                ask(unit, self._awaited.probes(unit, question)[0], timeout)
            if self._hears_itself is None:
                raise NotSent(f"unit {unit}: nothing was sent; as long as no read is answered here, its "
                              "answer could not be told from our own echo")
        return ask(unit, question, timeout)

    def _ask_wider(self, unit: int, question: Question, timeout: float) -> bytes:
        """Read more than asked, because answers of this shape may be another master's. Raises BadAnswer."""
        for read in wider(question) if (unit, question.pdu) not in self.keep_shape else ():
            if not self.others.has_asked(replies.shape(unit, read), clock.now()):
                try:
                    return cut(self._ask(unit, read, timeout), question)
                except Refused:
                    break  # there is nothing more
                except BadAnswer:
                    pass
        raise BadAnswer(f"unit {unit}: another master sends the same request; the answer cannot be attributed")

    def _settle(self, timeout: float) -> None:
        """Wait until the line is quiet. Raises BadAnswer when it never is."""
        super()._settle(timeout)
        self._stray += self._pending()
        end = clock.now() + timeout
        while self._is_disturbed or self._stray:
            is_glitch = not self._is_disturbed and not self._stray.strip(GLITCHES)
            try:
                self._stray += self._receive(self.request_gap if is_glitch else self._quiet)
            except TimeoutError:
                self._is_disturbed = False
                self._sort(is_idle=not self._is_new)
            if len(self._stray) > MOST_STRAY or clock.now() > end:
                self._sort()
                raise BadAnswer(f"{self._url}: the line does not become quiet")
        self.others.we_ask()
        self._is_new = False

    def listen(self) -> None:
        super().listen()
        if self._stray:
            with suppress(BadAnswer, OSError):  # the next request finds out
                self._settle(LISTEN)

    def _overhear(self, data: bytes) -> None:
        self._stray += data

    def _sort(self, is_idle: bool = False, is_instead: bool = False) -> list[tuple[int, bytes]]:
        """Sort the stray bytes into our echo, late replies and foreign frames; return these as unit and PDU.

        `is_instead` says that they came instead of the reply. While the line `is_idle`, a frame of a unit
        whose answer nobody waits for proves another master.
        """
        data, self._stray = self._stray[-2 * adu.MAX_RTU_FRAME:], b""
        foreign, size = [], self._unit_bytes
        for frame in adu.split(data, size)[0]:
            unit, pdu = adu.take_apart(frame, size)
            if frame == self._request and (self._hears_itself or not self._is_mirrored):
                self._hears_itself = True
            elif shapes := self._awaited.matching(unit, pdu):
                self.late[unit] = took = standstill.seconds(self._awaited.latest(shapes), self._heard.at)
                self.skipped.late += took > 0
            else:
                foreign.append((unit, pdu))
                self.skipped.double += (is_double := self.others.is_twice(unit, pdu))
                is_proof = is_idle and not self._awaited.has(unit) and not is_double
                is_ours = is_instead and unit not in self._ours and not pdus.reply_fault(self._question, pdu)
                asked = None if is_proof else unit if is_ours else self._unit  # ours: with another id
                self.others.hear(unit, pdu, adu.request_length(frame, size) == len(frame), clock.now(), asked)
        return foreign

    def _accept(self, heard: bytes, at: int, frame: bytes) -> bytes:
        """Return the reply. Raises BadAnswer when it may be the reply to another question."""
        self._stray = heard[:at]
        self._sort()
        self._heard_besides(heard[:at])
        self._stray = heard[at + len(frame):]  # what comes next may belong to it
        unit, pdu = adu.take_apart(frame, self._unit_bytes)
        is_foreign = self._may_be_foreign(unit, pdu)
        is_ambiguous = len(self._awaited.matching(unit, pdu)) > 1
        self._awaited.answered(unit, pdu)
        if is_foreign:
            raise BadAnswer(f"unit {unit}: another master sent the same request; the answer cannot be attributed")
        if is_ambiguous:
            raise BadAnswer(f"unit {unit}: an exception may be the late answer to an earlier question")
        self.others.accepted(unit, self._question, pdu)
        return frame

    def _may_be_foreign(self, unit: int, pdu: bytes) -> bool:
        """Whether a reply may be for another master: one asks for such, or it came too soon to be ours."""
        shape = unit, *((pdu[:1], 2) if pdu[0] >= 0x80 else (self._question.answer, self._question.size))
        took = clock.now() - self.asked_at
        if self.others.has_asked(shape, clock.now()):
            return True
        if self.others.pace.is_too_soon(shape, took):
            self._await_second(shape)
            if any(replies.has_shape(*adu.take_apart(frame, self._unit_bytes), shape)
                   for frame in adu.split(self._stray, self._unit_bytes)[0]):
                self.others.hear(unit, pdu, False, clock.now())
                return True
        self.others.pace.note(shape, took)
        return False

    def _await_second(self, shape: replies.Shape) -> None:
        """Wait until the right reply would have come, if the first one was not it."""
        end = self.asked_at + self.others.pace.wait(shape)
        with suppress(TimeoutError):
            while (left := end - clock.now()) > 0:
                self._stray += self._receive(left)

    def _heard_besides(self, data: bytes) -> None:
        """Conclude that the adapter has no echo if nothing came before a reply; silence proves nothing."""
        if self._hears_itself is None and not data.strip(GLITCHES):
            self._hears_itself = False

    def _more(self) -> bytes:
        """Return the bytes that follow at once, if any do."""
        with suppress(TimeoutError):
            return self._receive(self._join)
        return b""

    # What follows overrides modbus-tk.

    def _make_query(self):
        return LineQuery(self._unit_bytes)

    def _do_open(self):
        super()._do_open()
        self._stray = b""
        self._is_disturbed = self._is_new = True
        self._hears_itself = self._echo

    def _send(self, request):
        self._request, self._unit = request, unit_of(request, self._unit_bytes)
        self._ours.add(self._unit)
        self._is_mirrored = not pdus.reply_fault(self._question, self._question.pdu)
        self._awaited.ask(replies.shape(self._unit, self._question), clock.now())
        self._wire.send(request, self._left())

    def _recv(self, expected_length=-1):
        """Return the reply to the request just sent; see `Client.ask` for errors."""
        heard = b""
        is_damaged = False
        while len(heard) < MOST_STRAY:
            try:
                heard += self._receive(min(self._left(), self._quiet) if is_damaged else self._left())
            except TimeoutError:
                break
            self._peer.hear()
            while found := replies.find_reply(heard, self._request, self._question, self._hears_itself):
                if self._question.size != UNTOLD or not (more := self._more()):
                    return self._accept(heard, *found)
                heard += more
            is_damaged = replies.is_damaged(heard, self._request, self._question)
        self._is_disturbed = True
        self._stray = heard
        foreign = self._sort(is_instead=True)
        _, loose = adu.split(heard.replace(self._request, b""), self._unit_bytes)
        fault = "a wrong CRC" if is_damaged else replies.fault(foreign, loose, self._unit, self._question)
        if fault:
            kind = BadAnswer if is_damaged or foreign else Garbage
            raise kind(f"unit {self._unit}: the answer has {fault}")
        raise TimeoutError
