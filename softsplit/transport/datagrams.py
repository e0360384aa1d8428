"""Datagrams to and from one peer, over UDP."""

import socket

from softsplit.config.url import Url
from softsplit.transport import names
from softsplit.transport.wire import SocketWire


class DatagramWire(SocketWire):
    """A UDP socket that receives from one peer only. Its methods raise OSError when the peer is away.

    That can only be seen when nothing listens at the peer's port, after something was sent to it.
    """

    def __init__(self, url: Url, timeout: float, tell_port: names.TellPort | None = None):
        super().__init__(url, timeout, tell_port=tell_port)
        self.addresses = 1  # of the host, as far as known; one is used until `take_next_address()`
        self._turn = 0

    def open(self) -> None:
        """Look up the host, which may take as long as the time-out; nothing is sent."""
        found = names.addresses(*self._address, self._timeout)
        self.addresses = len(found)
        family, _, _, _, address = found[self._turn % len(found)]
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            names.bind_and_tell(sock, self._tell_port)
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        self._sock = sock

    def take_next_address(self) -> None:
        """Use another address of the host from the next `open()` on."""
        self._turn += 1

    def receive(self, timeout: float) -> bytes:
        """Return the next datagram, which may be empty. Raises TimeoutError when none comes."""
        return self._receive(timeout)
