"""What is heard on a line of another master: what it tells, how long it is good, and who gets it."""

import struct

import pytest

from softsplit.decoder.outcomes import outcome_of, read_of
from softsplit.decoder.periods import FORGET, Periods
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.decoder.writes import done_at, written, written_by
from softsplit.downstream.mirrors import hearditems
from softsplit.downstream.mirrors import heardstore as heard_module
from softsplit.downstream.mirrors.heardstore import HeardStore
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.profiles.loader import parse_profile
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from tests.support import Clock, read_request
from tests.support.outcomes import reading

HOLDING, COILS = Table.HOLDING_REGISTERS, Table.COILS
BLOCK, SLOW = Block(HOLDING, 0x5B00, 4), Block(HOLDING, 0x5000, 2)
DATA = bytes(range(8))
REFUSED = b"\x83\x0b"


def transaction(kind: Kind, request: str = "", reply: str = "", **more) -> Transaction:
    """What was said to unit 1 and back, as PDUs in hex."""
    request, reply = (adu.rtu_frame(1, bytes.fromhex(pdu)) if pdu else None for pdu in (request, reply))
    return Transaction(kind, 1000.0, request, reply, 0.05, **more)


def told(heard: Transaction, step: int = 1) -> list[tuple]:
    writes = [(str(block), None, None) for block in written(heard, step)[::2]]  # the same in the other table
    read = read_of(heard, outcome_of(heard, 1, step, 1000.0), step)
    return writes + ([(str(read.block), read.data and read.data.hex(), read.exception)] if read else [])


# What a transaction tells.

@pytest.mark.parametrize("kind, request_pdu, reply_pdu, facts", [
    (Kind.OK, "03 5b00 0002", "03 04 0102 0304", [("holding registers 0x5B00+2", "01020304", None)]),
    (Kind.OK, "04 5b00 0001", "04 02 0102", [("input registers 0x5B00+1", "0102", None)]),
    (Kind.OK, "01 0003 000a", "01 02 ff03", [("coils 0x0003+10", "ff03", None)]),
    (Kind.EXCEPTION, "03 5b00 0002", "83 02", [("holding registers 0x5B00+2", None, 2)]),
    (Kind.EXCEPTION, "03 5b00 0002", "83 0b", []),
    (Kind.NO_REPLY, "03 5b00 0002", "", []),
    (Kind.SUSPECT, "03 5b00 0002", "03 04 0102 0304", []),
    (Kind.LATE, "03 5b00 0002", "03 04 0102 0304", []),
    (Kind.ORPHAN, "", "03 04 0102 0304", []),
    (Kind.OK, "06 0010 1234", "06 0010 1234", [("holding registers 0x0010+1", None, None)]),
    (Kind.OK, "05 0010 ff00", "05 0010 ff00", [("coils 0x0010+1", None, None)]),
    (Kind.OK, "0f 0010 0003 01 05", "0f 0010 0003", [("coils 0x0010+3", None, None)]),
    (Kind.OK, "10 0010 0002 04 0001 0002", "10 0010 0002", [("holding registers 0x0010+2", None, None)]),
    (Kind.OK, "16 0010 00f2 0025", "16 0010 00f2 0025", [("holding registers 0x0010+1", None, None)]),
    (Kind.OK, "17 0020 0001 0010 0001 02 1234", "17 02 0708",
     [("holding registers 0x0010+1", None, None), ("holding registers 0x0020+1", "0708", None)]),
    (Kind.NO_REPLY, "06 0010 1234", "", [("holding registers 0x0010+1", None, None)]),
    (Kind.EXCEPTION, "06 0010 1234", "86 04", [("holding registers 0x0010+1", None, None)]),
    (Kind.ORPHAN, "", "10 0010 0002", [("holding registers 0x0010+2", None, None)]),
    (Kind.BROADCAST, "06 0010 1234", "", [("holding registers 0x0010+1", None, None)]),
    (Kind.OK, "2b 0e 01 00", "2b 0e 01 01 00 00 00", []),
])
def test_what_a_transaction_tells(kind, request_pdu, reply_pdu, facts):
    assert told(transaction(kind, request_pdu, reply_pdu)) == facts


