"""What takes longer than a test may: python -m tests.long [WORDS IN A CHECK'S NAME]

The real program against a separate simulated gateway with the wire time of 19200 baud, in real time. How old
a value is that a master gets follows from the value: the simulated meter shows a pure function of time.
"""

import contextlib
import math
import os
import random
import re
import socket
import struct
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Queue

from softsplit import Unit, Upstream, clock
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.simulate.simulate import SimulatedUnit, simulated_server
from softsplit.config.url import parse_url
from softsplit.downstream.servers.tcp import RtuOverTcpServer
from softsplit.polling import busload
from softsplit.profiles import load_profile
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.upstream.poller import Poller
from tests.bench.downstream import OURS, Peer, beside_hostile, turnaround
from tests.bench.upstream import PEERS, best_age, measure, saturated
from tests.support import (
    SOFTSPLIT,
    Child,
    RtuMaster,
    ScriptedGateway,
    TcpMaster,
    connected,
    free_port,
    good_answer,
    read_request,
    running,
    until,
)
from tests.support.bus import KINDS, Bus, HangUp
from tests.support.chaos import Chaos
from tests.support.fuzz import fuzz_rtu, fuzz_tcp
from tests.support.headless import (  # noqa: F401 (run by main)
    check_a_full_disk,
    check_a_read_only_disk,
    check_cron_heals,
)
from tests.support.nonsense import try_all
from tests.support.queueinggateway import QueueingGateway
from tests.support.suspension import Suspended
from tests.support.twotaps import check_two_taps  # noqa: F401 (run by main)
from tests.test_connections import serving
from tests.test_framing import FOREIGN_REPLY, campaign, traffic
from tests.test_poller import FAST, Wire
from tests.test_rtu_server import ANSWER, REQUEST, server_at
from tests.test_upstreams import RECOVERY, UNIT_FAULTS, suffer

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


def check_hostile_masters():
    """A master beside 500 that drip and 1000 idle ones sees no error, and answers within 20 ms (p99)."""
    for row in beside_hostile(30):
        yield f"beside {row['beside']}: {row['reads']} reads, {row['errors']} errors, p99 {row['p99']:.2f} ms"
        assert not row["errors"] and row["p99"] < 20


def check_a_slow_unit():
    """A unit comes back although the tries a mute unit gets are shorter than its answers take."""
    delay: float | None = 0.0

    def reply(transaction, unit, pdu):
        if delay is None:
            return b""
        answer_at = clock.now() + delay
        until(lambda: clock.now() >= answer_at)
        return good_answer(transaction, unit, pdu)

    with ScriptedGateway(reply) as gateway:
        wire = Wire(gateway, timeout=0.9, max_age=2.0)
        with running(*wire.workers):
            until(lambda: wire.serves(FAST))
            delay = None
            until(lambda: wire.poller._plan.is_mute(1), timeout=6)
            delay = 0.6
            began = clock.now()
            until(lambda: not wire.poller._plan.is_mute(1), timeout=20)
            yield f"back after {clock.now() - began:.1f} s"


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


def check_a_saturated_wire():
    """p99 of the age within 1.1 times the best possible, the wire busy for 97 %, however many masters there are."""
    one, many = saturated(20), saturated(20, masters=4)
    crowd = measure(PEERS["softsplit, saturated"], 32, 0, 20)
    yield (f"age p99 {one['age p99']:.3f} s, best possible {best_age():.3f} s; busy {100 * one['busy']:.1f} %; "
           f"{one['requests']:.2f} requests per s for 1 master, {many['requests']:.2f} for 4, {crowd['requests']:.2f} for 32")
    assert one["age p99"] <= 1.1 * best_age() and one["busy"] >= 0.97
    assert abs(crowd["requests"] / one["requests"] - 1) < 0.02


