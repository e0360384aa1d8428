"""Base class of the servers: a thread that waits for masters and answers from a databank."""

import errno
import os
import select
import selectors
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from softsplit import clock
from softsplit.config.url import Url
from softsplit.downstream.databank import Databank
from softsplit.downstream.report import DownstreamStatus, Reporter, ServedStatus
from softsplit.downstream.servers.checks import Checks
from softsplit.downstream.servers.masters import Masters
from softsplit.errors import DownstreamError
from softsplit.logs.bugs import BugLog
from softsplit.logs.conditions import Condition, TokenBucket
from softsplit.protocol.addresses import size_of
from softsplit.worker import Worker


TICK = 1.0  # s, the longest wait for a master
OPEN_AGAIN = 1.0  # s between tries to open what could not be had
AWAITED = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO,  # the adapter is not plugged in
           errno.EAGAIN, errno.EBUSY,  # another program holds the adapter
           errno.EADDRNOTAVAIL, errno.ETIMEDOUT)  # the network, or its name server, is not up yet
AT_ONCE = 64  # descriptors attended before anything else is looked at
SOON = 0.0001  # s; who asks again after a shorter while is most likely about to ask once more
SOON_AGAIN = 16  # times in a row, after which that is waited for without sleeping
LOOKS = 100  # at the descriptors meanwhile, which take some 0.1 ms


class Events:
    """Tells what happens on the descriptors of an epoll.

    To wake up takes longer than to answer. So whoever asks again at once, again and again, is waited for
    without going to sleep, for a moment.
    """

    def __init__(self, fd: int):
        self._epoll = select.epoll.fromfd(os.dup(fd))  # the selector's own, with less around it
        self._soon = 0  # times in a row that it had to wait less than SOON

    def wait(self, pause: float) -> Iterator[list[tuple[int, int]]]:
        """Give (descriptor, events) of all on which something has happened; wait `pause` seconds at most."""
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


class Server(Worker):
    """A worker that waits on a selector, out of which `wake()` gets it."""

    def __init__(self, name: str, url: Url, databank: Databank):
        super().__init__(f"server {name}")
        self.url = url
        self.databank = databank
        self.masters = Masters()
        self.checks = Checks()
        self._reporter = Reporter(self.masters, size_of(databank.mirrors))
        self.label = name
        self._is_named = name != str(url)
        self.bucket = TokenBucket()
        self._opening = Condition(self.bucket)
        self._cause = ""  # why it could not be opened
        self._open_at = 0.0  # when that is tried again
        self.bugs = BugLog(f"{name}: a master could not be served")
        self.selector = selectors.DefaultSelector()
        self._alarm, self._wake = socket.socketpair()  # wake() rings, the selector hears
        self._wake.setblocking(False)  # a bell that rings already need not be rung
        self.selector.register(self._alarm, selectors.EVENT_READ)

    def open(self) -> None:  # main thread
        """Open the port or device before anything starts. Raises DownstreamError when a person has to help.

        What may come by itself is told, and tried again every second while everything else runs: an adapter
        that is not plugged in or that another program holds, an address that this machine does not have yet,
        a name that cannot be looked up. All else ends the start, so that whoever is at the terminal learns it
        at once: a port in use, a permission, a path that is no serial device, a setting that the adapter does
        not take. Once the thread has started, nothing ends it any more; whatever is wrong is tried again.
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

    def open_again(self) -> None:
        """Wait until it is time to try, then try to open the port or device."""
        pause = self._open_at - clock.now()
        if pause > 0:
            if self.selector.select(pause):
                self.hear()
            return
        try:
            self.acquire()
        except OSError as error:
            self.lose(error)
        else:
            self._opening.well(self.announcement)

    def lose(self, error: OSError) -> None:
        """Take note that the port or device cannot be had now."""
        self._open_at = clock.now() + OPEN_AGAIN
        self._cause = self.cause(error)
        self._opening.trouble(f"{self.label}: {self.url}: {self._cause}",
                              "; it is opened as soon as it can be")

    def acquire(self) -> None:
        """Open the port or device, and have the selector watch it. Raises OSError, with nothing left open."""
        raise NotImplementedError

    @property
    def is_open(self) -> bool:
        raise NotImplementedError

    @staticmethod
    def cause(error: OSError) -> str:
        """Say why the port or device cannot be had, and the cure where there is one."""
        raise NotImplementedError

    @property
    def announcement(self) -> str:
        """What the log says when masters can be served."""
        name = f"{self.label} " if self._is_named else ""
        return f"serving {name}on {self.url}"

    def report(self, units: dict[str, ServedStatus], now: float) -> DownstreamStatus:  # main thread
        """What `status.json` says of this server, and of the units that it serves."""
        unserved = self.databank.unserved
        return replace(self._reporter.report(self.url, self.state, units, now), unserved=unserved.asked(now),
                       stray_bytes=unserved.stray_bytes, garbled=unserved.garbled(now))

    @property
    def state(self) -> str:  # main thread
        """Whether masters can ask: "serving" or why not."""
        return "serving" if self.is_open else f"away: {self._cause}"

    def wake(self) -> None:  # any thread
        with suppress(OSError):  # the thread has ended already
            self._wake.send(b"!")

    def hear(self) -> None:
        """Take note of what `wake()` said."""
        self._alarm.recv(4096)

    def close(self) -> None:
        self.selector.close()
        self._alarm.close()
        self._wake.close()
