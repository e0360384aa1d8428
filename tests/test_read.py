"""`softsplit read`: what it prints of devices whose bytes are known, and whom it asks."""

import csv
import io
import json
import signal
import subprocess
from contextlib import contextmanager

import pytest

from softsplit.protocol.notations import parse_address
from softsplit.commands.read.formats import Text
from softsplit.commands.read.guess import tabulate
from softsplit.commands.read.read import raw_form
from softsplit.commands.shared.options import parse_place
from softsplit.commands.shared.route import find_route
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.sniff.format import Names
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.errors import ConfigError, SoftsplitError
from softsplit.profiles import load_profile
from softsplit.profiles.display import NamedValue
from softsplit.profiles.loader import parse_profile
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import asked_block, read_question
from tests.support import (SLOWNESS, SOFTSPLIT, Child, ScriptedGateway, TcpMaster, free_port, read_request,
                           run_program, running, until)
from tests.support.bus import Bus, good_answer
from tests.support.recordeddevice import ANZEN, Device

HOLDING = Table.HOLDING_REGISTERS
TIMEOUT = 0.1 * SLOWNESS


@pytest.fixture
def battery():
    """The Anzen BMS of the real poll; gives the device and its gateway."""
    device = Device(ANZEN)
    with ScriptedGateway(device.reply) as gateway:
        yield device, gateway


def read_home(read: Read, data: bytes) -> tuple[Read, Outcome, float]:
    """What a form is told of a read."""
    return read, Outcome.of_read(1, read.block, 0.0, 0.0, data), 0.0


def read(where, *arguments: str) -> subprocess.CompletedProcess:
    return run_program([*SOFTSPLIT, "read", "-a", f"127.0.0.1:{where.port}", *arguments], capture_output=True,
                       text=True, timeout=30 * SLOWNESS)


def test_a_profile_is_one_line_for_each_block_in_its_order(battery):
    shown = read(battery[1], "-p", "anzen-bms")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert [line.rpartition("  ")[2] for line in lines] == [str(items) for items in ANZEN.values()]
    assert lines[0] == "system values  holding registers 0x9C40+4  [4974, 0, 244, 38]"
    assert [unit for unit, _ in battery[1].requests] == [1] * 8


def test_decoded_it_shows_what_the_poll_means(battery):
    shown = read(battery[1], "-p", "anzen-bms", "-d")
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.stdout.splitlines() if line[0] == " "}
    expected = {"system_voltage": "497.4 V", "inverter_voltage": "0.0 V", "psu_voltage": "24.4 V",
                "system_temperature_1": "34 degC", "system_temperature_5": "63 degC", "system_current": "0.0 A",
                "state_of_charge": "0 %", "state_of_health": "7 %", "state": "Pre-Standby", "clock_year": "2021",
                "clock_second": "41", "monoblock_voltage_1": "13.141 V", "monoblock_voltage_38": "13.130 V",
                "monoblock_temperature_38": "31 degC", "boolean_1": "on", "boolean_2": "off", "alarm_25": "off"}
    assert {name: rows[name] for name in expected} == expected
    assert len(rows) == sum(map(len, ANZEN.values())) and list(rows)[0] == "system_voltage" and list(rows)[-1] == "alarm_25"


def test_what_fails_is_named_and_the_others_are_shown(battery):
    device, gateway = battery
    del device.poll[3, 43000]
    device.mute = {1}
    shown = read(gateway, "-p", "anzen-bms", "-u", "5", "--timeout", "0.2")
    assert shown.returncode == 1 and len(shown.stdout.splitlines()) == 6
    assert shown.stderr == ("softsplit: system currents  holding registers 0xA7F8+3: unit 5: exception 0x02 "
                            "(illegal data address); the unit has no register at some of these addresses: manuals may count "
                            "from 1, or mean another table (-t); try COUNT 1\nsoftsplit: errors and alarms  coils 0x0001+25: "
                            "unit 5 does not answer\n")