@pytest.mark.parametrize("kind, request_pdu, reply_pdu, blocks", [
    (Kind.OK, "03 5b00 0002", "03 04 0102 0304", []),
    (Kind.OK, "06 0010 1234", "06 0010 1234", ["holding registers 0x0010+1", "input registers 0x0010+1"]),
    (Kind.OK, "05 0010 ff00", "05 0010 ff00", ["coils 0x0010+1", "discrete inputs 0x0010+1"]),
    (Kind.OK, "17 0020 0001 0010 0001 02 1234", "17 02 0708", ["holding registers 0x0010+1", "input registers 0x0010+1"]),
    (Kind.NO_REPLY, "06 0010 1234", "", ["holding registers 0x0010+1", "input registers 0x0010+1"]),
])
def test_what_a_write_covers_nobody_knows_in_either_table(kind, request_pdu, reply_pdu, blocks):
    heard = transaction(kind, request_pdu, reply_pdu)
    assert list(map(str, written(heard))) == list(map(str, written_by(heard.request))) == blocks


@pytest.mark.parametrize("kind, request_pdu, reply_pdu, seconds", [
    (Kind.OK, "10 0010 0001 02 0001", "10 0010 0001", 0.05),  # acknowledged
    (Kind.EXCEPTION, "10 0010 0001 02 0001", "90 04", 0.05),
    (Kind.EXCEPTION, "10 0010 0001 02 0001", "90 05", 5.0),  # it takes its time
    (Kind.EXCEPTION, "10 0010 0001 02 0001", "90 0b", 5.0),  # a gateway speaks
    (Kind.NO_REPLY, "10 0010 0001 02 0001", "", 5.0),
    (Kind.SUSPECT, "10 0010 0001 02 0001", "10 0010 0001", 5.0),
    (Kind.OK, "06 0010 1234", "06 0010 1234", 0.05 + 3 * 0.05),  # or sent twice, with a time-out of 0.05 s
    (Kind.SUSPECT, "06 0010 1234", "06 0010 1234", 5.0),
    (Kind.BROADCAST, "06 0010 1234", "", 0.2),
    (Kind.ORPHAN, "", "10 0010 0002", 0.05),
])
def test_when_a_write_is_done(kind, request_pdu, reply_pdu, seconds):
    heard = transaction(kind, request_pdu, reply_pdu)
    assert done_at(heard, 5.0, roles_are_known=False) == pytest.approx(1000.0 + seconds)
    if heard.kind is Kind.OK:
        assert done_at(heard, 5.0, roles_are_known=True) == pytest.approx(1000.05)


def test_a_device_that_counts_addresses_in_bytes_is_understood():
    heard = transaction(Kind.OK, "03 0010 0002", "03 04 0102 0304")
    assert read_of(heard, outcome_of(heard, 1, 2, 1000.0), 2).block == Block(HOLDING, 0x10, 2, step=2)


# How often the other master asks.

def test_a_period_is_learnt_from_three_reads_and_forgotten():
    periods = Periods()
    for second in (0, 1, 2.1):
        assert periods.every(BLOCK) == 0
        periods.note(BLOCK, second)
    assert periods.every(BLOCK) == 1 and periods.beat(2.2) == 1
    for second in (0, 4, 8, 12):
        periods.note(SLOW, second)
    assert periods.beat(12) == 4, "the other one is not read any more"
    assert periods.forget(13) == [] and periods.forget(2.1 + FORGET + 1) == [BLOCK]
    periods.note(SLOW, 12 + FORGET + 1)
    assert periods.every(SLOW) == 0, "after a long silence it is learnt anew"


# What masters get.

@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("softsplit.clock.now", clock)
    return clock


