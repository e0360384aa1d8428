"""TLS beside plain Modbus: what handshakes cost others, and handshakes that are no handshakes."""

import random
import socket
import ssl
import sys
import time
from contextlib import suppress
from pathlib import Path

from softsplit.config.access import Access
from softsplit.config.url import Url
from softsplit.downstream.servers.choice import server_for
from softsplit.security.identity import Identity, Roles
from softsplit.worker import start_all, stop_all
from tests.bench.downstream import Peer
from tests.bench.secure import measure
from tests.long.house import connections_to
from tests.support import TcpMaster, until
from tests.support.certificates import certificates
from tests.test_tcp_server import ANSWER, REQUEST, mirror_of, server_at

READS = 3000
BOTH = """
from tests.long.security import servers
import sys, threading
from pathlib import Path
for each in servers(Path(sys.argv[1])):
    print(each.url.port, flush=True)
threading.Event().wait()
"""
ATTACK = """
import contextlib, socket, sys, time
print(0, flush=True)
while True:
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5))
            with contextlib.suppress(OSError):
                sock.sendall(bytes.fromhex("1603010200010001fc0303"))
            time.sleep(0.01)
"""


def servers(directory: Path) -> list:
    """A plain server and one with TLS, in one process."""
    own = Identity(*(directory / name for name in ("server.crt", "server.key", "authority.crt")))
    secure = server_for("secure", Url("mbaps", "127.0.0.1", 0), [mirror_of()], access=Access(max_connections=1000), identity=own,
                        roles=Roles())
    found = [server_at("tcp://127.0.0.1:0"), secure]
    for each in found:
        each.open()
    start_all(found)
    return found


def p99(port: int) -> float:
    """The latency of a plain master, in ms."""
    with TcpMaster(port) as master:
        latencies = []
        for _ in range(READS):
            begin = time.perf_counter()
            master.sock.sendall(REQUEST)
            assert master.receive(len(ANSWER)) == ANSWER
            latencies.append(1e3 * (time.perf_counter() - begin))
            time.sleep(0.001)
    return sorted(latencies)[READS * 99 // 100]


def check_half_handshakes():
    """500 connections that begin a handshake and stop do not slow down a plain master, nor keep out one with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificates() / "authority.crt")
    context.load_cert_chain(certificates() / "plain.crt", certificates() / "plain.key")
    with Peer("both", [sys.executable, "-c", BOTH, str(certificates())]) as both:
        plain, secure = both.port, int(both.process.stdout.readline())
        alone = p99(plain)
        with Peer("attacker", [sys.executable, "-c", ATTACK, str(secure)]):
            beside = p99(plain)
            with socket.create_connection(("127.0.0.1", secure), 5) as raw, \
                    context.wrap_socket(raw, server_hostname="127.0.0.1") as sock:
                sock.sendall(REQUEST)
                assert sock.recv(100) == ANSWER
        yield f"p99 {alone:.2f} ms alone, {beside:.2f} ms beside"
        assert beside < alone + 1


def check_random_handshakes():
    """20,000 damaged handshakes end nothing and leave nothing behind."""
    plain, secure = found = servers(certificates())
    rng = random.Random(1)
    hello = _client_hello()
    try:
        for _ in range(20_000):
            data = bytearray(hello)
            for _ in range(rng.randrange(4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            with socket.create_connection(("127.0.0.1", secure.url.port), 5) as sock, suppress(OSError):
                sock.sendall(data[:rng.randrange(1, len(data) + 1)])
        until(lambda: not secure.connections and not secure.handshakes, timeout=20)
        yield f"{sum(secure.report({}, 0.0).refused_handshakes.values())} refused, {connections_to(secure.url.port)} connections left"
        assert secure.error is None and plain.error is None
    finally:
        stop_all(found)


def check_speed_of_tls():
    """Over TLS a server reaches at least half of the plain rate, for 8 masters."""
    figures = measure(5)
    yield f"{figures['tls'] / figures['plain']:.2f} of the plain rate; {figures['handshakes']:.0f} handshakes/s"
    assert figures["tls"] >= 0.5 * figures["plain"]


def _client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()
