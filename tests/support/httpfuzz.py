"""HTTP requests as no browser sends them."""

import random
import socket
from contextlib import suppress

ECHO = b"sEnTiNeL"
METHODS = [b"GET", b"HEAD", b"POST", b"get", b"PRI", b"", b"\0", b"G" * 9000, ECHO]
PATHS = [b"/", b"/metrics", b"/healthz", b"/status.json", b"/units/meters/100.json", b"/units/meters/100", b"/units", b"/units//",
         b"/units/%6deters/100", b"/units/%zz/%", b"/..%2f..%2fetc/passwd", b"/../etc/passwd", b"//evil", b"*", b"http://x/", b"/" + ECHO,
         b"/\xff\xfe", b"/%00", b"/" * 4000, b"/?" + ECHO, b"", b"/units/" + ECHO + b"/1.json"]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/", b"", b"HTTP/1.1.1", b"HTTP/9999999999999999999.0", ECHO]
HEADERS = [b"Host: 127.0.0.1", b"Host: localhost:1", b"Host: " + ECHO, b"Host:", b"host: 127.0.0.1", b"Content-Length: -1",
           b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Connection: keep-alive",
           b"Upgrade: websocket", b": ", b"\t folded", b"X" * 3000, b"Range: bytes=0-0,1-1", b"X: " + ECHO, b"\0: \0", b"Cookie: " + b"y" * 5000]
ENDS = [b"\r\n", b"\n", b"\r", b""]


def odd_request(rng: random.Random) -> bytes:
    """A request of odd parts, perhaps with bytes changed, or cut; or noise."""
    if rng.random() < 0.1:
        return rng.randbytes(rng.randrange(300))
    end = rng.choices(ENDS, (8, 2, 1, 1))[0]
    line = b" ".join((rng.choices(METHODS, (9, 2, 2, 1, 1, 1, 1, 1, 1))[0], rng.choice(PATHS), rng.choices(VERSIONS, (9, 3, 1, 1, 1, 1, 1, 1, 1))[0]))
    headers = [HEADERS[0]] * (rng.random() < 0.7) + [rng.choice(HEADERS) for _ in range(rng.choice((0, 0, 1, 3, 150)))]
    data = bytearray(end.join((line, *headers)) + 2 * end + rng.randbytes(rng.choice((0, 0, 9))))
    for _ in range(rng.choice((0, 0, 0, 1, 5))):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data[:rng.randrange(len(data) + 1)] if rng.random() < 0.1 else data)


def fuzz_http(port: int, rng: random.Random, count: int) -> None:
    """Send odd requests; each gets an answer with a head and nothing of the request, or none at all."""
    for _ in range(count):
        request, received = odd_request(rng), b""
        with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), 30) as sock:
            sock.sendall(request)
            with suppress(OSError):  # it was answered, and closed, already
                sock.shutdown(socket.SHUT_WR)
            while more := sock.recv(65536):
                received += more
        assert ECHO not in received and ECHO.lower() not in received, request
        assert not received or received.startswith(b"HTTP/1.1 "), (request, received)
