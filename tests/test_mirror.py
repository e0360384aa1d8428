"""Mirrors: what a master gets, and when it gets an exception instead."""

import struct
import threading

import pytest

from softsplit import clock as program_clock
from softsplit.downstream.databank import Databank
from softsplit.downstream.mirrors import store as store_module
from softsplit.downstream.mirrors.heardstore import HeardStore
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.store import PolledStore
from softsplit.profiles import load_profile, shipped_profiles
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.protocol.outcome import Location, Reading
from tests.support import Clock, read_request
from tests.support.outcomes import reading

HOLDING = Table.HOLDING_REGISTERS
FAST = Read(Block(HOLDING, 100, 10), "fast", 1.0)
TOUCHING = Read(Block(HOLDING, 110, 5), "touching", 5.0)
RARE = Read(Block(HOLDING, 200, 4), "rare", 600.0)
COILS = Read(Block(Table.COILS, 3, 10), "coils", 1.0)
MORE_COILS = Read(Block(Table.COILS, 13, 7), "more coils", 1.0)
READS = (FAST, TOUCHING, RARE, COILS, MORE_COILS)
STALE = bytes((0x83, 0x0B))


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("softsplit.clock.now", clock)
    return clock


def mirror_of(max_age: float = 10.0, when_stale: str = "exception") -> Mirror:
    return Mirror(7, PolledStore(READS, max_age), frozenset({HOLDING, Table.COILS}), when_stale)


def words(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}H", *numbers)


def good(read: Read, taken_at: float, first: int = 0) -> Reading:
    return reading(7, read.block, taken_at, words(*range(first, first + read.block.count)))


def unanswered(taken_at: float) -> Reading:
    return reading(7, FAST.block, taken_at)


def refused(read: Read, taken_at: float, code: int) -> Reading:
    return reading(7, read.block, taken_at, exception=code)


def ask(mirror: Mirror, address: int, count: int, function: int = 3) -> bytes:
    return mirror.handle_request(read_request(address, count, function))


def test_what_was_never_read_is_stale(clock):
    assert ask(mirror_of(), 100, 10) == STALE


def test_a_reading_is_served_as_it_came(clock):
    mirror = mirror_of()
    mirror.update(good(FAST, clock.now, first=0xFF00))
    assert ask(mirror, 100, 10) == bytes((3, 20)) + words(*range(0xFF00, 0xFF0A))
    assert ask(mirror, 103, 2) == bytes((3, 4)) + words(0xFF03, 0xFF04)


def test_a_read_may_cross_the_border_of_blocks_that_touch(clock):
    mirror = mirror_of()
    mirror.update(good(FAST, clock.now))
    assert ask(mirror, 109, 2) == STALE
    mirror.update(good(TOUCHING, clock.now, first=50))
    assert ask(mirror, 109, 2) == bytes((3, 4)) + words(9, 50)


@pytest.mark.parametrize("address, count", [(99, 1), (99, 12), (114, 2), (115, 1), (150, 1), (203, 2), (0, 125)])
def test_words_that_are_not_polled_are_never_made_up(clock, address, count):
    mirror = mirror_of()
    for read in (FAST, TOUCHING, RARE):
        mirror.update(good(read, clock.now))
    assert ask(mirror, address, count) == bytes((0x83, 2))


def test_a_block_is_fresh_until_max_age_or_three_periods(clock):
    mirror = mirror_of(max_age=10)
    begin = clock.now
    for read in (FAST, TOUCHING, RARE):
        mirror.update(good(read, begin))
    for read, fresh_for in ((FAST, 10), (TOUCHING, 15), (RARE, 1800)):
        clock.now = begin + fresh_for
        assert ask(mirror, read.block.address, 1)[0] == 3
        clock.now = begin + fresh_for + 0.001
        assert ask(mirror, read.block.address, 1) == STALE


def test_a_read_needs_every_block_it_touches_to_be_fresh(clock):
    mirror = mirror_of()
    mirror.update(good(TOUCHING, clock.now))
    mirror.update(good(FAST, clock.now))
    clock.now += 12
    assert ask(mirror, 110, 5)[0] == 3
    assert ask(mirror, 109, 2) == STALE


