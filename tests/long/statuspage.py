"""The status page beside masters: whoever asks for it, and however, changes nothing for them."""

import logging.handlers
import os
import random
import re
import signal
import socket
import statistics
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from softsplit import Downstream, clock
from softsplit.config.topology import Topology
from softsplit.logs.conditions import TokenBucket
from tests.long.house import POWERS, UNITS, Gateway, age_of, cpu_seconds
from tests.support import (SOFTSPLIT, Child, TcpMaster, brisk_profile, simulated_gateway, splitting, until,
                           upstream_of)
from tests.support.browser import ask
from tests.support.httpfuzz import fuzz_http, odd_request

ROUNDS, SECONDS, PAUSE = 5, 6.0, 0.01
GET = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def put_first(pid: int) -> None:
    """Let nothing else on this machine delay a process, where we may: what is measured is what it does to itself."""
    with suppress(PermissionError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))


@contextmanager
def house():
    """Gateway and splitter with a status page; gives the splitter, a master, and the port of the page."""
    gateway = Gateway()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "softsplit.toml")
        path.write_text(f'[upstream.meters]\nurl = "tcp://127.0.0.1:{gateway.port}"\nunits = {{ 100 = "abb-b23", 2 = "abb-b23" }}\n'
                        '[downstream.victron]\nurl = "tcp://127.0.0.1:0"\n[status]\nurl = "http://127.0.0.1:0"\n')
        with Child([*SOFTSPLIT, "run", "-c", str(path)]) as splitter:
            page = int(until(lambda: re.search(r"serving the status page on .*:(\d+)", splitter.log()))[1])
            port = int(re.search(r"serving victron on .*:(\d+)", splitter.log())[1])
            with TcpMaster(port) as master:
                until(lambda: all(master.ask(unit, POWERS)[0] == 3 for unit in UNITS))
                yield splitter, master, page
    gateway.kill()


def nobody(port: int) -> None:
    time.sleep(1)


def slow(port: int) -> None:
    """Twenty clients that send a byte a second, and take none."""
    socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for byte in GET % b"/":
        for each in socks:
            with suppress(OSError):
                each.sendall(bytes((byte,)))
        time.sleep(1)


def flooding(port: int) -> None:
    """One after the other, as fast as it goes."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(GET % random.choice((b"/", b"/status.json", b"/metrics", b"/units/meters/100")))
        while sock.recv(65536):
            pass


def malformed(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(odd_request(random.Random()))
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def idle(port: int) -> None:
    """Five hundred that say nothing."""
    socks = []
    for _ in range(500):
        sock = socket.socket()
        sock.setblocking(False)
        with suppress(BlockingIOError):
            sock.connect(("127.0.0.1", port))
        socks.append(sock)
    time.sleep(3)


@contextmanager
def beside(who, port: int, count: int = 4):
    """Processes that do it again and again, with the lowest priority: their own cost is not what is measured."""
    children = []
    for _ in range(count):
        pid = os.fork()
        if not pid:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            os.nice(19)
            while True:
                try:
                    who(port)
                except OSError:
                    time.sleep(0.01)
        children.append(pid)
    try:
        time.sleep(0.5)
        yield
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def measure(master: TcpMaster) -> tuple[float, float, float]:
    """Median and 99th percentile of a master's latency in ms, and the greatest age in s that it gets."""
    took, ages, end = [], [], clock.now() + SECONDS
    while clock.now() < end:
        for unit in UNITS:
            begin = time.perf_counter()
            answer = master.ask(unit, POWERS)
            took.append(1000 * (time.perf_counter() - begin))
            if len(took) % 20 < 2:
                ages.append(age_of(unit, answer, time.time()))
        time.sleep(PAUSE)
    assert None not in ages
    took.sort()
    return took[len(took) // 2], took[int(0.99 * len(took))], max(ages)


def check_hostile_clients_of_the_status_page():
    """Beside slow, flooding, malformed and 500 idle ones no master's p99 changes by more than 1 ms, nor any age."""
    with house() as (splitter, master, port):
        put_first(splitter.process.pid)
        put_first(os.getpid())
        found = {who: [] for who in (nobody, slow, flooding, malformed, idle)}
        for _ in range(ROUNDS):
            for who, rounds in found.items():
                with beside(who, port):
                    rounds.append(measure(master))
        medians = {who.__name__: [statistics.median(each) for each in zip(*rounds)] for who, rounds in found.items()}
        for name, (p50, p99, age) in medians.items():
            yield f"beside {name}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, oldest {age:.2f} s"
        alone = medians["nobody"]
        assert all(p99 - alone[1] < 1.0 and age - alone[2] < 0.3 for _, p99, age in medians.values())
        assert ask(port, "/healthz").status == 200 and "Traceback" not in splitter.log()


def check_what_the_status_page_costs():
    """At one request a second it takes less than 1 % of a processor more."""
    with house() as (splitter, _, port):
        loads = []
        for is_asked in (False, True) * 2:
            before, begin = cpu_seconds(splitter.process.pid), clock.now()
            while clock.now() < begin + 20:
                if is_asked:
                    assert ask(port, "/").status == 200
                time.sleep(1)
            loads.append((cpu_seconds(splitter.process.pid) - before) / (clock.now() - begin))
        more = (loads[1] + loads[3] - loads[0] - loads[2]) / 2
        yield f"{100 * more:.2f} % more"
        assert more < 0.01


def check_odd_requests_to_the_status_page():
    """50,000 of them: no traceback, no echo, memory level, and it serves on."""
    said = []
    log = logging.getLogger("softsplit")
    log.addHandler(handler := logging.handlers.BufferingHandler(10**6))
    threading.excepthook = lambda found: said.append(found)
    profile = brisk_profile()
    with simulated_gateway(profile) as gateway, splitting(Topology(
            [Downstream("tcp://127.0.0.1:0", [upstream_of(gateway, profile)])], status="http://127.0.0.1:0")) as splitter:
        splitter.page._rate = TokenBucket(10**9, 1e-9)  # all at once
        port = splitter.page.url.port

        def memory() -> int:
            return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1])

        for seed in range(20):
            fuzz_http(port, random.Random(seed), 500)
        before = memory()
        for seed in range(20, 100):
            fuzz_http(port, random.Random(seed), 500)
        grown = memory() - before
        yield f"{grown} kB more after 40,000"
        assert grown < 2000 and not said and not [each for each in handler.buffer if each.exc_info]
        assert ask(port, "/healthz").status == 200
    threading.excepthook = threading.__excepthook__
    log.removeHandler(handler)
