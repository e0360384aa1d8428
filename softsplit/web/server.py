"""The thread that accepts HTTP connections; each is served in a thread of its own, for one request.

However many connections come and whatever they send, the rest of the program goes on: at most CONNECTIONS are
open, the oldest is closed for a new one, few are accepted in a second, and each has TIME_OUT seconds. A bug
while one is served costs that connection only.
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
from softsplit.downstream.servers.server import OPEN_AGAIN, Opening
from softsplit.downstream.servers.sockets import listening_socket
from softsplit.logs.bugs import BugLog
from softsplit.logs.conditions import TokenBucket
from softsplit.web.handler import Handler
from softsplit.web.site import Site

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
        except RuntimeError:  # the system gives no thread
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


class StatusServer(Opening):
    """Serves a `site` at the url of `page`, to the addresses that it allows."""

    def __init__(self, page: StatusPage, site: Site):
        super().__init__("status page", page.name, page.url)
        self._site = site
        self._addresses = AddressFilter(page.name, page.access)
        self._rate = TokenBucket(BURST, 1 / RATE)
        self._bugs = BugLog(f"{page.name}: a request could not be answered")
        self._http: HttpServer | None = None

    def acquire(self) -> None:
        self._sock = listening_socket(self.url, BACKLOG)
        self.url = Url(self.url.scheme, self.url.host, self._sock.getsockname()[1])
        self._http = HttpServer(self._sock, self._site, self._addresses, self._bugs)

    @property
    def announcement(self) -> str:
        return f"serving the status page on {self.url}"

    def start(self) -> None:  # main thread
        sys.setswitchinterval(SWITCH)
        log.addHandler(self._site.events)
        super().start()

    def step(self) -> None:
        self.bucket.catch_up()
        if self._http is None:
            if not self.pause(OPEN_AGAIN):
                self.try_to_open()
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
        what = f"{self.label}: {self.url}: {self._cause}"
        return [] if self.is_open else [Trouble(cause=what, about=self.label)]
