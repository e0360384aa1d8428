"""When nobody answers, ask in the other dialect of Modbus, then in the right one after a pause.

A gateway that passes bytes through and one that translates look alike until they are asked. So the same read
of one register is sent in the other dialect on another connection, but never to a gateway that answers. Only
reads are sent, because the line behind a gateway may have other devices. If the pause helps, the read is
repeated without it, so that a gateway which was only slow or starting is not taken for one that needs a
pause.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace

from softsplit import clock
from softsplit.config.url import Url
from softsplit.errors import Refused, Stranger, UpstreamError
from softsplit.protocol.addresses import LongUnit
from softsplit.protocol.blocks import Block
from softsplit.upstream.causes.diagnosis import CONNECT_DELAY, needs_pause
from softsplit.upstream.causes.strangers import IS_PORT_RIGHT, answers_otherwise, other_url
from softsplit.upstream.clients.choice import client_for
from softsplit.upstream.clients.client import Client

EMPTY_LINE = 0x0A0A  # an address of two line feeds: a web server answers a read of it with "bad request"
WEB_ANSWER = 1.0  # s for that answer
PAUSES = (0.0, 60.0, 600.0)  # s before each attempt, while nobody answers


def ask_otherwise(url: Url, unit: int, block: Block, timeout: float,
                  pause: Callable[[float], object] = time.sleep, connect_delay: float = 0.0,
                  also: Iterable[int] = ()) -> str:
    """Ask a unit in the other dialect, and in the right one after a pause; say who answers, or what to set.

    Return "" when neither helps. No other connection should be open there; `connect_delay` is the present
    pause. In the other dialect these units are asked `also`, as long as nobody answers.
    """
    other = other_url(url)
    if other is None or isinstance(unit, LongUnit):  # the other dialect has no long unit ids
        return ""
    asked = replace(block, count=1)
    with closing(client_for(other, timeout, connect_delay=connect_delay, pause=pause)) as client:
        for each in (unit, *also):
            if (stranger := _ask(client, each, asked, timeout)) is not None:
                return stranger or answers_otherwise(url)
    delay = max(CONNECT_DELAY, connect_delay)
    with closing(client_for(url, timeout, connect_delay=delay, pause=pause)) as client:
        if (stranger := _ask(client, unit, asked, timeout)) is None:
            return _ask(client, unit, Block(block.table, EMPTY_LINE, 2), max(timeout, WEB_ANSWER)) or ""
    if stranger or delay == connect_delay:
        return stranger
    with closing(client_for(url, timeout, connect_delay=connect_delay, pause=pause)) as client:
        return needs_pause(url) if _ask(client, unit, asked, timeout) is None else ""


def _ask(client: Client, unit: int, block: Block, timeout: float) -> str | None:
    """Return "" when the unit answers, who answers if that is no Modbus device, and None when nobody does."""
    try:
        client.read(unit, block, timeout)
    except Refused:
        return ""
    except UpstreamError as error:
        return str(error) if isinstance(error, Stranger) and str(error).endswith(IS_PORT_RIGHT) else None
    return ""


class OtherDialect:
    """Asks in the other dialect now and then, while nobody has answered. For the thread of the wire.

    `said` says who answered, or what to set.
    """

    def __init__(self, url: Url, timeout: float, pause: Callable[[float], object],
                 connect_delay: float = 0.0):
        self.said = ""
        self._connect_delay = connect_delay
        self._url = url
        self._timeout = timeout
        self._pause = pause
        self._tries = 0
        self._not_before = 0.0

    def is_due(self) -> bool:
        return (other_url(self._url) is not None and not self.said and self._tries < len(PAUSES)
                and clock.now() >= self._not_before)

    def ask(self, unit: int, block: Block) -> None:
        """Ask once; the connection of the upstream has to be closed."""
        self.said = ask_otherwise(self._url, unit, block, self._timeout, self._pause,
                                  self._connect_delay)
        self._tries += 1
        self._not_before = clock.now() + (PAUSES[self._tries] if self._tries < len(PAUSES) else 0.0)
