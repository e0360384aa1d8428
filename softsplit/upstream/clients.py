"""The client for a url."""

from softsplit.line import Line
from softsplit.upstream.client import Client
from softsplit.upstream.rtu import RtuClient
from softsplit.upstream.tcp import TcpClient
from softsplit.url import Url


def client_for(url: Url, timeout: float, line: Line | None = None, **delays) -> Client:
    """Return a client, not yet connected; `line` is for a serial url, `delays` are those of `Client`."""
    if url.scheme == "tcp":
        return TcpClient(url, timeout, **delays)
    return RtuClient(url, timeout, (line or Line()) if url.scheme == "rtu" else None, **delays)
