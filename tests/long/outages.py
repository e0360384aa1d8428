"""Outages, faults, writers and stops: nothing wrong or stale is served meanwhile."""

import math
import os
import random
import re
import struct
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from softsplit import clock
from tests.support import SOFTSPLIT, Child, TcpMaster, read_request, until
from tests.support.bus import KINDS, Bus, HangUp
from tests.support.chaos import Chaos
from tests.support.suspension import Suspended
from tests.test_upstreams import RECOVERY, UNIT_FAULTS, suffer

BLOCKS = {0: read_request(0, 4), 100: read_request(100, 4)}  # of one shape
MAX_AGE = 0.6  # s


def dated_answer(unit: int, pdu: bytes) -> bytes:
    """Registers of which the first four tell unit, address, and the monotonic time in milliseconds."""
    function, address, count = struct.unpack(">BHH", pdu)
    told = struct.pack(">HHI", unit, address, int(1000 * clock.now()) & 0xFFFFFFFF)
    return bytes((function, 2 * count)) + told.ljust(2 * count, b"\0")[:2 * count]


class Watch(threading.Thread):
    """A master that reads all units all the time; what is wrong or too old goes into `wrong`."""

    def __init__(self, port: int, units):
        super().__init__(daemon=True)
        self.wrong: list[str] = []
        self.ages = {(unit, address): math.inf for unit in units for address in BLOCKS}  # as last seen
        self.is_over = threading.Event()
        self._master = TcpMaster(port)

    def run(self) -> None:
        while not self.is_over.wait(0.005):
            for unit, address in self.ages:
                answer = self._master.ask(unit, BLOCKS[address])
                now = clock.now()
                self.ages[unit, address] = math.inf
                if answer[0] == 3:
                    whose, where, stamp = struct.unpack(">HHI", answer[2:])
                    self.ages[unit, address] = age = now - stamp / 1000
                    if (whose, where) != (unit, address) or age > MAX_AGE + 0.1:
                        self.wrong.append(f"unit {unit} {address}: unit {whose} {where}, {age:.2f} s old")


@contextmanager
def three_buses():
    """The real program on one bus of each kind, and a master that watches what it serves."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        buses = [stack.enter_context(Bus(kind, directory, dated_answer)) for kind in KINDS]
        (directory / "dated.toml").write_text("block = [{ address = 0, count = 4, every = 0.1 },"
                                              "{ address = 100, count = 4, every = 0.1 }]")
        sections = [f'[upstream.u{number}]\nurl = "{bus.url}"\ntimeout = 0.3\n'
                    f'units = {{ {2 * number + 1} = "dated.toml", {2 * number + 2} = "dated.toml" }}\n'
                    + ('mode = "8N1"\n' if bus.kind == "rtu" else "") for number, bus in enumerate(buses)]
        path = directory / "softsplit.toml"
        path.write_text("".join(sections) + f'[downstream.d]\nurl = "tcp://127.0.0.1:0"\nmax_age = {MAX_AGE}\n')
        splitter = stack.enter_context(Child([*SOFTSPLIT, "run", "-c", str(path)]))
        port = int(until(lambda: re.search(r"serving d on .*:(\d+)", splitter.log()))[1])
        watch = Watch(port, range(1, 2 * len(buses) + 1))
        watch.start()
        yield buses, splitter, watch
        watch.is_over.set()
        watch.join()


def check_fifty_outages():
    """Killed, hung, refusing, reset, restarted 50 times under load: nothing wrong or stale served, nothing leaked."""
    rng = random.Random(4)

    def silent(say, frame, unit, pdu):
        pass

    def refusing(say, frame, unit, pdu):
        raise HangUp

    with three_buses() as (buses, splitter, watch):
        def is_well() -> bool:
            return max(watch.ages.values()) < 0.5

        def held() -> tuple[int, int]:
            return tuple(len(os.listdir(f"/proc/{splitter.process.pid}/{what}")) for what in ("fd", "task"))

        until(is_well)
        before, recoveries = held(), []
        for number in range(50):
            events = [rng.choice(["kill", "hang", "refuse", "reset", "restart"]) for _ in buses]
            for bus, event in zip(buses, events):
                if event in ("kill", "restart"):
                    bus.vanish()
                bus.fault = {"hang": silent, "refuse": refusing}.get(event)
                if event == "reset":
                    bus.reset()
                if event == "restart":
                    bus.come_back()
            end = clock.now() + rng.uniform(0.05, 1.5)
            until(lambda: clock.now() > end)
            for bus, event in zip(buses, events):
                bus.fault = None
                if event == "kill":
                    bus.come_back()
            fixed_at = clock.now()
            until(lambda: clock.now() > fixed_at + 0.1 and is_well(), timeout=10)
            recoveries.append((clock.now() - fixed_at, *events))
        until(lambda: held() == before)
        lines = splitter.log().count("\n")
        slowest = max(recoveries)
        yield (f"back after {slowest[0]:.2f} s at most ({', '.join(slowest[1:])}); {len(watch.wrong)} wrong or too old; descriptors and threads "
               f"{before}, then {held()}; {lines} lines of log")
        assert watch.is_alive() and not watch.wrong, watch.wrong[:5]
        assert slowest[0] < RECOVERY + 0.2 and lines < 200


def check_faults_in_real_time():
    """Time-out 1 s, periods of 1 s: whatever a unit does wrong, the other is never older than 2.5 s; back within 2 s."""
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(len(UNIT_FAULTS)) as pool:
        for kind in KINDS:
            outcomes = {fault.__name__: pool.submit(suffer, kind, fault, Path(directory), 1.0, 12.0)
                        for fault in UNIT_FAULTS}
            ages = {name: outcome.result() for name, outcome in outcomes.items()}
            worst = max(ages, key=ages.get)
            yield f"{kind}: oldest {ages[worst]:.2f} s ({worst})"
            assert ages[worst] <= 2.5


def check_writers_and_readers():
    """Masters write and read the same registers while answers are lost or late: nothing is older than its acknowledgement."""
    for seed, kind in enumerate(KINDS):
        with tempfile.TemporaryDirectory() as directory:
            chaos = Chaos(kind, Path(directory), 60, seed)
        yield (f"{kind}: {chaos.acknowledged} writes acknowledged, {chaos.meter.lost} answers lost, {chaos.meter.late} done late; "
               f"{chaos.served} reads served, {chaos.refused} refused, {len(chaos.wrong)} older than what was acknowledged")
        assert not chaos.wrong, chaos.wrong[:5]
        assert chaos.served > 1000 and chaos.acknowledged > 500


def check_stops_under_load():
    """A process that is stopped (SIGSTOP) for 0.5, 5 and 30 s serves nothing from before as new, over TCP and serial lines."""
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as directory, Suspended(kind, Path(directory)) as house:
            for seconds in 20 * [0.5] + 3 * [5.0] + [30.0]:
                house.stop(seconds)
                house.answers_come()
        house.check()
        yield f"{kind}: " + ", ".join(f"{name} {len(ages)} answers, at most {max(ages):.2f} s old" for name, ages in house.ages.items())
