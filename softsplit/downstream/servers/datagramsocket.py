"""The socket of a UDP server: it answers from the address that was asked, and recognises broadcasts."""

import socket
import struct
from dataclasses import dataclass

from softsplit.config.url import Url
from softsplit.downstream.servers.sockets import bound_socket

PIECE = 512  # bytes read of a datagram; a frame of Modbus has 260 at most
NOTES = 128  # bytes of ancillary data
IP_PKTINFO = 8  # ip(7): interface (4), the address of ours that was asked (4), the one in the header (4)
IPV4, IPV6 = struct.Struct("=i4s4s"), struct.Struct("=16si")  # ipv6(7): the address that was asked, interface


@dataclass(frozen=True, slots=True)
class Datagram:
    """The bytes of a datagram, its sender, and the ancillary data to answer from the address asked."""

    data: bytes
    peer: tuple
    source: tuple[int, int, bytes] | None
    is_for_everybody: bool

    @property
    def host(self) -> str:
        return self.peer[0]

    @property
    def is_from_here(self) -> bool:
        """Whether it was sent from the address to which it came."""
        own = self.source[2] if self.source else b""
        family, place = (socket.AF_INET6, slice(16)) if ":" in self.host else (socket.AF_INET, slice(4, 8))
        return socket.inet_pton(family, self.host.partition("%")[0]) == own[place]


class DatagramSocket:
    """A non-blocking socket bound to a url. Raises OSError when that fails."""

    def __init__(self, url: Url):
        self._sock = bound_socket(url)
        self.port: int = self._sock.getsockname()[1]
        if self._sock.family == socket.AF_INET6:
            self._sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            self._sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def receive(self) -> Datagram | None:
        """Return the next datagram, or None when there is none."""
        try:
            data, notes, _, peer = self._sock.recvmsg(PIECE, NOTES)
        except BlockingIOError:
            return None
        for level, kind, note in notes:
            if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
                _, ours, header = IPV4.unpack(note)
                return Datagram(data, peer, (level, kind, IPV4.pack(0, ours, bytes(4))), ours != header)
            if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                ours, _ = IPV6.unpack(note)
                return Datagram(data, peer, (level, kind, IPV6.pack(ours, 0)), ours[0] == 0xFF)
        return Datagram(data, peer, None, False)

    def send(self, data: bytes, asked: Datagram) -> None:
        """Answer a datagram. Raises OSError when that cannot be sent."""
        self._sock.sendmsg([data], [asked.source] if asked.source else [], 0, asked.peer)