class Copy:
    """A mirror which hears at the time that its clock shows."""

    def __init__(self, clock, max_age: float = 10.0, registers=(), **options):
        self.clock = clock
        self.store = HeardStore(max_age, registers)
        self.mirror = Mirror(1, self.store, frozenset((HOLDING, COILS)), **options)

    def hears(self, block: Block, data: bytes | None = DATA, exception=None, every=1.0, beat=1.0) -> None:
        self.mirror.update(reading(1, block, self.clock.now, data, exception, every, beat))

    def hears_no_answer(self) -> None:
        self.mirror.update(reading(1, BLOCK, self.clock.now))

    def read(self, address: int, count: int, function: int = 3) -> bytes:
        return self.mirror.handle_request(read_request(address, count, function))


@pytest.fixture
def copy(clock):
    return Copy(clock)


def test_what_was_heard_is_served_in_any_cut(copy):
    copy.hears(BLOCK)
    copy.hears(Block(HOLDING, 0x5B04, 1), b"\x08\x09")
    assert copy.read(0x5B00, 5) == b"\x03\x0a" + DATA + b"\x08\x09"
    assert copy.read(0x5B02, 1) == b"\x03\x02\x04\x05"
    copy.hears(Block(COILS, 3, 10), b"\xff\x01")
    assert copy.read(4, 8, function=1) == b"\x01\x01\xff"


def test_what_was_never_heard_is_stale(copy):
    assert copy.read(0x5B00, 4) == REFUSED
    copy.hears(BLOCK)
    for address, count in ((0x5AFF, 2), (0x5B03, 2), (0, 1)):
        assert copy.read(address, count) == REFUSED
    assert copy.read(0, 1, function=4) == b"\x84\x01" and copy.read(0, 126) == b"\x83\x03"
    assert copy.read(0xFFFF, 2) == b"\x83\x02"


def test_each_register_has_its_own_age(copy, clock):
    copy.hears(BLOCK)
    clock.now += 6
    copy.hears(Block(HOLDING, 0x5B00, 2), DATA[:4])
    clock.now += 6
    copy.hears(Block(HOLDING, 0, 1), b"\0\0")
    assert copy.read(0x5B00, 2) == b"\x03\x04" + DATA[:4] and copy.read(0x5B02, 1) == copy.read(0x5B00, 3) == REFUSED


def test_a_slow_block_is_good_for_three_of_its_periods_while_its_unit_is_heard(copy, clock):
    copy.hears(SLOW, DATA[:4], every=30.0)
    for _ in range(89):
        clock.now += 1
        copy.hears(BLOCK)
    assert copy.read(0x5000, 2) == b"\x03\x04" + DATA[:4]
    clock.now += 1.5
    copy.hears(BLOCK)
    assert copy.read(0x5000, 2) == REFUSED


def test_all_is_stale_when_the_other_master_falls_silent(copy, clock):
    copy.hears(SLOW, DATA[:4], every=30.0)
    copy.hears(BLOCK)
    clock.now += 10
    assert copy.read(0x5000, 2)[0] == 3
    clock.now += 0.1
    assert copy.read(0x5000, 2) == REFUSED, "though alone it would be good for 90 s"


def test_all_is_stale_when_the_unit_falls_silent(copy, clock):
    copy.hears(SLOW, DATA[:4], every=30.0, beat=30.0)
    clock.now += 11
    assert copy.read(0x5000, 2)[0] == 3
    copy.hears_no_answer()
    assert copy.read(0x5000, 2)[0] == 3
    copy.hears_no_answer()
    assert copy.read(0x5000, 2) == REFUSED
    copy.hears(BLOCK, beat=30.0)
    assert copy.read(0x5000, 2)[0] == 3


