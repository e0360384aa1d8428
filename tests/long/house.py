"""The real program with two meters and two masters, in real time: ages, cost, outages."""

import os
import random
import re
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from softsplit import clock
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.simulate.simulate import SimulatedUnit
from softsplit.profiles import load_profile
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from tests.support import SOFTSPLIT, Child, RtuMaster, TcpMaster, read_request, running, until

UNITS = (100, 2)
POWERS = read_request(0x5B00, 62)
BLOCK = Block(Table.HOLDING_REGISTERS, 0x5B14, 8)  # active powers, in 0.01 W, which change all the time
METERS = {unit: SimulatedUnit(unit, load_profile("abb-b23"), Faults()) for unit in UNITS}
STEP = 0.01  # s, how exactly an age is found


def age_of(unit: int, answer: bytes, now: float) -> float | None:
    """Seconds since the meter showed what this answer says; None for an exception or silence."""
    if answer[:1] != b"\x03":
        return None
    seen = answer[2 + 2 * 0x14:2 + 2 * 0x1C]

    def distance(age: float) -> int:
        shown = METERS[unit].data(BLOCK, now - age)
        return sum(abs(int.from_bytes(shown[at:at + 4], "big") - int.from_bytes(seen[at:at + 4], "big"))
                   for at in range(0, 16, 4))

    age = min((STEP * number for number in range(int(12 / STEP))), key=distance)
    assert distance(age) < 1000, f"unit {unit}: no such values in the last 12 s"
    return age


def is_recent(age: float | None) -> bool:
    return age is not None and age < 1.5


class Gateway:
    """A `softsplit simulate` process, which can be killed and started again at the same port."""

    def __init__(self, *options: str):
        self.options = options
        self.port = 0
        self.start()

    def start(self) -> None:
        units = [f"--unit={unit}" for unit in UNITS]
        self.child = Child([*SOFTSPLIT, "simulate", "abb-b23", f"tcp://127.0.0.1:{self.port}", *units,
                            "--baudrate=19200", *self.options])
        self.started_at = clock.now()
        self.port = int(until(lambda: re.search(r"serving .*:(\d+)$", self.child.log(), re.MULTILINE))[1])

    def kill(self) -> None:
        self.child.process.kill()
        self.child.process.wait()


@contextmanager
def house(*options: str, more_units: str = ""):
    """Gateway, splitter process, a TCP and an RTU master."""
    gateway, cable = Gateway(*options), Cable()
    with tempfile.TemporaryDirectory() as directory, running(cable):
        path = Path(directory, "softsplit.toml")
        path.write_text(f'[upstream.meters]\nurl = "tcp://127.0.0.1:{gateway.port}"\n'
                        f'units = {{ 100 = "abb-b23", 2 = "abb-b23"{more_units} }}\n'
                        '[downstream.victron]\nurl = "tcp://127.0.0.1:0"\n'
                        f'[downstream.maxem]\nurl = "rtu://{cable.left}"\nmode = "8N1"\n')
        with Child([*SOFTSPLIT, "run", "-c", str(path)]) as splitter:
            port = int(until(lambda: re.search(r"serving victron on .*:(\d+)", splitter.log()))[1])
            with TcpMaster(port) as tcp, RtuMaster(cable.right) as rtu:
                until(lambda: all(tcp.ask(unit, POWERS)[0] == 3 for unit in UNITS))
                yield gateway, splitter, tcp, rtu
    gateway.kill()


def oldest(masters, seconds: float, units=UNITS) -> float:
    """The greatest age any master is served, over a while; all of them must be served."""
    ages = []
    end = clock.now() + seconds
    while clock.now() < end:
        for master in masters:
            for unit in units:
                answer = master.ask(unit, POWERS)
                age = age_of(unit, answer, time.time())
                assert age is not None, f"unit {unit} was refused: {answer.hex()}"
                ages.append(age)
    return max(ages)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connections_to(port: int) -> int:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines)


