"""A client of the status page: one request, as its bytes are."""

import http.client
import socket
from dataclasses import dataclass

from tests.support.waiting import SLOWNESS


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def ask(port: int, path: str = "/", method: str = "GET", host: str | None = None, body: bytes | None = None) -> Answer:
    """Send a request, and return what comes back."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10 * SLOWNESS)
    try:
        connection.putrequest(method, path, skip_host=True)
        for each in (f"127.0.0.1:{port}" if host is None else host).splitlines():
            connection.putheader("Host", each)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def send(port: int, data: bytes) -> bytes:
    """Send any bytes, and return all that comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), 10 * SLOWNESS) as sock:
        received = b""
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while more := sock.recv(65536):
                received += more
        except TimeoutError:
            raise
        except OSError:  # it was closed at once
            pass
        return received
