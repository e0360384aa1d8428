"""What TLS costs the server: python -m tests.bench.secure [ROUNDS]

Eight masters ask in turn, plainly and inside TLS 1.3, in interleaved rounds, the server on one processor and the
masters on another. TLS costs the masters as much as the server, so what is compared is what the server can do: its
requests per second of its own processor time; figures are medians. Handshakes per second of it stand beside them.
"""

import socket
import ssl
import statistics
import sys
from contextlib import ExitStack

from softsplit import clock
from tests.bench.downstream import OURS, Peer
from tests.support import read_request
from tests.support.certificates import certificates

MASTERS, COUNT, SECONDS = 8, 48, 2.0
SECURE = OURS.replace('("tcp", "rtu")', '("mbaps",)').replace("Access(max_connections=2000))", """Access(max_connections=2000),
    identity=Identity(*(sys.argv[2] + name for name in ("/server.crt", "/server.key", "/authority.crt"))))""").replace(
        "from tests.support", "from softsplit.security.identity import Identity\nfrom tests.support")
REQUEST = bytes.fromhex("0001 0000 0006 01") + read_request(0, COUNT)
ANSWER_SIZE = 9 + 2 * COUNT


def masters(stack: ExitStack, port: int, context: ssl.SSLContext | None) -> list:
    """Connected masters, within TLS where there is a context."""
    found = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 5)) for _ in range(MASTERS)]
    if context:
        found = [stack.enter_context(context.wrap_socket(each, server_hostname="127.0.0.1")) for each in found]
    return found


def rate(server: Peer, context: ssl.SSLContext | None) -> float:
    """Requests per second of the server's processor time."""
    with ExitStack() as stack:
        asking = masters(stack, server.port, context)
        begin, used, requests = clock.now(), server.cpu(), 0
        while clock.now() < begin + SECONDS:
            for each in asking:
                each.sendall(REQUEST)
            for each in asking:
                got = 0
                while got < ANSWER_SIZE:
                    got += len(each.recv(ANSWER_SIZE))
            requests += len(asking)
        return requests / (server.cpu() - used)


def handshakes(server: Peer, context: ssl.SSLContext) -> float:
    """Handshakes per second of the server's processor time."""
    begin, used, count = clock.now(), server.cpu(), 0
    while clock.now() < begin + SECONDS / 2:
        with socket.create_connection(("127.0.0.1", server.port), 5) as raw, \
                context.wrap_socket(raw, server_hostname="127.0.0.1") as sock:
            sock.sendall(REQUEST)
            assert sock.recv(1)
        count += 1
    return count / (server.cpu() - used)


def measure(rounds: int) -> dict[str, float]:
    """Medians of interleaved rounds: requests per second, plain and inside TLS, and handshakes."""
    directory = certificates()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(directory / "authority.crt")
    context.load_cert_chain(directory / "plain.crt", directory / "plain.key")
    with Peer("plain", [sys.executable, "-c", OURS, "tcp://127.0.0.1:0"]) as plain, \
            Peer("tls", [sys.executable, "-c", SECURE, "mbaps://127.0.0.1:0", str(directory)]) as secure:
        rows = [(rate(plain, None), rate(secure, context), handshakes(secure, context)) for _ in range(rounds)]
    return dict(zip(("plain", "tls", "handshakes"), map(statistics.median, zip(*rows))))


if __name__ == "__main__":
    figures = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    print(f"plain {figures['plain']:.0f}/s, TLS {figures['tls']:.0f}/s, ratio {figures['tls'] / figures['plain']:.2f}; "
          f"{figures['handshakes']:.0f} handshakes/s")