def test_an_exception_is_passed_on_until_the_next_good_answer(copy, clock):
    copy.hears(BLOCK)
    copy.hears(Block(HOLDING, 0x5B00, 2), None, exception=2)
    assert copy.read(0x5B00, 2) == b"\x83\x02" and copy.read(0x5B00, 4)[0] == 3
    copy.hears(Block(HOLDING, 0x5B00, 2), DATA[:4])
    assert copy.read(0x5B00, 2)[0] == 3
    copy.hears(Block(HOLDING, 0x5B00, 2), None, exception=2)
    clock.now += 10.1
    copy.hears(SLOW, DATA[:4])
    assert copy.read(0x5B00, 2) == REFUSED


def test_what_may_have_been_changed_is_not_served_before_it_was_heard_again(copy):
    copy.hears(BLOCK)
    assert copy.read(0x5B00, 4)[0] == 3
    copy.mirror.doubt([Block(HOLDING, 0x5B01, 1)], 0.0)
    assert copy.read(0x5B00, 4) == REFUSED and copy.read(0x5B00, 1)[0] == copy.read(0x5B02, 2)[0] == 3
    copy.hears(Block(HOLDING, 0x5B01, 1), b"\x12\x34", every=0.0)
    assert copy.read(0x5B01, 1) == b"\x03\x02\x12\x34" and copy.read(0x5B00, 2) == REFUSED, "halves of one number, perhaps"
    copy.hears(BLOCK)
    assert copy.read(0x5B00, 2) == b"\x03\x04" + DATA[:4]


def test_what_was_read_before_a_write_was_done_does_not_count(copy, clock):
    copy.hears(BLOCK)
    copy.mirror.doubt([Block(HOLDING, 0x5B01, 1)], 0.0)
    copy.mirror.doubt([Block(HOLDING, 0x5B01, 1)], clock.now + 2)
    for _ in range(2):
        copy.hears(BLOCK)
        assert copy.read(0x5B00, 4) == copy.read(0x5B01, 1) == REFUSED and copy.read(0x5B02, 2)[0] == 3
        clock.now += 1
    copy.hears(BLOCK)
    assert copy.read(0x5B00, 4)[0] == 3


def test_what_was_refused_before_a_write_is_not_refused_after_it(copy, clock):
    copy.hears(BLOCK, None, exception=2)
    copy.mirror.doubt([Block(HOLDING, 0x0010, 1)], clock.now + 1)
    copy.hears(BLOCK, None, exception=2)
    assert copy.read(0x5B00, 4) == REFUSED, "the write may still be under way"
    clock.now += 1
    copy.hears(BLOCK, None, exception=2)
    assert copy.read(0x5B00, 4) == b"\x83\x02"


# A number comes from one transaction.

POWER = Block(HOLDING, 0x5B14, 2)


def words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


@pytest.mark.parametrize("registers", [(), (POWER,)])
def test_a_number_is_not_joined_from_two_transactions(clock, registers):
    copy = Copy(clock, registers=registers)
    copy.hears(POWER, words(0, 65520))
    copy.hears(Block(HOLDING, 0x5B00, 21), words(*range(20), 1))
    assert copy.read(0x5B14, 2) == b"\x03\x04" + words(0, 65520), "it was 655.20 W, and never 1310.56 W"
    assert copy.read(0x5B00, 21) == b"\x03\x2a" + words(*range(20), 1), "no number is cut that was not cut before"
    whole = copy.read(0x5B00, 22)
    assert whole == (b"\x03\x2c" + words(*range(20), 0, 65520) if registers else REFUSED)
    clock.now += 9
    copy.hears(Block(HOLDING, 0x5B00, 21), words(*range(20), 1))
    clock.now += 2
    assert copy.read(0x5B14, 2) == REFUSED and copy.read(0x5B00, 21)[0] == 3


