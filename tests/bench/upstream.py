"""What many masters get of one bus: python -m tests.bench.upstream [--rounds N] [--seconds S] [--json]

A simulated bus with the wire time of 19200 baud and two ABB meters, one of them mute in the second half; masters that
ask as a Victron does: the powers of both meters once a second, energies every four. Between them softsplit, with the
periods of its profile or as often as the wire allows, or a pass-through proxy when one is installed (modbus-proxy).
Each is a process of its own, all on the same bus in turn; figures are medians of interleaved rounds.

Medians of three interleaved rounds, as measured on 2026-11-24
on the machine below; a failure is an exception, or no answer within 2 s; softsplit tells that unit 2 is mute by
exceptions:

| bus, masters | through | age p50 / p99 | latency p50 / p99 | answers per s and master | failures | requests per s on the wire | wire busy |
| --- | --- | --- | --- | --- | --- | --- | --- |
| both answer, 1 | softsplit | 0.93 / 0.93 s | 0.3 / 0.4 ms | 2.0 | 0 | 3.2 | 28 % |
| both answer, 1 | softsplit, saturated | 0.18 / 0.34 s | 0.2 / 0.4 ms | 2.0 | 0 | 11.4 | 99 % |
| both answer, 1 | modbus-proxy | 0.08 / 0.08 s | 83.5 / 83.7 ms | 2.0 | 0 | 2.8 | 19 % |
| both answer, 8 | softsplit | 0.93 / 0.94 s | 0.1 / 0.4 ms | 2.0 | 0 | 3.2 | 28 % |
| both answer, 8 | softsplit, saturated | 0.18 / 0.34 s | 0.0 / 0.4 ms | 2.0 | 0 | 11.4 | 99 % |
| both answer, 8 | modbus-proxy | 0.08 / 0.08 s | 666.2 / 667.8 ms | 1.2 | 0 | 16.2 | 100 % |
| both answer, 32 | softsplit | 0.91 / 0.93 s | 0.0 / 0.4 ms | 2.0 | 0 | 3.2 | 28 % |
| both answer, 32 | softsplit, saturated | 0.19 / 0.35 s | 0.0 / 0.3 ms | 2.0 | 0 | 11.4 | 99 % |
| both answer, 32 | modbus-proxy | - | - | 0.0 | 84 | 12.0 | 99 % |
| unit 2 mute, 1 | softsplit | 0.93 / 0.93 s | 0.4 / 0.6 ms | 1.0 | 7 | 1.8 | 14 % |
| unit 2 mute, 1 | softsplit, saturated | 0.15 / 0.48 s | 0.3 / 0.5 ms | 1.0 | 7 | 9.2 | 76 % |
| unit 2 mute, 1 | modbus-proxy | 0.08 / 0.08 s | 85.0 / 85.0 ms | 0.4 | 3 | 1.8 | 5 % |
| unit 2 mute, 32 | softsplit | 0.94 / 0.95 s | 0.1 / 0.5 ms | 1.0 | 224 | 1.8 | 14 % |
| unit 2 mute, 32 | softsplit, saturated | 0.15 / 0.50 s | 0.1 / 0.4 ms | 1.0 | 224 | 9.2 | 76 % |
| unit 2 mute, 32 | modbus-proxy | - | - | 0.0 | 84 | 2.6 | 15 % |

A master that looks every 20 ms while the wire is saturated (0x5B00 as often as it can be read): 99 % of what it gets is
younger than 0.365 s, where 0.401 s is the best that can be promised; the wire is busy for 99.3 % of the time, and for
98.2 % on a serial line of its own. Requests on the wire do not depend on how many masters there are.
"""

import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import click

from softsplit import clock
from softsplit.polling import busload
from softsplit.profiles import load_profile
from tests.bench.bus import UNITS
from tests.support import TcpMaster, read_request

BAUDRATE = 19200
MASTERS = (1, 2, 8, 32)
POWERS = read_request(0x5B00, 62)
ASKS = [(POWERS, 1.0), (read_request(0x5000, 8), 4.0), (read_request(0x5460, 24), 4.0)]  # and how often, in s
PATIENCE = 2.0  # s a master waits for an answer
WARM_UP = 3.0  # s
SETTLING = 10.0  # s until every block has been read, also on a saturated wire
FASTEST = 0.1  # s, a period that saturates the wire


