"""What a master writes is stale until it was read after that, and nothing else is."""

import itertools
import struct
import threading
import time
from contextlib import contextmanager

import pytest

from softsplit import Downstream, Profile, Unit, Upstream, clock
from softsplit.protocol.blocks import Block, Read
from tests.support import SLOWNESS, TcpMaster, read_request, splitting, until
from tests.support.bus import KINDS, Bus
from tests.support.chaos import Chaos
from tests.test_forwarding import HOLDING, PROFILE, Device, house

ALL = ["meters/1 holding registers 0+1000"]
WIDE = Profile("wide", (Read(Block(HOLDING, 0, 60), "wide", 0.5),), readable=(Block(HOLDING, 0, 1000),), functions=(3, 6, 16))
LOCKED = Profile("locked", (Read(Block(HOLDING, 0, 4), "open", 0.5), Read(Block(HOLDING, 50, 4), "locked", 600.0)),
                 readable=WIDE.readable, functions=(3, 6))


def write_of(address: int, value: int) -> bytes:
    return struct.pack(">BHH", 6, address, value)


@contextmanager
def writer(port: int, unit: int = 1, address: int = 7):
    """A master that writes to one register, back to back; gives the numbers that were acknowledged."""
    is_over, acknowledged = threading.Event(), []

    def write() -> None:
        with TcpMaster(port) as master:
            for value in itertools.count(1):
                if is_over.is_set():
                    return
                if master.ask(unit, write_of(address, value))[0] == 6:
                    acknowledged.append(value)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield acknowledged
    finally:
        is_over.set()
        thread.join()


def test_what_is_read_while_a_write_is_in_doubt_is_not_kept(tmp_path):
    write, read = write_of(100, 7), read_request(100, 2)
    with house(tmp_path, units=(1,), allow_writes=ALL, timeout=0.2) as (bus, device, _, master):
        def fault(say, frame, unit, pdu):
            if pdu == write:
                threading.Timer(0.3, device, (unit, pdu)).start()  # nobody is told
            else:
                say(frame(unit, device(unit, pdu)))

        bus.fault = fault
        assert master.ask(1, write) == b"\x86\x0b"
        assert master.ask(1, read)[2:4] == struct.pack(">H", 0x1064), "what the unit says at this moment"
        until(lambda: device.written)
        assert master.ask(1, read)[2:4] == struct.pack(">H", 7)


@pytest.mark.parametrize("kind", KINDS)
def test_a_master_that_writes_back_to_back_makes_nothing_stale_but_what_it_writes(tmp_path, kind):
    with house(tmp_path, kind, WIDE, units=(1,), allow_writes=ALL) as (bus, device, splitter, master), \
            writer(splitter.servers[0].url.port) as acknowledged:
        until(lambda: len(acknowledged) > 3)
        ends, own = clock.now() + 0.7, []
        while clock.now() < ends or len(acknowledged) <= 10:
            assert clock.now() < ends + 15 * SLOWNESS, "writes go on"
            assert master.ask(1, read_request(0, 7))[0] == master.ask(1, read_request(8, 52))[0] == 3
            earlier = acknowledged[-1]
            answer = master.ask(1, read_request(7, 1))
            if answer[0] == 3:
                own.append(int.from_bytes(answer[2:], "big") - earlier)
        assert min(own, default=0) >= 0, "never older than what was acknowledged"


def test_what_was_written_is_read_before_the_next_write_goes_out(tmp_path):
    with house(tmp_path, profile=WIDE, units=(1,), allow_writes=ALL) as (bus, device, splitter, _):
        with writer(splitter.servers[0].url.port) as one, writer(splitter.servers[0].url.port, address=8) as two:
            until(lambda: len(one) > 10 and len(two) > 10)
        functions = [pdu[0] for _, pdu, _ in bus.requests]
        assert (6, 6) not in list(itertools.pairwise(functions))


def test_writes_back_to_back_leave_other_units_their_periods(tmp_path):
    slow_answers = PROFILE
    with house(tmp_path, profile=slow_answers, units=(1, 2), allow_writes=ALL) as (bus, device, splitter, master):
        bus.fault = lambda say, frame, unit, pdu: (time.sleep(0.01), say(frame(unit, device(unit, pdu))))
        mirror = splitter.servers[0].databank.mirrors[2]
        with writer(splitter.servers[0].url.port, address=1) as acknowledged:
            ends, oldest = clock.now() + 0.8, 0.0
            while clock.now() < ends:
                now = clock.now()
                oldest = max(oldest, now - mirror.states(now)[0].taken_at)
                time.sleep(0.005)
        assert oldest < 0.4 and len(acknowledged) > 5


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_a_write_without_an_acknowledgement_makes_nothing_stale_but_what_it_writes(tmp_path, kind):
    with house(tmp_path, kind, WIDE, units=(1,), allow_writes=ALL, timeout=0.1) as (bus, device, splitter, master):
        bus.fault = lambda say, frame, unit, pdu: pdu[0] == 6 or say(frame(unit, device(unit, pdu)))
        assert master.ask(1, write_of(7, 1)) == b"\x86\x0b"
        written_at = clock.now()
        until(lambda: master.ask(1, read_request(0, 7))[0] == master.ask(1, read_request(8, 52))[0] == 3
              and master.ask(1, read_request(7, 1))[0] == 3)
        assert clock.now() - written_at > 0.15, "it might have been done until then"


def test_what_a_unit_refused_before_a_write_is_asked_again_after_it(tmp_path):
    device = Device()

    def locking(unit: int, pdu: bytes) -> bytes:
        return b"\x83\x02" if pdu[0] == 3 and pdu[2] >= 50 and not device.written else device(unit, pdu)

    with Bus("tcp", tmp_path, locking) as bus:
        meters = Upstream(bus.url, [Unit(1, LOCKED)], 0.4, "meters")
        with splitting(Downstream("tcp://127.0.0.1:0", [meters], allow_writes=ALL)) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            check_unlocking(master, device)


def check_unlocking(master, device):
    locked, unlock = read_request(50, 4), write_of(200, 1)
    until(lambda: master.ask(1, locked) == b"\x83\x02")
    assert master.ask(1, read_request(60, 2)) == b"\x83\x02"  # remembered
    assert master.ask(1, unlock) == unlock
    assert master.ask(1, read_request(60, 2)) == device(1, read_request(60, 2)), "at once"
    until(lambda: master.ask(1, locked) == device(1, locked), timeout=2)


@pytest.mark.parametrize("count", [2, 4])
def test_on_a_full_serial_wire_a_read_of_the_shape_of_a_polled_block_gets_its_turn(tmp_path, count):
    crowd = Profile("crowd", tuple(Read(Block(HOLDING, 10 * number, count), str(number), 0.02) for number in range(8)),
                    readable=(Block(HOLDING, 0, 1000),), functions=(3,))
    with house(tmp_path, "rtuovertcp", crowd, units=(1,), timeout=0.4) as (bus, device, _, master):
        bus.fault = lambda say, frame, unit, pdu: (time.sleep(0.005), say(frame(unit, device(unit, pdu))))
        for address in range(500, 505):
            begun = clock.now()
            assert master.ask(1, read_request(address, count)) == device(1, read_request(address, count))
            assert clock.now() - begun < 0.5 * SLOWNESS


def test_no_master_reads_what_is_older_than_what_was_acknowledged_before(tmp_path):
    chaos = Chaos("tcp", tmp_path, 1.0)
    assert not chaos.wrong, chaos.wrong[:5]
    assert chaos.served > 20 and chaos.acknowledged > 5 and chaos.meter.lost + chaos.meter.late > 0
