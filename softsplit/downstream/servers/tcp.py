"""Modbus TCP server: modbus-tk's, with its own event loop.

modbus-tk's loop reads byte by byte, lets all masters wait a second for the rest of one frame, and binds in
its own thread. Here no master waits for another, and `open()` raises an error at once when the port is taken.
"""

import logging
import socket
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from select import EPOLLIN, EPOLLOUT
from selectors import EVENT_READ

from modbus_tk.modbus_tcp import TcpServer as ModbusTkTcpServer

from softsplit import clock
from softsplit.config.access import Access
from softsplit.config.url import Url, show_address
from softsplit.downstream.databank import Databank
from softsplit.downstream.mirrors.answering import Known
from softsplit.downstream.report import DownstreamStatus, ServedStatus
from softsplit.downstream.servers.addressfilter import AddressFilter
from softsplit.downstream.servers.connection import OVER, Connection
from softsplit.downstream.servers.server import TICK, Events, Server
from softsplit.downstream.servers.sockets import Acceptance, listening_socket, make_room, set_options

log = logging.getLogger("softsplit")

BACKLOG = 1024  # connections not yet accepted


class TcpServer(Server, ModbusTkTcpServer):
    """Serves a databank over Modbus TCP, to the addresses that `access` allows."""

    connection_class = Connection

    def __init__(self, name: str, url: Url, databank: Databank, access: Access):
        ModbusTkTcpServer.__init__(self, url.port, url.host, databank=databank)
        Server.__init__(self, name, url, databank)
        self._connections: dict[int, Connection] = {}  # by descriptor
        self._at_rest: dict[int, Connection] = {}  # see Connection.is_at_rest
        self._events = Events(self.selector.fileno())
        self._addresses = AddressFilter(name, access)
        self._idle_timeout = access.idle_timeout
        self._acceptance = Acceptance(name, access.max_connections, self.selector, self.bucket)
        self._resumable: deque[Connection] = deque()  # filled by any thread
        self._expiring: set[Connection] = set()
        self._sweep_at = 0.0

    def open(self) -> None:
        make_room(self._acceptance.most)
        super().open()

    def acquire(self) -> None:
        self._sock = listening_socket(self.url, BACKLOG)
        self.url = Url(self.url.scheme, self.url.host, self._sock.getsockname()[1])
        self.selector.register(self._sock, EVENT_READ)

    def step(self) -> None:
        if self._sock is None:
            self.bucket.catch_up()
            self.open_again()
            return
        for ready in self._events.wait(self._pause()):
            self._attend_all(ready)
            while self._resumable:
                connection = self._resumable.popleft()
                if connection.events != OVER:
                    self._attend(connection, connection.resume)
        now = clock.now()
        if self._expiring or now >= self._sweep_at:
            self._look_around(now)

    def _attend_all(self, ready: list[tuple[int, int]]) -> None:
        """Attend each descriptor with an event: first, masters at rest that ask."""
        asked, others, answers = [], [], self.databank.known
        for fd, events in ready:
            connection = self._at_rest.get(fd)
            if connection is None or events != EPOLLIN:
                others.append((fd, events))
                continue
            try:
                data = connection.sock.recv(connection.piece)
            except BlockingIOError:
                continue  # nothing has come after all
            except Exception as error:
                self._fail(connection, error)
                continue
            if known := answers.get(data[2:]):
                asked.append((connection, data, known, data[:2] + known[1]))
            else:
                self._attend(connection, partial(connection.take, data))
        self._answer_all(asked)
        for fd, events in others:
            self._attend_other(fd, events)

    def _answer_all(self, asked: list[tuple[Connection, bytes, Known, bytes]]) -> None:
        """Send remembered answers, each if it is fresh immediately before that, then count the requests.

        Little is done between two answers: a master on this machine would go to sleep, and it takes long to wake it.
        """
        answered = []
        for connection, data, known, answer in asked:
            if (now := clock.now()) > known[0]:
                self._attend(connection, partial(connection.take, data))
                continue
            try:
                sent = connection.sock.send(answer)
            except BlockingIOError:
                sent = 0
            except Exception as error:
                self._fail(connection, error)
                continue
            connection.asked_at = now
            answered.append((connection, known[2]))
            if sent < len(answer):
                self._attend(connection, partial(connection.keep, answer[sent:], now))
        for connection, request in answered:
            connection.requests += 1
            try:
                connection.counters.asked[request] += 1
            except KeyError:
                connection.counters.count_known(request)

    def _attend_other(self, fd: int, events: int) -> None:
        """Attend any descriptor but that of a connection at rest with a request."""
        connection = self._connections.get(fd)
        if connection is not None:
            self._attend(connection, connection.send if events == EPOLLOUT else connection.receive)
        elif fd == self._sock.fileno():
            self._accept()
        elif fd == self._wake_reader.fileno():  # else the connection was dropped since poll() returned
            self.clear_wake()

    def close(self) -> None:
        for connection in self.connections:
            connection.sock.close()
        if self._sock:
            self._sock.close()
        self._events.close()
        super().close()

    @property
    def connections(self) -> Collection[Connection]:  # any thread
        return self._connections.values()

    def report(self, units: dict[str, ServedStatus], now: float) -> DownstreamStatus:  # main thread
        connections = tuple(each.report(now) for each in tuple(self.connections) if not each.is_check)
        return replace(super().report(units, now), connections=connections, refused_peers=dict(self._addresses.refused),
                       crowded=self._acceptance.crowded(len(self.connections)))

    def _pause(self) -> float:
        if not self._expiring:
            return TICK
        first = min(at for each in self._expiring if (at := each.expires_at) is not None)
        return min(TICK, max(0.0, first - clock.now()))

    def _look_around(self, now: float) -> None:
        """Do what is due by time, not by an event."""
        if self._expiring:
            for connection in [each for each in self._expiring if (each.expires_at or now + TICK) <= now]:
                self._attend(connection, connection.expire)
        if now < self._sweep_at:
            return
        self._sweep_at = now + TICK
        self.bucket.catch_up()
        for connection in [each for each in self.connections if each.is_due(now, self._idle_timeout)]:
            self._drop(connection)
        self._acceptance.go_on(self._sock, now)

    def _attend(self, connection: Connection, act: Callable[[], object]) -> None:
        """Let a connection act, then watch for its events; an error costs only this connection."""
        try:
            act()
            connection.watch(self.selector)
        except Exception as error:
            self._fail(connection, error)
            return
        if connection.events == OVER:
            self._drop(connection)
            return
        fd = connection.sock.fileno()
        if connection.is_at_rest:
            self._at_rest[fd] = connection
        else:
            self._at_rest.pop(fd, None)
        if connection.expires_at is not None:
            self._expiring.add(connection)
        elif self._expiring:
            self._expiring.discard(connection)

    def _fail(self, connection: Connection, error: Exception) -> None:
        if isinstance(error, OSError):
            log.debug("%s: connection lost: %s", self.label, error)
        else:
            self.bugs.report(error)
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        connection.events = OVER
        connection.withdraw()
        connection.counters.connections -= 1
        del self._connections[connection.sock.fileno()]
        self._at_rest.pop(connection.sock.fileno(), None)
        self._expiring.discard(connection)
        connection.close(self.selector)

    def _accept(self) -> None:
        if not (accepted := self._acceptance.accept(self._sock)):
            return
        sock, peer = accepted
        if self._addresses.admits(peer[0]) and self._is_room():
            self._welcome(sock, peer)
        else:
            sock.close()

    def _is_room(self) -> bool:
        """Return whether there is room for a connection; the longest-idle one may be closed (MTI 4.2.1.1)."""
        if not self._acceptance.is_full(len(self.connections)):
            return True
        evictable = [each for each in self.connections if not each.is_preferred]
        if evictable:
            self._drop(min(evictable, key=lambda each: (each.is_served, each.asked_at)))
        return bool(evictable)

    def _welcome(self, sock: socket.socket, peer: tuple) -> None:
        host, port = peer[:2]
        try:
            set_options(sock)
            is_check = self.checks.is_one(port, is_from_here=sock.getsockname()[0] == host)
            connection = self.connect(sock, show_address(host, port), self.databank.unseen() if is_check else self.databank)
        except OSError as error:
            log.debug("%s: connection lost: %s", self.label, error)
            sock.close()
            return
        connection.is_preferred, connection.is_check = self._addresses.prefers(host), is_check
        if not is_check:
            connection.counters = self.masters.meet(host)
        self._connections[connection.sock.fileno()] = connection
        self._attend(connection, connection.send)

    def connect(self, sock: socket.socket, peer: str, databank: Databank) -> Connection:
        """Return a connection for a master on this socket. Raises OSError when the master has gone again."""
        return self.connection_class(sock, databank, self._resume, peer)

    def _resume(self, connection: Connection) -> None:  # any thread
        self._resumable.append(connection)
        self.wake()
