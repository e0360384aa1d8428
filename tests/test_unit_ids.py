"""Unit ids of 0 and 248 to 255: possible over Modbus TCP, on a serial line only those from 248 on, with a note."""

import json
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from softsplit import Downstream, Profile, Read, Unit, Upstream
from softsplit.cli import main
from softsplit.commands.check.wiring import draw
from softsplit.commands.record.record import upstream_of
from softsplit.commands.record.recorder import Recorder
from softsplit.commands.scan.scan import plan_scan
from softsplit.commands.shared.options import parse_place
from softsplit.commands.simulate.pty import Cable
from softsplit.config.line import Line
from softsplit.config.loader import parse_config
from softsplit.config.topology import Topology
from softsplit.config.url import parse_url
from softsplit.config.written import read_content, topology_content
from softsplit.downstream.diagnostics import VERSION
from softsplit.downstream.report import Reporter
from softsplit.downstream.servers.masters import Masters
from softsplit.profiles import load_profile
from softsplit.protocol import adu
from softsplit.protocol.addresses import LongUnit
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from tests.support import (SLOWNESS, RtuMaster, TcpMaster, free_port, read_request, running,
                           simulated_gateway, splitting, until)
from tests.support.bus import Bus, good_answer

HOLDING = Table.HOLDING_REGISTERS
PROFILE = Profile("polled", (Read(Block(HOLDING, 100, 4), "polled", 0.1),), readable=(Block(HOLDING, 100, 10),),
                  functions=(3, 6))
POLLED, WRITE = read_request(100, 4), b"\x06\x00\x64\x12\x34"


@contextmanager
def house(tmp_path, there, kind="tcp", diagnostics=None, **options):
    """A bus with these units, a splitter with one server, and a master of it."""
    with Bus(kind, tmp_path, lambda unit, pdu: good_answer(unit, pdu) if pdu[0] == 3 else pdu) as bus:
        meters = Upstream(bus.url, [Unit(unit, PROFILE) for unit in there], 0.4 * SLOWNESS, "meters",
                          **({"mode": "8N1"} if kind == "rtu" else {}))
        options = {"serves": [meters]} | options
        if "units" in options:
            options |= {"serves": (), "units": {unit: (meters, origin) for unit, origin in options["units"].items()}}
        downstream = Downstream("tcp://127.0.0.1:0", name="masters", **options)
        with splitting(Topology([downstream], diagnostics=diagnostics)) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            until(lambda: all(master.ask(each.unit, POLLED)[0] == 3 for each in downstream.served))
            yield bus, splitter, master


def told_by_check(text: str) -> str:
    return draw(parse_config(text, "house.toml", None), "house.toml")


@pytest.mark.parametrize("kind, units", [("tcp", (0, 1, 248, 255)), ("rtuovertcp", (1, 248, 255)), ("rtu", (1, 250, 255))])
def test_devices_with_such_ids_are_polled_and_served_under_them(tmp_path, kind, units):
    with house(tmp_path, units, kind) as (bus, splitter, master):
        for unit in units:
            assert master.ask(unit, POLLED) == good_answer(unit, POLLED)
        assert {unit for unit, _, _ in bus.requests} == set(units)
        assert set(splitter.status().upstreams["meters"].units) == set(map(str, units))


def test_a_unit_without_others_is_the_device_itself_to_masters_that_ask_for_0_or_255(tmp_path):
    with house(tmp_path, (7,), units={1: 7}) as (_, splitter, master):
        for unit in (0, 255, 1, 255, 0):  # the answer has the id of the request, as TcpMaster sees to
            assert master.ask(unit, POLLED) == good_answer(7, POLLED)
        assert master.ask(2, POLLED) == b"\x83\x0a" and master.ask(255, WRITE)[0] == 0x86
        status = splitter.status().downstreams["masters"]
        assert status.units["1"].also == (0, 255) and [each.unit for each in status.unserved] == ["2"]
        assert status.is_asked and status.served(255) is status.units["1"] and status.served(2) is None


def test_masters_that_ask_for_255_alone_are_no_trouble(tmp_path):
    with house(tmp_path, (7,)) as (_, splitter, master):
        with TcpMaster(splitter.servers[0].url.port) as other:
            other.ask(255, POLLED)
        status = splitter.status()
        asked = [each.unit for master in status.downstreams["masters"].masters.values() for each in master.asked]
        assert 255 in asked and not status.downstreams["masters"].unserved and not status.health.troubles


def test_what_may_be_written_may_be_written_to_the_device_itself(tmp_path):
    with house(tmp_path, (255,), allow_writes=["meters/255 holding registers 100+1"]) as (bus, _, master):
        assert master.ask(0, WRITE) == WRITE
        assert [unit for unit, pdu, _ in bus.requests if pdu == WRITE] == [255]


@pytest.mark.parametrize("options", [{"strict_ids": True}, {"units": {1: 7, 2: 7}}])
def test_with_strict_ids_or_several_units_nobody_is_the_device_itself(tmp_path, options):
    with house(tmp_path, (7,), **options) as (_, _, master):
        assert master.ask(0, POLLED) == master.ask(255, POLLED) == b"\x83\x0a"


