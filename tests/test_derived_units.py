"""Derived units: what masters get of them, and when they get an exception instead."""

import logging
import math
import struct

import pytest

from softsplit import Derived, Downstream, Profile, Register, Unit, Upstream
from softsplit.downstream.deriving.choice import Derivers
from softsplit.errors import ConfigError
from softsplit.profiles import load_profile
from softsplit.profiles.loader import parse_profile
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.protocol.outcome import NOT_SENT, UNDER_WAY
from tests.support import Clock, read_request
from tests.support.outcomes import reading

STALE = bytes((0x83, 0x0B))
NOWHERE = bytes((0x83, 0x02))
METER = parse_profile("""
block = [{ name = "fast", address = 0, count = 6 }, { name = "slow", address = 10, count = 4, every = 30 }]
register = [
    { name = "active_power_total", address = 0, type = "s32", resolution = "0.1 W", not_available = 0x7FFFFFFF },
    { name = "current_l1", address = 2, type = "u16", resolution = "0.01 A", not_available = 0xFFFF },
    { name = "power_factor_total", address = 3, type = "s16", resolution = "0.001" },
    { name = "voltage_l1_n", address = 4, type = "f32", resolution = "1 V" },
    { name = "active_energy_import_total", address = 10, type = "u64", resolution = "0.01 kWh" },
]""", "meter")
MAKE = parse_profile("""
readable = [{ address = 0, count = 100 }]
identify = { address = 90, type = "u16", equals = [77, 78] }
block = [{ name = "all", address = 0, count = 8 }, { name = "energy", address = 20, count = 4 }]
register = [
    { name = "active_power_total", address = 0, type = "s16", resolution = "1 W", not_available = 0x8000 },
    { name = "current_l1", address = 1, type = "u16", resolution = "1 mA" },
    { name = "frequency", address = 2, type = "f32", resolution = "1 Hz" },
    { name = "voltage_l1_n", address = 4, type = "u16", resolution = "0.1 V" },
    { name = "apparent_power_total", address = 5, type = "u16", resolution = "1 VA", not_available = 0xFFFF },
    { name = "power_factor_total", address = 6, type = "u16", resolution = "0.01" },
    { name = "power_factor_l1", address = 7, type = "u16", resolution = "0.01" },
    { name = "active_energy_import_total", address = 20, type = "u32", resolution = "1 Wh" },
    { name = "active_energy_net_total", address = 22, type = "s32", resolution = "1 Wh" },
]""", "make")


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("softsplit.clock.now", clock)
    return clock


class Made:
    """A derived unit, as served by one downstream with this `max_age`."""

    def __init__(self, values=None, make=MAKE, meter=METER, url="tcp://a", max_age=10.0, **more):
        self.meters = Upstream(url, [Unit(1, meter), Unit(2, meter)], name="meters")
        self.derived = Derived(make, (self.meters, 1), values or {}, **more)
        self.downstream = Downstream("tcp://127.0.0.1:0", units={5: self.derived}, max_age=max_age)
        derivers = Derivers()
        self.mirror = derivers.mirror(self.downstream, self.downstream.derived[0])
        self.takers = dict(derivers.takers())

    def read(self, unit: int, taken_at: float, power=0, current=0, factor=0, voltage=0.0, block=METER.reads[0].block, **more):
        data = struct.pack(">iHhf", power, current, factor, voltage)
        self.takers["meters", unit].update(reading(unit, block, taken_at, data, **more))

    def read_energy(self, unit: int, taken_at: float, energy: int):
        self.takers["meters", unit].update(reading(unit, METER.reads[1].block, taken_at, struct.pack(">Q", energy)))

    def ask(self, address: int, count: int, function: int = 3) -> bytes:
        return self.mirror.handle_request(read_request(address, count, function))

    def words(self, address: int, count: int) -> tuple[int, ...]:
        answer = self.ask(address, count)
        assert answer[:2] == bytes((3, 2 * count)), answer.hex()
        return struct.unpack(f">{count}H", answer[2:])


MINUS = {"active_power_total": "meters/1.active_power_total - meters/2.active_power_total"}


