"""Base class of the servers: a thread that waits for masters and answers from a databank."""

import errno
import os
import select
import selectors
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from softsplit import clock
from softsplit.config.url import Url
from softsplit.downstream.databank import Databank
from softsplit.downstream.report import DownstreamStatus, Reporter, ServedStatus
from softsplit.downstream.servers.checks import Checks
from softsplit.downstream.servers.masters import Masters
from softsplit.downstream.servers.sockets import cause
from softsplit.errors import DownstreamError
from softsplit.logs.bugs import BugLog
from softsplit.logs.conditions import Condition, TokenBucket
from softsplit.protocol.addresses import size_of
from softsplit.worker import Worker


TICK = 1.0  # s, the longest wait for a master
OPEN_AGAIN = 1.0  # s between attempts to open a port or device
AWAITED = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO,  # the adapter is not plugged in
           errno.EAGAIN, errno.EBUSY,  # another program holds the adapter
           errno.EADDRNOTAVAIL, errno.ETIMEDOUT)  # the network, or its name server, is not up yet
AT_ONCE = 64  # descriptors of one poll
SOON = 0.0001  # s; a master that asks again sooner will most likely ask once more
SOON_AGAIN = 16  # times in a row, after which we wait for it without sleeping
LOOKS = 100  # polls meanwhile, which take some 0.1 ms


class Events:
    """Waits for events on the descriptors of an epoll.

    Waking up takes longer than answering. So while a master asks again and again at once, this polls for a
    moment instead of sleeping.
    """

    def __init__(self, fd: int):
        self._epoll = select.epoll.fromfd(os.dup(fd))  # of the selector, without its overhead
        self._soon = 0  # times in a row that the wait was shorter than SOON

    def wait(self, pause: float) -> Iterator[list[tuple[int, int]]]:
        """Yield lists of (descriptor, events); wait `pause` seconds at most."""
        if self._soon < SOON_AGAIN:
            begin = clock.now()
            ready = self._epoll.poll(pause, AT_ONCE)
            self._soon = self._soon + 1 if clock.now() - begin < SOON else 0
            yield ready
            return
        self._soon = 0
        for _ in range(LOOKS):
            if ready := self._epoll.poll(0, AT_ONCE):
                self._soon = SOON_AGAIN
                yield ready

    def close(self) -> None:
        self._epoll.close()


class Opening(Worker):
    """A worker that opens a port or device, and tries again while it cannot."""

    def __init__(self, worker: str, label: str, url: Url):
        super().__init__(worker)
        self.label = label
        self.url = url
        self.bucket = TokenBucket()
        self._opening = Condition(self.bucket)
        self._cause = ""  # why it is not open
        self._open_at = 0.0  # when to try again
        self._sock: Any = None

    def open(self) -> None:  # main thread
        """Open the port or device before anything starts. Raises DownstreamError when a person has to help.

        Some errors may end by themselves: an adapter is not plugged in or is held by another program, this
        machine does not have an address yet, a name cannot be looked up. They are logged, and the thread
        tries every second. All other errors end the start, so that the person at the terminal sees them: a
        port in use, a permission, a path that is no serial device, a setting that the adapter does not take.
        After the start no error ends the thread; all are tried again.
        """
        try:
            self.acquire()
        except OSError as error:
            if error.errno not in AWAITED and not isinstance(error, socket.gaierror):
                what = f"{self.label}: cannot serve on {self.url}: {self.cause(error)}"
                raise DownstreamError(what) from error
            self.lose(error)

    def start(self) -> None:  # main thread
        if self.is_open:
            self._opening.well(self.announcement)
        super().start()

    def try_to_open(self) -> None:
        try:
            self.acquire()
        except OSError as error:
            self.lose(error)
        else:
            self._opening.well(self.announcement)

    def lose(self, error: OSError) -> None:
        """Note and log that the port or device cannot be opened now."""
        self._open_at = clock.now() + OPEN_AGAIN
        self._cause = self.cause(error)
        self._opening.trouble(f"{self.label}: {self.url}: {self._cause}",
                              "; it is opened as soon as it can be")

    def acquire(self) -> None:
        """Open the port or device. Raises OSError, with nothing left open."""
        raise NotImplementedError

    @property
    def is_open(self) -> bool:
        return self._sock is not None

    cause = staticmethod(cause)

    @property
    def announcement(self) -> str:
        """The line of log when it is open."""
        raise NotImplementedError


class Server(Opening):
    """Serves masters from a databank. It waits on a selector; `wake()` ends the wait."""

    def __init__(self, name: str, url: Url, databank: Databank):
        super().__init__(f"server {name}", name, url)
        self.databank = databank
        self.masters = Masters()
        self.checks = Checks()
        self._reporter = Reporter(self.masters, size_of(databank.mirrors))
        self._is_named = name != str(url)
        self.bugs = BugLog(f"{name}: a master could not be served")
        self.selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_writer.setblocking(False)  # a full buffer will wake the selector, too
        self.selector.register(self._wake_reader, selectors.EVENT_READ)

    def open_again(self) -> None:
        """Wait until it is time to try again, then try to open the port or device."""
        pause = self._open_at - clock.now()
        if pause > 0:
            if self.selector.select(pause):
                self.clear_wake()
            return
        self.try_to_open()

    @property
    def announcement(self) -> str:
        name = f"{self.label} " if self._is_named else ""
        return f"serving {name}on {self.url}"

    def report(self, units: dict[str, ServedStatus], now: float) -> DownstreamStatus:  # main thread
        """Return the status of this server; `units` is that of its units."""
        unserved = self.databank.unserved
        return replace(self._reporter.report(self.url, self.state, units, now), unserved=unserved.asked(now),
                       stray_bytes=unserved.stray_bytes, garbled=unserved.garbled(now))

    @property
    def state(self) -> str:  # main thread
        """Either "serving" or why masters cannot connect."""
        return "serving" if self.is_open else f"away: {self._cause}"

    def wake(self) -> None:  # any thread
        with suppress(OSError):  # of a thread that has ended
            self._wake_writer.send(b"!")

    def clear_wake(self) -> None:
        """Clear the wake-ups of `wake()`."""
        self._wake_reader.recv(4096)

    def close(self) -> None:
        self.selector.close()
        self._wake_reader.close()
        self._wake_writer.close()
