"""A Modbus TCP server: modbus-tk's, with an event loop of its own.

modbus-tk's loop reads byte by byte, makes all clients wait a second for the rest of one's frame, and binds in
its own thread. Here nothing waits for one client, and `open()` tells at once when the port is not to be had.
"""

import errno
import logging
import selectors
import socket
import time

from modbus_tk.modbus_tcp import TcpServer as ModbusTkTcpServer

from softsplit.downstream.databank import Databank
from softsplit.downstream.server import TICK, Server
from softsplit.errors import DownstreamError
from softsplit.protocol import frames
from softsplit.protocol.pdus import SILENCE
from softsplit.trouble import Condition
from softsplit.url import Url

log = logging.getLogger("softsplit")

BACKLOG = 64  # connections
SEGMENT = 4096  # bytes taken from a connection at a time
ACCEPT_AGAIN = 1.0  # s without accepting, after descriptors ran out
KEEPALIVE = 60  # s of silence before the kernel asks whether a master is still there
CURES = {
    errno.EADDRINUSE: 'the port is taken; stop the other program ("ss -ltnp" names it) or choose another',
    errno.EACCES: "forbidden; a port below 1024 needs root or CAP_NET_BIND_SERVICE; or choose a higher one",
    errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 stands for all it has",
}


class Connection:
    """One master: its socket, the bytes of a request not yet whole, and of answers not yet sent."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.is_ending = False  # nothing more will be asked


class TcpServer(Server, ModbusTkTcpServer):
    """Serves a databank on one address and port."""

    def __init__(self, name: str, url: Url, databank: Databank):
        ModbusTkTcpServer.__init__(self, url.port, url.host, databank=databank)
        Server.__init__(self, name, url, databank)
        self._accept_at: float | None = None  # when accepting goes on
        self._acceptance = Condition(self.allowance, well_at_first=True)

    def open(self) -> None:
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                self.url.host, self.url.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            self._sock = socket.socket(family, kind, proto)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._sock.setblocking(False)
            self._sock.bind(address)
            self._sock.listen(BACKLOG)
        except OSError as error:
            cure = CURES.get(error.errno, error.strerror or str(error))
            raise DownstreamError(f"{self.label}: cannot serve on {self.url}: {cure}") from error
        self.url = Url(self.url.scheme, self.url.host, self._sock.getsockname()[1])
        self.selector.register(self._sock, selectors.EVENT_READ)

    def start(self) -> None:
        super().start()
        log.info(self.announcement)

    def step(self) -> None:
        if self._accept_at is not None and time.monotonic() >= self._accept_at:
            self._accept_at = None
            self.selector.register(self._sock, selectors.EVENT_READ)
        for key, events in self.selector.select(TICK):
            if isinstance(key.data, Connection):
                self._attend(key.data, events)
            elif key.fileobj is self._sock:
                self._accept()

    def close(self) -> None:
        for key in list((self.selector.get_map() or {}).values()):
            key.fileobj.close()
        if self._sock:
            self._sock.close()
        super().close()

    def _accept(self) -> None:
        try:
            sock, peer = self._sock.accept()
        except (BlockingIOError, ConnectionError):
            return  # it has gone again
        except OSError as error:
            self.selector.unregister(self._sock)
            self._accept_at = time.monotonic() + ACCEPT_AGAIN
            self._acceptance.trouble(f"{self.label}: cannot accept a connection: {error.strerror}")
            return
        self._acceptance.well(f"{self.label}: connections are accepted again")
        log.debug("%s: connection from %s", self.label, peer[0])
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE)
        self.selector.register(sock, selectors.EVENT_READ, Connection(sock))

    def _attend(self, connection: Connection, events: int) -> None:
        try:
            is_well = self.guarded(self._serve, connection, events)
        except OSError as error:
            log.debug("%s: connection lost: %s", self.label, error)
            is_well = False
        if not is_well or connection.is_ending and not connection.outbox:
            self.selector.unregister(connection.sock)
            connection.sock.close()

    def _serve(self, connection: Connection, events: int) -> None:
        if events & selectors.EVENT_READ:
            self._receive(connection)
        self._send(connection)

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(SEGMENT)
        except BlockingIOError:
            return
        connection.inbox += data
        connection.is_ending = not data
        try:
            while length := frames.tcp_frame_length(connection.inbox):
                if len(connection.inbox) < length:
                    break
                connection.outbox += self._answer(bytes(connection.inbox[:length]))
                del connection.inbox[:length]
        except ValueError as error:
            log.debug("%s: no Modbus TCP: %s", self.label, error)
            connection.is_ending = True

    def _answer(self, frame: bytes) -> bytes:
        transaction, protocol, _, unit = frames.HEADER.unpack_from(frame)
        answer = self.databank.answer(unit, frame[frames.HEADER.size:]) if protocol == 0 else SILENCE
        return frames.tcp_frame(transaction, unit, answer) if answer else SILENCE

    def _send(self, connection: Connection) -> None:
        """Send what can be sent. A master that does not take its answers is not listened to meanwhile."""
        if connection.outbox:
            try:
                del connection.outbox[:connection.sock.send(connection.outbox)]
            except BlockingIOError:
                pass
        events = selectors.EVENT_WRITE if connection.outbox else selectors.EVENT_READ
        self.selector.modify(connection.sock, events, connection)
