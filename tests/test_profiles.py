"""Profiles: the shipped ones, and what is wrong with others."""

import time

import pytest

from softsplit import Profile
from softsplit.errors import ConfigError
from softsplit.profiles import load_profile, shipped_profiles
from softsplit.profiles.loader import parse_profile
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from tests.support.recordeddevice import ANZEN, encoded

ABB_BLOCKS = {
    "instantaneous values": (0x5B00, 66, 1), "total accumulators": (0x5000, 56, 5), "by tariff": (0x5170, 112, 30),
    "per phase": (0x5460, 108, 5), "resettable": (0x552C, 16, 30), "inputs and outputs": (0x6300, 32, 5),
    "misc": (0x8A00, 88, 30), "settings": (0x8C04, 8, 30), "identification": (0x8900, 102, 600),
}


@pytest.mark.parametrize("name", shipped_profiles())
def test_a_shipped_profile_is_sound_and_says_where_it_comes_from(name):
    profile = load_profile(name)
    assert profile.title and profile.source and (profile.registers or name == "any")


@pytest.mark.parametrize("name", ["abb-b21", "abb-b23", "abb-b24"])
def test_the_abb_profiles_poll_the_blocks_of_the_meter(name):
    profile = load_profile(name)
    assert {read.name: (read.block.address, read.block.count, read.every) for read in profile.reads} == ABB_BLOCKS
    assert profile.readable == (Block(Table.HOLDING_REGISTERS, 0x1000, 0x7F00),)


def test_the_abb_b23_has_the_registers_people_look_for():
    registers = {register.name: register for register in load_profile("abb-b23").registers}
    assert len(registers) == 134
    power = registers["active_power_total"]
    assert (power.block, power.type, power.resolution, power.not_available) == \
        (Block(Table.HOLDING_REGISTERS, 0x5B14, 2), "s32", "0.01 W", (0x7FFFFFFF,))
    energy = registers["active_energy_import_total"]
    assert (energy.block.address, energy.type, energy.resolution) == (0x5000, "u64", "0.01 kWh")
    assert (registers["type_designation"].type, registers["type_designation"].block.count) == ("text", 6)


def test_no_register_of_a_shipped_profile_overlaps_another():
    for name in shipped_profiles():
        registers = sorted(load_profile(name).registers, key=lambda register: (register.block.table.function, register.block.address))
        for register, following in zip(registers, registers[1:]):
            assert not register.block.overlaps(following.block), f"{name}: {register.name}"


def test_a_block_needs_only_address_and_count():
    profile = parse_profile("block = [{ address = 0x10, count = 4 }]", "own")
    assert profile.reads == (Read(Block(Table.HOLDING_REGISTERS, 0x10, 4), "0x0010", 1.0),)
    assert profile.readable == (profile.reads[0].block,)
    assert profile.tables == {Table.HOLDING_REGISTERS}


def test_everything_a_profile_may_say():
    profile = parse_profile("""
        title = "Boiler"
        source = "its manual"
        identify = { table = "input registers", address = 20, type = "text", count = 2, starts_with = "HEAT" }
        readable = [{ table = "input registers", address = 0, count = 1000 }]
        [[block]]
        name = "all"
        table = "input registers"
        address = 10
        count = 20
        every = 2
        [[register]]
        name = "temperature"
        table = "input registers"
        address = 12
        type = "s16"
        resolution = "0.1 degC"
        not_available = 0x7FFF
        offset = -40
        states = { 0 = "off", -1 = "unknown" }
        [[register]]
        name = "maker"
        table = "input registers"
        address = 20
        type = "text"
        count = 4
    """, "boiler")
    assert profile.reads[0].every == 2.0
    temperature, maker = profile.registers
    assert (temperature.offset, temperature.states) == (-40, {0: "off", -1: "unknown"})
    assert maker.block == Block(Table.INPUT_REGISTERS, 20, 4)
    identify, = profile.identify
    assert identify.register.block == Block(Table.INPUT_REGISTERS, 20, 2)
    assert identify.fits("HEAT") and not identify.fits("WARM") and not identify.fits(None)


BLOCK = "[[block]]\naddress = 16\ncount = 4\n"


def recognised(how: str) -> str:
    """A profile whose device is recognised so."""
    return f"identify = {{ address = 16, {how} }}\n{BLOCK}"


