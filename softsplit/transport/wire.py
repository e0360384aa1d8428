"""The wire to the real devices: a TCP connection or a serial line; see `datagrams` for UDP."""

import errno
import select
import socket
import struct

from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.transport import names
from softsplit.transport.serialport import PIECE, Adapter, cause

KEEPALIVE = 30  # s of silence until the kernel probes the peer, and between probes
UNANSWERED = 3  # probes, after which the connection is lost
TellPort = names.TellPort
AT_ONCE = struct.pack("ii", 1, 0)  # struct linger: closing drops unsent bytes, which would come too late


class SocketWire:
    """One TCP connection. Its methods raise OSError when it is lost."""

    certificate = ""  # the problem of our own, if it has one
    piece = PIECE

    def __init__(self, url: Url, timeout: float, keepalive: int = KEEPALIVE,
                 tell_port: TellPort | None = None):
        self._address = url.host, url.port
        self._timeout = timeout
        self._keepalive = keepalive
        self._tell_port = tell_port
        self._sock: socket.socket | None = None

    def open(self) -> None:
        """Connect, after a look-up of the host; each may take as long as the time-out."""
        self._sock = names.connect(*self._address, self._timeout, self._tell_port)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, self._keepalive)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, self._keepalive)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, UNANSWERED)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()

    def fileno(self) -> int:
        return self._connected.fileno()

    @property
    def _connected(self) -> socket.socket:
        """The connection. Raises OSError when there has been none."""
        if self._sock is None:
            raise OSError(errno.ENOTCONN, "not connected")
        return self._sock

    def send(self, frame: bytes, timeout: float) -> None:
        self._connected.settimeout(timeout)
        self._connected.sendall(frame)

    def receive(self, timeout: float) -> bytes:
        """Return what comes next. Raises TimeoutError when nothing does."""
        data = self._receive(timeout)
        if not data:
            raise ConnectionResetError("hung up")
        return data

    def _receive(self, timeout: float) -> bytes:
        self._connected.settimeout(timeout)
        try:
            return self._connected.recv(self.piece)
        except BlockingIOError as error:
            raise TimeoutError from error

    def pending(self) -> bytes:
        """Return what has come already, usually nothing."""
        try:
            return self.receive(0)
        except TimeoutError:
            return b""


class SerialWire:
    """One serial device. Its methods raise OSError when it is gone."""

    certificate = ""

    def __init__(self, url: Url, line: Line):
        self._adapter = Adapter(url, line)
        self._poll = select.poll()

    def open(self) -> None:
        try:
            self._adapter.open()
        except OSError as error:
            raise OSError(cause(error)) from error
        self._poll.register(self._adapter.fd, select.POLLIN)

    def close(self) -> None:
        if self._adapter.is_open:
            self._poll.unregister(self._adapter.fd)
            self._adapter.close()

    def send(self, frame: bytes, timeout: float) -> None:
        self._adapter.send(frame)

    def receive(self, timeout: float) -> bytes:
        """Return what comes next. Raises TimeoutError when nothing does."""
        if not self._poll.poll(1000 * timeout):
            raise TimeoutError
        return self._adapter.receive()

    def pending(self) -> bytes:
        """Return what has come already, usually nothing."""
        return self._adapter.receive() if self._poll.poll(0) else b""


Wire = SocketWire | SerialWire
