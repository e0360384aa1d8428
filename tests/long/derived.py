"""Derived units: faults of every input, skew, what they cost, and a driver that somebody else has written."""

import json
import os
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from softsplit import Derived, Downstream, clock
from softsplit.profiles import load_profile
from tests.long.house import cpu_seconds
from tests.support import (SLOWNESS, SOFTSPLIT, Child, TcpMaster, read_request, simulated_gateway, splitting,
                           until, upstream_of)
from tests.support.bus import Bus
from tests.test_derived_property import Clock, run

EACH = int(os.environ.get("SOFTSPLIT_TEST_FAULTS", "50"))  # faults of a kind on an input
FAULTS = ("killed", "frozen", "mute", "slowed", "restarted")
MAX_AGE, SKEW = 0.6, 0.25  # s
SLACK = 0.1 * SLOWNESS  # s that a request may take to its meter, which tells the time when it arrives
INPUTS = ((0, 1), (0, 2), (1, 3))  # bus and unit
METER = "block = [{ address = 0, count = 4, every = 0.05 }]\n" \
    'register = [{ name = "told", address = 0, type = "u32", resolution = "1 W" }, { name = "late", address = 2, type = "u32", resolution = "1 W" }]'
MAKE = "block = [{ address = 0, count = 10 }]\nregister = [" + ", ".join(
    f'{{ name = "{name}", address = {2 * at}, type = "u32", resolution = "1 W" }}' for at, name in enumerate(("a", "b", "c", "sum", "most"))) + "]"
VALUES = {"a": "u0/1.told", "b": "u0/2.told", "c": "u1/3.told", "sum": "u0/1.told + u0/2.told + u1/3.told",
          "most": "max(u0/1.late, u0/2.late, u1/3.late)"}


class Meters:
    """What meters say: the time in milliseconds since the beginning, at which they were asked, twice."""

    def __init__(self):
        self.begin = clock.now() - 1.0

    @property
    def now(self) -> int:
        return int(1000 * (clock.now() - self.begin))

    def __call__(self, unit: int, pdu: bytes) -> bytes:
        function, _, count = struct.unpack(">BHH", pdu)
        now = self.now
        return bytes((function, 2 * count)) + struct.pack(">II", now, now)[:2 * count]


class Watch(threading.Thread):
    """A master of the derived unit that asks all the time; what is wrong goes into `wrong`."""

    def __init__(self, port: int, meters: Meters):
        super().__init__(daemon=True)
        self.wrong: list[str] = []
        self.served = self.refused = 0
        self.oldest = self.widest = 0.0
        self.is_served = False
        self.is_over = threading.Event()
        self._master, self._meters = TcpMaster(port), meters

    def run(self) -> None:
        while not self.is_over.wait(0.004):
            now = self._meters.now  # it was not answered before
            answer = self._master.ask(1, read_request(0, 10))
            self.is_served = answer[0] == 3
            if not self.is_served:
                self.refused += 1
                if answer != bytes((0x83, 0x0B)):
                    self.wrong.append(answer.hex())
                continue
            self.served += 1
            *told, total, most = struct.unpack(">5I", answer[2:])
            age, apart = (now - min(told)) / 1000, (max(told) - min(told)) / 1000
            self.oldest, self.widest = max(self.oldest, age), max(self.widest, apart)
            if total != sum(told) or most != max(told) or 0 in told or age > MAX_AGE or apart > SKEW + SLACK:
                self.wrong.append(f"{told} {total} {most} at {now}")


@contextmanager
def three_meters():
    """The real program with two buses, three meters and a derived unit of their times; its buses, and who watches it."""
    meters = Meters()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        buses = [stack.enter_context(Bus("tcp", directory, meters)) for _ in range(2)]
        (directory / "meter.toml").write_text(METER)
        (directory / "make.toml").write_text(MAKE)
        path = directory / "softsplit.toml"
        path.write_text("".join(
            f'[upstream.u{number}]\nurl = "{bus.url}"\ntimeout = 0.2\nunits = {{ ' + ", ".join(
                f'{unit} = "meter.toml"' for at, unit in INPUTS if at == number) + " }\n" for number, bus in enumerate(buses))
            + f'[derived.sum]\nprofile = "make.toml"\nmax_skew = {SKEW}\n[derived.sum.values]\n'
            + "".join(f'{name} = "{text}"\n' for name, text in VALUES.items())
            + f'[downstream.d]\nurl = "tcp://127.0.0.1:0"\nmax_age = {MAX_AGE}\nunits = {{ 1 = "derived/sum" }}\n')
        splitter = stack.enter_context(Child([*SOFTSPLIT, "run", "-c", str(path)]))
        watch = Watch(int(until(lambda: re.search(r"serving d on .*:(\d+)", splitter.log()))[1]), meters)
        watch.start()
        until(lambda: watch.is_served)
        try:
            yield buses, watch
        finally:
            watch.is_over.set()
            watch.join()