def check_a_saturated_serial_line():
    """The same on a pseudo-terminal, where both ends keep the silences: as young as possible, the wire busy for 97 %."""
    cable, meter, readings = Cable(), load_profile("abb-b23"), Queue()
    server = simulated_server(meter, UNITS, parse_url(f"rtu://{cable.left}", ("rtu",)), None, 19200, "8N1")
    server.open()
    upstream = Upstream(f"rtu://{cable.right}", [Unit(unit, meter, {"instantaneous values": 0.1}) for unit in UNITS],
                        mode="8N1", name="bus")
    with running(cable, server, Poller(upstream, upstream.units, readings)):
        end = clock.now() + 25
        until(lambda: clock.now() > end, timeout=30)
    taken = [reading for reading in readings.queue if reading.taken_at > end - 15]
    takes = {read.block: busload.duration(read, 19200, "8N1", delay=0.0) for read in meter.reads}
    busy = sum(takes[reading.block] for reading in taken[:-1]) / (taken[-1].taken_at - taken[0].taken_at)
    fast = meter.reads[0].block
    best = 2 * takes[fast] + max(takes.values()) + takes[fast]
    times = [reading.taken_at for reading in taken if (reading.unit, reading.block) == (100, fast)]
    oldest = max(later - earlier for earlier, later in zip(times, times[1:])) + takes[fast]
    yield f"oldest {oldest:.3f} s, best possible {best:.3f} s; busy {100 * busy:.1f} %"
    assert oldest <= 1.1 * best and busy >= 0.97


def check_nonsense():
    """200,000 configurations, profiles and command lines that nobody should write end in one line, soon, and in little memory."""
    os.environ["SOFTSPLIT_CONFIG"] = "/nowhere.toml"
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
        for seed in range(1000, 1800):
            try_all(seed, 250, Path(directory))
    yield "none of 200,000 ended badly"


SLOW_GATEWAY = """
[upstream.meters]
url = "{url}"
units = {{ 1 = "meter.toml", 2 = "meter.toml", 3 = "meter.toml" }}
[downstream.tcp]
url = "tcp://127.0.0.1:{port}"
"""


@contextmanager
def behind_slow_gateway(gateway: QueueingGateway):
    """The real program with three units behind a gateway; gives a function that tells how old a unit's data is."""
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        Path(directory, "meter.toml").write_text("block = [{ address = 100, count = 20, every = 1.0 }]")
        config = Path(directory, "softsplit.toml")
        config.write_text(SLOW_GATEWAY.format(url=gateway.url, port=port))
        with Child([*SOFTSPLIT, "run", "-c", str(config)], env={**os.environ, "XDG_RUNTIME_DIR": directory}) as child:
            master = until(lambda: connected(port), timeout=10)
            with master:
                yield lambda unit: master.read(unit, 100, 20) is not None
            child.end()


def check_slow_gateways():
    """Behind a gateway that is slower than our tries a healthy unit is served all the time, and who returns soon."""
    for wait, silent in ((3.0, False), (3.0, True), (2.03, False), (1.0, False)):
        with QueueingGateway(wait, takes=0.06, silent=silent) as gateway, behind_slow_gateway(gateway) as serves:
            until(lambda: serves(1), timeout=10)
            began, learned = time.monotonic(), 0
            while time.monotonic() < began + 60:
                assert serves(1) or time.monotonic() < began + 15
                learned = learned or (time.monotonic() > began + 15) * len(gateway.inside)
                threading.Event().wait(0.2)
            times = [at for unit, _, at in gateway.requests if unit == 1 and at > began + 15]
            gap = max(later - earlier for earlier, later in zip(times, times[1:]))
            inside = max(gateway.inside[learned:])
            assert gap < 2.5 + wait and inside <= 1 + silent
            gateway.there.clear()
            threading.Event().wait(20)
            gateway.there.add(2)
            back = time.monotonic()
            until(lambda: serves(2), timeout=60)
            took = time.monotonic() - back
        says = "nothing" if silent else "0x0B"
        yield f"{wait} s, then {says}: asked every {gap:.1f} s at the latest, {inside} inside; back after {took:.1f} s"
        assert took < (3 * wait + 5 if silent else max(5, 2 * wait) + wait)


def main(words: list[str]) -> int:
    checks = [check for name, check in globals().items() if name.startswith("check_")]
    failed = 0
    for check in checks:
        if all(word in check.__name__ for word in words):
            print(f"{check.__name__.removeprefix('check_').replace('_', ' ')}: {check.__doc__}", flush=True)
            try:
                for line in check():
                    print(f"  {line}", flush=True)
            except (AssertionError, OSError) as error:
                failed += 1
                print(f"  FAILED {error!r}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