@pytest.mark.parametrize("text, message", [
    ("", "profile own: block: at least one block is needed"),
    ("block = [", "profile own: no TOML"),
    ("[[block]]\ncount = 4", "profile own: block[1]: address is missing"),
    ("[[block]]\naddress = 16", "profile own: block[1]: count is missing"),
    ("[[block]]\naddress = 'x16'\ncount = 4", "profile own: block[1].address: \"x16\" is neither decimal (23296) nor hex"),
    ("[[block]]\naddress = 65535\ncount = 2", "profile own: block[1].count: 2 does not fit"),
    ("[[block]]\naddress = 0\ncount = 126", "profile own: block[1].count: 126 is more than one read may ask for"),
    (BLOCK + "every = 0", "profile own: block[1].every: 0 s is not possible"),
    (BLOCK + "every = nan", "profile own: block[1].every: nan is not a number of seconds"),
    (BLOCK + "every = true", "profile own: block[1].every: true is not a number of seconds"),
    (BLOCK + "tabel = 'coils'", 'profile own: block[1].tabel: unknown key "tabel"; did you mean "table"?'),
    (BLOCK + "table = 'holding'", 'profile own: block[1].table: unknown table "holding"; did you mean "holding registers"?'),
    (BLOCK + "[[block]]\naddress = 19\ncount = 1", "profile own: block[2]: holding registers 0x0013+1 overlaps"),
    (BLOCK + "name = 'a'\n[[block]]\naddress = 30\ncount = 1\nname = 'a'", 'profile own: block[2].name: "a" is used twice'),
    ("readable = [{ address = 0, count = 18 }]\n" + BLOCK, "profile own: block[1]: holding registers 0x0010+4 is not readable"),
    ("alone = [{ address = 16, count = 4 }]\n" + BLOCK, "profile own: alone[1]: holding registers 0x0010+4 is polled"),
    ("titel = 'x'\n" + BLOCK, 'profile own: titel: unknown key "titel"; did you mean "title"?'),
    ("title = 5\n" + BLOCK, "profile own: title: 5 is not text"),
    ("block = 5", "profile own: block: 5 is not a list"),
    (BLOCK + "[[register]]\nname = 'x'\naddress = 18\ntype = 'u64'", 'profile own: register[1]: "x" (holding registers '),
    (BLOCK + "[[register]]\nname = 'x'\naddress = 16\ntype = 'u9'", 'profile own: register[1].type: unknown type "u9"'),
    (BLOCK + "[[register]]\naddress = 16\ntype = 'u16'", "profile own: register[1]: name is missing"),
    (BLOCK + "[[register]]\nname = 'x'\naddress = 16\ntype = 'text'", "profile own: register[1]: count is missing"),
    (BLOCK + "[[register]]\nname = 'x'\naddress = 16\ntype = 'u16'\ncount = 1", "profile own: register[1].count: only mod10, text"),
    (BLOCK + "[[register]]\nname = 'x'\naddress = 16\ntype = 'u16'\noffset = inf", "profile own: register[1].offset: inf"),
    (BLOCK + "[[register]]\nname = 'x'\naddress = 16\ntype = 'u16'\nresolution = 'V'", "profile own: register[1].resolution:"),
    (BLOCK + "[[register]]\nname = 'x'\naddress = 16\ntype = 'u16'\nnot_available = 65536", "profile own: register[1].not_av"),
    (BLOCK + "[[register]]\nname = 'x'\naddress = 16\ntype = 'u16'\nstates = { on = 'y' }", "profile own: register[1].states"),
    (BLOCK + "[[register]]\nname = 'x'\naddress = 16\ntype = 'u16'\nrepeat = 2", 'profile own: register[1].name: "x" has no {n}'),
    (BLOCK + "[[register]]\nname = 'x{n}'\naddress = 16\ntype = 'u16'\nrepeat = 0", "profile own: register[1].repeat.count: 0 does not"),
    (BLOCK + "[[register]]\nname = 'x{n}'\naddress = 16\ntype = 'u16'\nrepeat = 5", 'profile own: register[5]: "x5" (holding regis'),
    ("identify = 5\n" + BLOCK, "profile own: identify: 5 is not a table; write it like [identify]"),
    ("[block]\naddress = 5", "profile own: block: { address = 5 } is not a list; write it like [[block]]"),
    ("readable = { address = 0, count = 5 }", "profile own: readable: { address = 0, count = 5 } is not a list; write it like"),
    ("functions = 3\n" + BLOCK, "profile own: functions: 3 is not a list; write it like [3, 4, 16]"),
    (BLOCK + "name = 'a\\u0000b'".replace("'", '"'), 'profile own: block[1].name: "a\\x00b" is no name'),
    (BLOCK + '[[register]]\nname = "a\\u0000b"\naddress = 16\ntype = "u16"', 'profile own: register[1].name: "a\\x00b" is no name'),
    (BLOCK + "[[register]]\nname = 'x'\naddress = 16\ntype = 'u16'\nresolution = '1e300'", "profile own: register[1].resolution: "),
    (BLOCK + "[[register]]\nname = 'x{n}'\naddress = 16\ntype = 'u16'\nrepeat = 60000", "profile own: register[1].repeat: 60000 are"),
    ("".join(f"[[block]]\naddress = {n}\ncount = 1\n" for n in range(1001)), "profile own: block: 1001 of them are too many; allowed"),
    ("".join(f"[[block]]\naddress = {n}\ncount = 1\n" for n in range(20000)), "profile own: block: 20000 of them are too many; all"),
    (BLOCK + f"[[register]]\nname = 'x'\naddress = 0x{'f' * 500}\ntype = 'u16'", "profile own: register[1].address: a number that is too large"),
    ("identify = { type = 'text', count = 1, equals = 'x' }\n" + BLOCK, "profile own: identify: address is missing"),
    (recognised("type = 'u16'"), "profile own: identify: either starts_with or equals is needed"),
    (recognised("type = 'u16', equals = []"), "profile own: identify: either starts_with or equals is needed"),
    (recognised("type = 'text', count = 1, starts_with = 'x', equals = 'x'"), "profile own: identify: either starts_with or"),
    (recognised("type = 'u16', starts_with = 'x'"), "profile own: identify.starts_with: a u16 starts with no text; use equals"),
    (recognised("type = 'u16', equals = 'x'"), 'profile own: identify.equals: "x" is not a whole number'),
    (recognised("type = 'text', count = 1, equals = [1]"), "profile own: identify.equals: 1 is not text"),
    (recognised("type = 'f32', equals = 1"), "profile own: identify.type: a f32 is not compared; allowed are text and whole"),
    (recognised("type = 'text', count = 5, equals = 'x'"), "profile own: identify: holding registers 0x0010+5 is not readable; let readable list every block that the device answers, also this one"),
    (recognised("type = 'u16', equals = [5, -5]"), "profile own: identify.equals: -5 is not possible: -5 does not fit into a u16"),
    (recognised("type = 'text', count = 1, starts_with = 'HEAT'"), "profile own: identify.starts_with: \"HEAT\" is not possible: 4 bytes do not fit into 2"),
    (recognised("type = 'u16', equal = 1"), 'profile own: identify.equal: unknown key "equal"; did you mean "equals"?'),
    ("functions = [4]\n" + recognised("type = 'u16', equals = 1"), "profile own: block[1]: holding registers 0x0010+4 needs fun"),
])
def test_a_wrong_profile_is_refused_in_one_line_that_says_where(text, message):
    with pytest.raises(ConfigError) as raised:
        parse_profile(text, "own")
    assert str(raised.value).startswith(message) and "\n" not in str(raised.value)