def test_registers_are_taken_over_in_the_types_and_units_of_measure_of_the_make(clock):
    made = Made()
    made.read(1, clock.now, power=-12345, current=1234, factor=-871, voltage=230.04)
    made.read_energy(1, clock.now, 123456)
    assert made.words(0, 2) == (-1234 & 0xFFFF, 12340)
    assert made.words(4, 1) == (2300,)
    assert made.words(20, 2) == (18, 54912)  # 1234560 Wh
    assert made.ask(22, 2) == NOWHERE


def test_nothing_is_served_before_every_input_was_read_and_never_a_part_of_a_sum(clock):
    made = Made(MINUS)
    assert made.ask(0, 1) == STALE
    made.read(1, clock.now, power=50000)
    assert (made.ask(0, 1), made.words(1, 1)) == (STALE, (0,))
    made.read(2, clock.now, power=20000)
    assert made.words(0, 1) == (3000,)


def test_a_register_is_as_old_as_its_oldest_input(clock):
    made = Made(MINUS, max_age=5.0, max_skew=100)
    made.read(1, clock.now - 3, power=50000)
    made.read(2, clock.now, power=20000)
    assert made.words(0, 1) == (3000,)
    clock.now += 2
    assert made.words(0, 2) == (3000, 0)
    clock.now += 0.1
    assert (made.ask(0, 1), made.ask(0, 2), made.ask(1, 1)) == (STALE, STALE, STALE)
    made.read(1, clock.now, power=60000)
    assert made.words(0, 1) == (4000,)
    clock.now += 3
    assert (made.ask(0, 1), made.words(1, 1)) == (STALE, (0,))


def test_inputs_that_were_read_too_far_apart_make_a_register_stale(clock):
    made = Made(MINUS)
    made.read(1, clock.now - 1.5)
    made.read(2, clock.now)
    assert made.words(0, 1) == (0,)
    made.read(2, clock.now + 0.1)
    assert made.ask(0, 1) == STALE
    made.read(1, clock.now - 1.4)
    assert made.words(0, 1) == (0,)


@pytest.mark.parametrize("took, slack", [(0.3, 0.0), (0.05, 0.25)])
def test_a_max_skew_counts_from_the_request_of_one_to_the_answer_of_the_other_as_late_as_that_may_have_been(clock, took, slack):
    """As of what is only heard, which is dated by estimate, or of what a slow device answered."""
    made = Made(MINUS, max_skew=0.6)
    made.read(1, clock.now, took=took, slack=slack)
    made.read(2, clock.now + 0.25, took=took, slack=slack)
    assert made.words(0, 1) == (0,)
    made.read(2, clock.now + 0.35, took=took, slack=slack)
    assert made.ask(0, 1) == STALE
    made.read(1, clock.now + 0.4, took=took + 0.3, slack=slack)  # which may be as late as 0.65 s after the other's request
    assert made.ask(0, 1) == STALE
    made.read(1, clock.now + 0.4, took=took, slack=slack)
    assert made.words(0, 1) == (0,)


def test_what_is_read_seldom_may_be_further_apart(clock):
    made = Made({"active_energy_import_total": "active_energy_import_total + active_power_total * 1 h"})
    made.read_energy(1, clock.now - 45, 100)
    made.read(1, clock.now, power=1000)
    assert made.words(20, 2) == (0, 1100)
    made.read(1, clock.now + 0.1, power=1000)
    assert made.ask(20, 2) == STALE


def test_a_mute_unit_makes_stale_what_is_made_from_it_after_max_age(clock):
    made = Made(MINUS | {"active_energy_import_total": "meters/2.active_energy_import_total"}, max_age=5.0)
    for unit in (1, 2):
        made.read(unit, clock.now)
    made.read_energy(2, clock.now, 7)
    clock.now += 5.5
    for _ in range(2):
        made.takers["meters", 2].update(reading(2, METER.reads[0].block, clock.now))
    made.read(1, clock.now)
    assert (made.ask(20, 2), made.ask(0, 1), made.words(1, 1)) == (STALE, STALE, (0,))