class Bus:
    """The simulated bus, in a process of its own."""

    def __init__(self, mute: int):
        self.process = subprocess.Popen([sys.executable, "-m", "tests.bench.bus", str(BAUDRATE), str(mute)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def totals(self) -> dict:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


@contextmanager
def softsplit(bus: Bus, every: float | None = None):
    """A splitter on this bus; gives the port masters ask at."""
    with tempfile.TemporaryDirectory() as directory, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        fast = f', every = {{ "instantaneous values" = {every} }}' if every else ""
        units = ", ".join(f'{unit} = {{ profile = "abb-b23"{fast} }}' for unit in UNITS)
        path = Path(directory, "softsplit.toml")
        path.write_text(f'[upstream.meters]\nurl = "tcp://127.0.0.1:{bus.port}"\nunits = {{ {units} }}\n'
                        f'[downstream.masters]\nurl = "tcp://127.0.0.1:{port}"\n')
        with child([sys.executable, "-m", "softsplit", "run", "-c", str(path)]):
            yield port


@contextmanager
def modbus_proxy(bus: Bus):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with child(["modbus-proxy", "-b", f"tcp://127.0.0.1:{port}", "--modbus", f"tcp://127.0.0.1:{bus.port}",
                "--timeout", "1"]):
        yield port


@contextmanager
def child(command: list[str]):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


PEERS = {"softsplit": softsplit, "softsplit, saturated": lambda bus: softsplit(bus, FASTEST),
         "modbus-proxy": modbus_proxy}


class Asker(threading.Thread):
    """A master: asks in its rhythm until `end`; from `begin` on it notes what it gets."""

    def __init__(self, port: int, begin: float, end: float, units, period: float = 1.0):
        super().__init__(daemon=True)
        self.ages: list[float] = []
        self.latencies: list[float] = []
        self.failures = 0
        self._port, self._begin, self._end, self._units, self._period = port, begin, end, units, period

    def run(self) -> None:
        due = {(unit, pdu): clock.now() for unit in self._units for pdu, _ in ASKS}
        master = None
        while (now := clock.now()) < self._end:
            (unit, pdu), at = min(due.items(), key=lambda item: item[1])
            if at > now:
                time.sleep(min(at, self._end) - now)
                continue
            due[unit, pdu] = max(at + dict(ASKS)[pdu] * self._period, now)
            try:
                master = master or TcpMaster(self._port, PATIENCE)
                self._note(now, pdu, master.ask(unit, pdu))
            except OSError:
                self.failures += now >= self._begin
                if master:
                    master.sock.close()
                    master = None

    def _note(self, asked_at: float, pdu: bytes, answer: bytes) -> None:
        now = clock.now()
        if asked_at < self._begin:
            return
        if answer[0] >= 0x80:
            self.failures += 1
        elif pdu is POWERS:
            self.latencies.append(now - asked_at)
            self.ages.append(now - int.from_bytes(answer[2:6], "big") / 1000)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


def measure(peer, masters: int, mute: int, seconds: float, period: float = 1.0, warm_up: float = WARM_UP) -> dict:
    """What masters get through a peer, and what that costs the wire; they ask only the units which are not mute."""
    with Bus(mute) as bus, peer(bus) as port:
        begin = clock.now() + warm_up
        askers = [Asker(port, begin, begin + seconds, [unit for unit in UNITS if unit != mute] if period < 1 else UNITS,
                        period) for _ in range(masters)]
        for asker in askers:
            asker.start()
        time.sleep(max(0.0, begin - clock.now()))
        before = bus.totals()
        time.sleep(seconds)
        after = bus.totals()
        for asker in askers:
            asker.join(PATIENCE + 1)
        ages = [age for asker in askers for age in asker.ages]
        latencies = [latency for asker in askers for latency in asker.latencies]
        return {"age p50": percentile(ages, 0.5), "age p99": percentile(ages, 0.99),
                "latency p50": 1000 * percentile(latencies, 0.5), "latency p99": 1000 * percentile(latencies, 0.99),
                "answers": len(ages) / seconds / masters, "failures": sum(asker.failures for asker in askers),
                "requests": (after["requests"] - before["requests"]) / seconds,
                "busy": (after["busy"] - before["busy"]) / seconds}


def best_age(every: float = FASTEST) -> float:
    """The best possible age of the powers, in seconds, when they are read as often as the wire allows."""
    reads = load_profile("abb-b23").reads
    durations = {read.name: busload.duration(read, BAUDRATE, "8E1", delay=0.0) for read in reads}
    fast = durations.pop("instantaneous values")
    return max(every, len(UNITS) * fast + max(durations.values())) + fast


def saturated(seconds: float, masters: int = 1) -> dict:
    """What one master that looks often gets of a saturated wire."""
    return measure(PEERS["softsplit, saturated"], masters, 0, seconds, period=0.02, warm_up=SETTLING)


def row(mute: int, masters: int, name: str, found: dict) -> str:
    got = (f"{found['age p50']:.2f} / {found['age p99']:.2f} s | {found['latency p50']:.1f} / "
           f"{found['latency p99']:.1f} ms") if found["answers"] else "- | -"
    return (f"| {'unit 2 mute' if mute else 'both answer'}, {masters} | {name} | {got} | {found['answers']:.1f} | "
            f"{found['failures']:.0f} | {found['requests']:.1f} | {100 * found['busy']:.0f} % |")


@click.command()
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="Of each measurement.")
@click.option("--json", "as_json", is_flag=True)
def main(rounds: int, seconds: float, as_json: bool) -> None:
    peers = {name: peer for name, peer in PEERS.items() if name.startswith("softsplit") or shutil.which(name)}
    cases = [(mute, masters, name) for mute in (0, 2) for masters in MASTERS for name in peers]
    runs: dict[tuple, list[dict]] = {case: [] for case in cases}
    for number in range(rounds):
        for case in cases:
            mute, masters, name = case
            runs[case].append(measure(peers[name], masters, mute, seconds))
            print(f"round {number + 1}: {row(*case, runs[case][-1])}", file=sys.stderr, flush=True)
    medians = {case: {key: statistics.median(run[key] for run in found) for key in found[0]}
               for case, found in runs.items()}
    fresh = saturated(2 * seconds)
    if as_json:
        print(json.dumps([{"mute": case[0], "masters": case[1], "peer": case[2], **found}
                          for case, found in medians.items()] + [{"saturated": fresh, "best age": best_age()}], indent=1))
        return
    print("| bus, masters | through | age p50 / p99 | latency p50 / p99 | answers per s and master | failures | "
          "requests per s on the wire | wire busy |\n" + 8 * "| --- " + "|")
    for case, found in medians.items():
        print(row(*case, found))
    print(f"\nA master that looks every 20 ms, wire saturated: age p99 {fresh['age p99']:.3f} s, which is "
          f"{fresh['age p99'] / best_age():.2f} times the best possible {best_age():.3f} s; wire busy "
          f"{100 * fresh['busy']:.1f} %")


if __name__ == "__main__":
    main()