def test_an_unknown_profile_names_the_nearest():
    with pytest.raises(ConfigError, match='unknown profile "abb-b33"; did you mean "abb-b23"'):
        load_profile("abb-b33")


def test_a_path_is_relative_to_the_directory_given(tmp_path):
    (tmp_path / "own.toml").write_text(BLOCK)
    assert isinstance(load_profile("own.toml", tmp_path), Profile)
    with pytest.raises(ConfigError, match="profile .*other.toml: cannot read it: No such file"):
        load_profile("other.toml", tmp_path)


def test_a_poll_of_the_anzen_bms_means_what_its_users_know():
    profile = load_profile("anzen-bms")
    said = {}
    for read, ((function, address), items) in zip(profile.reads, ANZEN.items(), strict=True):
        assert (read.block.table.function, read.block.address, read.block.count) == (function, address, len(items))
        said |= {each.name: value for each, value in profile.decode(read.block, encoded(function, items)).items()}
    assert list(said) == [register.name for register in profile.registers]
    assert [said[f"{name}_voltage"] for name in ("system", "inverter", "psu")] == [497.4, 0.0, 24.4]
    assert [said[f"system_temperature_{number}"] for number in range(1, 6)] == [34, 26, 32, 34, 63]
    assert [said[f"{name}_current"] for name in ("system", "hall", "shunt")] == [0.0, 0.0, 0.0]
    assert (said["state_of_charge"], said["state_of_health"], said["state"]) == (0, 7, "Pre-Standby")
    assert [said[f"clock_{name}"] for name in ("year", "month", "day", "hour", "minute", "second")] == [2021, 6, 15, 14, 47, 41]
    voltages = [said[f"monoblock_voltage_{number}"] for number in range(1, 39)]
    assert (voltages[0], voltages[31], voltages[37]) == (13.141, 12.46, 13.13)
    assert sum(voltages) == pytest.approx(said["system_voltage"], abs=0.1)
    assert (said["monoblock_temperature_1"], said["monoblock_temperature_26"]) == (32, 47)
    assert [said[f"boolean_{number}"] for number in range(1, 5)] == [(True,), (False,), (True,), (False,)]
    assert [said[f"alarm_{number}"] for number in range(1, 26)] == 25 * [(False,)]


