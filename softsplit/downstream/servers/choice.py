"""Create the server for a url."""

from collections.abc import Iterable, Mapping

from modbus_tk.modbus import Slave

from softsplit.config.access import Access, access_to
from softsplit.config.downstream import Downstream
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.downstream.databank import Databank
from softsplit.downstream.servers.rtu import RtuServer
from softsplit.downstream.servers.rtuovertcp import RtuOverTcpServer
from softsplit.downstream.servers.server import Server
from softsplit.downstream.servers.tcp import TcpServer
from softsplit.downstream.servers.udp import UdpServer
from softsplit.downstream.unserved import question_for
from softsplit.protocol.pdu import GATEWAY_NO_PATH
from softsplit.security.identity import Identity, Roles


def server_of(downstream: Downstream, units: Iterable[Slave]) -> Server:
    """Return the server of a downstream, not yet open, for these units."""
    return server_for(downstream.name, downstream.url, units, downstream.line, downstream.access,
                      downstream.also,
                      downstream.identity, downstream.authorization)


def server_for(name: str, url: Url, units: Iterable[Slave], line: Line | None = None,
               access: Access | None = None,
               also: Mapping[int, int] | None = None, identity: Identity | None = None,
               roles: Roles | None = None) -> Server:
    """Return a server, not yet open, for these units; `line` is for a serial url, `access` for the others.

    `also` are further ids of these units; `identity` and `roles` are for mbaps.
    """
    databank = Databank(name, units, GATEWAY_NO_PATH if url.kind.has_mbap else None, question_for(url, line),
                        also)
    if url.is_serial:
        return RtuServer(name, url, line or Line(), databank)
    access = access or access_to(url)
    if identity:
        from softsplit.downstream.servers.secure import SecureServer  # slow to import
        return SecureServer(name, url, databank, access, identity, roles or Roles())
    kind = UdpServer if url.kind.has_datagrams else TcpServer if url.kind.has_mbap else RtuOverTcpServer
    return kind(name, url, databank, access)