def call(url: str, *arguments: str) -> list[str]:
    done = run_program([*SOFTSPLIT, "read", "-a", url, "--timeout", str(TIMEOUT), *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    return [line.removeprefix("softsplit: ") for line in done.stderr.splitlines()]


@pytest.mark.parametrize("kind", ["tcp", "rtuovertcp"])
def test_a_unit_that_is_not_there_is_tried_twice_and_those_that_are_there_are_named(kind, tmp_path):
    def fault(say, frame, unit, pdu):
        if unit in (2, 100):
            say(frame(unit, good_answer(unit, pdu)))
        elif kind == "tcp":
            say(frame(unit, bytes((pdu[0] | 0x80, 0x0B))))

    with Bus(kind, tmp_path) as bus:
        bus.fault = fault
        lines = call(bus.url, "-p", "anzen-bms", "-u", "7")
    assert len(lines) == 3 and lines[-1] == "units 2 and 100 answer there; is 7 the right unit id (-u)?"


def test_a_gateway_that_speaks_otherwise_is_told_so(tmp_path):
    with Bus("rtuovertcp", tmp_path) as bus:
        lines = call(bus.url.replace("rtuovertcp", "tcp"), "0", "1")
    assert lines[-1] == f"the gateway answers Modbus RTU: its url is {bus.url}"


@pytest.mark.parametrize("code, cure", [(1, "try another one with -t"), (2, "manuals may count from 1"),
                                        (3, "try a smaller COUNT"), (4, "restart it"), (6, "the unit is busy; try again")])
def test_an_exception_comes_with_what_to_do(code, cure, tmp_path):
    with Bus("tcp", tmp_path) as bus:
        bus.fault = lambda say, frame, unit, pdu: say(frame(unit, bytes((pdu[0] | 0x80, code))))
        line, = call(bus.url, "0", "10")
    assert f"exception 0x{code:02X}" in line and cure in line


def test_nobody_there_is_said_once(battery):
    battery[1].close()
    shown = read(battery[1], "-p", "anzen-bms")
    assert shown.returncode == 1 and shown.stdout == "" and shown.stderr.count("\n") == 1
    assert "cannot reach tcp://127.0.0.1" in shown.stderr


def test_who_forgets_where_to_read_is_told_of_the_option():
    done = run_program([*SOFTSPLIT, "read", "-u", "199", "0x5B00"], capture_output=True, text=True, timeout=30 * SLOWNESS)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("without -a it reads from tcp://localhost:502; -a HOST:PORT reads from another place")


def test_json_is_an_object_for_each_block(battery):
    device, gateway = battery
    del device.poll[1, 40]
    shown = read(gateway, "-p", "anzen-bms", "--json")
    found = [json.loads(line) for line in shown.stdout.splitlines()]
    assert shown.returncode == 1 and [each["items"] for each in found if "items" in each] == \
        [items for (_, address), items in ANZEN.items() if address != 40]
    assert found[0]["values"]["system_voltage"] == {"value": 497.4, "measure": "V"} and found[0]["unit"] == 1
    assert found[3]["values"]["state"]["value"] == "Pre-Standby" and found[-1]["values"]["alarm_1"]["value"] == [False]
    assert found[6]["error"] == "unit 1: exception 0x02 (illegal data address)" and "values" not in found[6]


def test_csv_is_a_row_for_each_value(battery):
    device, gateway = battery
    device.mute = {41000}
    shown = read(gateway, "-p", "anzen-bms", "--csv", "--timeout", "0.2")
    rows = list(csv.DictReader(io.StringIO(shown.stdout)))
    assert {"name": "system_voltage", "value": "497.4", "measure": "V"}.items() <= rows[0].items()
    missing, = [row for row in rows if row["error"]]
    assert (missing["block"], missing["address"], missing["value"]) == ("system temperatures", "0xA028", "")
    assert len(rows) == sum(map(len, ANZEN.values())) - 5 + 1


def test_it_is_repeated_until_ctrl_c_and_outlives_an_outage(battery):
    device, gateway = battery
    command = [*SOFTSPLIT, "read", "-a", str(gateway.url), "-p", "anzen-bms", "--every", "0.1"]
    with Child(command) as child:
        until(lambda: child.text().count("system values") > 2)
        gateway.close()
        until(lambda: child.log().count("cannot reach") > 2)
        gateway.listen()
        shown = child.text().count("system values")
        until(lambda: child.text().count("system values") > shown + 1)
        assert child.end(signal.SIGINT) == 1 and "Traceback" not in child.log() and "Abort" not in child.log()
    with Child(command) as child:
        until(lambda: child.text().count("system values") > 2)
        assert child.end(signal.SIGINT) == 0 and child.log() == ""


def test_what_a_profile_does_not_name_is_tabulated():
    profile = parse_profile("block = [{ address = 0, count = 2 }]", "mine")
    lines = Text(profile, True).lines(1, *read_home(profile.reads[0], bytes.fromhex("43661999")))
    assert lines[0] == "0x0000  holding registers 0x0000+2" and "230.1" in lines[2]


# One block, raw.

def values_as(data: bytes, types: str, order: str | None = None, table: str | None = None) -> list[str]:
    """The values that the bytes are, when taken as these types."""
    form = raw_form(None, table, "0x5B00", len(data) // 2, types, order, pytest.fail)
    lines = form.lines(1, *read_home(form.profile.reads[0], data))
    return [line.split(maxsplit=1)[1] for line in lines[1:]]


@pytest.mark.parametrize("order, data", [("abcd", "01020304"), ("badc", "02010403"), ("cdab", "03040102"), ("dcba", "04030201")])
def test_all_four_orders(order, data):
    assert values_as(bytes.fromhex(data), "u32", order) == [str(0x01020304)]


@pytest.mark.parametrize("types, data, expected", [
    ("u16", "0001ffff", ["1", "65535"]), ("s16,u16", "ffffffff", ["-1", "65535"]), ("s32", "fffffffe", ["-2"]),
    ("u24", "ff010203", [str(0x010203)]), ("s24", "00ffffff", ["-1"]), ("u64", "0000000000000d5e", ["3422"]),
    ("f32", "43661999", ["230.1"]), ("f64", "406cc33333333333", ["230.1"]), ("text", "4232332033313200", ["B23 312"]),
    ("text:2,u16", "423233200007", ["B23", "7"]), ("bits", "0005", ["0, 2"]), ("u32", "000000360001", ["54", "0001"]),
    ("f32", "7fc00000", ["absent"]), ("text", "1b5b324a", ["\\x1b[2J"]),
])
def test_types(types, data, expected):
    assert values_as(bytes.fromhex(data), types) == expected


def test_types_say_how_much_is_read_unless_told():
    assert raw_form(None, None, "0", None, "u32,u16,text:4", None, pytest.fail).profile.reads[0].block.count == 7
    assert raw_form(None, None, "0", None, None, None, pytest.fail).profile.reads[0].block.count == 1


@pytest.mark.parametrize("types, told", [("u17", 'did you mean "u16"'), ("u16:2", "text:8"), ("text:", "text:8"), ("text:0", "text:8")])
def test_types_that_cannot_be_meant(types, told):
    with pytest.raises(ConfigError, match=told):
        values_as(bytes(4), types)


def test_without_a_hint_there_is_what_is_plausible_in_all_orders():
    block = Block(HOLDING, 0x5B14, 3)
    head, *rows = tabulate(block, bytes.fromhex("000000364366"))
    assert head.split() == ["address", "hex", "u16", "s16", "text", "ABCD", "BADC", "CDAB", "DCBA"]
    assert rows[0].split() == ["0x5B14", "0x0000", "0", "0", "..", "54", "13824", "3538944", "-"]  # 54 = 0.54 W
    assert rows[2].split() == ["0x5B16", "0x4366", "17254", "17254", "Cf"]  # there is nothing after it


@pytest.mark.parametrize("order, data", [("abcd", "43661999"), ("badc", "66439919"), ("cdab", "19994366"), ("dcba", "99196643")])
def test_a_float_is_recognised_in_each_order(order, data):
    _, row, _ = tabulate(Block(HOLDING, 0, 2), bytes.fromhex(data), [order])
    assert row.split()[-1] == "230.1"


def test_a_hint_leaves_one_order():
    _, row, _ = tabulate(Block(HOLDING, 0, 2), bytes.fromhex("00360000"), ["cdab"])
    assert row.split()[-1] == "54"


def test_bits_are_bits(battery):
    shown = read(battery[1], "-t", "coils", "40", "4")
    assert shown.stdout == "coils 0x0028+4\n  0x0028  1\n  0x0029  0\n  0x002A  1\n  0x002B  0\n"


WORKED_EXAMPLE = """00000FCA 00000FC0 | 00000065 000000C9 0000012E 00000086 | 0001E8E4 00005AE2 0000B097 0000DD6B |
    00007541 0000001C FFFFD04A 0000A4DB | 000225C3 00005AE2 0000B6DF 00011402 | 1383 | 0087 0000 FF6A 016F |
    0000 04AF FB4E | FFFF FFFF FFFF | FFF3 0409 FCAE | 03CC 03E8 03C6 0322 | 0001 0001"""  # of the meter's manual, from 0x5B08 on
PHASES = ("l1", "l2", "l3")
WORKED_VALUES = {  # by registers that follow one another
    ("voltage_l3_l2", "voltage_l1_l3"): "404.2 V, 403.2 V",
    ("current_l1", "current_l2", "current_l3", "current_n"): "1.01 A, 2.01 A, 3.02 A, 1.34 A",
    tuple(f"active_power_{each}" for each in ("total", *PHASES)): "1251.56 W, 232.66 W, 452.07 W, 566.83 W",
    tuple(f"reactive_power_{each}" for each in ("total", *PHASES)): "300.17 var, 0.28 var, -122.14 var, 422.03 var",
    tuple(f"apparent_power_{each}" for each in ("total", *PHASES)): "1407.39 VA, 232.66 VA, 468.15 VA, 706.58 VA",
    ("frequency",): "49.95 Hz",
    tuple(f"phase_angle_power_{each}" for each in ("total", *PHASES)): "13.5 deg, 0.0 deg, -15.0 deg, 36.7 deg",
    tuple(f"phase_angle_voltage_{each}" for each in PHASES): "0.0 deg, 119.9 deg, -120.2 deg",
    tuple(f"phase_angle_current_{each}" for each in PHASES): "-1.3 deg, 103.3 deg, -85.0 deg",
    tuple(f"power_factor_{each}" for each in ("total", *PHASES)): "0.972, 1.000, 0.966, 0.802",
    ("current_quadrant_total", "current_quadrant_l1"): "1, 1",
}


@pytest.mark.parametrize("name", ["abb-b23", "abb-b24"])
def test_every_register_of_the_worked_example_says_what_the_manual_says(name):
    image = bytes.fromhex(WORKED_EXAMPLE.replace("|", ""))
    said = load_profile(name).decode(Block(HOLDING, 0x5B08, len(image) // 2), image)
    named = [NamedValue(*each) for each in said.items()]
    assert [each.name for each in named] == [register for run in WORKED_VALUES for register in run]
    assert ", ".join(map(str, named)) == ", ".join(WORKED_VALUES.values())


@pytest.mark.parametrize("name", ["abb-b23", "abb-b24"])
def test_sniff_and_read_print_every_register_of_the_worked_example_equally(name):
    image, profile = bytes.fromhex(WORKED_EXAMPLE.replace("|", "")), load_profile(name)
    block = Block(HOLDING, 0x5B08, len(image) // 2)
    heard = Transaction(Kind.OK, 0.0, adu.rtu_frame(1, read_question(block).pdu), adu.rtu_frame(1, bytes((3, len(image))) + image))
    read_lines = Text(profile, decodes=True).lines(1, *read_home(Read(block, ""), image))[1:]
    assert [f"{each.name} {each}" for each in Names(profile).of(heard)] == [" ".join(line.split()) for line in read_lines]
    assert len(read_lines) == sum(map(len, WORKED_VALUES))


@pytest.mark.parametrize("request_frame, reply_frame, said", [  # of real meters; the last request is made up
    ("01 03 5b 14 00 02 97 2b", "01 03 04 00 00 00 36 7a 25", "active_power_total 0.54 W"),
    ("01 03 5b 3b 00 01 e6 e3", "01 03 02 7f ff d8 34", "power_factor_l1 absent"),
    ("01 03 50 04 00 04 14 c8", "01 03 08 ff ff ff ff ff ff ff ff d4 53", "active_energy_export_total absent"),
    ("01 03 50 00 00 04 55 09", "01 03 08 00 00 00 00 00 00 0d 5e 10 bf", "active_energy_import_total 34.22 kWh"),
])
def test_what_real_meters_said_means_what_is_known_of_it(request_frame, reply_frame, said):
    (unit, asked), (answering, answer) = (adu.take_apart(bytes.fromhex(frame)) for frame in (request_frame, reply_frame))
    assert unit == answering == 1 and adu.crc(bytes.fromhex(request_frame)) == adu.crc(bytes.fromhex(reply_frame)) == 0
    named, = load_profile("abb-b23").decode(asked_block(asked, [HOLDING]), answer[2:]).items()
    assert f"{NamedValue(*named).name} {NamedValue(*named)}" == said


@pytest.mark.parametrize("text, table, expected", [
    ("0x5B00", None, (HOLDING, 0x5B00)), ("23296", None, (HOLDING, 23296)), ("40000", None, (HOLDING, 40000)),
    ("40001", None, (HOLDING, 0)), ("30011", None, (Table.INPUT_REGISTERS, 10)), ("40001", HOLDING, (HOLDING, 40001)),
    ("465536", None, (HOLDING, 0xFFFF)), ("300001", None, (Table.INPUT_REGISTERS, 0)), ("400001", HOLDING, (HOLDING, 0)),
    ("100001", None, (Table.DISCRETE_INPUTS, 0)), ("10001", None, (HOLDING, 10001)), ("30001", Table.COILS, (Table.COILS, 30001)),
])
def test_addresses_as_people_write_them(text, table, expected):
    assert parse_address(text, table)[:2] == expected


def test_a_number_of_a_manual_is_explained():
    assert parse_address("0x9C41")[2] == parse_address("40001", HOLDING)[2] == ""
    assert parse_address("400001")[2] == "400001 is number 1 of the holding registers: protocol address 0x0000"
    assert parse_address("40001")[2] == (
        "40001 is number 1 of the holding registers: protocol address 0x0000; if protocol address 40001 is meant, "
        "write 0x9C41, or name the table with -t")


@pytest.mark.parametrize("text, table", [("x", None), ("", None), ("007", None), ("400001", Table.COILS)])
def test_addresses_that_cannot_be_meant(text, table):
    with pytest.raises(ConfigError, match="ADDRESS"):
        parse_address(text, table)


# Whom it asks.

@contextmanager
def splitter(tmp_path, upstream: str, downstreams: str):
    """A running program that owns a wire; gives the child."""
    config = tmp_path / "softsplit.toml"
    config.write_text(f'[upstream.bms]\nurl = "{upstream}"\ntimeout = 0.2\nunits = {{ 1 = "anzen-bms" }}\n{downstreams}')
    with Child([*SOFTSPLIT, "run", "-c", str(config)]) as child:
        until(lambda: "unit 1 answers" in child.log())
        yield child


def test_while_a_splitter_owns_the_wire_its_server_is_asked(battery, tmp_path):
    gateway, port = battery[1], free_port()
    served = f'[downstream.a]\nurl = "tcp://127.0.0.1:{port}"\nunits = {{ 7 = "bms/1" }}\n'
    with splitter(tmp_path, f"tcp://localhost:{gateway.port}", served) as child, TcpMaster(port) as master:
        until(lambda: master.read(7, 42000, 15))
        connections = gateway.connections
        shown = read(gateway, "-p", "anzen-bms")
        assert shown.returncode == 0 and "[4974, 0, 244, 38]" in shown.stdout
        assert shown.stderr == (
            f"softsplit: process {child.process.pid} runs {tmp_path}/softsplit.toml and owns tcp://localhost:{gateway.port}; "
            f"its server tcp://127.0.0.1:{port} is asked for unit 7 instead\n")
        assert gateway.connections == connections == 1
        assert find_route(parse_place(f"127.0.0.1:{port}"), 7)[2] == ""  # the server itself is nobody's wire


def test_a_wire_that_is_owned_is_left_alone(battery, tmp_path):
    gateway, cable = battery[1], Cable()
    served = ('[downstream.a]\nurl = "tcp://127.0.0.1:0"\nallow = ["10.0.0.1"]\n'
              f'[downstream.b]\nurl = "rtu://{cable.left}"\n')
    with running(cable), splitter(tmp_path, str(gateway.url), served):
        with pytest.raises(SoftsplitError, match="cannot be asked for unit 1: a: allow does not list 127.0.0.1, so it was "
                                                 f"not asked from here; b: rtu://{cable.left} can only be asked at the"):
            find_route(gateway.url, 1)
        with pytest.raises(SoftsplitError, match="cannot be asked for unit 2: none of its servers has that unit"):
            find_route(gateway.url, 2)
        assert gateway.connections == 1
    assert find_route(gateway.url, 1) == (gateway.url, 1, "")


def test_a_stale_value_of_a_splitter_is_not_shown(battery, tmp_path):
    device, gateway = battery
    served = '[downstream.a]\nurl = "tcp://127.0.0.1:0"\nmax_age = 0.5\nunits = { 1 = "bms/1" }\n'
    with splitter(tmp_path, str(gateway.url), served):
        until(lambda: read(gateway, "-p", "anzen-bms").returncode == 0)
        device.mute = {address for _, address in ANZEN}
        until(lambda: "exception 0x0B" in read(gateway, "-p", "anzen-bms").stderr, timeout=20)
        until(lambda: read(gateway, "-p", "anzen-bms").stdout == "", timeout=30)


def test_read_request_is_what_goes_out(battery):
    read(battery[1], "-u", "9", "0x9C40", "4")
    assert battery[1].requests == [(9, read_request(0x9C40, 4))]
