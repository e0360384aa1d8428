"""Modbus TCP with a gateway or a device: an answer is told by its transaction id."""

from modbus_tk.modbus_tcp import TcpMaster

from softsplit.config.url import Url
from softsplit.errors import BadAnswer
from softsplit.protocol import adu, pdu
from softsplit.transport.wire import SocketWire
from softsplit.upstream.client import Client

REMEMBERED = 32  # unanswered requests whose late answers are recognised


class TcpClient(Client, TcpMaster):
    """One connection to a Modbus TCP gateway or device; `timeout` is in seconds, for connecting."""

    def __init__(self, url: Url, timeout: float, **delays):
        TcpMaster.__init__(self, url.host, url.port, timeout)
        Client.__init__(self, url, SocketWire(url, timeout), **delays)
        self._inbox = bytearray()
        self._request = b""
        self._unanswered: dict[bytes, int] = {}  # transaction id to unit, of this connection

    def _overhear(self, data: bytes) -> None:
        self._inbox += data  # it came late, and is skipped by _recv

    @staticmethod
    def _is_from_unit(frame: bytes) -> bool:
        """Whether an answer shows that its unit lives: a gateway may say 0x0A or 0x0B in its place."""
        return frame[7] < 0x80 or frame[8:9] in map(int.to_bytes, pdu.OWN_EXCEPTIONS)

    def _next_frame(self) -> bytes:
        """Return the next whole frame: header (7) and PDU. Raises TimeoutError, OSError or BadAnswer."""
        while True:
            try:
                length = adu.tcp_frame_length(self._inbox)
            except ValueError as error:
                raise self._bad(f"{self._url} does not speak Modbus TCP: {error}") from error
            if length and len(self._inbox) >= length:
                frame = bytes(self._inbox[:length])
                del self._inbox[:length]
                if frame[2:4] != b"\0\0":
                    raise self._bad(f"{self._url} does not speak Modbus TCP: protocol id {frame[2:4].hex()}")
                return frame
            try:
                self._inbox += self._receive(self._left())
                self._silent = 0
            except (ConnectionResetError, TimeoutError) as error:
                if not self._inbox:
                    raise
                is_late = isinstance(error, TimeoutError)  # whatever comes next would be taken for the rest
                what = "left an answer incomplete" if is_late else "hung up in the middle of an answer"
                raise self._bad(f"{self._url} {what}") from error

    def _bad(self, what: str) -> BadAnswer:
        """The connection cannot be trusted any more: close it, and return the error to raise."""
        self.close()
        return BadAnswer(what)

    # What follows overrides modbus-tk.

    def _do_open(self):
        super()._do_open()
        self._inbox.clear()
        self._unanswered.clear()

    def _send(self, request):
        self._request = request
        self._wire.send(request, self._left())
        self._unanswered[request[:2]] = request[6]
        if len(self._unanswered) > REMEMBERED:
            del self._unanswered[next(iter(self._unanswered))]

    def _recv(self, expected_length=-1):
        """Return the one answer to the request just sent; answers to earlier ones are skipped."""
        while True:
            frame = self._next_frame()
            unit = self._unanswered.pop(frame[:2], None)
            if frame[:2] == self._request[:2]:
                break
            if unit is not None and self._is_from_unit(frame):
                self._late.add(unit)
        fault = pdu.reply_fault(self._question, frame[7:])
        if frame[6] != unit:
            fault = f"unit {frame[6]} instead of {unit}"
        if fault:
            raise self._bad(f"unit {unit}: the answer has {fault}")
        return frame