def test_a_mute_unit_is_stale_as_a_whole_when_max_age_has_passed(clock):
    mirror = mirror_of(max_age=10)
    begin = clock.now
    mirror.update(good(RARE, begin))
    mirror.update(unanswered(begin + 1))
    clock.now = begin + 100
    assert ask(mirror, 200, 4)[0] == 3, "one unanswered read does not make a unit mute"
    mirror.update(unanswered(begin + 2))
    assert ask(mirror, 200, 4) == STALE
    clock.now = begin + 10
    assert ask(mirror, 200, 4)[0] == 3
    clock.now = begin + 100
    mirror.update(refused(FAST, clock.now, 2))
    assert ask(mirror, 200, 4)[0] == 3, "an exception is an answer"


def test_the_units_own_exception_is_passed_on_until_its_next_good_answer(clock):
    mirror = mirror_of()
    mirror.update(good(FAST, clock.now))
    mirror.update(good(TOUCHING, clock.now))
    mirror.update(refused(FAST, clock.now, 4))
    assert ask(mirror, 100, 10) == bytes((0x83, 4))
    assert ask(mirror, 109, 2) == bytes((0x83, 4))
    assert ask(mirror, 110, 5)[0] == 3
    clock.now += 9
    mirror.update(unanswered(clock.now))
    assert ask(mirror, 100, 10) == bytes((0x83, 4))
    mirror.update(good(FAST, clock.now))
    assert ask(mirror, 100, 10)[0] == 3


def test_no_answer_leaves_the_last_data_until_it_is_too_old(clock):
    mirror = mirror_of(max_age=10)
    mirror.update(good(FAST, clock.now))
    mirror.update(unanswered(clock.now + 1))
    mirror.update(unanswered(clock.now + 2))
    clock.now += 10
    assert ask(mirror, 100, 10)[0] == 3
    clock.now += 0.001
    assert ask(mirror, 100, 10) == STALE


def test_stale_may_mean_silence(clock):
    mirror = mirror_of(when_stale="silent")
    assert ask(mirror, 100, 10) == b""
    assert ask(mirror, 150, 1) == bytes((0x83, 2)), "what does not exist is refused all the same"
    mirror.update(good(FAST, clock.now))
    mirror.update(refused(FAST, clock.now, 2))
    assert ask(mirror, 100, 10) == bytes((0x83, 2))


def test_bits_are_served_from_any_start(clock):
    mirror = mirror_of()
    mirror.update(reading(7, COILS.block, clock.now, bytes.fromhex("4dff")))  # 1011 0010 11, padding set
    assert ask(mirror, 3, 10, 1) == bytes.fromhex("01024d03")
    assert ask(mirror, 4, 3, 1) == bytes.fromhex("010106")
    mirror.update(reading(7, MORE_COILS.block, clock.now, bytes.fromhex("55")))
    assert ask(mirror, 3, 17, 1) == bytes.fromhex("01034d5701")
    assert ask(mirror, 3, 10, 2) == bytes((0x82, 1)), "the unit has no discrete inputs"


@pytest.mark.parametrize("pdu", ["05 0064 ff00", "06 0064 0001", "0f 0003 0001 01 01", "10 0064 0001 02 0001",
                                 "16 0064 0000 ffff", "17 0064 0001 0064 0001 02 0001", "15 00", "06", "10 0064"])
def test_writes_are_refused_and_change_nothing(clock, pdu):
    mirror = mirror_of()
    mirror.update(good(FAST, clock.now))
    before = ask(mirror, 100, 10)
    assert mirror.handle_request(bytes.fromhex(pdu)) == bytes((bytes.fromhex(pdu)[0] | 0x80, 1))
    assert mirror.handle_request(bytes.fromhex(pdu), broadcast=True) == b""
    assert ask(mirror, 100, 10) == before


