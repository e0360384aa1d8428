"""The virtual meter answers everything the real one would: forwarded, learned and written, over every kind of wire."""

import re
import shutil
import struct
import subprocess
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from softsplit import Downstream, Profile, Unit, Upstream, clock
from softsplit.commands.check.wiring import draw
from softsplit.commands.simulate.pty import Cable
from softsplit.config.permission import parse_permission
from softsplit.config.topology import Topology
from softsplit.downstream.mirrors.forwarding import Way, outcome
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.store import PolledStore
from softsplit.downstream.servers.connection import LAST_WORD
from softsplit.downstream.servers.lateanswers import LateAnswers
from softsplit.errors import ConfigError, NoAnswer, Refused
from softsplit.polling import demand as learning_module
from softsplit.polling import plan as plan_module
from softsplit.polling.demand import FORGET, Demand
from softsplit.polling.fairness import WireShares
from softsplit.profiles import load_profile
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.protocol.requests import parse_file_read, parse_write
from softsplit.upstream import learner as learner_module
from softsplit.upstream import queue as forwards_module
from tests.support import (SLOWNESS, Clock, RtuMaster, TcpMaster, read_request, running, simulated_gateway,
                           splitting, until, upstream_of)
from tests.support.bus import KINDS, Bus, HangUp
from tests.support.outcomes import reading

HOLDING = Table.HOLDING_REGISTERS
PROFILE = Profile("polled", (Read(Block(HOLDING, 0, 4), "polled", 0.1),), readable=(Block(HOLDING, 0, 1000), Block(Table.COILS, 0, 64)),
                  functions=(1, 3, 5, 6, 15, 16, 20, 21, 22, 23))
BARE = Profile("bare", (), readable=(Block(HOLDING, 0, 1000),))
POLLED, OTHER = read_request(0, 4), read_request(100, 4)


