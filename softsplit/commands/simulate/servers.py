"""Simulated units, and servers that can damage their frames."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from math import inf

from modbus_tk.modbus import Slave

from softsplit.commands.simulate.faults import Faults
from softsplit.config import schemes
from softsplit.config.access import access_to
from softsplit.config.line import Line
from softsplit.config.upstream import require_unit
from softsplit.config.url import Url
from softsplit.downstream.databank import Databank
from softsplit.downstream.servers.connection import Connection
from softsplit.downstream.servers.rtu import RtuServer
from softsplit.downstream.servers.rtuovertcp import RtuConnection, RtuOverTcpServer
from softsplit.downstream.servers.server import Server
from softsplit.downstream.servers.tcp import TcpServer
from softsplit.downstream.servers.udp import UdpServer
from softsplit.errors import ConfigError
from softsplit.protocol import adu
from softsplit.protocol import pdu as pdus
from softsplit.protocol.addresses import LINE_UNITS, LongUnit, unit_bytes, unit_of
from softsplit.protocol.pdu import GATEWAY_NO_PATH, SILENCE

FLIPPED = 0x40  # the wrong bit of a damaged byte


class Spoilt(bytes):
    """The PDU of an answer with faults; `kinds` are theirs."""

    kinds: frozenset[str]

    def __new__(cls, pdu: bytes, kinds: Iterable[str]) -> "Spoilt":
        spoilt = super().__new__(cls, pdu)
        spoilt.kinds = frozenset(kinds)
        return spoilt


def _has(answer: bytes, kind: str) -> bool:
    return isinstance(answer, Spoilt) and kind in answer.kinds


def _content(answer: bytes) -> bytes:
    """Return the content of the frame, with other numbers for faults that a master must notice."""
    is_wrong = _has(answer, "foreign") or _has(answer, "damaged")
    return answer[:2] + bytes(byte ^ 0xFF for byte in answer[2:]) if is_wrong else answer


def _another(unit: int) -> int:
    """Another unit id, of the same size."""
    return LongUnit(unit ^ 1) if isinstance(unit, LongUnit) else unit % LINE_UNITS[-1] + 1


class FaultyUnit(Slave):
    """A unit that answers by its method `answer`, unless a fault is due.

    While it answers late, all masters at the same url wait, as on a line. `wire_time` returns for how many
    seconds a frame of so many bytes occupies the imitated wire.
    """

    def __init__(self, unit: int, faults: Faults, wire_time: Callable[[int], float] = lambda size: 0.0):
        super().__init__(unit)
        self.unit = unit
        self._faults = faults
        self._wire_time = wire_time

    def answer(self, pdu: bytes) -> bytes:  # server thread
        """Return the PDU of the answer to a request, or SILENCE."""
        raise NotImplementedError

    def handle_request(self, request_pdu: bytes, broadcast: bool = False,
                       master: str = "") -> bytes:  # server thread
        if broadcast or request_pdu[0] >= 0x80:
            return SILENCE
        self._occupy_wire(request_pdu)
        due = {fault.kind: fault.argument for fault in self._faults.due(self.unit)}
        time.sleep(due.get("late", 0.0))
        if "silent" in due:
            return SILENCE
        answer = (pdus.exception_pdu(request_pdu[0], int(due["exception"])) if "exception" in due
                  else self.answer(request_pdu))
        if answer:
            self._occupy_wire(answer)
        return Spoilt(answer, due) if due else answer

    def _occupy_wire(self, pdu: bytes) -> None:
        """Imitate the time of a frame: unit, PDU, CRC (2)."""
        time.sleep(self._wire_time(len(unit_bytes(self.unit)) + len(pdu) + 2))


class _FaultyFrames:
    """Spoils frames without a CRC: a damaged one gets a function that nobody asked for."""

    too_late = inf  # send late answers, too

    def _frame(self, request, answer):
        faulty = bytearray(super()._frame(request, _content(answer)))
        if _has(answer, "foreign"):
            faulty[6] = _another(faulty[6])
        if _has(answer, "damaged"):
            faulty[7] ^= FLIPPED
        return bytes(faulty)


class _FaultyRtuFrames:
    """Spoils frames with a CRC, which is wrong in a damaged one."""

    too_late = inf

    def _frame(self, request, answer):
        unit = unit_of(request, self._framer.size)
        frame = adu.rtu_frame(_another(unit) if _has(answer, "foreign") else unit, _content(answer))
        return frame[:-1] + bytes((frame[-1] ^ FLIPPED,)) if _has(answer, "damaged") else frame


class _FaultyTcp(_FaultyFrames, Connection):
    """A connection of Modbus TCP."""


class _FaultyTcpServer(TcpServer):
    connection_class = _FaultyTcp


class _FaultyRtuConnection(_FaultyRtuFrames, RtuConnection):
    """A connection with RTU frames."""


class _FaultyRtuOverTcpServer(RtuOverTcpServer):
    connection_class = _FaultyRtuConnection


class _FaultyUdpServer(_FaultyFrames, UdpServer):
    """A server of datagrams."""


class _FaultyRtuServer(_FaultyRtuFrames, RtuServer):
    def _may_send(self, answer: bytes) -> bool:
        """Send a late answer even while another unit sends."""
        return _has(answer, "late") or super()._may_send(answer)


def faulty_server(name: str, url: Url, units: Sequence[FaultyUnit], line: Line) -> Server:
    """Return a server, not yet open, with these units. Raises ConfigError if they do not fit together."""
    addresses = [unit.unit for unit in units]
    for unit in addresses:
        if addresses.count(unit) > 1:
            raise ConfigError(f"unit {unit} is given twice")
    sizes = {len(unit_bytes(unit)) for unit in addresses}
    if len(sizes) > 1:
        raise ConfigError("units with addresses of one byte and of four cannot share a line")
    if 4 in sizes and 4 not in url.kind.unit_sizes:
        raise ConfigError(f"{url}: only {schemes.named(schemes.WITH_LONG_UNITS)} have unit addresses of four bytes")
    if 1 in sizes:
        for unit in addresses:
            require_unit(unit, url=url)
    databank = Databank(name, units, GATEWAY_NO_PATH if url.kind.has_mbap else None)
    if url.is_serial:
        return _FaultyRtuServer(name, url, line, databank)
    kind = (_FaultyUdpServer if url.kind.has_datagrams else _FaultyTcpServer if url.kind.has_mbap
            else _FaultyRtuOverTcpServer)
    return kind(name, url, databank, access_to(url))


def wire_time_at(url: Url, baudrate: int | None, mode: str) -> Callable[[int], float]:
    """Return the wire time to imitate at `url`; on a pseudo-terminal both ends already keep the silences."""
    if not baudrate or url.is_serial and not os.path.realpath(url.path).startswith("/dev/pts/"):
        return lambda size: 0.0
    if url.is_serial:
        return lambda size: size * adu.character_time(baudrate, mode)
    return lambda size: adu.wire_time(size, baudrate, mode)
