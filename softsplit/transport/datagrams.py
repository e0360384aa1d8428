"""Datagrams to and from one peer, over UDP."""

import socket

from softsplit.config.url import Url
from softsplit.transport import names

PIECE = 4096  # bytes taken of a datagram; one with a frame of Modbus has 260 at most


class DatagramWire:
    """A socket for datagrams that takes what comes from one peer. Its methods raise OSError when it is away.

    Only who listens at the peer's port can be seen to be away, and only after something was sent. Of several
    addresses that a host has, one is used until `take_next_address()`.
    """

    certificate = ""

    def __init__(self, url: Url, timeout: float):
        self.addresses = 1  # of the host, as far as known
        self._address = url.host, url.port
        self._timeout = timeout
        self._turn = 0
        self._sock: socket.socket | None = None

    def open(self) -> None:
        """Look up the host, which may take as long as the time-out; nothing is sent."""
        found = names.addresses(*self._address, self._timeout)
        self.addresses = len(found)
        family, _, _, _, address = found[self._turn % len(found)]
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        self._sock = sock

    def take_next_address(self) -> None:
        """Open another address of the host next time."""
        self._turn += 1

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    @property
    def _opened(self) -> socket.socket:
        """The socket. Raises OSError when it is not open."""
        if self._sock is None:
            raise OSError("not open")
        return self._sock

    def send(self, datagram: bytes, timeout: float) -> None:
        self._opened.settimeout(timeout)
        self._opened.send(datagram)

    def receive(self, timeout: float) -> bytes:
        """Return the next datagram, which may be empty. Raises TimeoutError when none comes."""
        self._opened.settimeout(timeout)
        try:
            return self._opened.recv(PIECE)
        except BlockingIOError as error:
            raise TimeoutError from error

    def pending(self) -> bytes:
        """Return a datagram that has come unasked, nothing most of the time."""
        try:
            return self.receive(0)
        except TimeoutError:
            return b""
