"""Modbus/TCP Security (mbaps): Modbus TCP inside TLS, with masters that show a certificate (R-05).

A master is served after its certificate was checked (R-10, R-44), within the rights of the role in it (R-04,
R-16 to R-31 of MODBUS/TCP Security v36).
"""

import logging
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from selectors import EVENT_READ, EVENT_WRITE
from typing import cast

from softsplit import clock
from softsplit.bounded import BoundedDict
from softsplit.config.access import Access
from softsplit.config.url import Url
from softsplit.downstream.databank import Databank
from softsplit.downstream.report import DownstreamStatus, ServedStatus
from softsplit.downstream.servers.connection import OVER, Connection
from softsplit.downstream.servers.tcp import TcpServer
from softsplit.errors import ConfigError, DownstreamError
from softsplit.logs.conditions import TokenBucket
from softsplit.protocol.functions import describe_pdu
from softsplit.protocol.pdu import ILLEGAL_FUNCTION, exception_pdu
from softsplit.security.certificate import Certificate, parse_certificate
from softsplit.security.credentials import Credentials, how_long
from softsplit.security.identity import Identity, Roles, right_for
from softsplit.security.securesocket import SecureSocket, describe

log = logging.getLogger("softsplit")

MOST_HANDSHAKES = 8  # at a time; a further one ends the oldest
SAY_AGAIN = 3600.0  # s between lines about the same refusal
MOST_REFUSALS = 200  # kinds of refusal that are remembered
NOBODY = Certificate("", "", 0.0, 0.0)


class SecureConnection(Connection):
    """One master on a TLS connection: a handshake first, then Modbus TCP, within its rights."""

    def __init__(self, sock: socket.socket, databank: Databank, on_later: Callable[[Connection], None],
                 peer: str,
                 server: "SecureServer"):
        self._secure = SecureSocket(sock, server.credentials.context)
        super().__init__(cast(socket.socket, self._secure), databank, on_later, peer)
        self._server = server
        self._hangs_since = self.opened_at  # a handshake gets as much time as half a request
        self.is_trusted = False
        self.master = NOBODY
        self._rights = server.roles.rights("")

    @property
    def host(self) -> str:
        """The address of the master, without its port."""
        return self.peer.rpartition(":")[0].strip("[]")

    @property
    def is_at_rest(self) -> bool:
        return self.is_trusted and "read" in self._rights and super().is_at_rest  # only reads are kept

    def receive(self) -> None:
        if self.is_trusted:
            super().receive()
        else:
            self._shake_hands()

    def resume(self) -> None:
        if self._awaited and self._awaited[1].done():
            super().resume()
        elif self.is_trusted and self.events == EVENT_READ and self._secure.has_more:
            self.receive()

    def send(self) -> None:
        if not self.is_trusted:
            self._shake_hands()
            return
        super().send()
        self._take_more()

    def withdraw(self) -> None:
        if self.is_trusted:
            super().withdraw()
        elif self in self._server.handshakes:
            self._server.refuse(self, "it did not finish the handshake")

    def _shake_hands(self) -> None:
        try:
            if not self._secure.shake_hands():
                self.events = EVENT_WRITE if self._secure.wants_room else EVENT_READ
                return
            self.master = _checked(self._secure.certificate())
        except (OSError, ValueError) as error:
            why = describe(error) if isinstance(error, OSError) else f"its certificate: {error}"
            self._server.refuse(self, why)
            self.events = OVER
            return
        self._rights = self._server.roles.rights(self.master.role)
        self.is_trusted = True
        self._server.handshakes.pop(self, None)
        self._hangs_since, self.events = None, EVENT_READ
        self.receive()  # a request may have come with the end of the handshake

    def _take_more(self) -> None:
        """Let the server resume this connection, after the others, for bytes that are decrypted already."""
        if self.events == EVENT_READ and self._secure.has_more:
            self._on_later(self)

    def _look_up(self, request: bytes, unit: int, pdu: bytes) -> bytes | Future:
        if right_for(pdu) in self._rights or pdu[0] >= 0x80:
            return super()._look_up(request, unit, pdu)
        self._server.forbid(self, f"unit {unit}: {describe_pdu(pdu)}")
        return exception_pdu(pdu[0], ILLEGAL_FUNCTION)


class SecureServer(TcpServer):
    """Serves a databank over Modbus/TCP Security, to masters with a certificate of an authority we trust."""

    def __init__(self, name: str, url: Url, databank: Databank, access: Access, identity: Identity,
                 roles: Roles):
        super().__init__(name, url, databank, access)
        self._identity = identity
        self.roles = roles
        self.handshakes: dict[SecureConnection, None] = {}  # that go on, the oldest first
        self._refused: Counter[str] = Counter()  # masters, by the reason
        self._told_at: BoundedDict[str, float] = BoundedDict(MOST_REFUSALS)
        self._lines = TokenBucket(burst=20)

    def open(self) -> None:
        """See `Server.open`. It also reads the key, before anything starts."""
        try:
            self.credentials = Credentials(self._identity, is_server=True)
        except ConfigError as error:
            raise DownstreamError(f"{self.label}: {error.what}") from error
        super().open()

    def connect(self, sock: socket.socket, peer: str, databank: Databank) -> SecureConnection:
        connection = SecureConnection(sock, databank, self._resume, peer, self)
        self.handshakes[connection] = None
        if len(self.handshakes) > MOST_HANDSHAKES:
            self._drop(next(iter(self.handshakes)))
        return connection

    def _look_around(self, now: float) -> None:
        self.credentials.look()
        super()._look_around(now)

    def report(self, units: dict[str, ServedStatus], now: float) -> DownstreamStatus:  # main thread
        return replace(super().report(units, now), refused_handshakes=dict(self._refused),
                       certificate=self.credentials.error or how_long(self.credentials.certificate))

    def refuse(self, connection: SecureConnection, why: str) -> None:
        """Count and log a master that is refused."""
        self.handshakes.pop(connection, None)
        self._refused[why if why in self._refused or len(self._refused) < MOST_REFUSALS else "others"] += 1
        self._tell(f"{connection.host} is refused: {why}")

    def forbid(self, connection: SecureConnection, request: str) -> None:
        """Log a request that the role of a master does not allow (R-31)."""
        role = connection.master.role
        who = f"role {role}" if role else "no role"
        self._tell(f"{connection.host} ({connection.master.subject}, {who}) may not {request}")

    def _tell(self, line: str) -> None:
        now = clock.now()
        if now - self._told_at.get(line, -SAY_AGAIN) >= SAY_AGAIN and self._lines.take():
            self._told_at[line] = now
            log.warning("%s: %s", self.label, line)


def _checked(data: bytes) -> Certificate:
    """Return the certificate of a master. Raises ValueError when it is damaged, has two roles or has expired.

    TLS checks a session only when it begins, not when it is resumed; hence the check for expiry.
    """
    found = parse_certificate(data)
    if time.time() > found.not_after:
        raise ValueError("it has expired")
    return found
