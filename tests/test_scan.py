"""`softsplit scan` finds what is on a line, writes nothing, and prints a section that `run` accepts unchanged."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from softsplit.commands.scan import prober as prober_module
from softsplit.commands.scan import scanner as scanner_module
from softsplit.commands.scan.examiner import Found
from softsplit.commands.scan.scan import parse_units, plan_scan
from softsplit.commands.scan.scanner import Scan
from softsplit.commands.scan.section import describe_nobody, draw_section, free_name, show_units
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.pty import SimulatedLine
from softsplit.commands.simulate.simulate import SimulatedUnit
from softsplit.config.line import Line
from softsplit.config.loader import parse_config
from softsplit.config.url import Url, parse_url
from softsplit.downstream.servers.choice import server_for
from softsplit.errors import ConfigError, Unreachable
from softsplit.profiles import load_profile
from softsplit.profiles.loader import parse_profile
from softsplit.protocol import adu
from softsplit.protocol import pdu as pdus
from tests.support import (SLOWNESS, SOFTSPLIT, Child, ScriptedGateway, TcpMaster, connected, free_port,
                           read_request, run_program, running, simulated_gateway, until)
from tests.support.bus import Bus, good_answer
from tests.support.queueinggateway import QueueingGateway

B23 = load_profile("abb-b23")
UNKNOWN = parse_profile("block = [{ address = 0, count = 10 }]", "unknown")
SHORT = 0.05 * SLOWNESS  # s
DOWNSTREAM = '\n[downstream.victron]\nurl = "tcp://127.0.0.1:{port}"\n'


def scan_of(url: str, units: str, baudrates=(), modes=(), timeout=SHORT, names=()) -> Scan:
    """A search that has come to its end."""
    scan = plan_scan(parse_url(url, ("tcp", "rtuovertcp", "rtu")), parse_units(units), baudrates, modes, timeout, names)
    list(scan.steps())
    return scan


def named(scan: Scan) -> dict[int, str]:
    return {found.unit: found.profile.name if found.profile else "any" for found in scan.found}


def accepted(section: str, directory: Path):
    """The upstream that a section states, in a whole configuration."""
    return parse_config(section + DOWNSTREAM.format(port=0), "pasted", directory).upstreams[0]


@contextmanager
def simulated_line(path: Path, units: dict, baudrate: int = 19200):
    """A line at `path` with simulated units, each given by its profile."""
    line = SimulatedLine(str(path), baudrate)
    server = server_for("units", Url("rtu", path=line.left), [SimulatedUnit(unit, profile, Faults())
                                                              for unit, profile in units.items()], Line(baudrate))
    for each in (server, line):
        each.open()
    with running(server, line):
        yield f"rtu://{path}"


def call(*arguments: str) -> subprocess.CompletedProcess:
    return run_program([*SOFTSPLIT, "scan", *arguments], capture_output=True, text=True, timeout=30 * SLOWNESS)


# On a serial line


def test_two_meters_and_an_unknown_unit_are_found_and_run_serves_them(tmp_path):
    with simulated_line(tmp_path / "line", {100: B23, 2: B23, 7: UNKNOWN}) as url:
        done = call(url, "--units", "1-3,7,100", "--baudrate", "9600", "--baudrate", "19200", "--mode", "8E1",
                    "--timeout", str(3 * SHORT))
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            f"# softsplit scan of {url} at 19200 8E1, units 1-3,7,100", "[upstream.meters]", f'url = "{url}"',
            "baudrate = 19200", 'mode = "8E1"', "", "[upstream.meters.units]",
            '2 = "abb-b23"  # ABB B23, says "B23 312-100"', '7 = "any"  # unknown device',
            '100 = "abb-b23"  # ABB B23, says "B23 312-100"']
        assert done.stderr.splitlines() == [
            "asking at 9600 8E1", "asking at 19200 8E1", 'unit 2: ABB B23, says "B23 312-100"', "unit 7: unknown device",
            'unit 100: ABB B23, says "B23 312-100"', "asking at 19200 8E1 again, with other functions"]
        config, port = tmp_path / "softsplit.toml", free_port()
        config.write_text(done.stdout + DOWNSTREAM.format(port=port))
        with Child([*SOFTSPLIT, "run", "-c", str(config)]) as child, until(lambda: connected(port)) as master:
            for unit in (2, 100):
                until(lambda: master.ask(unit, read_request(0x8960, 2)) == b"\x03\x04B23 ")
            until(lambda: master.ask(7, read_request(0, 2))[:2] == b"\x03\x04")
            assert child.end() == 0


def test_nobody_is_found_at_another_speed_though_rubbish_is_heard(tmp_path):
    with simulated_line(tmp_path / "line", {2: B23}) as url:
        done = call(url, "--units", "1-2", "--baudrate", "9600", "--mode", "8N1", "--timeout", str(SHORT))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        f"softsplit: no unit answers at {url}: units 1-2 at 9600 8N1; but there is traffic, heard at 9600 8N1: unit 2: "
        "the answer has 5 bytes without a meaning; check power, termination, A and B, and --timeout")


def test_all_usual_ways_are_tried_once_unless_some_are_given():
    url = Url("rtu", path="/dev/ttyUSB0")
    ways = [(way.baudrate, way.mode) for way in plan_scan(url, [1], (), (), None, ()).ways]
    assert ways[:4] == [(19200, "8E1"), (19200, "8N1"), (9600, "8E1"), (9600, "8N1")]
    assert len(set(ways)) == len(ways) == 32 and {mode for _, mode in ways[-16:]} == {"8O1", "8N2"}
    assert plan_scan(url, [1], [4800], ["8N2"], None, ()).ways == [Line(4800, "8N2")]
    assert [way.mode for way in plan_scan(url, [1], [4800], (), None, ()).ways] == ["8E1", "8N1", "8O1", "8N2"]
    assert {way.mode for way in plan_scan(url, [1], (), ["8N1"], None, ()).ways} == {"8N1"}


def test_damaged_answers_are_told_and_are_no_unit(tmp_path):
    def damaged(say, frame, unit, pdu):
        if unit == 1:
            say(frame(unit, good_answer(unit, pdu))[:-1] + b"?")
        if unit == 2:
            say(frame(unit, bytes.fromhex("8302")))

    with Bus("rtu", tmp_path) as bus:
        bus.fault = damaged
        scan = scan_of(bus.url, "1-3", [19200], ["8N1"], timeout=3 * SHORT)
    assert named(scan) == {2: "any"}
    assert "# unit 1: the answer has a wrong CRC; check for two units with the same id, and the termination of the line" in draw_section(scan)
    assert accepted(draw_section(scan), tmp_path).line == Line(19200, "8N1")
    assert [unit for unit, _, _ in bus.requests].count(1) == 2


def test_another_master_on_the_line_is_told(tmp_path):
    def with_another(say, frame, unit, pdu):
        if unit == 1:
            say(adu.rtu_frame(9, read_request(0x10, 2)))
        else:
            say(frame(unit, bytes.fromhex("8302")))

    with Bus("rtu", tmp_path) as bus:
        bus.fault = with_another
        section = draw_section(scan_of(bus.url, "1-2", [19200], ["8N1"]))
    assert "# another master is on this line: a request to unit 9 (read holding registers 0x0010+2); take it off" in section


# Over a network


def test_what_a_gateway_says_of_units_that_are_not_there_is_no_answer_of_theirs(tmp_path):
    with simulated_gateway(B23) as gateway:
        scan = scan_of(str(gateway.url), "1-5,99-101")
    assert named(scan) == {2: "abb-b23", 100: "abb-b23"}
    upstream = accepted(draw_section(scan), tmp_path)
    assert (upstream.url, upstream.line, [unit.unit for unit in upstream.units]) == (gateway.url, None, [2, 100])


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8])
def test_an_exception_shows_that_a_unit_is_there_unless_the_gateway_makes_it(code):
    def reply(transaction, unit, pdu):
        return adu.tcp_frame(transaction, unit, pdus.exception_pdu(pdu[0], {3: code, 4: 0x0B}.get(unit, 0x0A)))

    with ScriptedGateway(reply) as gateway:
        assert named(scan_of(str(gateway.url), "1-5")) == {3: "any"}


@pytest.mark.parametrize("kind", ["tcp", "rtuovertcp"])
def test_a_server_that_looks_at_no_unit_id_is_one_device(kind, tmp_path):
    with Bus(kind, tmp_path, lambda unit, pdu: good_answer(unit, pdu) if pdu[0] == 3 else b"\xab\x01") as bus:
        scan = scan_of(bus.url, "3-247")
        section = draw_section(scan)
    assert scan.ignores_units and scan.progress.left == 0 and named(scan) == {3: "any"}
    assert "# every unit id gets the same answer, so the device ignores unit ids; it is listed once, as 3" in section
    assert [unit.unit for unit in accepted(section, tmp_path).units] == [3]
    assert len(bus.requests) < 12


def test_many_alike_devices_are_not_taken_for_one(tmp_path):
    with simulated_gateway(B23, units=range(1, 6)) as gateway:
        scan = scan_of(str(gateway.url), "1-5")
    assert not scan.ignores_units and len(scan.found) == 5


@pytest.mark.parametrize("kind", ["tcp", "rtuovertcp"])
def test_who_answers_too_late_is_asked_once_more_with_patience(kind, tmp_path):
    meter = SimulatedUnit(2, B23, Faults())

    def slow(say, frame, unit, pdu):
        if unit == 2:
            threading.Timer(1.6 * SHORT, say, [frame(unit, meter.handle_request(pdu))]).start()

    with Bus(kind, tmp_path) as bus:
        bus.fault = slow
        assert named(scan_of(bus.url, "1-4")) == {2: "abb-b23"}


def test_a_gateway_that_cannot_be_reached_is_told():
    done = call(f"tcp://127.0.0.1:{free_port()}", "--units", "1")
    assert done.returncode == 1 and "Connection refused" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("device, told", [("/dev/null", "this is no serial device"), ("/dev/ttyUSB99", "there is no such device")])
def test_a_device_that_cannot_be_opened_is_told(device, told):
    with pytest.raises(Unreachable, match=f"cannot reach rtu://{device}: {told}"):
        scan_of(f"rtu://{device}", "1")


def test_what_was_found_is_printed_though_the_gateway_goes_away():
    def reply(transaction, unit, pdu):
        if unit == 3:
            gateway.close()
            return None
        return adu.tcp_frame(transaction, unit, pdus.exception_pdu(pdu[0], 2 if unit == 1 else 0x0A))

    with ScriptedGateway(reply) as gateway:
        done = call(str(gateway.url), "--units", "1-5", "--timeout", str(SHORT))
    assert done.returncode == 1 and "cannot reach" in done.stderr and '1 = "any"' in done.stdout


def test_silence_behind_a_gateway_names_the_cures(tmp_path):
    with ScriptedGateway(lambda *_: b"") as gateway:
        done = call(str(gateway.url), "--units", "1-2", "--timeout", str(SHORT))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines()[-1] == (
        f"softsplit: no unit answers at {gateway.url}: units 1-2; something else may hold the gateway's only connection "
        "(the old master, a Cerbo, evcc?), or the line is silent; check power, termination, A and B, and --timeout")


@pytest.mark.parametrize("there, asked", [(1, [1]), (100, [1, 255, 2, 3, 126, 100])])
def test_after_ten_silent_units_the_other_dialect_is_tried_for_each_of_them(there, asked, tmp_path):
    with Bus("rtuovertcp", tmp_path, lambda unit, pdu: good_answer(unit, pdu) if unit == there else b"") as bus:
        url = bus.url.replace("rtuovertcp", "tcp")
        done = call(url, "--timeout", str(SHORT))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == f"softsplit: the gateway answers Modbus RTU: its url is {bus.url}"
    assert [unit for unit, _, _ in bus.requests] == asked


def test_a_long_timeout_goes_into_the_section(tmp_path):
    with simulated_gateway(B23, units=[1]) as gateway:
        scan = scan_of(str(gateway.url), "1", timeout=2.5)
    assert accepted(draw_section(scan), tmp_path).timeout == 2.5


# Who is silent to the first question, and gateways that take their time

def answers_inputs_alone(say, frame, unit, pdu):
    """Unit 3 knows nothing but function 4; unit 5 nothing but its name."""
    if unit == 3 and pdu[0] == 4:
        say(frame(unit, good_answer(unit, pdu)))
    elif unit == 5 and pdu[0] == 43:
        say(frame(unit, b"\x2b\x0e\x01\x01\x00\x00\x01\x00\x04ACME"))


def test_units_silent_to_function_3_are_asked_with_others_in_a_second_round(tmp_path):
    with Bus("rtuovertcp", tmp_path) as bus:
        bus.fault = answers_inputs_alone
        scan = plan_scan(parse_url(bus.url, ("rtuovertcp",)), range(2, 6), (), (), 0.06 * SLOWNESS, ())
        assert [(scan.is_again, scan.unit) for _ in scan.steps()] == [(again, unit) for again in (False, True) for unit in range(2, 6)]
    assert {found.unit: found.function for found in scan.found} == {3: 4, 5: 43}
    assert '3 = "any"  # unknown device; answers function 4' in draw_section(scan) and "answers function 43; vendor" in draw_section(scan)


def test_too_many_silent_units_are_told_and_not_asked_again():
    with simulated_gateway(B23, units=[1]) as gateway:
        scan = plan_scan(gateway.url, (1,), (), (), SHORT, ())
        list(scan.steps())
    scan.silent_left = 240
    assert "# 240 units are silent to function 3 and were asked nothing else" in draw_section(scan)


@pytest.mark.parametrize("silent", [False, True], ids=["says so", "says nothing"])
@pytest.mark.parametrize("wait", [1.2, 3.0])
def test_units_behind_a_gateway_that_takes_longer_than_the_timeout_are_all_found(wait, silent, monkeypatch):
    monkeypatch.setattr(scanner_module, "MOST_AGAIN", 0.0)
    with QueueingGateway(wait * SHORT, there=(3, 6, 9), silent=silent) as gateway:
        scan = plan_scan(gateway.url, range(1, 11), (), (), SHORT, ())
        list(scan.steps())
    assert [found.unit for found in scan.found] == [3, 6, 9]
    assert max(gateway.inside[:3]) == 1, "nobody knows yet how long it takes"
    assert max(gateway.inside) <= 1 + silent, gateway.inside
    assert wait < 3 or sum(inside > 1 for inside in gateway.inside) <= 4 * silent, "it is tried out a few times"


def test_where_the_gateway_itself_answers_nobody_says_that_it_may_speak_another_dialect():
    with QueueingGateway(0.2 * SHORT, there=()) as gateway:
        scan = plan_scan(gateway.url, range(1, 12), (), (), SHORT, ())
        list(scan.steps())
    assert not scan.found and not scan.stranger and "the gateway itself answers that none of them is there" in describe_nobody(scan)


def test_answers_that_come_too_late_are_modbus_tcp_all_the_same(monkeypatch):
    """Nobody says then that the gateway may speak another dialect."""
    asked: list = []
    monkeypatch.setattr(prober_module, "ask_otherwise", lambda *others: asked.append(others) or "")
    monkeypatch.setattr(scanner_module, "MOST_AGAIN", 0.0)

    def late(transaction, unit, pdu):
        begin = time.monotonic()
        until(lambda: unit > 1 or time.monotonic() - begin > 0.8 * SHORT)
        return adu.tcp_frame(transaction, unit, bytes((pdu[0] | 0x80, 2))) if unit == 1 else b""

    with ScriptedGateway(late) as gateway:
        scan = plan_scan(gateway.url, range(1, 12), (), (), SHORT / 6, ())
        list(scan.steps())
    assert not asked and not scan.stranger


def test_what_was_found_is_printed_as_json_also_when_it_is_terminated():
    def only_2(transaction, unit, pdu):
        return adu.tcp_frame(transaction, unit, b"\x83\x02") if unit == 2 else b""

    with ScriptedGateway(only_2) as gateway:
        with Child([*SOFTSPLIT, "scan", str(gateway.url), "--units", "2,90-247", "--timeout", "0.1", "--json"]) as child:
            until(lambda: any(unit == 91 for unit, _ in gateway.requests), timeout=10)
            assert child.end(signal.SIGTERM) == 143
            found = json.loads(child.text())
    assert found["units"] == [{"unit": 2, "profile": None, "said": None, "identification": {}, "function": 3}]
    assert found["url"] == str(gateway.url) and found["asked"].startswith("2,90")


def test_a_second_scan_makes_no_second_section_of_the_same_name(tmp_path):
    path = tmp_path / "softsplit.toml"
    with simulated_gateway(B23, units=[1]) as gateway:
        for _ in range(2):
            with open(path, "a") as file:
                done = run_program([*SOFTSPLIT, "scan", str(gateway.url), "--units", "1"], stdout=file, stderr=subprocess.DEVNULL, timeout=60 * SLOWNESS)
            assert done.returncode == 0
    text = path.read_text()
    assert "[upstream.meters]" in text and "[upstream.meters2.units]" in text
    assert free_name('[upstream."meters"]\n[upstream.meters2.units]') == "meters3" and free_name("upstream.'meters' = {}") == "meters2" and free_name("") == "meters"


def test_a_gap_is_kept_between_requests():
    at = []
    with ScriptedGateway(lambda transaction, unit, pdu: at.append(time.monotonic()) or adu.tcp_frame(transaction, unit, b"\x83\x02")) as gateway:
        list(plan_scan(gateway.url, (1, 2), (), (), SHORT, (), gap=0.06).steps())
    assert len(at) > 2 and min(later - earlier for earlier, later in zip(at, at[1:])) > 0.055


# What a unit is


OBJECTS = [(0, b"ACME\n[upstream.evil]"), (1, b"X\x1b1"), (2, b"V2.0")]


def identifies_itself(unit: int, pdu: bytes) -> bytes:
    """Unit 5 knows function 43/14, and answers one object at a time."""
    if unit != 5:
        return pdus.exception_pdu(pdu[0], pdus.GATEWAY_NO_PATH)
    if pdu[0] != 43:
        return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_ADDRESS)
    number, text = OBJECTS[pdu[3]]
    more = b"\xff" + bytes((number + 1,)) if number < 2 else b"\0\0"
    return b"\x2b\x0e\x01\x01" + more + b"\x01" + bytes((number, len(text))) + text


@pytest.mark.parametrize("kind", ["tcp", "rtuovertcp", "rtu"])
def test_a_device_that_identifies_itself_is_named_and_cannot_break_the_section(kind, tmp_path):
    with Bus(kind, tmp_path, identifies_itself) as bus:
        scan = scan_of(bus.url, "4-6", *([[19200], ["8N1"]] if kind == "rtu" else []))
    assert scan.found == [Found(5, named=(("vendor", r"ACME\n[upstream.evil]"), ("product", r"X\x1b1"), ("revision", "V2.0")))]
    section = draw_section(scan)
    assert r'5 = "any"  # unknown device; vendor "ACME\n[upstream.evil]"; product "X\x1b1"; revision "V2.0"' in section
    assert [unit.unit for unit in accepted(section, tmp_path).units] == [5]


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_nothing_is_ever_written(kind, tmp_path):
    with Bus(kind, tmp_path, identifies_itself) as bus:
        scan_of(bus.url, "1-6", *([[19200], ["8N1"]] if kind == "rtu" else []))
    assert {unit for unit, _, _ in bus.requests} >= set(range(1, 7))
    assert {pdu[:2] if pdu[0] == 43 else pdu[:1] for _, pdu, _ in bus.requests} <= {b"\x01", b"\x02", b"\x03", b"\x04", b"\x2b\x0e"}


@pytest.mark.parametrize("name, said", [
    ("abb-b21", "B21 312-100"), ("abb-b24", "B24 312-100"), ("carlo-gavazzi-em340", 341), ("eastron-sdm630", 112),
    ("carlo-gavazzi-em112", 101), ("carlo-gavazzi-em24", 71), ("carlo-gavazzi-em24-e1", 1648), ("carlo-gavazzi-em540", 1744),
    ("carlo-gavazzi-et340", 345), ("eastron-sdm120", 32), ("eastron-sdm72d-m-v2", 135), ("victron-vm-3p75ct", 0xA1B1)])
def test_a_shipped_profile_recognises_its_device(name, said):
    with simulated_gateway(load_profile(name), units=[9]) as gateway:
        found, = scan_of(str(gateway.url), "8-10").found
    assert (found.profile.name, found.said) == (name, said)


def test_ones_own_profile_recognises_its_device_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boiler.toml").write_text(r"""
        title = "Boiler\nof mine"
        block = [{ table = "input registers", address = 0x10, count = 4 }]
        identify = { table = "input registers", address = 0x10, type = "text", count = 3, equals = ["HEAT", "HEAT 2"] }""")
    with simulated_gateway(load_profile("boiler.toml"), units=[9]) as gateway:
        scan = scan_of(str(gateway.url), "9", names=["boiler.toml"])
    assert named(scan) == {9: "boiler.toml"} and scan.found[0].said == "HEAT"
    assert r'9 = "boiler.toml"  # Boiler\nof mine, says "HEAT"' in draw_section(scan)
    assert accepted(draw_section(scan), tmp_path).units[0].profile.name == "boiler.toml"
    with pytest.raises(ConfigError, match="profile anzen-bms: identify: does not say how to recognise its device"):
        scan_of("tcp://127.0.0.1", "1", names=["anzen-bms"])


# The command


def test_a_wire_that_a_running_splitter_owns_is_left_alone(tmp_path):
    with simulated_gateway(B23) as gateway:
        config, port = tmp_path / "house.toml", free_port()
        config.write_text(f'[upstream.meters]\nurl = "{gateway.url}"\nunits = {{ 2 = "abb-b23" }}\n'
                          + DOWNSTREAM.format(port=port))
        with Child([*SOFTSPLIT, "run", "-c", str(config)]) as child:
            until(lambda: "unit 2 answers" in child.log())
            with TcpMaster(port):
                done = call(str(gateway.url), "--units", "2")
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr == (f"softsplit: process {child.process.pid} runs {config} and owns {gateway.url}; stop it "
                                   "first, because scan would be a second master\n")


@pytest.mark.parametrize("units, shown", [("2,90-247", '2 = "any"'), ("90-247", "")])
def test_ctrl_c_shows_what_was_found_so_far(units, shown, tmp_path):
    def only_2(transaction, unit, pdu):
        return adu.tcp_frame(transaction, unit, b"\x83\x02") if unit == 2 else b""

    with ScriptedGateway(only_2) as gateway:
        with Child([*SOFTSPLIT, "scan", str(gateway.url), "--units", units, "--timeout", "0.1"]) as child:
            until(lambda: any(unit == 91 for unit, _ in gateway.requests), timeout=10)
            begin = time.monotonic()
            assert child.end() == 130 and time.monotonic() - begin < SLOWNESS
            assert shown in child.text() and "Traceback" not in child.log()
            if shown:
                asked = accepted(child.text(), tmp_path) and re.search(r"units (\S+)", child.text())[1]
                assert asked.startswith("2,90") and not asked.endswith("247")
            else:
                assert child.text() == "" and child.log().splitlines()[-1] == "no unit has answered so far"


def test_a_terminal_shows_a_bar_with_the_time_left(tmp_path):
    ours, theirs = os.openpty()
    with ScriptedGateway(lambda *_: b"") as gateway:
        with Child([*SOFTSPLIT, "scan", str(gateway.url), "--units", "1-20", "--timeout", "0.12"], stderr=theirs) as child:
            shown = b""
            while not re.search(rb"asking  \[#+-+\] +\d+%  00:0\d:\d\d  unit \d+", shown):
                shown += os.read(ours, 4096)
            child.end(signal.SIGINT)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("units, told", [
    ("5-256", "unit 256 is not possible; allowed are 0 to 255"), ("3-", '"3-" is not a unit id'),
    ("9-5", "9-5 is empty; write the lower unit id first"), ("1\N{SUPERSCRIPT TWO}", "is not a unit id"),
    ("1,,2", '"" is not a unit id; write units like "1-32,100"'),
])
def test_wrong_units_are_refused(units, told):
    with pytest.raises(ConfigError) as raised:
        parse_units(units)
    assert told in str(raised.value)


@pytest.mark.parametrize("arguments, told", [
    (["rtuovertcp://127.0.0.1:1", "--units", "0-5"], "unit 0 is not possible on a serial line"),
    (["tcp://127.0.0.1", "--baudrate", "9600"], "baudrate: is for rtu:// only; leave it out"),
    (["rtuovertcp://127.0.0.1:1", "--mode", "8N1"], "mode: is for rtu:// only; leave it out"),
    (["tcp://127.0.0.1", "--timeout", "0"], "timeout: 0.0 s is not possible"),
    (["listen:///dev/ttyUSB0"], "is not possible here"),
])
def test_a_wrong_call_is_exit_code_2_and_says_why(arguments, told):
    done = call(*arguments)
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr


def test_units_are_written_as_they_are_read():
    assert parse_units("1-3, 7,2,100-101") == (1, 2, 3, 7, 100, 101)
    assert show_units((1, 2, 3, 7, 100, 101)) == "1-3,7,100-101" and show_units(range(1, 248)) == "1-247"


# The simulated line


def test_simulate_makes_a_pseudo_terminal_and_takes_it_away(tmp_path):
    path = tmp_path / "line"
    command = [*SOFTSPLIT, "simulate", "abb-b24", f"pty://{path}", "--unit", "3", "--baudrate", "9600"]
    with Child(command) as meter:
        until(lambda: f"on rtu://{path}" in meter.log())
        assert named(scan_of(f"rtu://{path}", "3", [9600])) == {3: "abb-b24"}
        assert not scan_of(f"rtu://{path}", "3", [19200]).found
        again = run_program(command, capture_output=True, text=True, timeout=30 * SLOWNESS)
        assert again.returncode == 1 and f"cannot make a pseudo-terminal at {path}: File exists; choose" in again.stderr
        assert meter.end() == 0
    assert not os.path.lexists(path)


def test_a_simulated_line_without_a_baud_rate_takes_any(tmp_path):
    with Child([*SOFTSPLIT, "simulate", "abb-b24", f"pty://{tmp_path}/line", "--unit", "3"]) as meter:
        until(lambda: "serving" in meter.log())
        for baudrate in (1200, 115200):
            assert named(scan_of(f"rtu://{tmp_path}/line", "3", [baudrate])) == {3: "abb-b24"}


@pytest.mark.parametrize("name", ["sunspec-inverter", "sunspec-inverter-66", "sunspec-meter"])
def test_scan_tells_where_the_models_of_a_sunspec_device_stand(name):
    with simulated_gateway(load_profile(name), units=[1]) as gateway:
        assert named(scan_of(str(gateway.url), "1")) == {1: name}