def test_what_the_unit_refuses_makes_stale_what_is_made_from_it(clock):
    made = Made(MINUS)
    for unit in (1, 2):
        made.read(unit, clock.now)
    made.takers["meters", 2].update(reading(2, METER.reads[0].block, clock.now, exception=2))
    assert (made.ask(0, 1), made.words(1, 1)) == (STALE, (0,))
    made.read(2, clock.now)
    assert made.words(0, 1) == (0,)


def test_a_write_to_an_input_makes_the_register_stale_until_it_was_read_again(clock):
    made = Made(MINUS)
    for unit in (1, 2):
        made.read(unit, clock.now)
    written = (Block(Table.HOLDING_REGISTERS, 1, 1),)
    made.takers["meters", 2].doubt(written, UNDER_WAY)
    assert (made.ask(0, 1), made.words(1, 1)) == (STALE, (0,))
    made.takers["meters", 2].doubt(written, NOT_SENT)
    assert made.words(0, 1) == (0,)
    made.takers["meters", 2].doubt(written, UNDER_WAY)
    made.takers["meters", 2].doubt(written, clock.now + 1)
    made.read(2, clock.now + 0.5, power=10)
    assert made.ask(0, 1) == STALE
    made.read(2, clock.now + 1.5, power=20)
    made.read(1, clock.now + 1.5, power=0)
    assert made.words(0, 1) == (-2 & 0xFFFF,)


def test_what_has_no_source_is_not_available_or_not_there(clock):
    made = Made({"current_l1": "absent"})
    made.read(1, clock.now, voltage=230)
    assert made.words(4, 2) == (2300, 0xFFFF), "the pattern of the make"
    assert struct.unpack(">f", made.ask(2, 2)[2:])[0] != struct.unpack(">f", made.ask(2, 2)[2:])[0], "nan"
    assert (made.ask(0, 2), made.ask(7, 1), made.ask(8, 1), made.ask(4, 5)) == (NOWHERE,) * 4
    assert made.ask(0, 1, function=4) == bytes((0x84, 0x01))


def test_a_value_that_does_not_fit_is_not_available_and_told_once(clock, caplog):
    caplog.set_level(logging.INFO)
    made = Made({"power_factor_total": "power_factor_total"})
    made.read(1, clock.now, power=400000, current=60000, factor=-500, voltage=230)
    assert made.words(0, 1) == (0x8000,)
    assert made.ask(1, 1) == made.ask(6, 1) == STALE, "there is no pattern, and nothing is clipped"
    made.read(1, clock.now, power=500000, current=60000, factor=-500, voltage=230)
    assert [each.message for each in caplog.records] == [
        "derived/make: active_power_total is not available: 40000 W does not fit into s16",
        "derived/make: current_l1 is not available: 600000 mA does not fit into u16",
        "derived/make: power_factor_total is not available: -0.5 does not fit into u16"]
    made.read(1, clock.now, power=10, current=1, factor=500)
    assert made.words(0, 2) == (1, 10) and made.words(6, 1) == (50,)


@pytest.mark.parametrize("said", [{"power": 0x7FFFFFFF}, {"current": 0}])
def test_an_input_that_says_not_available_makes_the_register_so(clock, said):
    made = Made(MINUS | {"apparent_power_total": "voltage_l1_n * current_l1 / (power_factor_total / power_factor_total)"})
    made.read(1, clock.now, **{"power": 10, "voltage": 230, "factor": 1, **said})
    made.read(2, clock.now, power=0)
    assert made.words(0, 1) == ((0x8000,) if "power" in said else (1,))