def come_back(bus: Bus) -> None:
    """Be there again; whoever connects to a port of this machine that nobody has may get hold of it for a while."""
    def is_there() -> bool:
        try:
            bus.come_back()
        except OSError:
            return False
        return True
    until(is_there, timeout=30)


def suffer(bus: Bus, unit: int, kind: str, seconds: float) -> None:
    """One fault of one input, for so long."""
    def silent(say, frame, asked, pdu):
        if kind == "mute" and asked != unit:
            say(frame(asked, bus.device(asked, pdu)))

    def slowed(say, frame, asked, pdu):
        answer = bus.device(asked, pdu)
        time.sleep(0.12 if asked == unit else 0.0)
        say(frame(asked, answer))

    if kind in ("killed", "restarted"):
        bus.vanish()
    else:
        bus.fault = slowed if kind == "slowed" else silent
    if kind == "restarted":
        come_back(bus)
    end = clock.now() + seconds
    until(lambda: clock.now() > end)
    bus.fault = None
    if kind == "killed":
        come_back(bus)


def check_faults_of_each_input_of_a_derived_unit():
    """Each input killed, frozen, mute, slowed, restarted 50 times: nothing too old, no part of a sum, nothing wrong."""
    rng = random.Random(21)
    with three_meters() as (buses, watch):
        for kind in FAULTS:
            before = watch.served, watch.refused
            for _ in range(EACH):
                for number, unit in INPUTS:
                    suffer(buses[number], unit, kind, rng.uniform(0.05, 1.2))
                    until(lambda: watch.is_served, timeout=10)
            yield (f"{kind} {EACH} times each: {watch.served - before[0]} served, {watch.refused - before[1]} refused, "
                   f"{len(watch.wrong)} wrong; oldest {watch.oldest:.2f} s, furthest apart {watch.widest:.2f} s")
        assert watch.is_alive() and not watch.wrong, watch.wrong[:5]


def check_skew_of_a_derived_unit():
    """Of 10,000 answers while one bus is slow and fast in turn, none has inputs further apart than max_skew."""
    with three_meters() as (buses, watch):
        rng = random.Random(3)
        while watch.served < 10_000:
            suffer(buses[1], 3, "slowed", rng.uniform(0.1, 0.5))
            until(lambda: watch.is_served, timeout=10)
        yield f"{watch.served} served, {watch.refused} refused; furthest apart {watch.widest:.3f} s of {SKEW} s"
        assert not watch.wrong, watch.wrong[:5]


def check_how_fast_a_derived_unit_is_served():
    """Serving a derived unit is at least 0.95 as fast as serving a plain one."""
    profile = load_profile("abb-b23")
    with simulated_gateway(profile) as gateway:
        meters = upstream_of(gateway, profile)
        rest = Derived("abb-b23", (meters, 100), {"active_power_total": "active_power_total - meters/2.active_power_total"})
        with splitting(Downstream("tcp://127.0.0.1:0", units={1: rest, 100: (meters, 100)})) as splitter:
            asked, rates = read_request(0x5B00, 62), {1: [], 100: []}
            with TcpMaster(splitter.servers[0].url.port) as master:
                until(lambda: len(master.ask(1, asked)) == len(master.ask(100, asked)) == 126)
                for _ in range(15):
                    for unit, found in rates.items():
                        begin, count = clock.now(), 0
                        while clock.now() < begin + 0.5:
                            master.ask(unit, asked)
                            count += 1
                        found.append(count / 0.5)
    derived, plain = (statistics.median(each) for each in rates.values())
    yield f"{derived:.0f} requests a second, {plain:.0f} of a plain unit: {derived / plain:.2f}"
    assert derived >= 0.95 * plain


