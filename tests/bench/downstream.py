"""How fast the servers are, against peers in the same run: python -m tests.bench.downstream [--rounds N] [--json]

Every server is a process of its own on one processor, the load another (C, see load.c) on the other one. Rounds are
interleaved; figures are medians of them. The load tells its own share of a processor: as long as that is well below
1, it waits for the server and not the server for it. Peers take part when they are installed: pymodbus, libmodbus-dev;
what one thread can do at best shows a server in C that looks at nothing and sends answers made beforehand, and what
one thread of Python can do shows the same server in Python. Ours looks at the age of each answer, and counts who asks
what; to a single master it answers sooner than either, because it does not go to sleep between two requests that
follow on each other at once. What several masters get is limited by the system calls, and by how often the load goes to
sleep between two answers: single ratios vary by some 15 % from run to run, those of eight masters more.

Cells: requests per second (softsplit has so many times that), 99th percentile of the latency,
processor time per request. As measured on 2026-11-30 on a shared virtual machine with two processors that did nothing
else, CPython 3.11, five rounds of 0.5 s:

| masters x registers | softsplit | canned answers (C) | canned answers (Python) | libmodbus (C) | modbus-tk |
| --- | --- | --- | --- | --- | --- |
| 1 x 48 | 39,725/s, p99 51 us, 25.2 us | 36,145/s (1.10 x), p99 52 us, 17.0 us | 31,140/s (1.28 x), p99 60 us, 23.1 us | 28,193/s (1.41 x), p99 64 us, 21.8 us | 7,765/s (5.12 x), p99 175 us, 128.8 us |
| 8 x 48 | 67,644/s, p99 191 us, 14.8 us | 107,902/s (0.63 x), p99 143 us, 9.2 us | 79,971/s (0.85 x), p99 213 us, 12.5 us | 66,093/s (1.02 x), p99 244 us, 15.1 us | 9,533/s (7.10 x), p99 1100 us, 102.8 us |
| 64 x 48 | 74,706/s, p99 1252 us, 13.4 us | 107,350/s (0.70 x), p99 949 us, 8.9 us | 88,221/s (0.85 x), p99 1070 us, 11.3 us | 64,176/s (1.16 x), p99 1229 us, 15.8 us | 9,762/s (7.65 x), p99 8122 us, 102.4 us |
| 1 x 125 | 34,550/s, p99 58 us, 29.5 us | 33,614/s (1.03 x), p99 58 us, 15.5 us | 31,191/s (1.11 x), p99 59 us, 21.3 us | 31,911/s (1.08 x), p99 55 us, 21.3 us | 6,559/s (5.27 x), p99 214 us, 152.5 us |
| 8 x 125 | 68,585/s, p99 184 us, 14.6 us | 106,453/s (0.64 x), p99 159 us, 9.1 us | 103,375/s (0.66 x), p99 189 us, 9.3 us | 86,844/s (0.79 x), p99 186 us, 11.3 us | 7,520/s (9.12 x), p99 1361 us, 130.3 us |
| 64 x 125 | 104,740/s, p99 1099 us, 9.5 us | 109,134/s (0.96 x), p99 795 us, 7.7 us | 104,325/s (1.00 x), p99 1031 us, 9.4 us | 64,450/s (1.63 x), p99 1213 us, 15.5 us | 11,542/s (9.07 x), p99 9202 us, 88.4 us |

The load's share of its processor was 1.00 at most.

| a master reading ten times a second, beside | reads | errors | p50 | p99 |
| --- | --- | --- | --- | --- |
| nobody | 299 | 0 | 0.26 ms | 0.51 ms |
| dripping | 298 | 0 | 0.27 ms | 7.20 ms |
| flooding | 298 | 0 | 0.23 ms | 7.75 ms |

Modbus RTU at 19200 baud: the answer starts 0.8 ms (p99 1.1 ms) after the 1.8 ms of silence that end a request.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import serial

from softsplit.commands.simulate.pty import Cable
from softsplit.protocol import adu
from tests.bench.hostile import BEHAVIOURS
from tests.support import read_request, running

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))
SETTINGS = [(masters, count) for count in (48, 125) for masters in (1, 8, 64)]
PERIOD = 0.1  # s between the reads of the well-behaved master

OURS = """
import sys
from softsplit import clock
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.store import PolledStore
from softsplit.downstream.servers.choice import server_for
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.config.access import Access
from softsplit.config.line import Line
from softsplit.config.url import parse_url
from softsplit.worker import run_until_signal
from tests.support.outcomes import reading
url = parse_url(sys.argv[1], ("tcp", "rtu"), 0)
blocks = [Block(Table.HOLDING_REGISTERS, 0, 125), Block(Table.HOLDING_REGISTERS, 125, 125)]
mirror = Mirror(1, PolledStore([Read(block, str(block)) for block in blocks], 86400.0), frozenset({Table.HOLDING_REGISTERS}))
for block in blocks:
    mirror.update(reading(1, block, clock.now(), bytes(2 * block.count)))
