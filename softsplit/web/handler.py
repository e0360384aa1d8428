"""One HTTP connection with one request, whose head is read whole, in bounded time and size."""

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
LARGEST_BODY = 65536  # bytes that are read and dropped


class TooMuch(ValueError):
    """The head of a request is too long."""


def read_head(sock: socket.socket, deadline: float) -> bytes:
    """Return what comes up to the empty line behind the headers, or to the end. Raises OSError, TooMuch."""
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
    """Reads a request, asks the `site` of its server for the answer, and sends it, each within TIME_OUT."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.connection = self.request
        self._answered = self.wfile = io.BytesIO()
        self.close_connection = True
        self.command, self.request_version, self.requestline = "", self.protocol_version, ""

    def version_string(self) -> str:
        return "softsplit"

    def handle(self) -> None:
        if not self.server.attempt(self._answer):  # type: ignore[attr-defined]
            self._send(refusal(HTTPStatus.INTERNAL_SERVER_ERROR))

    def _answer(self) -> None:
        try:
            head = read_head(self.request, clock.now() + TIME_OUT)
        except TooMuch:
            self._send(refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
            return
        except OSError:  # it took too long, or the peer is gone
            return
        self.rfile = io.BytesIO(head)
        self.raw_requestline = self.rfile.readline()
        if self.raw_requestline.strip() and self.parse_request():  # which calls `send_error` if need be
            hosts = self.headers.get_all("Host") or []
            self._send(self.server.site.answer(self.command, self.path, hosts))  # type: ignore[attr-defined]

    def finish(self) -> None:
        """Send the answer."""
        with suppress(OSError):
            self.request.settimeout(TIME_OUT)
            self.request.sendall(self._answered.getvalue())
            self.request.shutdown(socket.SHUT_WR)
            self.request.settimeout(0)
            self.request.recv(LARGEST_BODY)  # closing with unread bytes would reset the connection

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Send what the standard library finds wrong, but nothing of the request itself."""
        self._send(refusal(HTTPStatus(code)))

    def _send(self, reply: Reply) -> None:
        self.request_version = self.protocol_version  # for HTTP/0.9 there would be no head
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Log nothing: nobody shall fill the log with requests."""
