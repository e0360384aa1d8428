"""What the two kinds of server share: a thread which waits for masters, and the databank it answers from."""

import logging
import selectors
import socket
from contextlib import suppress

from softsplit.config.url import Url
from softsplit.downstream.databank import Databank
from softsplit.downstream.masters import Masters
from softsplit.downstream.report import Reporter
from softsplit.logs.conditions import Allowance
from softsplit.worker import Worker

log = logging.getLogger("softsplit")

TICK = 1.0  # s, the longest wait for a master
REMEMBERED = 100  # bugs that were logged


class Server(Worker):
    """A worker that waits on a selector, out of which `wake()` gets it."""

    def __init__(self, name: str, url: Url, databank: Databank):
        super().__init__(f"server {name}")
        self.url = url
        self.databank = databank
        self.masters = Masters()
        self._reporter = Reporter(self.masters)
        self.label = name
        self._is_named = name != str(url)
        self.allowance = Allowance()
        self._bugs: set[str] = set()
        self.selector = selectors.DefaultSelector()
        self._alarm, self._bell = socket.socketpair()  # wake() rings, the selector hears
        self._bell.setblocking(False)  # a bell that rings already need not be rung
        self.selector.register(self._alarm, selectors.EVENT_READ)

    def open(self) -> None:  # main thread
        """Get hold of the port or device before anything starts. Raises DownstreamError."""
        raise NotImplementedError

    @property
    def announcement(self) -> str:
        """What the log says when masters can be served."""
        name = f"{self.label} " if self._is_named else ""
        return f"serving {name}on {self.url}"

    def report(self, now: float) -> dict:  # main thread
        """What `status.json` says of this server."""
        return {"url": str(self.url), "state": self.state, "connections": [], "refused_peers": {},
                **self._reporter.report(now)}

    @property
    def state(self) -> str:  # main thread
        """Whether masters can ask: "serving" or why not."""
        return "serving"

    def wake(self) -> None:  # any thread
        with suppress(OSError):  # the thread has ended already
            self._bell.send(b"!")

    def hear(self) -> None:
        """Take note of what `wake()` said."""
        self._alarm.recv(4096)

    def close(self) -> None:
        self.selector.close()
        self._alarm.close()
        self._bell.close()

    def report_bug(self, error: Exception) -> None:
        """Log once what came up while one master was served; it costs this master only."""
        if repr(error) not in self._bugs and len(self._bugs) < REMEMBERED and self.allowance.take():
            self._bugs.add(repr(error))
            log.error("%s: a master could not be served, which is a bug", self.label, exc_info=error)