@pytest.mark.parametrize("voltage", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_no_number_is_not_available(clock, voltage):
    made = Made({"apparent_power_total": "voltage_l1_n * 1 A", "frequency": "voltage_l1_n / 1 V * 1 Hz"})
    made.read(1, clock.now, voltage=voltage)
    assert (made.ask(4, 1), made.words(5, 1)) == (STALE, (0xFFFF,))
    assert math.isnan(struct.unpack(">f", made.ask(2, 2)[2:])[0])


def test_nothing_comes_of_a_division_by_zero(clock):
    made = Made({"apparent_power_total": "100 VA / power_factor_total"})
    made.read(1, clock.now, factor=0)
    assert made.words(5, 1) == (0xFFFF,)


def test_a_number_of_the_user_is_always_there_and_the_make_is_recognised(clock):
    made = Made({"frequency": "50 Hz"})
    assert struct.unpack(">f", made.ask(2, 2)[2:]) == (50.0,)
    assert made.words(90, 1) == (77,)


def test_a_derived_unit_is_never_written_nor_asked_elsewhere(clock):
    made = Made()
    for pdu in (struct.pack(">BHH", 6, 0, 1), struct.pack(">BHHBH", 16, 0, 1, 2, 1), b"\x2b\x0e\x01\x00", b"\x11"):
        assert made.mirror.handle_request(pdu) == bytes((pdu[0] | 0x80, 0x01))
    assert made.mirror.handle_request(read_request(0, 126)) == bytes((0x83, 0x03))


def test_when_stale_a_master_may_get_silence(clock):
    made = Made()
    silent = Downstream("tcp://127.0.0.1:0", units={5: made.derived}, when_stale="silent")
    assert Derivers().mirror(silent, silent.derived[0]).handle_request(read_request(0, 1)) == b""


def test_one_answer_is_one_state(clock):
    """All words come from the same readings, also where several registers are made from one."""
    made = Made({"power_factor_total": "active_power_total / 100 W", "power_factor_l1": "active_power_total / 100 W"})
    for power in (100, 200, 300):
        made.read(1, clock.now, power=10 * power)
        assert made.words(6, 2) == (power, power)


def test_a_counter_that_was_reset_is_served_as_it_is_and_told_once(clock, caplog):
    made = Made({"active_energy_import_total": "active_energy_import_total + meters/2.active_energy_import_total",
                 "active_energy_net_total": "active_energy_import_total - meters/2.active_energy_import_total"})
    for unit, energy in ((1, 1000), (2, 500), (1, 1001), (2, 3), (1, 1002)):
        made.read_energy(unit, clock.now, energy)
    assert made.words(20, 2) == (0, 10050)
    assert [each.message for each in caplog.records] == [
        "derived/make: active_energy_import_total steps back from 15010 Wh to 10040 Wh, because "
        "meters/2.active_energy_import_total was reset"]


def test_a_unit_that_is_only_heard_gives_inputs_as_well(clock):
    made = Made(MINUS, url="listen:///dev/null")
    for unit in (1, 2):
        made.read(unit, clock.now, power=10, every=1.0, beat=1.0)
    assert made.words(0, 1) == (0,)
    part = Block(Table.HOLDING_REGISTERS, 1, 3)
    made.takers["meters", 1].update(reading(1, part, clock.now, b"\0\0\0\0\0\0", every=1.0, beat=1.0))
    assert made.words(0, 1) == (0,), "half a number of another transaction is no input"
    clock.now += 10.5
    made.read(1, clock.now, power=20, every=1.0, beat=1.0)
    assert made.ask(0, 1) == STALE
    made.read(2, clock.now, power=10, every=1.0, beat=1.0)
    assert made.words(0, 1) == (1,)


def test_inputs_that_are_heard_may_be_as_far_apart_as_the_other_master_reads_them(clock):
    for every, expected in ((1.0, STALE), (4.0, bytes((3, 2, 0, 0)))):
        made = Made(MINUS, url="listen:///dev/null")
        made.read(1, clock.now, power=10, every=every, beat=1.0)
        made.read(2, clock.now + 5, power=10, every=every, beat=1.0)
        clock.now += 5
        assert made.ask(0, 1) == expected
    slow = Made({"active_energy_import_total": "active_energy_import_total * 2"}, url="listen:///dev/null", max_age=1.0)
    slow.takers["meters", 1].update(reading(1, METER.reads[1].block, clock.now, struct.pack(">Q", 7), every=2.0, beat=1.0))
    clock.now += 2
    slow.takers["meters", 1].update(reading(1, METER.reads[0].block, clock.now, bytes(12), every=2.0, beat=1.0))
    assert slow.words(20, 2) == (0, 140)
    clock.now += 5
    slow.takers["meters", 1].update(reading(1, METER.reads[0].block, clock.now, bytes(12), every=2.0, beat=1.0))
    assert slow.ask(20, 2) == STALE, "the profile says 30 s, but another master sets the pace"


def test_what_a_block_says_that_is_asked_for_alone_is_no_input(clock):
    meter = Profile("alone", METER.reads, registers=METER.registers, alone=[Block(Table.HOLDING_REGISTERS, 2, 1)])
    made = Made(meter=meter, url="listen:///dev/null")
    made.read(1, clock.now, current=5, every=1.0, beat=1.0)
    made.takers["meters", 1].update(reading(1, Block(Table.HOLDING_REGISTERS, 2, 1), clock.now, b"\0\x4d", every=1.0, beat=1.0))
    assert made.words(1, 1) == (50,)


def test_a_block_that_masters_had_read_is_no_input_of_a_polled_unit(clock):
    made = Made()
    made.read(1, clock.now - 5, power=10)
    other = Block(Table.HOLDING_REGISTERS, 0, 8)
    made.takers["meters", 1].update(reading(1, other, clock.now, struct.pack(">iHhfI", 500, 0, 0, 0, 0)))
    assert made.words(0, 1) == (1,)


def test_an_identity_that_is_only_asked_alone_is_not_in_longer_reads(clock):
    em24 = load_profile("carlo-gavazzi-em24")
    made = Made(make=em24, values={"voltage_l1_l3": "voltage_l1_n * 2"})
    made.read(1, clock.now, voltage=0.0)
    assert made.words(0x0B, 1) == (71,)
    assert made.words(0x0A, 2) == (0, 0)


def test_a_unit_made_from_its_own_make_is_that_unit_but_for_what_is_different(clock):
    values = {"current_l1": "current_l1 * 2"}
    made = Made(values, make=METER)
    made.read(1, clock.now, power=-77, current=12, factor=-5, voltage=230.5)
    assert made.ask(0, 6) == bytes((3, 12)) + struct.pack(">iHhf", -77, 24, -5, 230.5)


def test_whole_counts_are_computed_exactly(clock):
    wide = [Register(name, Block(Table.HOLDING_REGISTERS, 4 * number, 4), kind, "0.01 kWh")
            for number, (name, kind) in enumerate((("a", "u64"), ("b", "u64")))]
    profile = Profile("wide", [Read(Block(Table.HOLDING_REGISTERS, 0, 8), "all")], registers=wide)
    made = Made(make=profile, meter=profile, values={"a": "a - b", "b": "a + b"})
    for a, b in ((2**63 + 1, 2**62 + 1), (2**64 - 1, 1), (3, 4)):
        made.takers["meters", 1].update(reading(1, Block(Table.HOLDING_REGISTERS, 0, 8), clock.now, struct.pack(">QQ", a, b)))
        assert made.ask(0, 4) == (bytes((3, 8)) + struct.pack(">Q", a - b) if a >= b else STALE)
        assert made.ask(4, 4) == (bytes((3, 8)) + struct.pack(">Q", a + b) if a + b < 2**64 else STALE)


PICKY = parse_profile("""
readable = [{ address = 0, count = 20 }, { table = "input registers", address = 0, count = 20 }]
unused = 0xFFFF
same_tables = true
block = [{ name = "all", address = 0, count = 12 }]
register = [
    { name = "ct_ratio", address = 0, type = "u16", constant = 5 },
    { name = "model", address = 1, type = "text", count = 2, constant = "EM2" },
    { name = "active_power_total", address = 5, type = "s32", resolution = "0.1 W", times = [{ address = 0, type = "u16" }] },
    { name = "current_l1", address = 8, type = "u16", resolution = "0.01 A", mask = 0x0FFF },
    { name = "state", address = 8, type = "u16", mask = 0xF000 },
    { name = "voltage_l1_n", addresses = [10, 3], type = "s32", resolution = "-0.1 V" },
]""", "picky")


def test_a_make_may_have_constants_ratios_fillers_and_registers_apart(clock):
    made = Made(make=PICKY)
    made.read(1, clock.now, power=-12345, current=12, voltage=230.04)
    assert made.ask(0, 8)[2:] == struct.pack(">H", 5) + b"EM2\0" + struct.pack(">H", -2300 & 0xFFFF) + b"\xff\xff" \
        + struct.pack(">i", -2469) + b"\xff\xff"
    assert (made.ask(9, 3)[2:], made.ask(8, 1), made.ask(19, 1)[2:], made.ask(19, 2)) == (b"\xff" * 6, NOWHERE, b"\xff\xff", NOWHERE)
    assert made.ask(5, 2, function=4)[2:] == struct.pack(">i", -2469)


@pytest.mark.parametrize("values, message", [
    ({"current_l1": "current_l1"}, 'values.current_l1: shares its registers with "state"; it cannot be made'),
    ({"ct_ratio": "1 / 3 * 0"}, "values.active_power_total: a ratio of its make has no value, or 0"),
    ({"ct_ratio": "power_factor_total"}, "values.active_power_total: is multiplied by holding registers 0x0000+1, which "
                                         'must be a fixed number here; write values.ct_ratio = "1"'),
    ({"ct_ratio": "70000"}, 'values.ct_ratio: "70000" is not possible: 70000 does not fit into a u16'),
    ({"model": "5"}, """values.model: "5" is no text; write it like "'ACME'", or name a register"""),
    ({"model": "'ACME 5000'"}, """values.model: "'ACME 5000'" is not possible"""),
    ({"model": "voltage_l1_n"}, "values.model: meters/1.voltage_l1_n holds neither text nor a whole number"),
])
def test_what_a_make_cannot_say_is_refused(values, message):
    with pytest.raises(ConfigError) as raised:
        Made(values, make=PICKY)
    assert message in str(raised.value)


@pytest.mark.parametrize("register, said, power", [
    ("mask = 0x3FFF, exponent = { address = 0, type = 'u16', mask = 0xC000 }", (0x8000 | 12, 0), 1200),  # its own top bits
    ("mask = 0x7FFF, sign = { address = 0, mask = 0x8000 }", (0x8000 | 345, 0), -345),
    ("sign = { address = 1 }", (345, 1), -345), ("plus = [{ address = 1, type = 'u16', resolution = '100 W' }]", (34, 2), 234),
    ("where = { address = 1, equals = 7 }", (34, 7), 34), ("where = { address = 1, equals = 7 }", (34, 8), None),
])
def test_an_input_is_what_other_bits_and_registers_make_of_it(clock, register, said, power):
    meter = parse_profile(f"""block = [{{ address = 0, count = 2 }}]
        register = [{{ name = "active_power_total", address = 0, type = "u16", resolution = "1 W", {register} }}]""", "meter")
    made = Made(meter=meter)
    made.takers["meters", 1].update(reading(1, meter.reads[0].block, clock.now, struct.pack(">HH", *said)))
    if power is None:
        assert made.words(0, 1) == (0x8000,) or made.ask(0, 1) == STALE
    else:
        assert made.words(0, 1) == (power & 0xFFFF,)


def test_a_number_that_others_scale_is_as_old_as_the_oldest_of_them(clock):
    meter = parse_profile("""
        block = [{ name = "a", address = 0, count = 1 }, { name = "b", address = 10, count = 1, every = 5 }]
        register = [{ name = "active_power_total", address = 0, type = "s16", resolution = "1 W", exponent = { address = 10 } }]
    """, "scaled")
    made = Made(make=MAKE, meter=meter, max_age=2.0)
    value, exponent = (read.block for read in meter.reads)
    made.takers["meters", 1].update(reading(1, value, clock.now, struct.pack(">h", -123)))
    assert made.ask(0, 1) == STALE
    made.takers["meters", 1].update(reading(1, exponent, clock.now, struct.pack(">h", 2)))
    assert made.words(0, 1) == (-12300 & 0xFFFF,)
    made.takers["meters", 1].update(reading(1, exponent, clock.now, struct.pack(">h", 1)))
    assert made.words(0, 1) == (-1230 & 0xFFFF,)
    clock.now += 16
    made.takers["meters", 1].update(reading(1, value, clock.now, struct.pack(">h", -1)))
    assert made.ask(0, 1) == STALE
    made.takers["meters", 1].update(reading(1, exponent, clock.now, struct.pack(">h", 20)))
    assert made.words(0, 1) == (0x8000,)


def test_bits_and_text_of_the_same_make_are_copied(clock):
    meter = parse_profile("""
        block = [{ table = "coils", address = 0, count = 12 }, { address = 0, count = 6 }]
        register = [{ name = "relays", table = "coils", address = 3, count = 9, type = "bits" },
                    { name = "type", address = 0, type = "text", count = 3 },
                    { name = "mode", address = 3, type = "u16", states = { 0 = "off" } },
                    { name = "active_power_total", address = 4, type = "s32", resolution = "1 W" }]
    """, "relays")
    made = Made(make=meter, meter=meter)
    for read, data in zip(meter.reads, (b"\xa8\x0a", b"ABCDEF\0\0\0\0\0\x07")):
        made.takers["meters", 1].update(reading(1, read.block, clock.now, data))
    assert made.ask(0, 6)[2:] == b"ABCDEF\0\0\0\0\0\x07"
    assert made.ask(3, 9, function=1) == b"\x01\x02\x55\x01" and made.ask(0, 4, function=1) == b"\x81\x02"
    other = Made(make=MAKE, meter=meter)
    assert not [each for each in other.derived.made if each.copied]
    for text, words in (("type", STALE), ("'X'", b"\x03\x04X\0\0\0"), ("active_power_total", b"\x03\x047\0\0\0")):
        other = Made({"model": text}, make=PICKY, meter=meter)
        other.takers["meters", 1].update(reading(1, meter.reads[1].block, clock.now, b"ABCDEF\0\0\0\0\0\x07"))
        assert other.ask(1, 2) == words, "what does not fit is not cut"


def test_a_text_is_made_only_of_what_stands_in_one_piece_and_of_characters_that_its_encoding_has(clock):
    meter = parse_profile("""
        block = [{ address = 0, count = 12 }]
        register = [{ name = "apart", addresses = [9, 5], type = "u32" }, { name = "far", addresses = [10, 3], type = "text" },
                    { name = "scaled", address = 11, type = "u16", exponent = { address = 8 } },
                    { name = "active_power_total", address = 6, type = "u16", resolution = "1 W" },
                    { name = "maker", address = 0, type = "text", count = 2, encoding = "latin-1" }]
    """, "meter")
    for name in ("apart", "far", "scaled"):
        with pytest.raises(ConfigError, match=f"values.model: meters/1.{name} is not in adjacent registers"):
            Made({"model": name}, make=PICKY, meter=meter)
    with pytest.raises(ConfigError, match="values.model: \"'é'\" is not possible in ascii"):
        Made({"model": "'é'"}, make=PICKY, meter=meter)
    made = Made({"model": "maker"}, make=PICKY, meter=meter)
    for said, answer in ((b"AB\0\0", b"\x03\x04AB\0\0"), (b"A\xe9\0\0", STALE)):
        made.takers["meters", 1].update(reading(1, meter.reads[0].block, clock.now, said + bytes(20)))
        assert made.ask(1, 2) == answer, "a question mark is nothing that the meter said"


def test_what_is_beyond_all_floats_is_not_available(clock, caplog):
    made = Made({"frequency": "voltage_l1_n / 1 V * voltage_l1_n / 1 V * voltage_l1_n / 1 V * voltage_l1_n / 1 V * voltage_l1_n / 1 V"
                              "* voltage_l1_n / 1 V * voltage_l1_n / 1 V * voltage_l1_n / 1 V * voltage_l1_n / 1 V * 1 Hz"})
    for voltage in (1e38, -1e38, 1e5):
        made.read(1, clock.now, voltage=voltage)
        assert math.isnan(struct.unpack(">f", made.ask(2, 2)[2:])[0])
    assert caplog.text.count("Hz does not fit into f32") == 1
    made.read(1, clock.now, voltage=2.0)
    assert struct.unpack(">f", made.ask(2, 2)[2:]) == (512.0,)