def test_numbers_side_by_side_may_come_from_several_transactions(clock):
    copy = Copy(clock, registers=(Block(HOLDING, 0, 2), Block(HOLDING, 2, 2)))
    copy.hears(Block(HOLDING, 0, 4), words(1, 2, 3, 4))
    copy.hears(Block(HOLDING, 2, 2), words(5, 6))
    assert copy.read(0, 4) == b"\x03\x08" + words(1, 2, 5, 6)
    copy.hears(Block(HOLDING, 1, 2), words(7, 8))
    assert copy.read(0, 4) == b"\x03\x08" + words(1, 2, 5, 6) and copy.read(1, 2) == b"\x03\x04" + words(7, 8)


def test_a_number_whose_words_are_apart_is_not_joined_from_two_transactions(clock):
    profile = parse_profile("""
        readable = [{ address = 0, count = 2000 }]
        register = [{ name = "energy", addresses = [0, 2], type = "u32" }, { name = "power", address = 1, type = "u16" },
                    { name = "other", addresses = [3, 1], type = "u32" }, { name = "far", addresses = [4, 1000], type = "u32" }]""", "apart")
    assert profile.spans == (Block(HOLDING, 0, 3), Block(HOLDING, 1, 1), Block(HOLDING, 1, 3), Block(HOLDING, 4, 1))
    copy = Copy(clock, registers=profile.spans)
    copy.hears(Block(HOLDING, 0, 4), words(0, 5, 65535, 7))
    copy.hears(Block(HOLDING, 2, 1), words(0))
    assert copy.read(0, 3) == b"\x03\x06" + words(0, 5, 65535) and copy.read(2, 1) == b"\x03\x02" + words(0)
    copy.hears(Block(HOLDING, 0, 2), words(1, 6))
    assert copy.read(0, 4) == b"\x03\x08" + words(0, 5, 65535, 7), "registers in one another count as one"


def test_half_of_a_number_that_was_written_is_no_number(clock):
    copy = Copy(clock, registers=(POWER,))
    copy.hears(POWER, words(0, 65520))
    copy.mirror.doubt([Block(HOLDING, 0x5B14, 1)], 0.0)
    copy.hears(Block(HOLDING, 0x5B14, 1), words(1))
    assert copy.read(0x5B14, 2) == REFUSED and copy.read(0x5B14, 1) == b"\x03\x02" + words(1)


def test_what_may_have_been_changed_is_not_refused_either_before_it_was_heard_again(copy):
    copy.hears(BLOCK, None, exception=2)
    copy.mirror.doubt([Block(HOLDING, 0x5B01, 1)], 0.0)
    assert copy.read(0x5B00, 4) == REFUSED and not copy.store._heard.refused, "and nothing piles up"


def test_nothing_is_ever_written(copy):
    for pdu in ("06 0010 1234", "05 0010 ff00", "10 0010 0001 02 0001", "16 0010 0000 0000", "17 0000 0001 0000 0001 02 0001"):
        assert copy.mirror.handle_request(bytes.fromhex(pdu)) == bytes((int(pdu[:2], 16) | 0x80, 1))


def test_only_what_is_read_again_and_again_is_missed(copy, clock):
    copy.hears(Block(HOLDING, 0x8960, 2), DATA[:4], every=0.0)
    copy.hears(BLOCK)
    assert [(state.name, state.is_fresh) for state in copy.mirror.states(clock.now)] == [("holding registers 0x5B00+4", True)]
    clock.now += 11
    copy.hears(SLOW, DATA[:4])
    assert [state.is_fresh for state in copy.mirror.states(clock.now)] == [False, True]
    clock.now += heard_module.FORGET
    copy.hears(SLOW, DATA[:4])
    assert [state.name for state in copy.mirror.states(clock.now)] == ["holding registers 0x5000+2"]


def test_what_is_kept_is_bounded(copy):
    for address in range(2000):
        copy.hears(Block(HOLDING, address, 1), struct.pack(">H", address))
    assert len(copy.mirror.states(copy.clock.now)) == hearditems.MOST_BLOCKS
    assert copy.read(0, 3) == b"\x03\x06" + struct.pack(">3H", 0, 1, 2)
