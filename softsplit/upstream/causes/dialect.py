"""Asks in the other dialect of Modbus where nobody answers: RTU on a connection for Modbus TCP, or the reverse.

A gateway that passes bytes through and one that translates look alike until they are asked. So the same read of
one register is sent once more, the other way, on a connection of its own: never to a gateway that answers.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from softsplit import clock
from softsplit.config.url import Url
from softsplit.errors import Refused, Stranger, UpstreamError
from softsplit.protocol.addresses import LongUnit
from softsplit.protocol.blocks import Block
from softsplit.transport.wire import SocketWire
from softsplit.upstream.causes.strangers import (
    IS_PORT_RIGHT,
    answers_otherwise,
    describe_stranger,
    other_url,
)
from softsplit.upstream.clients.choice import client_for

WEB_REQUEST = b"GET / HTTP/1.0\r\n\r\n"  # a web server waits for a whole line
WEB_ANSWER = 0.5  # s for its answer, at most
PAUSES = (0.0, 60.0, 600.0)  # s before each time that the other dialect is tried, while nobody answers


def ask_otherwise(url: Url, unit: int, block: Block, timeout: float,
                  pause: Callable[[float], object] = time.sleep) -> str:
    """Ask a unit in the other dialect; say who answers, or nothing. No other connection should be open there."""
    other = other_url(url)
    if other is None or isinstance(unit, LongUnit):  # of which the other dialect knows nothing
        return ""
    client = client_for(other, timeout, pause=pause)
    try:
        client.read(unit, replace(block, count=1), timeout)
    except Refused:
        return answers_otherwise(url)
    except UpstreamError as error:
        if isinstance(error, Stranger) and str(error).endswith(IS_PORT_RIGHT):
            return str(error)
        return _ask_web_server(url, min(timeout, WEB_ANSWER))
    finally:
        client.close()
    return answers_otherwise(url)


def _ask_web_server(url: Url, timeout: float) -> str:
    """Ask for a page; say who answers, or nothing."""
    wire = SocketWire(url, timeout)
    try:
        wire.open()
        wire.send(WEB_REQUEST, timeout)
        return describe_stranger(wire.receive(timeout), url)
    except OSError:
        return ""
    finally:
        wire.close()


class OtherDialect:
    """Tries the other dialect of one upstream now and then, while nobody has ever answered there.

    `said` tells who answered. For the thread that owns the wire.
    """

    def __init__(self, url: Url, timeout: float, pause: Callable[[float], object]):
        self.said = ""
        self._url = url
        self._timeout = timeout
        self._pause = pause
        self._tries = 0
        self._not_before = 0.0

    def is_due(self) -> bool:
        return (other_url(self._url) is not None and not self.said and self._tries < len(PAUSES)
                and clock.now() >= self._not_before)

    def ask(self, unit: int, block: Block) -> None:
        """Try it once; the connection of the upstream has to be closed."""
        self.said = ask_otherwise(self._url, unit, block, self._timeout, self._pause)
        self._tries += 1
        self._not_before = clock.now() + (PAUSES[self._tries] if self._tries < len(PAUSES) else 0.0)