def test_modbus_tk_sees_the_same_values(clock):
    mirror = mirror_of()
    mirror.update(good(FAST, clock.now, first=40000))
    databank = Databank("test", [mirror], None)
    assert databank.get_slave(7).get_values("holding registers 0x0064+15", 101, 2) == (40001, 40002)
    with pytest.raises(TypeError):
        mirror.set_values("holding registers 0x0064+15", 101, 5)


def test_a_reading_of_the_wrong_size_is_a_bug_and_changes_nothing(clock):
    mirror = mirror_of()
    with pytest.raises(ValueError):
        mirror.update(reading(7, FAST.block, clock.now, b"\0\0"))
    assert ask(mirror, 100, 10) == STALE


def test_a_master_never_sees_half_of_a_reading(monkeypatch):
    """Data, age and exception change together, although the thread is made to pause between them."""
    put = store_module.MergedBlock.put

    def slow_put(self, block, data):
        put(self, block, data)
        is_half_done.set()
        may_go_on.wait(5)

    is_half_done, may_go_on = threading.Event(), threading.Event()
    mirror = Mirror(7, PolledStore((FAST,), 10.0), frozenset({HOLDING}))
    monkeypatch.setattr(store_module.MergedBlock, "put", slow_put)
    now = program_clock.now()
    writer = threading.Thread(target=lambda: mirror.update(good(FAST, now)))
    writer.start()
    assert is_half_done.wait(5)
    answers = []
    reader = threading.Thread(target=lambda: answers.append(ask(mirror, 100, 10)))
    reader.start()
    reader.join(0.2)
    assert reader.is_alive(), "it must wait for the writer"
    may_go_on.set()
    reader.join(5)
    writer.join(5)
    assert answers == [bytes((3, 20)) + words(*range(10))]


def test_a_databank_names_a_refused_request_once(clock, caplog):
    caplog.set_level("INFO")
    databank = Databank("maxem", [mirror_of()], unknown_unit=None)
    for _ in range(3):
        assert databank.answer(7, read_request(0x1000, 10)) == bytes((0x83, 2))
        assert databank.answer(7, bytes.fromhex("0600640001")) == bytes((0x86, 1))
        assert databank.answer(7, read_request(100, 1)) == STALE
        assert databank.answer(8, read_request(100, 1)) == b""
    assert [record.message for record in caplog.records] == [
        "maxem: unit 7: read holding registers 0x1000+10: a master was refused with exception 0x02 (illegal data address)",
        "maxem: unit 7: write register 0x0064: a master was refused with exception 0x01 (illegal function)"]


def test_a_scan_by_a_master_does_not_flood_the_log(clock, caplog):
    caplog.set_level("INFO")
    databank = Databank("victron", [mirror_of()], unknown_unit=0x0A)
    for address in range(300, 3000):
        databank.answer(7, read_request(address, 1))
    for unit in range(8, 248):
        assert databank.answer(unit, read_request(0, 1)) == bytes((0x83, 0x0A))
    assert 5 < len(caplog.records) <= 2 * 21  # of requests that are refused, and of units that are not served


def test_what_was_heard_alone_is_no_part_of_what_was_heard_with_more(clock):
    number, model = Block(HOLDING, 10, 2), Block(HOLDING, 11, 1)
    mirror = Mirror(7, HeardStore(10.0, alone=(model,)), frozenset({HOLDING}))
    mirror.update(reading(7, number, clock.now, words(4000, 0)))
    assert ask(mirror, 11, 1) == STALE
    mirror.update(reading(7, model, clock.now, words(341)))
    assert (ask(mirror, 10, 2), ask(mirror, 11, 1)) == (b"\3\4" + words(4000, 0), b"\3\2" + words(341))
    mirror.doubt([model])
    assert ask(mirror, 10, 2) == ask(mirror, 11, 1) == STALE


# What a write changes.

def write_one(mirror: Mirror, address: int, until: float, count: int = 1) -> None:
    """A write was under way, and was over at that time."""
    blocks = (Block(HOLDING, address, count),)
    mirror.doubt(blocks)
    mirror.doubt(blocks, until)