@dataclass
class Device:
    """Units with registers that can be written, and which count what was done to them."""

    registers: dict[tuple[int, int], int] = field(default_factory=dict)
    coils: dict[tuple[int, int], int] = field(default_factory=dict)
    written: list[tuple[int, bytes]] = field(default_factory=list)

    def __call__(self, unit: int, pdu: bytes) -> bytes:
        function = pdu[0]
        address, count = struct.unpack(">HH", pdu[1:5]) if len(pdu) >= 5 else (0, 0)
        if function == 3 and address + count <= 1000:
            words = [self.registers.get((unit, address + n), (unit << 12) + address + n) for n in range(count)]
            return struct.pack(f">BB{count}H", 3, 2 * count, *words)
        if function == 1 and address + count <= 64:
            value = sum(self.coils.get((unit, address + n), 0) << n for n in range(count))
            return bytes((1, (count + 7) // 8)) + value.to_bytes((count + 7) // 8, "little")
        if function in (1, 3):
            return bytes((function | 0x80, 2))
        if function == 20:
            return b"\x14\x06\x05\x06" + pdu[5:9]
        self.written.append((unit, pdu))
        return self.write(unit, function, address, pdu)

    def write(self, unit: int, function: int, address: int, pdu: bytes) -> bytes:
        if function == 5:
            self.coils[unit, address] = pdu[3] == 0xFF
            return pdu
        if function == 15:
            self.coils |= {(unit, address + n): pdu[6 + n // 8] >> n % 8 & 1 for n in range(int.from_bytes(pdu[3:5], "big"))}
            return pdu[:5]
        if function == 16:
            self.registers |= {(unit, address + n): word for n, (word,) in enumerate(struct.iter_unpack(">H", pdu[6:]))}
            return pdu[:5]
        if function == 6:
            self.registers[unit, address] = int.from_bytes(pdu[3:5], "big")
        if function == 23:
            written = int.from_bytes(pdu[5:7], "big")
            self.registers |= {(unit, written + n): word for n, (word,) in enumerate(struct.iter_unpack(">H", pdu[10:]))}
            return b"\x17" + self(unit, b"\x03" + pdu[1:5])[1:]
        return pdu


@contextmanager
def house(tmp_path, kind="tcp", profile=PROFILE, units=(1, 2), allow_writes=(), learn=True, timeout=0.4, **options):
    """A bus with writable units behind a splitter; gives bus, device, splitter and a TCP master."""
    device = Device()
    with Bus(kind, tmp_path, device) as bus:
        line = {"mode": "8N1"} if kind == "rtu" else {}
        meters = Upstream(bus.url, [Unit(unit, profile) for unit in units], timeout, "meters", learn=learn, **line)
        with splitting(Downstream("tcp://127.0.0.1:0", [meters], allow_writes=allow_writes, name="master", **options)) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            if profile.reads:
                until(lambda: all(master.ask(unit, POLLED)[0] == 3 for unit in units))
            yield bus, device, splitter, master


def asked(bus, pdu: bytes, unit: int | None = None) -> int:
    """How often the bus heard a request."""
    return sum(each[1] == pdu and unit in (None, each[0]) for each in bus.requests)


# Reads that nobody has planned.

@pytest.mark.parametrize("kind", KINDS)
def test_a_read_that_is_not_polled_gets_the_units_own_answer_the_first_time(tmp_path, kind):
    with house(tmp_path, kind) as (bus, device, _, master):
        for unit in (1, 2):
            for pdu in (OTHER, read_request(2, 6), read_request(0, 5, function=1)):  # apart, across, another table
                assert master.ask(unit, pdu) == device(unit, pdu)
                assert asked(bus, pdu, unit) == 1
                assert master.ask(unit, pdu) == device(unit, pdu) and asked(bus, pdu, unit) == 1, "it is kept"
        assert master.ask(1, read_request(101, 2)) == device(1, read_request(101, 2))
        assert asked(bus, read_request(101, 2)) == 1, "a part may say something else by itself"


@pytest.mark.parametrize("kind", KINDS)
def test_what_says_something_else_alone_is_never_answered_with_a_part_of_more(tmp_path, kind):
    model, number, more = read_request(3, 1), read_request(2, 2), read_request(2, 6)  # in and beyond what is polled
    profile = Profile("picky", PROFILE.reads, readable=PROFILE.readable, alone=(Block(HOLDING, 3, 1),))
    with house(tmp_path, kind, profile, units=(1,)) as (bus, device, _, master):
        bus.fault = lambda say, frame, unit, pdu: say(frame(unit, b"\3\2\1\x55" if pdu == model else device(unit, pdu)))
        for _ in range(3):
            assert master.ask(1, more) == device(1, more) and master.ask(1, number) == device(1, number)
            assert master.ask(1, model) == b"\3\2\1\x55"
        assert asked(bus, model) == asked(bus, more) == 1, "both are kept"


def test_a_master_gets_what_is_not_polled_on_an_abb_meter():
    profile = load_profile("abb-b23")
    with simulated_gateway(profile, units=(100,), baudrate=19200) as gateway:
        meters = upstream_of(gateway, profile, (100,), timeout=1.0)
        with splitting(Downstream("tcp://127.0.0.1:0", [meters])) as splitter, TcpMaster(splitter.servers[0].url.port) as master:
            until(lambda: master.ask(100, read_request(0x5B00, 62))[0] == 3)
            begin = clock.now()
            answer = master.ask(100, read_request(0x1000, 10))
            assert answer == b"\x03\x14" + b"\xff" * 20 and clock.now() - begin < SLOWNESS
            assert master.ask(100, read_request(0x8EFF, 1)) == b"\x03\x02\xff\xff"
            for address, count in ((0x0FFF, 2), (0x8EFF, 2), (0x0000, 1)):
                assert master.ask(100, read_request(address, count)) == b"\x83\x02"


@pytest.mark.skipif(not shutil.which("mbpoll"), reason="mbpoll is not installed")
def test_mbpoll_and_a_second_master_read_all_that_an_unknown_device_has_at_once(tmp_path):
    def mbpoll(port: int) -> list[int]:
        """What mbpoll prints of all thousand registers."""
        printed = []
        for address in range(0, 1000, 125):
            said = subprocess.run(["mbpoll", "-a", "7", "-0", "-1", "-t", "4", "-r", str(address), "-c", "125", "-p", str(port), "127.0.0.1"],
                                  capture_output=True, text=True, timeout=10 * SLOWNESS)
            printed += re.findall(r"^\[\d+\]:\s+(\d+)", said.stdout, re.MULTILINE)
        return [int(each) for each in printed]

    with house(tmp_path, profile=load_profile("any"), units=(7,)) as (bus, device, splitter, master), ThreadPoolExecutor(1) as pool:
        polled = pool.submit(mbpoll, splitter.servers[0].url.port)
        rounds = 0
        while not polled.done() or not rounds:
            for address in range(0, 1000, 25):
                assert master.ask(7, read_request(address, 25)) == device(7, read_request(address, 25))
            rounds += 1
        assert polled.result() == [0x7000 + address for address in range(1000)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_device_is_shared_with_three_lines_of_configuration(tmp_path, kind):
    with house(tmp_path, kind, load_profile("any"), units=(7,)) as (bus, device, splitter, master), \
            TcpMaster(splitter.servers[0].url.port) as other:
        for pdu in (read_request(0, 10), read_request(500, 125), read_request(0, 64, function=1)):
            assert master.ask(7, pdu) == other.ask(7, pdu) == device(7, pdu)
        assert master.ask(7, read_request(2000, 2)) == other.ask(7, read_request(2000, 2)) == b"\x83\x02"
        assert asked(bus, read_request(2000, 2)) == 1, "an exception is remembered"
        assert master.ask(7, b"\x14\x07\x06\x00\x04\x00\x01\x00\x02") == b"\x14\x06\x05\x06\x00\x01\x00\x02"


def test_the_same_read_of_many_masters_is_sent_once(tmp_path):
    with house(tmp_path) as (bus, device, splitter, master):
        def slow(say, frame, unit, pdu):
            say(frame(unit, device(unit, pdu)))

        masters = [TcpMaster(splitter.servers[0].url.port) for _ in range(8)]
        bus.fault = lambda say, frame, unit, pdu: time.sleep(0.1) or slow(say, frame, unit, pdu)
        for each in masters:
            each.sock.sendall(adu.tcp_frame(1, 1, OTHER))
        for each in masters:
            assert each.receive(7 + 10)[7:] == device(1, OTHER)
            each.sock.close()
        assert asked(bus, OTHER) == 1


def test_who_waits_for_a_forwarded_answer_holds_up_nobody(tmp_path):
    with house(tmp_path, timeout=1.0) as (bus, device, splitter, master), TcpMaster(splitter.servers[0].url.port) as other:
        bus.fault = lambda say, frame, unit, pdu: pdu == OTHER or say(frame(unit, device(unit, pdu)))
        master.sock.sendall(adu.tcp_frame(1, 1, OTHER) + adu.tcp_frame(2, 1, POLLED))
        until(lambda: asked(bus, OTHER))
        begin = clock.now()
        for _ in range(50):
            assert other.ask(1, POLLED)[0] == 3 and other.ask(2, POLLED)[0] == 3
        assert clock.now() - begin < 0.5 * SLOWNESS
        assert master.receive(9)[7:] == b"\x83\x0b" and master.receive(7 + 10)[7:8] == b"\x03"


def test_with_learn_off_nothing_is_forwarded(tmp_path):
    with house(tmp_path, learn=False) as (bus, _, _, master):
        assert master.ask(1, OTHER) == b"\x83\x02" and master.ask(1, b"\x14\x07\x06\x00\x04\x00\x01\x00\x02") == b"\x94\x01"
        assert not asked(bus, OTHER)


def test_nothing_is_forwarded_to_a_mute_unit_and_it_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(plan_module, "RETRIES", (0.5,))
    with house(tmp_path, "tcp", BARE, units=(1,), timeout=0.1, max_age=0.5) as (bus, device, _, master):
        assert master.ask(1, OTHER) == device(1, OTHER)
        bus.fault = lambda *_: None
        until(lambda: master.ask(1, OTHER) == b"\x83\x0b")
        until(lambda: master.ask(1, read_request(200, 1)) == b"\x83\x0b" and asked(bus, OTHER) + asked(bus, read_request(200, 1)) >= 3)
        before = len(bus.requests)
        begin = clock.now()
        for _ in range(20):
            assert master.ask(1, OTHER) == b"\x83\x0b"
        assert clock.now() - begin < 0.5 * SLOWNESS and len(bus.requests) <= before + 1
        bus.fault = None
        until(lambda: master.ask(1, OTHER) == device(1, OTHER), timeout=10)


def test_what_was_forwarded_is_refused_when_it_is_too_old_and_cannot_be_had_again(tmp_path):
    with house(tmp_path, timeout=0.1, max_age=0.4) as (bus, device, _, master):
        assert master.ask(1, OTHER) == device(1, OTHER)
        taken = clock.now()
        bus.fault = lambda *_: None
        until(lambda: master.ask(1, OTHER) == b"\x83\x0b", timeout=2)
        assert 0.35 < clock.now() - taken < 1.2 * SLOWNESS
        assert all(master.ask(1, OTHER) == b"\x83\x0b" for _ in range(10))


def test_a_gateway_that_is_away_is_told_at_once(tmp_path):
    with house(tmp_path, "tcp", BARE, units=(1,)) as (bus, device, _, master):
        assert master.ask(1, OTHER) == device(1, OTHER)
        bus.vanish()
        until(lambda: master.ask(1, read_request(300, 1))[:2] in (b"\x83\x0a", b"\x83\x0b"))
        bus.come_back()
        until(lambda: master.ask(1, read_request(301, 1)) == device(1, read_request(301, 1)))


# What is asked often is learned.

def test_what_is_asked_often_is_polled_and_turns_stale_like_any_block(tmp_path, monkeypatch):
    monkeypatch.setattr(learning_module, "SHORTEST_PERIOD", 0.2)
    monkeypatch.setattr(learner_module, "LEARN_EVERY", 0.1)
    with house(tmp_path, timeout=0.1, max_age=0.5) as (bus, device, splitter, master):
        status = splitter.status
        for _ in range(6):
            assert master.ask(1, OTHER) == device(1, OTHER)
        until(lambda: len(status().upstreams["meters"].units["1"].blocks) == 2)
        sent = asked(bus, OTHER)
        until(lambda: asked(bus, OTHER) >= sent + 2)
        learned = status().upstreams["meters"].units["1"].blocks[1]
        assert (learned.address, learned.count, learned.every) == (100, 4, 0.2)
        bus.fault = lambda *_: None
        until(lambda: master.ask(1, OTHER) == b"\x83\x0b", timeout=4)
        bus.fault = None
        until(lambda: master.ask(1, OTHER) == device(1, OTHER), timeout=8)


def test_learning_takes_the_median_interval_and_forgets():
    learning, block = Demand(), Block(HOLDING, 0, 2)
    for second in (0, 2, 4, 5, 7, 30, 32):
        learning.note(1, block, second)
    assert learning.learned(33) == {(1, block): 2.0}
    assert learning.learned(32 + FORGET + 1) == {}
    for second in range(1000, 1100, 6):
        learning.note(1, block, second)
    assert learning.learned(1100) == {}, "less often than every 5 s"
    for tenth in range(20):
        learning.note(2, block, 2000 + tenth / 10)
    assert learning.learned(2002) == {(2, block): 1.0}, "no shorter than 1 s"
    for address in range(5000):
        learning.note(3, Block(HOLDING, address, 1), 3000)
    assert len(learning._asked_at) == 200


def test_polling_keeps_half_of_the_wire():
    turns, spent = WireShares(), {"polled": 0.0, "forwarded": 0.0}
    for _ in range(1000):
        if turns.is_pollings(True):
            turns.polled(0.05)
            spent["polled"] += 0.05
        else:
            turns.forwarded(0.2)
            spent["forwarded"] += 0.2
    assert 0.98 < spent["polled"] / spent["forwarded"] < 1.05
    turns.forwarded(1.0)
    assert not turns.is_pollings(False) and not turns.is_pollings(True), "what is not due is owed no more"


def test_ten_masters_that_ask_in_vain_do_not_age_a_healthy_unit(tmp_path):
    with house(tmp_path, timeout=0.3) as (bus, device, splitter, master):
        bus.fault = lambda say, frame, unit, pdu: unit == 1 and int.from_bytes(pdu[1:3], "big") < 500 and say(frame(unit, device(unit, pdu)))
        masters = [TcpMaster(splitter.servers[0].url.port) for _ in range(10)]
        oldest = 0.0
        mirror = splitter.servers[0].databank.mirrors[1]
        for number in range(15):
            for offset, each in enumerate(masters):
                each.sock.sendall(adu.tcp_frame(number, 1 + offset % 2, read_request(500 + 10 * number + offset, 1)))
            end = clock.now() + 0.1
            while clock.now() < end:
                assert master.ask(1, POLLED) == device(1, POLLED)
                oldest = max(oldest, clock.now() - mirror.states(clock.now())[0].taken_at)
        for each in masters:
            each.sock.close()
        assert oldest < 1.0


# On a serial line downstream, or behind a serial server.

@contextmanager
def line(tmp_path, allow_writes=(), profile=PROFILE, timeout=1.5, kind="rtu"):
    """The same, with a master on a serial line."""
    device, cable = Device(), Cable()
    with Bus("tcp", tmp_path, device) as bus, running(cable):
        meters = Upstream(bus.url, [Unit(1, profile)], timeout, "meters")
        here, mode = (f"rtu://{cable.left}", "8N1") if kind == "rtu" else ("rtuovertcp://127.0.0.1:0", None)
        with splitting(Downstream(here, [meters], mode=mode, allow_writes=allow_writes)) as splitter, \
                RtuMaster(cable.right if kind == "rtu" else f"socket://127.0.0.1:{splitter.servers[0].url.port}") as master:
            until(lambda: not profile.reads or master.ask(1, POLLED)[:1] == b"\x03")
            yield bus, device, master


def answers_after(bus, device, seconds, which):
    """Let the device take its time for some requests."""
    bus.fault = lambda say, frame, unit, pdu: (pdu == which and time.sleep(seconds)) or say(frame(unit, device(unit, pdu)))


@pytest.mark.parametrize("kind", ["rtu", "rtuovertcp"])
def test_over_rtu_an_answer_leaves_in_time_or_is_kept_for_the_retry(tmp_path, kind):
    with line(tmp_path, kind=kind) as (bus, device, master):
        assert master.ask(1, OTHER) == device(1, OTHER)
        slow = read_request(200, 2)
        answers_after(bus, device, 0.6, slow)
        master.port.timeout = 0.55
        begin = clock.now()
        assert master.ask(1, slow) == b"" and clock.now() - begin < 0.6 * SLOWNESS
        until(lambda: master.ask(1, slow) == device(1, slow))
        assert asked(bus, slow) == 1 and master.hears_nothing(0.5)


@pytest.mark.parametrize("kind", ["rtu", "rtuovertcp"])
def test_over_rtu_the_retry_of_a_write_gets_the_answer_and_is_not_written_again(tmp_path, kind):
    write = b"\x06\x00\x10\x12\x34"
    with line(tmp_path, ["meters/1 holding registers 0+100"], kind=kind) as (bus, device, master):
        answers_after(bus, device, 0.6, write)
        master.port.timeout = 0.55
        assert master.ask(1, write) == b""
        until(lambda: device.written)
        assert until(lambda: master.ask(1, write)) == write and device.written == [(1, write)]
        until(lambda: master.ask(1, read_request(0x10, 1)) == b"\x03\x02\x12\x34")
        bus.fault = None
        assert until(lambda: master.ask(1, write)) == write and len(device.written) == 2, "this one is another"


@pytest.mark.parametrize("patience", [0.2, 0.55])
def test_over_rtu_and_tcp_the_retry_of_a_write_on_a_new_connection_is_not_written_again(tmp_path, patience):
    write = b"\x06\x00\x10\x12\x34"
    with line(tmp_path, ["meters/1 holding registers 0+100"], kind="rtuovertcp") as (bus, device, master):
        answers_after(bus, device, 0.6, write)
        master.port.timeout = patience
        assert master.ask(1, write) == b""
        master.port.close()
        with RtuMaster(master.port.port) as again:
            assert until(lambda: again.ask(1, write)) == write and device.written == [(1, write)]


@pytest.mark.parametrize("kind", ["rtu", "rtuovertcp"])
@pytest.mark.parametrize("seconds", [0.2, 0.8])
def test_over_rtu_nothing_is_sent_when_the_next_request_has_begun(tmp_path, kind, seconds):
    with line(tmp_path, kind=kind) as (bus, device, master):
        slow = read_request(200, 4)
        answers_after(bus, device, seconds, slow)
        master.port.write(adu.rtu_frame(1, slow))
        until(lambda: asked(bus, slow))
        begin = clock.now()
        assert master.ask(1, POLLED) == device(1, POLLED)
        assert clock.now() - begin < 0.4 * SLOWNESS, "nor does it wait"
        assert master.hears_nothing(seconds + 0.2)


# Writes.

WRITES = {
    "coil": (b"\x05\x00\x03\xff\x00", b"\x05\x00\x03\xff\x00"),
    "register": (b"\x06\x00\x02\x12\x34", b"\x06\x00\x02\x12\x34"),
    "coils": (b"\x0f\x00\x00\x00\x0a\x02\x55\x01", b"\x0f\x00\x00\x00\x0a"),
    "registers": (b"\x10\x00\x01\x00\x02\x04\x00\x07\x00\x08", b"\x10\x00\x01\x00\x02"),
    "mask": (b"\x16\x00\x02\x00\xff\x00\x01", b"\x16\x00\x02\x00\xff\x00\x01"),
    "write and read": (b"\x17\x00\x01\x00\x02\x00\x02\x00\x01\x02\x00\x09", b"\x17\x04\x00\x07\x00\x09"),
    "files": (b"\x15\x09\x06\x00\x04\x00\x07\x00\x01\xab\xcd", b"\x15\x09\x06\x00\x04\x00\x07\x00\x01\xab\xcd"),
}
ALL = ["meters/1 holding registers 0x0000+100", "meters/1 coils 0+16", "meters/1 files 4+1"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_allowed_write_reaches_the_unit_once_and_its_answer_is_the_units(tmp_path, kind):
    with house(tmp_path, kind, allow_writes=ALL) as (_, device, _, master):
        for write, answer in WRITES.values():
            assert master.ask(1, write) == answer
        assert device.written == [(1, write) for write, _ in WRITES.values()]


def test_what_was_written_is_read_again_before_any_master_gets_it(tmp_path):
    with house(tmp_path, allow_writes=ALL, max_age=60) as (bus, device, splitter, master), TcpMaster(splitter.servers[0].url.port) as other:
        for value in range(30):
            assert other.ask(1, OTHER[:1] + b"\x00\x32\x00\x02")[0] == 3  # 50, 51: kept for a while
            assert master.ask(1, struct.pack(">BHHBHH", 16, 2, 2, 4, value, value)) == b"\x10\x00\x02\x00\x02"
            assert master.ask(1, struct.pack(">BHH", 6, 50, value))[0] == 6
            for each in (master, other):
                polled = until(lambda: (answer := each.ask(1, POLLED))[0] == 3 and answer)
                assert polled[-4:] == struct.pack(">HH", value, value), "stale, or what was written"
                assert each.ask(1, read_request(50, 2))[2:4] == struct.pack(">H", value)


def test_a_write_that_is_not_allowed_never_reaches_the_unit(tmp_path):
    allowed = ["meters/1 holding registers 10+2", "meters/1 coils 4+4"]
    with house(tmp_path, allow_writes=allowed) as (bus, device, _, master):
        for unit, write, code in (
                (2, b"\x06\x00\x0a\x00\x01", 1), (1, b"\x06\x00\x09\x00\x01", 1), (1, b"\x06\x00\x0c\x00\x01", 1),
                (1, b"\x10\x00\x0a\x00\x03\x06" + bytes(6), 1), (1, b"\x10\x00\x09\x00\x02\x04" + bytes(4), 1),
                (1, b"\x05\x00\x03\xff\x00", 1), (1, b"\x0f\x00\x04\x00\x05\x01\x1f", 1), (1, WRITES["files"][0], 1),
                (1, b"\x05\x00\x04\x12\x34", 3), (1, b"\x06\x00\x0a\x00", 3), (1, b"\x10\x00\x0a\x00\x02\x04\x00", 3),
                (1, b"\x10\x00\x0a\x00\x00\x00", 3), (1, b"\x17\x27\x10\x00\x02\x00\x0a\x00\x01\x02\x00\x09", 2),
                (1, b"\x08\x00\x00\x12\x34", 1), (0, b"\x06\x00\x0a\x00\x01", 0x0A)):
            assert master.ask(unit, write) == bytes((write[0] | 0x80, code)), write.hex(" ")
        assert master.ask(1, b"\x06\x00\x0a\x00\x01") == b"\x06\x00\x0a\x00\x01"
        assert device.written == [(1, b"\x06\x00\x0a\x00\x01")]


LOST = {
    "silence": lambda say, frame, unit, pdu: None,
    "hang up": lambda say, frame, unit, pdu: (_ for _ in ()).throw(HangUp),
    "another value": lambda say, frame, unit, pdu: say(frame(unit, pdu[:-1] + bytes((pdu[-1] ^ 1,)))),
    "another function": lambda say, frame, unit, pdu: say(frame(unit, b"\x03\x02\x00\x00")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", LOST)
def test_a_write_whose_answer_is_lost_is_not_repeated_nor_reported_as_done(tmp_path, caplog, kind, fault):
    write = WRITES["register"][0]
    with house(tmp_path, kind, allow_writes=ALL, timeout=0.2) as (bus, device, _, master):
        def lose(say, frame, unit, pdu):
            answer = device(unit, pdu)
            LOST[fault](say, frame, unit, pdu) if pdu == write else say(frame(unit, answer))

        bus.fault = lose
        assert master.ask(1, write) == b"\x86\x0b"
        bus.fault = None
        until(lambda: master.ask(1, POLLED)[0] == 3)
        assert master.ask(1, POLLED)[6:8] == b"\x12\x34", "it was done all the same"
    assert device.written == [(1, write)] and caplog.text.count("whether it was done is not known") == 1


def test_the_units_own_refusal_of_a_write_is_passed_on(tmp_path, caplog):
    with house(tmp_path, allow_writes=ALL) as (bus, device, _, master):
        bus.fault = lambda say, frame, unit, pdu: say(frame(unit, b"\x86\x04" if pdu[0] == 6 else device(unit, pdu)))
        assert master.ask(1, WRITES["register"][0]) == b"\x86\x04"
    assert "not known" not in caplog.text


def test_a_write_to_a_unit_that_is_mute_or_away_is_not_sent(tmp_path):
    with house(tmp_path, allow_writes=ALL, timeout=0.1) as (bus, device, splitter, master):
        bus.fault = lambda *_: None
        mirror = splitter.servers[0].databank.mirrors[1]
        until(lambda: mirror._store.unit.is_mute)
        assert master.ask(1, WRITES["register"][0]) == b"\x86\x0b"
        assert not [pdu for _, pdu, _ in bus.requests if pdu[0] == 6]


@pytest.mark.parametrize("text, told", [
    ("meters/1", "does not say what may be written"), ("meters/1 holding register 0+1", 'did you mean "holding registers"'),
    ("meters/3 coils 0+1", "unknown unit of this downstream"), ("gas/1 coils 0+1", "unknown unit"),
    ("meters/1 coils 65535+2", "no such addresses"), ("meters/1 coils 0+0", "no such addresses"), (5, "is not text"),
])
def test_a_permission_that_cannot_be_meant_is_refused(text, told):
    meters = Upstream("tcp://127.0.0.1:1", [Unit(1, PROFILE)], name="meters")
    with pytest.raises(ConfigError, match="allow_writes: .*" + told):
        Downstream("tcp://127.0.0.1:0", [meters], allow_writes=[text])


def test_permissions_are_read():
    found = parse_permission("the cellar/100 holding registers 0x8C04+8")
    assert (found.upstream, found.unit, found.kind, found.first, found.count) == ("the cellar", "100", "holding registers", 0x8C04, 8)
    with pytest.raises(ConfigError, match="is not a list"):
        Downstream("tcp://127.0.0.1:0", [Upstream("tcp://127.0.0.1:1", [Unit(1, PROFILE)])], allow_writes="meters/1 coils 0+1")


@pytest.mark.parametrize("pdu, code", [
    ("05 0000 1234", 3), ("06 0000", 3), ("0f 0000 0000 00", 3), ("0f 0000 07b1 f7" + "00" * 247, 3), ("10 0000 007c f8" + "00" * 248, 3),
    ("10 ffff 0002 04 00000000", 2), ("17 0000 007e 0000 0001 02 0000", 3), ("17 0000 0001 0000 0001 03 0000", 3), ("15 07 05 0000 0000 0000", 3),
    ("15 02 06 00", 3), ("16 0000 0000", 3), ("15", 3),
])
def test_a_write_that_is_malformed_gets_the_code_of_the_specification(pdu, code):
    assert parse_write(bytes.fromhex(pdu)) == code


@pytest.mark.parametrize("pdu", ["14", "14 00", "14 06 06 0001 0000 00", "14 07 05 0001 0000 0001", "14 07 06 0001 0000 0000",
                                 "14 07 06 0001 0000 00ff"])
def test_a_request_for_files_that_is_malformed_is_refused(pdu):
    assert parse_file_read(bytes.fromhex(pdu)) == 3


def test_what_was_forwarded_is_kept_bounded_and_never_cut():
    forwarded = []
    way = Way(lambda *asked: forwarded.append(asked) or Future(), lambda block: None, frozenset({1, 3}),
              [Block(HOLDING, 0, 5000), Block(Table.COILS, 0, 100)])
    mirror = Mirror(1, PolledStore((), 10.0), frozenset({HOLDING, Table.COILS}), way=way)
    for address in range(0, 5000, 10):
        mirror.update(reading(1, Block(HOLDING, address, 4), clock.now(), bytes(8)))
    assert len(mirror._kept) == 300
    flags, answer = Block(Table.COILS, 8, 16), b"\x01\x02\xf0\x0f"
    mirror.update(reading(1, flags, clock.now(), answer[2:]))
    assert mirror.handle_request(read_request(8, 16, 1)) == answer and not forwarded
    assert isinstance(mirror.handle_request(read_request(12, 8, 1)), Future) and len(forwarded) == 1
    mirror.update(reading(1, flags, clock.now(), exception=2))
    assert isinstance(mirror.handle_request(read_request(8, 16, 1)), Future) and len(forwarded) == 2


def test_an_outcome_is_an_answer_whatever_it_is():
    def refuse(code: int) -> bytes:
        return bytes((0x83, code))

    for error, expected in ((NoAnswer("x"), b"\x83\x0b"), (Refused("x", 6), b"\x83\x06")):
        assert outcome(forwards_module._done(error), refuse) == expected
    assert outcome(forwards_module._done(b"\x03\x02\x00\x01"), refuse) == b"\x03\x02\x00\x01"


def test_only_the_very_next_request_can_be_a_retry():
    kept, answer = LateAnswers(), forwards_module._done(b"\x06\x00\x01\x00\x02")
    write, read = adu.rtu_frame(1, b"\x06\x00\x01\x00\x02"), adu.rtu_frame(1, POLLED)
    kept.keep(write, answer)
    assert kept.take(write) is answer and kept.take(write) is None
    kept.keep(write, answer)
    assert kept.take(read) is None and kept.take(write) is None
    kept.keep(read, answer)
    assert kept.take(read) is None, "a read is asked again"


def test_a_retry_shares_what_is_on_its_way_and_gets_what_is_not_too_old(monkeypatch):
    monkeypatch.setattr("softsplit.clock.now", clock := Clock())
    write, both = (adu.rtu_frame(1, WRITES[name][0]) for name in ("register", "write and read"))
    kept, done, coming = LateAnswers(), forwards_module._done(b""), Future()
    for frame, answer, after, is_shared in ((write, coming, 9.0, True), (write, done, 0.9, True), (write, done, 1.1, False),
                                            (both, coming, 9.0, True), (both, done, 0.0, False)):
        kept.keep(frame, answer)
        clock.now += after
        assert kept.take(frame) is (answer if is_shared else None), (frame, after)


def test_an_outcome_that_is_cancelled_takes_its_request_back():
    waiting, sent = Future(), Future()
    sent.set_running_or_notify_cancel()
    answer = outcome(waiting, lambda code: bytes((0x86, code)))
    assert answer.cancel() and waiting.cancelled() and answer.result() == b"\x86\x0b"
    answer = outcome(sent, lambda code: bytes((0x86, code)))
    assert not answer.cancel() and not answer.done()


@pytest.mark.parametrize("kind", ["tcp", "rtuovertcp"])
def test_a_write_whose_master_has_hung_up_after_a_while_is_not_sent_any_more(tmp_path, kind):
    write, other = WRITES["register"][0], WRITES["registers"]
    device = Device()
    with Bus("tcp", tmp_path, device) as bus:
        meters = Upstream(bus.url, [Unit(1, PROFILE)], 1.0, "meters")
        here = [Downstream(f"{each}://127.0.0.1:0", [meters], allow_writes=ALL) for each in (kind, "tcp")]
        with splitting(*here) as splitter, TcpMaster(splitter.servers[1].url.port) as master:
            until(lambda: master.ask(1, POLLED)[0] == 3)
            bus.fault = lambda say, frame, unit, pdu: pdu == OTHER or say(frame(unit, device(unit, pdu)))
            master.sock.sendall(adu.tcp_frame(9, 1, OTHER))
            until(lambda: asked(bus, OTHER))
            with TcpMaster(splitter.servers[0].url.port) as leaving:
                leaving.sock.sendall(adu.tcp_frame(1, 1, write) if kind == "tcp" else adu.rtu_frame(1, write))
                until(lambda: any(each._awaited for each in tuple(splitter.servers[0].connections)))
                asked_at = clock.now()
                until(lambda: clock.now() - asked_at > LAST_WORD)
            assert master.receive(9) == adu.tcp_frame(9, 1, b"\x83\x0b")
            assert master.ask(1, other[0]) == other[1] and device.written == [(1, other[0])]


def test_a_read_that_two_masters_share_survives_when_one_hangs_up(tmp_path):
    with house(tmp_path) as (bus, device, splitter, master):
        answers_after(bus, device, 0.2, OTHER)
        with TcpMaster(splitter.servers[0].url.port) as leaving:
            leaving.sock.sendall(adu.tcp_frame(1, 1, OTHER))
            until(lambda: asked(bus, OTHER))
        assert master.ask(1, OTHER) == device(1, OTHER) and asked(bus, OTHER) == 1


def test_check_says_what_masters_may_write_and_where_nothing_can_be_served():
    meters = Upstream("tcp://127.0.0.1:1", [Unit(1, PROFILE), Unit(2, BARE)], name="meters", learn=False)
    drawn = draw(Topology([Downstream("tcp://127.0.0.1:0", [meters], allow_writes=["meters/1 coils 0+16", "meters/1 files 4+2"])]), "a")
    assert "unit 1  from meters/1  masters may write coils 0x0000+16, files 0x0004+2\n" in drawn
    assert "NOTHING IS SERVED, because learn is false" in drawn and drawn.endswith("unit 2  from meters/2")
