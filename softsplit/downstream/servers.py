"""The server for a url."""

from collections.abc import Iterable

from modbus_tk.modbus import Slave

from softsplit.downstream.databank import Databank
from softsplit.downstream.rtu import RtuServer
from softsplit.downstream.server import Server
from softsplit.downstream.tcp import TcpServer
from softsplit.protocol.pdus import GATEWAY_NO_PATH
from softsplit.url import Url


def server_for(name: str, url: Url, units: Iterable[Slave], baudrate: int | None = None,
               mode: str | None = None) -> Server:
    """Return a server, not yet open, for these units; `baudrate` and `mode` are those of a serial line."""
    if url.scheme == "rtu":
        return RtuServer(name, url, baudrate, mode, Databank(name, units, unknown_unit=None))
    return TcpServer(name, url, Databank(name, units, unknown_unit=GATEWAY_NO_PATH))
