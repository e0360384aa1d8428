"""The simulated meter: the house it measures, and how it answers."""

import struct
from datetime import UTC, datetime

import pytest

from softsplit import clock
from softsplit.commands.simulate.faults import Fault, Faults, parse_mute
from softsplit.commands.simulate.meter import shown_by_meter
from softsplit.commands.simulate.simulate import SimulatedUnit
from softsplit.errors import ConfigError
from softsplit.profiles import load_profile
from softsplit.profiles.loader import parse_profile
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from tests.support import TcpMaster, read_request, simulated_gateway

NOON = 1_790_000_000.0
B23 = load_profile("abb-b23")


def words(unit: SimulatedUnit, address: int, count: int, t: float = NOON) -> tuple[int, ...]:
    return struct.unpack(f">{count}H", unit.data(Block(Table.HOLDING_REGISTERS, address, count), t))


def number(unit: SimulatedUnit, address: int, form: str, t: float = NOON) -> int:
    data = unit.data(Block(Table.HOLDING_REGISTERS, address, struct.calcsize(form) // 2), t)
    return struct.unpack(f">{form}", data)[0]


@pytest.fixture
def meter():
    return SimulatedUnit(100, B23, Faults())


def test_power_is_the_sum_of_the_phases(meter):
    for t in (NOON, NOON + 17.3, NOON + 1000):
        for total in (0x5B14, 0x5B1C, 0x5B24):  # active, reactive, apparent
            phases = [number(meter, total + 2 * phase, "i", t) for phase in (1, 2, 3)]
            assert number(meter, total, "i", t) == sum(phases)


@pytest.mark.parametrize("register, value", [
    ("name = 'frequency', table = 'coils', type = 'bits'", (False,)), ("name = 'current_l1', type = 'ipv4'", "192.168.1.10"),
    ("name = 'active_power_total', type = 'text', count = 2", "own"), ("name = 'current_l1', type = 'f16', resolution = '0.00001 A'", 0.655),
    ("name = 'frequency', type = 'bits'", (False,) * 16),
])
def test_a_name_of_the_house_may_be_that_of_a_register_which_cannot_say_its_value(register, value):
    table = "coils" if "coils" in register else "holding registers"
    profile = parse_profile(f"block = [{{ table = '{table}', address = 0, count = 8 }}]\nregister = [{{ address = 0, {register} }}]", "own")
    block = profile.reads[0].block
    assert list(profile.decode(block, SimulatedUnit(1, profile, Faults()).data(block, NOON)).values()) == [value]


def test_energy_is_the_sum_of_the_phases_and_only_grows(meter):
    before = 0
    for t in range(0, 4000, 23):
        now = number(meter, 0x5000, "Q", NOON + t)
        assert now == sum(number(meter, 0x5460 + 4 * phase, "Q", NOON + t) for phase in range(3))
        assert now >= before
        before = now


def test_energy_is_the_integral_of_power():
    hour = 3600.0
    gained = shown_by_meter(2, NOON + hour)["active_energy_import_l1"] - shown_by_meter(2, NOON)["active_energy_import_l1"]
    mean = sum(shown_by_meter(2, NOON + t)["active_power_l1"] for t in range(0, 3600, 6)) / 600
    assert gained == pytest.approx(mean / 1000, abs=0.02)


def test_values_are_plausible_and_differ_between_units(meter):
    assert 2200 < number(meter, 0x5B00, "I") < 2400  # 0.1 V
    assert 3900 < number(meter, 0x5B06, "I") < 4100
    assert 4950 < number(meter, 0x5B2C, "H") < 5050  # 0.01 Hz
    assert words(meter, 0x5B14, 8) != words(SimulatedUnit(2, B23, Faults()), 0x5B14, 8)


def test_the_same_moment_has_the_same_values(meter):
    assert words(meter, 0x5B00, 66) == words(SimulatedUnit(100, B23, Faults()), 0x5B00, 66)


def test_unused_and_absent_registers_read_as_not_available(meter):
    assert words(meter, 0x5B34, 3) == (0xFFFF,) * 3
    assert words(meter, 0x5004, 4) == (0xFFFF,) * 4
    assert words(meter, 0x1000, 4) == (0xFFFF,) * 4


def test_a_read_may_begin_in_the_middle_of_a_value(meter):
    whole = words(meter, 0x5B14, 4)
    assert words(meter, 0x5B15, 2) == whole[1:3]


@pytest.mark.parametrize("name, model", [("abb-b21", b"B21 "), ("abb-b23", b"B23 "), ("abb-b24", b"B24 ")])
def test_the_model_is_what_a_victron_looks_for(name, model):
    unit = SimulatedUnit(1, load_profile(name), Faults())
    assert unit.data(Block(Table.HOLDING_REGISTERS, 0x8960, 2), NOON) == model


def test_a_single_phase_meter_has_a_total_of_one_phase():
    unit = SimulatedUnit(1, load_profile("abb-b21"), Faults())
    assert number(unit, 0x5B14, "i") == number(unit, 0x5B16, "i")


@pytest.mark.parametrize("pdu, answer", [
    (read_request(0x0FFF, 1), "8302"), (read_request(0x8EFF, 2), "8302"), (read_request(0x5B00, 126), "8303"),
    (read_request(0x5B00, 1, function=4), "8401"), (b"\x06\x8c\x04\0\1", "8601"), (b"\x83\0\0\0\1", ""),
])
def test_it_refuses_what_the_meter_refuses(meter, pdu, answer):
    assert meter.handle_request(pdu) == bytes.fromhex(answer)


def test_any_read_inside_the_readable_range_is_answered(meter):
    for address in (0x1000, 0x4FFE, 0x5B20, 0x8EFF - 124):
        assert meter.handle_request(read_request(address, 125))[:2] == bytes((3, 250))


def decoded(name: str, t: float, unit: int = 1) -> dict:
    """What a simulated device says at wall time `t`, by register name."""
    profile = load_profile(name)
    simulated, said = SimulatedUnit(unit, profile, Faults()), {}
    for read in profile.reads:
        said |= {each.name: value for each, value in profile.decode(read.block, simulated.data(read.block, t)).items()}
    return said


@pytest.mark.parametrize("name", ["carlo-gavazzi-em340", "eastron-sdm630"])
def test_any_three_phase_meter_measures_the_same_house(name):
    said, shown = decoded(name, NOON), shown_by_meter(1, NOON)
    assert all(value is not None for value in said.values())
    for register in load_profile(name).registers:
        if shown.get(register.name) is not None and not register.states:
            assert said[register.name] == pytest.approx(shown[register.name], rel=1e-6, abs=0.06), register.name
    assert said["active_power_total"] == pytest.approx(sum(said[f"active_power_l{phase}"] for phase in (1, 2, 3)), abs=0.2)
    assert 395 < said["voltage_average"] < 405 and said["active_energy_export_total"] == 0
    assert decoded(name, NOON + 10) != said


def test_a_simulated_battery_is_charged_and_discharged():
    seen = [decoded("anzen-bms", NOON + t) for t in range(0, 300, 6)]
    for said in seen:
        voltages = [said[f"monoblock_voltage_{number}"] for number in range(1, 39)]
        assert said["system_voltage"] == pytest.approx(sum(voltages), abs=0.1) and all(12 < each < 13.6 for each in voltages)
        assert said["system_current"] == said["hall_current"] == said["shunt_current"]
        sign = (said["system_current"] > 2) - (said["system_current"] < -2)
        assert said["state"] == {0: "Standby", 1: "Charge", -1: "Discharge"}[sign]
        assert 20 < said["monoblock_temperature_1"] < 40 and 0 <= said["state_of_charge"] <= 100
    assert {said["state"] for said in seen} == {"Standby", "Charge", "Discharge"}
    assert {said["alarm_7"] for said in seen} == {(False,), (True,)}
    assert min(said["state_of_charge"] for said in seen) < 20 and max(said["state_of_charge"] for said in seen) > 90
    clock = [seen[0][f"clock_{part}"] for part in ("year", "month", "day", "hour", "minute", "second")]
    assert datetime(*clock, tzinfo=UTC).timestamp() == NOON


def test_an_unknown_device_gets_usual_values():
    profile = parse_profile("""
        block = [{ table = "input registers", address = 0, count = 9 }, { table = "coils", address = 0, count = 4 }]
        register = [
            { name = "volts", table = "input registers", address = 0, type = "u16", resolution = "0.1 V" },
            { name = "tiny", table = "input registers", address = 1, type = "u16", resolution = "0.001 V" },
            { name = "warm", table = "input registers", address = 2, type = "u16", resolution = "1 degC", offset = -40 },
            { name = "mode", table = "input registers", address = 3, type = "u16", states = { 4 = "on" } },
            { name = "float", table = "input registers", address = 4, type = "f32", resolution = "1 W" },
            { name = "name", table = "input registers", address = 6, type = "text", count = 3 },
        ]""", "boiler")
    unit = SimulatedUnit(1, profile, Faults())
    data = unit.data(Block(Table.INPUT_REGISTERS, 0, 9), NOON)
    volts, tiny, warm, mode, watts, name = struct.unpack(">HHHHf6s", data)
    assert 2100 < volts < 2500 and tiny == 0xFFFF and 60 < warm < 70 and mode == 4 and 900 < watts < 1100
    assert name == b"boiler"
    assert unit.handle_request(read_request(0, 4, function=1)) == bytes.fromhex("010100")


def test_every_nth_answer_is_lost():
    unit = SimulatedUnit(1, B23, Faults([Fault("silent", every=3)]))
    heard = [bool(unit.handle_request(read_request(0x5B00, 1))) for _ in range(9)]
    assert heard == [True, True, False] * 3


@pytest.mark.parametrize("text, expected", [
    ("2", (2, (0.0, float("inf")))), ("2@20", (2, (20.0, float("inf")))), ("2@20-60.5", (2, (20.0, 60.5)))])
def test_when_a_unit_is_mute(text, expected):
    fault = parse_mute(text)
    assert (fault.kind, fault.unit, (fault.begin, fault.end)) == ("silent", *expected)


@pytest.mark.parametrize("text", ["", "x", "2@x", "2@5-3", "2@5-5", "2@-5-", "2@nan", "2@inf"])
def test_a_time_to_be_mute_that_cannot_be_meant(text):
    with pytest.raises(ConfigError, match="no time to be mute"):
        parse_mute(text)


def test_a_unit_is_mute_for_its_time():
    faults = Faults([Fault("silent", unit=2, begin=10.0, end=20.0)])
    unit, other = SimulatedUnit(2, B23, faults), SimulatedUnit(3, B23, faults)
    for age, answers in ((5, True), (15, False), (25, True)):
        faults.started_at = clock.now() - age
        assert bool(unit.handle_request(read_request(0x5B00, 1))) is answers
        assert other.handle_request(read_request(0x5B00, 1))


def test_wire_time_is_imitated():
    with simulated_gateway(B23, baudrate=19200) as gateway, TcpMaster(gateway.url.port) as master:
        begin = clock.now()
        for _ in range(3):
            assert master.read(100, 0x5B00, 66)
        assert clock.now() - begin >= 3 * (8 + 137) * 11 / 19200