def test_the_states_of_the_anzen_bms_have_a_name_for_everything_else():
    state = next(register for register in load_profile("anzen-bms").registers if register.name == "state")
    assert [state.decode(bytes((0, count))) for count in range(7)] == [
        "Standby", "Charge", "Discharge", "EOD", "Service", "Pre-Standby", "Error"]


@pytest.mark.parametrize("name, register, data, value", [
    ("carlo-gavazzi-em340", "voltage_l1_n", "0903 0000", 230.7),
    ("carlo-gavazzi-em340", "active_power_total", "f830 ffff", -200.0),
    ("carlo-gavazzi-em340", "current_l3", "86a0 0001", 100.0),
    ("carlo-gavazzi-em340", "voltage_l1_l2", "ffff 7fff", None),  # EEE on its display
    ("carlo-gavazzi-em340", "power_factor_total", "ff0a", -0.246),
    ("carlo-gavazzi-em340", "frequency", "01f4", 50.0),
    ("carlo-gavazzi-em340", "phase_sequence", "ffff", "L1-L3-L2"),
    ("carlo-gavazzi-em340", "active_energy_export_total", "86a0 0001", 10000.0),
    ("eastron-sdm630", "voltage_l1_n", "4366 3334", pytest.approx(230.2, abs=1e-4)),  # the document's example
    ("eastron-sdm630", "active_energy_sum_l3", "44a8 9999", pytest.approx(1348.8, abs=1e-4)),
    ("eastron-sdm630", "frequency", "7fc0 0000", None),  # no number
    ("eastron-sdm630", "active_power_total", "c348 0000", -200.0),
])
def test_a_new_device_is_only_data(name, register, data, value):
    found, = (each for each in load_profile(name).registers if each.name == register)
    assert found.decode(bytes.fromhex(data)) == value


@pytest.mark.parametrize("name, longest, expected", [  # what is known of them from more than one source
    ("carlo-gavazzi-em340", 50, {"voltage_l1_n": 0x00, "current_l1": 0x0C, "active_power_l1": 0x12, "active_power_total": 0x28,
                                 "power_factor_total": 0x31, "frequency": 0x33, "active_energy_import_total": 0x34,
                                 "active_energy_import_l3": 0x44, "active_energy_export_total": 0x4E}),
    ("eastron-sdm630", 50, {"voltage_l3_n": 0x04, "current_l1": 0x06, "active_power_l1": 0x0C, "power_factor_l1": 0x1E,
                            "active_power_total": 0x34, "apparent_power_total": 0x38, "reactive_power_total": 0x3C, "frequency": 0x46,
                            "active_energy_import_total": 0x48, "active_energy_export_total": 0x4A, "voltage_average": 0xCE,
                            "current_n": 0xE0, "active_energy_sum_total": 0x156, "active_energy_import_l1": 0x15A,
                            "active_energy_export_l1": 0x160, "active_energy_sum_l3": 0x16A}),
])
def test_a_meter_is_asked_for_no_more_than_it_allows_and_its_registers_stand_where_others_find_them(name, longest, expected):
    profile = load_profile(name)
    assert all(read.block.count <= longest for read in profile.reads)
    addresses = {register.name: register.block.address for register in profile.registers}
    assert {register: addresses[register] for register in expected} == expected


def test_registers_that_are_alike_are_stated_once():
    profile = parse_profile("""block = [{ address = 0x10, count = 8 }]
        register = [{ name = "cell_{n}", address = 0x10, type = "u32", repeat = 4, resolution = "0.1 V" }]""", "own")
    assert [(register.name, register.block.address, register.resolution) for register in profile.registers] == [
        ("cell_1", 0x10, "0.1 V"), ("cell_2", 0x12, "0.1 V"), ("cell_3", 0x14, "0.1 V"), ("cell_4", 0x16, "0.1 V")]


def test_a_profile_of_many_registers_costs_what_it_holds():
    begun = time.process_time()
    text = "readable = [{ address = 0, count = 65535 }]\n[[register]]\nname = 'x{n}'\ntype = 'u16'\naddress = 0\nrepeat = 10000"
    assert len(parse_profile(text, "own").registers) == 10_000
    assert time.process_time() - begun < 3.0
