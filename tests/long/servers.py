"""Servers under load, noise and hostile masters."""

import os
import random
import re
import socket
import sys
from pathlib import Path

from softsplit.commands.simulate.pty import Cable
from softsplit.downstream.servers.rtuovertcp import RtuOverTcpServer
from softsplit.protocol import adu
from tests.bench.downstream import OURS, Peer, beside_hostile, turnaround
from tests.support import RtuMaster, read_request, running, until
from tests.support.fuzz import fuzz_rtu, fuzz_tcp
from tests.test_connections import serving
from tests.test_framing import FOREIGN_REPLY, campaign, traffic
from tests.test_rtu_server import ANSWER, REQUEST, server_at


def check_hostile_masters():
    """A master beside 500 that drip and 1000 idle ones sees no error, and answers within 20 ms (p99)."""
    for row in beside_hostile(30):
        yield f"beside {row['beside']}: {row['reads']} reads, {row['errors']} errors, p99 {row['p99']:.2f} ms"
        assert not row["errors"] and row["p99"] < 20


def check_random_frames():
    """100,000 random and mutated frames yield no ill-formed reply, no wrong value, no hang, no dead server."""
    with serving(max_connections=100) as server:
        for seed in range(95):
            fuzz_tcp(server, random.Random(seed), 1000)
    with serving(RtuOverTcpServer) as server:
        for seed in range(5):
            fuzz_rtu(server, random.Random(seed), 1000)
    for seed in range(100, 140):
        campaign(seed, 1000)
    yield "95,000 over TCP, 5,000 over RTU, 40,000 segments on a line"


def check_noise_on_a_line():
    """Over a pseudo-terminal: every request that silence follows is answered with the right data, nothing else is."""
    cable, rng = Cable(), random.Random(7)
    server = server_at(cable.left)
    server.open()
    answered = 0
    with running(cable), running(server), RtuMaster(cable.right) as master:
        for _ in range(600):
            noise = b"".join(traffic(rng) for _ in range(rng.randrange(3)))
            is_last = rng.random() < 0.7
            master.port.write(noise + adu.rtu_frame(100, REQUEST) + (b"" if is_last else FOREIGN_REPLY))
            if is_last:
                assert master.answer(100) == ANSWER, noise.hex(" ")
                answered += 1
            assert master.hears_nothing(0.03), noise.hex(" ")
    yield f"{answered} of {answered} answered, 0 of {600 - answered} that something else followed"


def check_leaks():
    """Memory stays within 2 MB and descriptors level over 200,000 requests and 5,000 connections."""
    request = adu.tcp_frame(1, 1, read_request(0, 48))
    with Peer("softsplit", [sys.executable, "-c", OURS, "tcp://127.0.0.1:0"]) as server:
        def use(requests: int, connections: int) -> tuple[float, int]:
            for _ in range(connections):
                with socket.create_connection(("127.0.0.1", server.port), 5) as sock:
                    for _ in range(requests // connections):
                        sock.sendall(request)
                        assert len(sock.recv(300)) == 105
            until(lambda: len(os.listdir(f"/proc/{server.process.pid}/fd")) < 20)
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024, len(
                os.listdir(f"/proc/{server.process.pid}/fd"))

        before = use(10_000, 500)
        after = use(200_000, 5_000)
        yield f"memory {before[0]:.1f} MB, then {after[0]:.1f} MB; descriptors {before[1]}, then {after[1]}"
        assert after[0] - before[0] < 2 and after[1] <= before[1]


def check_turnaround():
    """The answer on a serial line starts within 3 ms after the silence that ends a request (median)."""
    figures = turnaround()
    yield f"median {figures['p50'] - figures['silence']:.2f} ms after the silence"
    assert figures["p50"] - figures["silence"] < 3
