"""The wires to real devices: modbus-tk masters with a deadline for a whole answer and a check of every field.

modbus-tk's own `_recv` reads byte by byte with a time-out for each, takes a late answer for an error, and its
`execute` holds one lock for the whole process. What is overridden here cures that.
"""

import socket
import time

from modbus_tk.exceptions import ModbusError
from modbus_tk.modbus_tcp import TcpMaster

from softsplit.errors import BadAnswer, NoAnswer, Refused, Unreachable
from softsplit.protocol import frames, pdus
from softsplit.protocol.blocks import Block
from softsplit.url import Url

SILENT_ANSWERS = 3  # unanswered requests in a row after which a connection is given up: its peer may be gone
REMEMBERED = 32  # unanswered requests whose late answers are recognised
KEEPALIVE = 30  # s of silence before the kernel asks whether the peer is still there


class _Dropped(ConnectionError):
    """The peer closed the connection before any byte of the answer came."""


class TcpClient(TcpMaster):
    """One connection to a Modbus TCP gateway or device, opened when it is needed. One thread, one client.

    `timeout` is in seconds, for connecting. `asked_at` is the monotonic time just before the latest request.
    """

    def __init__(self, url: Url, timeout: float):
        super().__init__(url.host, url.port, timeout)
        self.asked_at = 0.0
        self._url = url
        self._inbox = bytearray()
        self._request = b""
        self._block: Block | None = None  # what the request asks for
        self._deadline = 0.0
        self._silent = 0  # requests in a row without any answer
        self._unanswered: dict[bytes, int] = {}  # transaction id to unit, of this connection
        self._late: set[int] = set()

    def read(self, unit: int, block: Block, timeout: float) -> bytes:
        """Return the data of the unit's answer, as it came over the wire.

        The answer has `timeout` seconds, besides the time it takes to connect. A connection which the peer
        has closed while idle is opened again. Raises Unreachable, NoAnswer, BadAnswer or Refused.
        """
        deadline = None
        if self._is_opened and self._is_usable():
            deadline = time.monotonic() + timeout
            try:
                return self._ask(unit, block, deadline)
            except _Dropped:
                pass  # most likely closed while idle; in any case a read may be repeated
        self._connect()
        try:
            return self._ask(unit, block, deadline or time.monotonic() + timeout)
        except _Dropped as error:
            raise NoAnswer(f"unit {unit} does not answer, {self._url} hung up") from error

    def take_late(self) -> set[int]:
        """Return the units whose answers have come too late since the last call."""
        late, self._late = self._late, set()
        return late

    def _connect(self) -> None:
        """Open the connection anew, after a look-up of the host. Raises Unreachable."""
        self.close()
        try:
            self.open()
        except OSError as error:
            raise Unreachable(f"cannot reach {self._url}: {error.strerror or error}") from error

    def _ask(self, unit: int, block: Block, deadline: float) -> bytes:
        self.asked_at = time.monotonic()
        self._deadline = deadline
        self._block = block
        try:
            data = self.execute(unit, block.table.function, block.address, block.count,
                                returns_raw=True, threadsafe=False)
        except ModbusError as error:
            self._silent = 0
            code = error.get_exception_code()
            raise Refused(f"unit {unit}: {pdus.describe_exception(code)}", code) from error
        except TimeoutError as error:
            self._silent += 1
            raise NoAnswer(f"unit {unit} does not answer") from error
        except (BadAnswer, _Dropped):
            self.close()
            raise
        except OSError as error:
            self.close()
            raise _Dropped(str(error)) from error
        self._silent = 0
        return data

    # What follows overrides modbus-tk.

    def _do_open(self):
        self._sock = socket.create_connection((self._host, self._port), self.get_timeout())
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE)
        self._inbox.clear()
        self._unanswered.clear()
        self._silent = 0

    def _send(self, request):
        self._request = request
        self._sock.settimeout(self._left())
        self._sock.sendall(request)
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
        fault = pdus.reply_fault(self._block, frame[7:])
        if frame[6] != unit:
            fault = f"unit {frame[6]} instead of {unit}"
        if fault:
            raise BadAnswer(f"unit {unit}: the answer has {fault}")
        return frame

    @staticmethod
    def _is_from_unit(frame: bytes) -> bool:
        """Whether an answer shows that its unit lives: a gateway may say 0x0A or 0x0B in its place."""
        return frame[7] < 0x80 or frame[8:9] in map(int.to_bytes, pdus.OWN_EXCEPTIONS)

    def _next_frame(self) -> bytes:
        """Return the next whole frame: header (7) and PDU. Raises TimeoutError, _Dropped or BadAnswer."""
        while True:
            try:
                length = frames.tcp_frame_length(self._inbox)
            except ValueError as error:
                raise BadAnswer(f"{self._url} does not speak Modbus TCP: {error}") from error
            if length and len(self._inbox) >= length:
                frame = bytes(self._inbox[:length])
                del self._inbox[:length]
                if frame[2:4] != b"\0\0":
                    raise BadAnswer(f"{self._url} does not speak Modbus TCP: protocol id {frame[2:4].hex()}")
                return frame
            self._receive()

    def _receive(self) -> None:
        self._sock.settimeout(self._left())
        data = self._sock.recv(4096)
        if not data:
            if self._inbox:
                raise BadAnswer(f"{self._url} hung up in the middle of an answer")
            raise _Dropped("closed by the peer")
        self._inbox += data

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _is_usable(self) -> bool:
        """Whether the peer still holds the connection, as far as can be known.

        It does not when it has hung up, or left several requests in a row without any answer, not even a late
        one.
        """
        self._sock.setblocking(False)
        try:
            data = self._sock.recv(4096)
        except BlockingIOError:
            return self._silent < SILENT_ANSWERS
        except OSError:
            return False
        self._inbox += data  # it came late, and is skipped by _recv
        self._silent = 0
        return bool(data)
