"""The thread that accepts HTTP connections; each is served in a thread of its own, for one request.

However many connections come and whatever they send, the rest of the program goes on: at most CONNECTIONS are
open, the oldest is closed for a new one, few are accepted in a second, and each has TIME_OUT seconds. A bug while
one is served costs that connection only.
"""

import logging
import socket
import sys
import threading
from contextlib import suppress
from http.server import ThreadingHTTPServer

from softsplit.config.statuspage import CONNECTIONS, StatusPage
from softsplit.config.url import Url
from softsplit.daemon.health import Trouble
from softsplit.downstream.servers.addressfilter import AddressFilter
from softsplit.downstream.servers.server import AWAITED, OPEN_AGAIN
from softsplit.downstream.servers.sockets import cause, listening_socket
from softsplit.errors import DownstreamError
from softsplit.logs.bugs import BugLog
from softsplit.logs.conditions import Condition, TokenBucket
from softsplit.web.handler import Handler
from softsplit.web.site import Site
from softsplit.worker import Worker

log = logging.getLogger("softsplit")

TICK = 1.0  # s
BACKLOG = 64  # connections not yet accepted
RATE = 25  # connections accepted in a second
BURST = 50  # connections accepted at once
ROOM = 0.2  # s to wait until the oldest connection has ended
SWITCH = 0.0005  # s; with Python's own 0.005 a page would delay the answers to masters by that


class HttpServer(ThreadingHTTPServer):
    """The server of the standard library, on a socket that is bound already, with bounded connections."""

    daemon_threads = True
    block_on_close = False
    timeout = TICK

    def __init__(self, sock: socket.socket, site: Site, addresses: AddressFilter, bugs: BugLog):
        super().__init__(sock.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.site = site
        self._addresses = addresses
        self.attempt = bugs.attempt
        self._bugs = bugs
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._open: dict[socket.socket, None] = {}  # the oldest first

    def verify_request(self, request, client_address) -> bool:
        return self._addresses.admits(client_address[0])

    def process_request(self, request, client_address) -> None:
        """Serve a connection in a thread of its own; if there are too many, close the oldest."""
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
        self._bugs.report(sys.exception())

    def close_all(self) -> None:
        """Close the socket, and end all connections."""
        self.socket.close()
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class StatusServer(Worker):
    """Serves a `site` at the url of `page`, to the addresses that it allows."""

    def __init__(self, page: StatusPage, site: Site):
        super().__init__("status page")
        self.url = page.url
        self._site = site
        self._addresses = AddressFilter(page.name, page.access)
        self._label = page.name
        self._bucket = TokenBucket()
        self._opening = Condition(self._bucket)
        self._rate = TokenBucket(BURST, 1 / RATE)
        self._bugs = BugLog(f"{page.name}: a request could not be answered")
        self._http: HttpServer | None = None
        self.cause = ""  # why it could not be opened

    def open(self) -> None:  # main thread
        """Bind the port. Raises DownstreamError in the same cases as `downstream.servers.server.Server.open`."""
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
            self.pause(1 / RATE)
        else:
            self._http.handle_request()
        self._bugs.attempt(self._site.look_around)

    def wake(self) -> None:  # any thread
        if self._http:
            with suppress(OSError):
                self._http.socket.shutdown(socket.SHUT_RDWR)  # ends the wait for a connection

    def close(self) -> None:
        log.removeHandler(self._site.events)
        if self._http:
            self._http.close_all()

    def troubles(self) -> list[Trouble]:  # any thread
        """Return why the page cannot be served now, if so."""
        what = f"{self._label}: {self.url}: {self.cause}"
        return [Trouble(cause=what, about=self._label)] if self.cause else []

    def _acquire(self) -> None:
        sock = listening_socket(self.url, BACKLOG)
        self.url = Url(self.url.scheme, self.url.host, sock.getsockname()[1])
        self._http = HttpServer(sock, self._site, self._addresses, self._bugs)
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
