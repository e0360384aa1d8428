"""The thread that takes HTTP connections, and gives each one of its own for one request.

However many come, and whatever they send, the rest of the program goes on: 16 are open at most, the one that
is open longest makes room for a new one, few are taken in a second, and none has more than a few seconds.
What goes wrong while one is answered, a bug included, costs that one only.
"""

import logging
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import ThreadingHTTPServer

from softsplit.config.statuspage import CONNECTIONS, StatusPage
from softsplit.config.url import Url
from softsplit.daemon.health import Trouble
from softsplit.downstream.servers.addressfilter import AddressFilter
from softsplit.downstream.servers.server import AWAITED, OPEN_AGAIN
from softsplit.downstream.servers.sockets import cause, listening_socket
from softsplit.errors import DownstreamError
from softsplit.logs.conditions import Condition, TokenBucket
from softsplit.web.handler import Handler
from softsplit.web.site import Site
from softsplit.worker import Worker

log = logging.getLogger("softsplit")

TICK = 1.0  # s
BACKLOG = 64  # connections not yet accepted
A_SECOND = 25  # connections that are taken, but for a burst
BURST = 50
ROOM = 0.2  # s to wait for a connection that was told to make room
SWITCH = 0.0005  # s; Python's own 0.005 is how long a page would hold up a master's answer
MOST_BUGS = 20  # that are logged


class HttpServer(ThreadingHTTPServer):
    """The standard library's, on a socket that is bound already, with bounded connections."""

    daemon_threads = True
    block_on_close = False
    timeout = TICK

    def __init__(self, sock: socket.socket, site: Site, door: AddressFilter, report_bug: Callable[[], None]):
        super().__init__(sock.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.site = site
        self._door = door
        self.report_bug = report_bug
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._open: dict[socket.socket, None] = {}  # the oldest first

    def verify_request(self, request, client_address) -> bool:
        return self._door.admits(client_address[0])

    def process_request(self, request, client_address) -> None:
        """Give a connection a thread of its own, if need be in place of the oldest."""
        if not self._slots.acquire(blocking=False):
            for oldest in list(self._open)[:1]:
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)
            if not self._slots.acquire(timeout=ROOM):
                self.shutdown_request(request)
                return
        self._open[request] = None
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be had
            self._done(request)
            raise

    def process_request_thread(self, request, client_address) -> None:  # its own thread
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._done(request)

    def _done(self, request) -> None:
        self._open.pop(request, None)
        self._slots.release()

    def handle_error(self, request, client_address) -> None:  # any thread
        self.report_bug()

    def close_all(self) -> None:
        """Close the socket, and end what is open."""
        self.socket.close()
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class StatusServer(Worker):
    """Serves a `site` where `page` says, to those whom it lets in."""

    def __init__(self, page: StatusPage, site: Site):
        super().__init__("status page")
        self.url = page.url
        self._site = site
        self._door = AddressFilter(page.name, page.access)
        self._label = page.name
        self._bucket = TokenBucket()
        self._opening = Condition(self._bucket)
        self._rate = TokenBucket(BURST, 1 / A_SECOND)
        self._bugs: set[str] = set()
        self._http: HttpServer | None = None
        self.cause = ""  # why it could not be opened

    def open(self) -> None:  # main thread
        """Bind the port. Raises DownstreamError when a person has to help, as servers of Modbus do."""
        try:
            self._acquire()
        except OSError as error:
            if error.errno not in AWAITED and not isinstance(error, socket.gaierror):
                what = f"{self._label}: cannot serve on {self.url}: {cause(error)}"
                raise DownstreamError(what) from error
            self._lose(error)

    def start(self) -> None:  # main thread
        sys.setswitchinterval(SWITCH)
        log.addHandler(self._site.events)
        if self._http:
            self._opening.well(f"serving the status page on {self.url}")
        super().start()

    def step(self) -> None:
        self._bucket.catch_up()
        if self._http is None:
            if not self.pause(OPEN_AGAIN):
                self._open_again()
        elif not self._rate.take(reserve=0):
            self.pause(1 / A_SECOND)
        else:
            self._http.handle_request()
        try:
            self._site.look_around()
        except Exception:  # a bug in a page costs the page
            self.report_bug()

    def wake(self) -> None:  # any thread
        if self._http:
            with suppress(OSError):
                self._http.socket.shutdown(socket.SHUT_RDWR)  # which ends a wait for a connection

    def close(self) -> None:
        log.removeHandler(self._site.events)
        if self._http:
            self._http.close_all()

    def report_bug(self) -> None:  # any thread
        """Log what came up while a request was answered, once."""
        error = sys.exc_info()[1]
        if repr(error) not in self._bugs and len(self._bugs) < MOST_BUGS:
            self._bugs.add(repr(error))
            log.error("%s: a request could not be answered, which is a bug", self._label, exc_info=error)

    def troubles(self) -> list[Trouble]:  # any thread
        """Why the page cannot be had, if so."""
        what = f"{self._label}: {self.url}: {self.cause}"
        return [Trouble(cause=what, about=self._label)] if self.cause else []

    def _acquire(self) -> None:
        sock = listening_socket(self.url, BACKLOG)
        self.url = Url(self.url.scheme, self.url.host, sock.getsockname()[1])
        self._http = HttpServer(sock, self._site, self._door, self.report_bug)
        self.cause = ""

    def _open_again(self) -> None:
        try:
            self._acquire()
        except OSError as error:
            self._lose(error)
        else:
            self._opening.well(f"serving the status page on {self.url}")

    def _lose(self, error: OSError) -> None:
        self.cause = cause(error)
        self._opening.trouble(f"{self._label}: {self.url}: {self.cause}",
                              "; it is opened as soon as it can be")
