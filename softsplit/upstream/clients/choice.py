"""Create the client for a url."""

from softsplit.config.line import IGNORE, Answers, Line
from softsplit.config.upstream import Upstream
from softsplit.config.url import Url
from softsplit.security.identity import Identity
from softsplit.upstream.clients.client import Client
from softsplit.upstream.clients.idless import IdlessClient
from softsplit.upstream.clients.rtu import RtuClient
from softsplit.upstream.clients.tcp import TcpClient
from softsplit.upstream.clients.udp import UdpClient


def client_of(upstream: Upstream, **delays) -> Client:
    """Return a client of an upstream, not yet connected; `delays` are those of `Client`."""
    return client_for(upstream.url, upstream.timeout, upstream.line, upstream.unit_bytes, upstream.answers,
                      upstream.identity, **delays)


def client_for(url: Url, timeout: float, line: Line | None = None, unit_bytes: int = 1,
               answers: Answers = Answers(), identity: Identity | None = None, **delays) -> Client:
    """Return a client, not yet connected; `line` is for a serial url, `delays` are those of `Client`.

    `unit_bytes` is the size of a unit address, 1 or (not with tcp and udp) 4; `answers` is for tcp
    and udp, and `identity` for mbaps.
    """
    if url.kind.has_datagrams:
        return UdpClient(url, timeout, answers, **delays)
    if url.kind.has_mbap:
        kind = IdlessClient if answers.transaction_ids == IGNORE else TcpClient
        return kind(url, timeout, answers, identity, **delays)
    line = (line or Line()) if url.kind.has_line else None
    return RtuClient(url, timeout, line, unit_bytes=unit_bytes, **delays)