def check_what_twenty_derived_units_cost():
    """Twenty derived units of twenty meters take less than 5 % of a core more than the meters alone."""
    loads = {}
    with simulated_gateway(load_profile("abb-b23"), range(1, 21)) as gateway, tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "softsplit.toml")
        for number in (0, 20):
            sections = "".join(f'[derived.d{unit}]\nprofile = "eastron-sdm630"\nfrom = "meters/{unit}"\nvalues.active_power_total = '
                               f'"active_power_total - meters/{unit % 20 + 1}.active_power_total"\n' for unit in range(1, number + 1))
            units = ", ".join([f'{unit} = "meters/{unit}"' for unit in range(1, 21)] +
                              [f'{unit + 100} = "derived/d{unit}"' for unit in range(1, number + 1)])
            path.write_text(f'[upstream.meters]\nurl = "{gateway.url}"\nunits = {{ ' + ", ".join(f'{unit} = "abb-b23"' for unit in range(1, 21))
                            + f' }}\n{sections}[downstream.d]\nurl = "tcp://127.0.0.1:0"\nunits = {{ {units} }}\n')
            with Child([*SOFTSPLIT, "run", "-c", str(path)]) as child:
                until(lambda: "serving d" in child.log())
                time.sleep(5)
                before, begin = cpu_seconds(child.process.pid), clock.now()
                time.sleep(20)
                loads[number] = 100 * (cpu_seconds(child.process.pid) - before) / (clock.now() - begin)
    yield f"{loads[20]:.1f} % of a core with twenty, {loads[0]:.1f} % without"
    assert loads[20] - loads[0] < 5


def check_random_houses_with_derived_units():
    """500 random houses: what is served is what an evaluation of its own gives, or refused."""
    now, real = Clock(), clock.now
    clock.now = now
    try:
        served = sum(run(seed, now, 150) for seed in range(1000, 1500))
    finally:
        clock.now = real
    yield f"{served} values served, each as the readings make it"


def check_victrons_driver_of_an_em24():
    """Victron's own driver takes an EM24 made from a B23, every value within a count; its source is SOFTSPLIT_VICTRON."""
    source, python = os.environ.get("SOFTSPLIT_VICTRON"), os.environ.get("SOFTSPLIT_VICTRON_PYTHON", sys.executable)
    if not source:
        yield "skipped: SOFTSPLIT_VICTRON names no directory with dbus-modbus-client, SOFTSPLIT_VICTRON_PYTHON no Python with pymodbus 2"
        return
    profile, script = load_profile("abb-b23"), Path(__file__).parent.parent / "support" / "victron.py"
    names = {"/Ac/Power": "active_power_total", "/Ac/Frequency": "frequency", "/Ac/Energy/Forward": "active_energy_import_total",
             **{f"/Ac/L{phase}/{what}": f"{name}_l{phase}{ending}" for phase in (1, 2, 3) for what, name, ending in (
                 ("Voltage", "voltage", "_n"), ("Current", "current", ""), ("Power", "active_power", ""),
                 ("Energy/Forward", "active_energy_import", ""))}}
    with simulated_gateway(profile, (1,)) as gateway:
        meters = upstream_of(gateway, profile, (1,))
        em24 = Derived("carlo-gavazzi-em24-e1", (meters, 1), {"active_energy_export_total": "0 kWh", "serial_number_text": "meters/1.serial_number"})
        with splitting(Downstream("tcp://127.0.0.1:0", units={1: em24, 100: (meters, 1)}, max_age=3600, name="gx")) as splitter:
            until(lambda: splitter.status().health.is_well)
            splitter.upstreams["meters"].stop()  # nothing changes any more
            splitter.upstreams["meters"].join(5)
            done = subprocess.run([python, str(script), source, str(splitter.servers[0].url.port)], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr[-500:]
            read, said = json.loads(done.stdout), splitter.values("gx", 100)
    wrong = {path: (read[path], said[name]) for path, name in names.items() if abs(read[path] - said[name]) > 0.1}
    yield f"{read['model']}, serial number {read['/Serial']}: {len(names)} values, {len(wrong)} wrong"
    assert not wrong, wrong
