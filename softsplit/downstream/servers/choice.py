"""Create the server for a url."""

from collections.abc import Iterable, Mapping

from modbus_tk.modbus import Slave

from softsplit.config.access import Access, access_to
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.downstream.databank import Databank
from softsplit.downstream.servers.rtu import RtuServer
from softsplit.downstream.servers.server import Server
from softsplit.downstream.servers.tcp import RtuOverTcpServer, TcpServer
from softsplit.downstream.servers.udp import UdpServer
from softsplit.downstream.unserved import question_for
from softsplit.protocol.pdu import GATEWAY_NO_PATH


def server_for(name: str, url: Url, units: Iterable[Slave], line: Line | None = None,
               access: Access | None = None, also: Mapping[int, int] | None = None) -> Server:
    """Return a server, not yet open, for these units; `line` is for a serial url, `access` for the others.

    `also` are further ids of these units.
    """
    databank = Databank(name, units, GATEWAY_NO_PATH if url.kind.has_mbap else None, question_for(url, line), also)
    if url.is_serial:
        return RtuServer(name, url, line or Line(), databank)
    kind = UdpServer if url.kind.has_datagrams else TcpServer if url.kind.has_mbap else RtuOverTcpServer
    return kind(name, url, databank, access or access_to(url))