def test_only_the_registers_written_are_stale_until_they_were_read_after_the_write(clock):
    mirror = mirror_of()
    mirror.update(good(FAST, clock.now))
    mirror.doubt((Block(HOLDING, 103, 2),))
    for address, count, is_served in ((100, 3, True), (105, 5, True), (103, 1, False), (104, 1, False), (102, 2, False), (100, 10, False)):
        assert (ask(mirror, address, count) != STALE) is is_served, (address, count)
    mirror.doubt((Block(HOLDING, 103, 2),), clock.now + 1)
    mirror.update(good(FAST, clock.now + 0.9, first=50))
    assert ask(mirror, 103, 1) == STALE, "it was asked for before the write was over"
    assert ask(mirror, 100, 3)[2:] == words(50, 51, 52), "of the others it is good"
    mirror.update(good(FAST, clock.now + 1.0, first=70))
    assert ask(mirror, 100, 10)[2:] == words(*range(70, 80))


def test_a_write_that_was_not_sent_leaves_all_as_it_was(clock):
    mirror = mirror_of()
    mirror.update(good(FAST, clock.now))
    write_one(mirror, 103, float("-inf"))
    assert ask(mirror, 100, 10)[2:] == words(*range(10))


def test_a_write_that_may_be_done_late_is_not_settled_by_another_that_was_acknowledged(clock):
    mirror = mirror_of()
    write_one(mirror, 103, clock.now + 3)
    write_one(mirror, 103, clock.now + 1)
    write_one(mirror, 105, clock.now + 1)
    mirror.update(good(FAST, clock.now + 2))
    assert ask(mirror, 103, 1) == STALE and ask(mirror, 105, 1) != STALE
    mirror.update(good(FAST, clock.now + 3))
    assert ask(mirror, 103, 1) != STALE


def test_an_answer_made_ready_is_not_given_while_a_write_is_under_way(clock):
    mirror = mirror_of()
    mirror.update(good(FAST, clock.now))
    assert ask(mirror, 103, 1) != STALE and mirror.known
    mirror.doubt((Block(HOLDING, 103, 1),))
    assert not mirror.known and ask(mirror, 103, 1) == STALE and not mirror.known


def test_after_a_write_what_the_unit_refused_before_is_read_again(clock):
    mirror = mirror_of()
    mirror.update(good(FAST, clock.now))
    mirror.update(good(TOUCHING, clock.now))
    mirror.update(refused(FAST, clock.now, 2))
    mirror.doubt((Block(HOLDING, 300, 1),))
    assert ask(mirror, 100, 10) == b"\x83\x02", "not before it is done"
    mirror.doubt((Block(HOLDING, 300, 1),), clock.now)
    assert ask(mirror, 100, 10) == STALE, "nor is what it gave before it refused"
    assert ask(mirror, 110, 2) != STALE, "what it did not refuse is good"
    mirror.update(good(FAST, clock.now))
    assert ask(mirror, 100, 10) != STALE


def test_the_words_of_a_register_always_come_from_one_transaction():
    """Each named register lies inside one block, and a reading replaces its block as a whole."""
    for name in shipped_profiles():
        profile = load_profile(name)
        for register in profile.registers:
            holders = [read for read in profile.reads if read.block.overlaps(register.block)]
            assert len(holders) <= 1, f"{name}: {register.name}"
            assert not holders or holders[0].block.contains(register.block), f"{name}: {register.name}"


def test_what_moves_while_a_master_asks_is_not_answered_from_where_it_was(clock):
    mirror, lock = mirror_of(), threading.RLock()
    mirror.update(good(FAST, clock.now))
    news = [Location("meters", 7, None)]

    class Busy:
        """A lock that the sync thread gets a moment before the master's request."""

        def __enter__(self):
            lock.acquire()
            if news:
                mirror.locate(news.pop())

        def __exit__(self, *error):
            lock.release()

    mirror._data_lock = Busy()
    assert ask(mirror, 100, 10) == bytes((0x83, 0x02)) and not mirror.known