server = server_for("bench", url, [mirror], Line(mode="8N1"), Access(max_connections=2000))
server.open()
print(server.url.port, flush=True)
run_until_signal(lambda: [server])
"""
MODBUS_TK = """
import socket
from modbus_tk import defines, modbus_tcp
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
server = modbus_tcp.TcpServer(port, "127.0.0.1")
server.start()
server.add_slave(1).add_block("all", defines.HOLDING_REGISTERS, 0, 250)
while server._sock is None:
    pass
print(port, flush=True)
server._thread.join()
"""
PYMODBUS = """
import asyncio
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusTcpServer
async def main():
    device = ModbusDeviceContext(hr=ModbusSequentialDataBlock(1, [0] * 250))
    server = ModbusTcpServer(ModbusServerContext(devices=device, single=True), address=("127.0.0.1", 0))
    await server.listen()
    print(server.transport.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def build(name: str, folder: str, *options: str) -> str | None:
    """Compile a C program; return its path, or None when that cannot be done here."""
    path = str(Path(folder, name))
    command = ["cc", "-O2", "-o", path, str(HERE / f"{name}.c"), *options]
    if not shutil.which("cc") or subprocess.run(command, capture_output=True).returncode:
        return None
    return path


def pinned(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(CORES[core % len(CORES)]), *command] if shutil.which("taskset") else command


class Peer:
    """A server in a process of its own, which prints its port."""

    def __init__(self, name: str, command: list[str]):
        self.name = name
        self.process = subprocess.Popen(pinned(0, command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)
        line = self.process.stdout.readline()
        self.port = int(line) if line.strip() else None

    def cpu(self) -> float:
        """Seconds of processor time used so far."""
        used = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def peers(folder: str, stack: ExitStack) -> list[Peer]:
    libmodbus = build("libmodbus_server", folder, "-I/usr/include/modbus", "-lmodbus")
    canned = build("canned_server", folder)
    commands = {"softsplit": [sys.executable, "-c", OURS, "tcp://127.0.0.1:0"],
                "canned answers (C)": [canned] if canned else None,
                "canned answers (Python)": [sys.executable, str(HERE / "canned_server.py")],
                "libmodbus (C)": [libmodbus] if libmodbus else None,
                "modbus-tk": [sys.executable, "-c", MODBUS_TK], "pymodbus": [sys.executable, "-c", PYMODBUS]}
    started = [stack.enter_context(Peer(name, command)) for name, command in commands.items() if command]
    return [peer for peer in started if peer.port]


def throughput(load: str, rounds: int, seconds: float) -> list[dict]:
    """One row for each setting and server: medians of the rounds, and the ratio of ours to each peer's rate."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = peers(folder, stack)
        runs: dict[tuple, list[dict]] = {}
        for number in range(rounds):
            for masters, count in SETTINGS:
                for server in servers:
                    click.echo(f"round {number + 1} of {rounds}: {masters} masters, {count} registers, "
                               f"{server.name}".ljust(70) + "\r", nl=False, err=True)
                    runs.setdefault((masters, count, server.name), []).append(
                        one_run(load, server, masters, count, seconds))
    rows = []
    for (masters, count, name), each in runs.items():
        row = {key: statistics.median(run[key] for run in each) for key in each[0]}
        ours = statistics.median(run["rate"] for run in runs[masters, count, "softsplit"])
        rows.append({"masters": masters, "registers": count, "server": name, **row, "ratio": ours / row["rate"]})
    return rows


def one_run(load: str, server: Peer, masters: int, count: int, seconds: float) -> dict:
    before = server.cpu()
    done = subprocess.run(pinned(1, [load, str(server.port), str(masters), str(count), str(seconds)]),
                          capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"{server.name} failed under load: {done.stderr.strip()}")
    figures = json.loads(done.stdout)
    figures["server_cpu"] = (server.cpu() - before) / (figures["rate"] * seconds) * 1e6
    return figures


@contextmanager
def hostile(port: int, kind: str):
    """Masters that mean no good, in a process of their own, for a while."""
    if kind not in BEHAVIOURS:
        yield
        return
    command = pinned(1, [sys.executable, "-m", "tests.bench.hostile", kind, str(port)])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()  # they are there
        try:
            yield
        finally:
            process.kill()


def beside_hostile(seconds: float) -> list[dict]:
    """The latency of a master that reads ten times a second, alone and beside others."""
    rows = []
    request = adu.tcp_frame(1, 1, read_request(0, 48))
    for kind in ("nobody", *BEHAVIOURS):
        with Peer("softsplit", [sys.executable, "-c", OURS, "tcp://127.0.0.1:0"]) as server, \
                hostile(server.port, kind), socket.create_connection(("127.0.0.1", server.port), 5) as master:
            latencies, errors, end = [], 0, time.monotonic() + seconds
            while time.monotonic() < end:
                begin = time.perf_counter()
                try:
                    master.sendall(request)
                    errors += len(master.recv(300)) != 105
                except OSError:
                    errors += 1
                latencies.append((time.perf_counter() - begin) * 1e3)
                time.sleep(PERIOD)
            latencies.sort()
            rows.append({"beside": kind, "reads": len(latencies), "errors": errors,
                         "p50": statistics.median(latencies), "p99": latencies[len(latencies) * 99 // 100]})
    return rows


def turnaround(reads: int = 300) -> dict:
    """Milliseconds from the end of a request on a pseudo-terminal to the first byte of the answer, silence included."""
    cable = Cable()
    command = [sys.executable, "-c", OURS, f"rtu://{cable.left}"]
    with running(cable), Peer("softsplit", command), serial.Serial(cable.right, 19200, timeout=1) as port:
        request = adu.rtu_frame(1, read_request(0, 48))
        times = []
        for _ in range(reads):
            begin = time.perf_counter()
            port.write(request)
            port.read(1)
            times.append((time.perf_counter() - begin) * 1e3)
            port.read(5 + 96 - 1)
            time.sleep(0.005)
        times.sort()
        silence = adu.frame_silence(19200, "8N1") * 1e3
        return {"p50": statistics.median(times), "p99": times[reads * 99 // 100], "silence": silence}


def show(result: dict) -> None:
    """Print the tables as the README has them."""
    servers = list(dict.fromkeys(row["server"] for row in result["throughput"]))
    click.echo(f"| masters x registers | {' | '.join(servers)} |\n|{' --- |' * (len(servers) + 1)}")
    rows = iter(result["throughput"])
    for first in rows:
        cells = [cell(first), *(cell(next(rows)) for _ in servers[1:])]
        click.echo(f"| {first['masters']} x {first['registers']} | {' | '.join(cells)} |")
    click.echo(f"\nThe load's share of its processor was {max(row['load_cpu'] for row in result['throughput']):.2f} "
               "at most.\n")
    click.echo("| a master reading ten times a second, beside | reads | errors | p50 | p99 |\n|" + " --- |" * 5)
    for row in result["hostile"]:
        click.echo(f"| {row['beside']} | {row['reads']} | {row['errors']} | {row['p50']:.2f} ms | {row['p99']:.2f} ms |")
    rtu = result["rtu"]
    click.echo(f"\nModbus RTU at 19200 baud: the answer starts {rtu['p50'] - rtu['silence']:.1f} ms (p99 "
               f"{rtu['p99'] - rtu['silence']:.1f} ms) after the {rtu['silence']:.1f} ms of silence that end a request.")


def cell(row: dict) -> str:
    ratio = "" if row["server"] == "softsplit" else f" ({row['ratio']:.2f} x)"
    return f"{row['rate']:,.0f}/s{ratio}, p99 {row['p99']:.0f} us, {row['server_cpu']:.1f} us"


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=2.0, show_default=True, help="How long each run lasts.")
@click.option("--json", "as_json", is_flag=True, help="Print figures, no tables.")
def main(rounds, seconds, as_json):
    """Measure the servers; takes some minutes."""
    with tempfile.TemporaryDirectory() as folder:
        load = build("load", folder)
        if not load:
            raise click.ClickException("the load is a C program, and there is no cc to build it")
        result = {"throughput": throughput(load, rounds, seconds), "hostile": beside_hostile(30), "rtu": turnaround()}
    click.echo(json.dumps(result, indent=1)) if as_json else show(result)


if __name__ == "__main__":
    main()