def test_the_diagnostics_may_have_the_id_of_the_device_itself_and_tell_of_unit_0(tmp_path):
    with house(tmp_path, (0, 3), diagnostics=255) as (_, splitter, master):
        def registers(address):
            return master.ask(255, read_request(address, 2, 4))
        assert registers(0) == b"\x04\x04\x00" + bytes((VERSION,)) + b"\x00\x01"
        assert registers(4096) == b"\x04\x04\x00\x00\x00\x01" and registers(48) == b"\x04\x04\x00\x03\x00\x01"
        assert registers(4112) == b"\x84\x02"
    with house(tmp_path, (3,), diagnostics=255) as (_, splitter, master):
        assert master.ask(255, read_request(0, 1, 4)) == b"\x04\x02\x00" + bytes((VERSION,)) and master.ask(0, POLLED)[0] == 3


def test_on_a_serial_line_0_is_everybody_and_stays_unanswered(tmp_path):
    cable = Cable()
    with running(cable), Bus("tcp", tmp_path) as bus:
        meters = Upstream(bus.url, [Unit(7, PROFILE)], name="meters")
        lines = [Downstream(f"rtu://{cable.left}", units={254: (meters, 7)}, mode="8N1", name="line"),
                 Downstream(f"rtuovertcp://127.0.0.1:{free_port()}", units={254: (meters, 7)}, name="stream")]
        with splitting(*lines), RtuMaster(cable.right) as line, \
                RtuMaster(f"socket://127.0.0.1:{lines[1].url.port}") as stream:
            for master in (line, stream):
                until(lambda: master.ask(254, POLLED) == good_answer(7, POLLED))
                for unit in (0, 255):
                    master.port.write(adu.rtu_frame(unit, POLLED))
                    assert master.hears_nothing(0.1 * SLOWNESS)
                assert master.ask(254, POLLED) == good_answer(7, POLLED)


def test_check_tells_under_which_ids_a_unit_answers_and_which_are_reserved():
    text = """
        [upstream.m]
        url = "rtu:///dev/ttyUSB0"
        units = { 250 = "abb-b23" }
        [downstream.tcp]
        url = "tcp://0.0.0.0:1502"
        [downstream.line]
        url = "rtu:///dev/ttyUSB1"
        units = { 248 = "m/250" }
        [downstream.strict]
        url = "tcp://0.0.0.0:1503"
        strict_ids = true
        """
    said = told_by_check(text)
    assert said.count("masters may also use unit id 0 or 255, unless strict_ids = true") == 1
    assert "unit 250  abb-b23  (ABB B23)  (248 to 255 are reserved on a serial line)" in said
    assert "unit 248  from m/250  (248 to 255 are reserved on a serial line)" in said
    assert "unit 250  from m/250\n" in said


def test_a_script_with_strict_ids_is_known_to_other_processes():
    meters = Upstream("tcp://meters", [Unit(255, "abb-b23")], name="meters")
    topology = Topology([Downstream("tcp://127.0.0.1:1502", [meters], strict_ids=True, name="strict"),
                         Downstream("tcp://127.0.0.1:1503", [meters], name="tcp")])
    strict, plain = read_content(topology_content(topology)).downstreams
    assert strict.strict_ids and not plain.strict_ids and plain.served[0].also == (0,)


def test_commands_take_such_ids(tmp_path):
    with Bus("tcp", tmp_path) as bus:
        bus.device = lambda unit, pdu: good_answer(unit, pdu) if pdu[0] == 3 else bytes((pdu[0] | 0x80, 1))
        for unit in (0, 255):
            done = CliRunner().invoke(main, ["read", "-a", bus.url, "-u", str(unit), "100", "4", "--json"])
            assert done.exit_code == 0 and bus.requests[-1][:2] == (unit, POLLED), done.output
        done = CliRunner().invoke(main, ["read", "-a", bus.url.replace("tcp", "rtuovertcp"), "-u", "0", "100", "4"])
        assert done.exit_code == 2 and "unit 0 is not possible on a serial line" in done.output
        scan = plan_scan(parse_url(bus.url, ("tcp",)), (0, 254, 255), (), (), 1.0, ())
        assert [step.unit for step in scan.steps() if step]
        recorder = Recorder(upstream_of(parse_place(bus.url), ["255", "0"], "abb-b23", 0.05, 1.0, Line()), lambda text: None)
        assert {answer.unit for answer, _ in zip(recorder.answers(5.0), range(20))} == {0, 255}
        recorder.close()


def test_a_scan_of_a_tcp_device_tries_255_and_one_of_a_line_does_not():
    for url, is_tried in (("tcp://127.0.0.1:1", True), ("rtuovertcp://127.0.0.1:1", False)):
        units = plan_scan(parse_url(url, ("tcp", "rtuovertcp")), None, (), (), 1.0, ())._units
        assert sorted(units) == [*range(1, 248), 255][:247 + is_tried], "the likely ones first"


def test_simulated_units_have_such_ids():
    with simulated_gateway(load_profile("abb-b23"), (0, 255)) as gateway, TcpMaster(gateway.url.port) as master:
        answers = [master.ask(unit, read_request(0x5B00, 2)) for unit in (0, 255)]
        assert [answer[0] for answer in answers] == [3, 3] and master.ask(1, POLLED) == b"\x83\x0a"


def test_the_status_names_a_unit_with_an_address_of_four_bytes():
    masters, unit = Masters(), LongUnit(0x0012D687)
    masters.meet("line").count_request(unit, POLLED)
    status = Reporter(masters, 4).report(parse_url("rtu:///dev/ttyUSB0", ("rtu",)), "serving", {}, 1.0)
    asked, = status.masters["line"].asked
    assert (asked.unit, asked.table, asked.address, asked.count) == (unit, HOLDING, 100, 4)
    assert json.dumps(asked.unit) == str(int(unit))