def check_ages_and_cost():
    """Never older than 1.5 s, CPU under 3 %, memory under 40 MB, one connection."""
    with house() as (gateway, splitter, tcp, rtu):
        pid = splitter.process.pid
        age = oldest((tcp, rtu), 40)
        before, begin = cpu_seconds(pid), clock.now()
        while clock.now() < begin + 30:  # two masters as a Victron and a Maxem are
            assert all(master.ask(unit, POWERS)[0] == 3 for master in (tcp, rtu) for unit in UNITS)
            time.sleep(0.5)
        load = (cpu_seconds(pid) - before) / (clock.now() - begin)
        memory = int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024
        connections = connections_to(gateway.port)
        yield f"oldest {age:.2f} s, load {100 * load:.1f} %, memory {memory:.1f} MB, {connections} connection"
        assert age <= 1.5 and load < 0.03 and memory < 40 and connections == 1


def check_a_mute_unit():
    """The other unit is never older than 2.5 s; the mute one is refused 11 s after its last answer at the latest."""
    with house("--mute=2@20-60") as (gateway, splitter, tcp, rtu):
        until(lambda: clock.now() > gateway.started_at + 20, timeout=30)
        mute_at, refused_at, ages = gateway.started_at + 20, None, []
        while clock.now() < gateway.started_at + 59:
            ages.append(oldest((tcp, rtu), 0.2, units=(100,)))
            if refused_at is None and tcp.ask(2, POWERS) == b"\x83\x0b" == rtu.ask(2, POWERS):
                refused_at = clock.now()
            assert refused_at is None or tcp.ask(2, POWERS) == b"\x83\x0b"
        until(lambda: tcp.ask(2, POWERS)[0] == 3, timeout=10)
        yield (f"unit 100 oldest {max(ages):.2f} s; unit 2 refused {refused_at - mute_at:.1f} s after it went mute, "
               f"back {clock.now() - gateway.started_at - 60:.1f} s after its return")
        assert max(ages) <= 2.5 and refused_at - mute_at <= 11


def check_masters_that_ask_in_vain():
    """Beside ten that ask for what does not exist, of a mute unit too, unit 100 is never older than 2.5 s."""
    is_over = threading.Event()

    def ask_in_vain(port: int, unit: int, rng: random.Random) -> None:
        with TcpMaster(port) as master:
            while not is_over.is_set():
                master.ask(unit, read_request(rng.randrange(0x1000, 0x8E00), rng.randrange(1, 126)))

    with house("--mute=2@20-200", more_units=', 7 = "any"') as (gateway, splitter, tcp, rtu), \
            ThreadPoolExecutor(10) as pool:
        for seed, unit in enumerate((100, 100, 100, 2, 2, 2, 7, 7, 7, 7)):
            pool.submit(ask_in_vain, tcp.sock.getpeername()[1], unit, random.Random(seed))
        try:
            age = oldest((tcp, rtu), 60, units=(100,))
        finally:
            is_over.set()
        yield f"unit 100 oldest {age:.2f} s"
        assert age <= 2.5


def check_a_killed_gateway():
    """Both units are refused after 11 s at the latest, and back within 5 s; fewer than 10 lines of log."""
    with house() as (gateway, splitter, tcp, rtu):
        for outage in (3, 60):
            lines = splitter.log().count("\n")
            gateway.kill()
            killed_at = clock.now()
            if outage > 11:
                until(lambda: all(master.ask(unit, POWERS) == b"\x83\x0b" for master in (tcp, rtu) for unit in UNITS),
                      timeout=20)
                refused = clock.now() - killed_at
                assert refused <= 11
            until(lambda: clock.now() > killed_at + outage, timeout=2 * outage)
            gateway.start()
            until(lambda: all(is_recent(age_of(unit, master.ask(unit, POWERS), time.time()))
                              for master in (tcp, rtu) for unit in UNITS), timeout=20)
            back = clock.now() - gateway.started_at
            until(lambda: "connected" in splitter.log().splitlines()[-1], timeout=10)
            told = splitter.log().count("\n") - lines
            yield f"outage of {outage} s: back after {back:.1f} s, {told} lines of log"
            assert back <= 5 and told < 10
        yield f"refused {refused:.1f} s after the gateway was killed"
