"""One connection, one request: its head is read whole, in bounded time and size, before it is looked at."""

import io
import socket
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from softsplit import clock
from softsplit.config.statuspage import TIME_OUT
from softsplit.web.reply import Reply, refusal

LARGEST_HEAD = 8192  # bytes
ENDS = (b"\r\n\r\n", b"\n\n")
AT_ONCE = 65536  # bytes


class TooMuch(ValueError):
    """A request with a head that is too long."""


def read_head(sock: socket.socket, deadline: float) -> bytes:
    """Return all up to the empty line behind the headers, or to the end. Raises OSError, TooMuch."""
    head = b""
    while not any(end in head for end in ENDS):
        if len(head) >= LARGEST_HEAD:
            raise TooMuch
        sock.settimeout(max(0.001, deadline - clock.now()))
        more = sock.recv(LARGEST_HEAD)
        if not more:
            break
        head += more
    return head


class Handler(BaseHTTPRequestHandler):
    """Reads a request, has it answered by the `site` of its server, and sends that; TIME_OUT is for each."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.connection = self.request
        self._answered = self.wfile = io.BytesIO()
        self.close_connection = True
        self.command, self.request_version, self.requestline = "", self.protocol_version, ""

    def version_string(self) -> str:
        return "softsplit"

    def handle(self) -> None:
        try:
            self._answer()
        except Exception:
            self.server.report_bug()  # type: ignore[attr-defined]
            self._send(refusal(HTTPStatus.INTERNAL_SERVER_ERROR))

    def _answer(self) -> None:
        try:
            head = read_head(self.request, clock.now() + TIME_OUT)
        except TooMuch:
            self._send(refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
            return
        except OSError:  # it took too long, or is gone
            return
        self.rfile = io.BytesIO(head)
        self.raw_requestline = self.rfile.readline()
        if self.raw_requestline.strip() and self.parse_request():  # which says what is wrong there
            hosts = self.headers.get_all("Host") or []
            self._send(self.server.site.answer(self.command, self.path, hosts))  # type: ignore[attr-defined]

    def finish(self) -> None:
        """Send all at once, and wait no longer for somebody who does not take it."""
        with suppress(OSError):
            self.request.settimeout(TIME_OUT)
            self.request.sendall(self._answered.getvalue())
            self.request.shutdown(socket.SHUT_WR)
            self.request.settimeout(0)
            self.request.recv(AT_ONCE)  # a body that nobody reads would have the answer thrown away

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library finds wrong, without what it would repeat of the request."""
        self._send(refusal(HTTPStatus(code)))

    def _send(self, reply: Reply) -> None:
        self.request_version = self.protocol_version  # an answer has a head, whatever the request says
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Nobody can fill the log with requests."""
