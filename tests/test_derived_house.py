"""Derived units in a running splitter: masters of every kind, status, health, doctor, read and top."""

import re
import struct
from contextlib import contextmanager
from dataclasses import replace

import pytest
from click.testing import CliRunner

from softsplit import Derived, Downstream, Unit, Upstream, clock
from softsplit.cli import main
from softsplit.commands.shared.derivation import Derivation, readings_of
from softsplit.commands.simulate.faults import Faults, parse_fault
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.top.history import History, Look
from softsplit.commands.top.screen import View, draw_all
from softsplit.commands.top.source import watched_units
from softsplit.config.topology import Topology
from softsplit.downstream.diagnostictable import PER_GROUP
from softsplit.profiles import load_profile
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from tests.support import (RtuMaster, TcpMaster, brisk_profile, read_request, running, simulated_gateway,
                           splitting, until, upstream_of)
from tests.support.outcomes import reading

POWER = read_request(0x34, 2, 4)  # of an SDM630
STALE = bytes((0x84, 0x0B))
MINUS = {"active_power_total": "meters/100.active_power_total - meters/2.active_power_total", "frequency": "50 Hz"}


@contextmanager
def house(faults: Faults | None = None, max_age: float = 1.0, **more):
    """A charger that sees an SDM630 over TCP and RTU, made of two meters."""
    profile, cable = brisk_profile(), Cable()
    with simulated_gateway(profile, faults=faults) as gateway, running(cable):
        meters = upstream_of(gateway, profile, timeout=0.2)
        charger = Derived("eastron-sdm630", (meters, 100), MINUS, name="charger", **more)
        tcp = Downstream("tcp://127.0.0.1:0", units={1: charger, 100: (meters, 100), 2: (meters, 2)}, max_age=max_age, name="tcp")
        rtu = Downstream(f"rtu://{cable.left}", units={1: charger}, mode="8N1", max_age=max_age, name="rtu")
        patient = Downstream("tcp://127.0.0.1:0", units={1: charger}, max_age=60, name="patient")
        with splitting(Topology([tcp, rtu, patient], diagnostics=9)) as splitter, TcpMaster(splitter.servers[0].url.port) as master, \
                RtuMaster(cable.right) as serial:
            yield splitter, gateway, master, serial


def test_masters_of_every_kind_get_what_the_meters_make():
    with house() as (splitter, _, tcp, rtu):
        assert until(lambda: len(tcp.ask(1, POWER)) == 6 and len(rtu.ask(1, POWER)) == 6)
        for _ in range(20):
            before = splitter.values("tcp", 100), splitter.values("tcp", 2)
            answer = tcp.ask(1, POWER)
            if before == (splitter.values("tcp", 100), splitter.values("tcp", 2)):
                break
        expected = before[0]["active_power_total"] - before[1]["active_power_total"]
        assert struct.unpack(">f", answer[2:])[0] == pytest.approx(expected, rel=1e-6)
        assert splitter.values("tcp", 1)["frequency"] == 50.0
        assert tcp.ask(9, read_request(PER_GROUP, 4, 4))[:2] == bytes((4, 8)), "the unit of diagnostics knows it"


def test_a_silent_input_makes_the_register_stale_and_is_named():
    faults = Faults()
    with house(faults) as (splitter, _, tcp, rtu):
        until(lambda: len(tcp.ask(1, POWER)) == 6)
        until(lambda: splitter.status().health.is_well)
        faults.scheduled.append(parse_fault("silent,unit=2"))
        until(lambda: tcp.ask(1, POWER) == STALE and rtu.ask(1, POWER) == STALE)
        assert len(tcp.ask(1, read_request(0, 2, 4))) == 6, "what is made from the other one alone"
        status = until(lambda: (now := splitter.status()).health.troubles and now)
        patient = until(lambda: (now := splitter.status()).downstreams["patient"].units["1"].stale and now)
        assert patient.downstreams["patient"].units["1"].late == ("meters/2",), "it is too far from the other, and not yet too old"
        assert len(patient.health.troubles) == 1 and "patient unit 1" in patient.health.found[0].affects, "one cause, said once"
        assert "meters: unit 2 does not answer" in status.health.troubles[0] and "; stale: " in status.health.troubles[0]
        assert "tcp unit 1" in status.health.troubles[0] and "rtu unit 1" in status.health.troubles[0]
        inputs = {(each.origin, each.is_fresh) for each in status.downstreams["tcp"].units["1"].inputs}
        assert inputs == {("meters/100", True), ("meters/2", False)}


def test_inputs_that_are_read_too_far_apart_are_told():
    with house(max_skew=0.001) as (splitter, _, tcp, _):
        said = r"its inputs were read 0\.\d s apart, meters/(100|2)\.active_power_total first; stale: "
        until(lambda: any(re.search(said, each) for each in splitter.status().health.troubles))
        assert splitter.status().downstreams["tcp"].units["1"].stated == ("frequency",)


def test_a_derivation_out_of_a_status_is_stale_where_the_splitter_says_so_however_young_the_data_is():
    with house() as (splitter, _, tcp, _):
        until(lambda: len(tcp.ask(1, POWER)) == 6)
        made = Derivation(splitter._topology.derived[0], splitter._topology.downstreams[0])
        status = splitter.status()
        served = status.downstreams["tcp"].units
        mute = [replace(each, is_fresh=each.origin != "meters/2") for each in served["1"].inputs]  # a unit that is mute
        served["1"] = replace(served["1"], inputs=mute)
        made.take_over(status)
        shown = {each.made.register.name: each for each in made.lines()}
        assert shown["active_power_total"].text == "STALE" and shown["voltage_l1_n"].is_fresh


def test_a_derivation_takes_the_latest_of_readings_in_whatever_order_a_status_has_them():
    meters = Upstream("listen:///dev/null", [Unit(100, "abb-b23")], name="meters")
    derived = Derived("eastron-sdm630", (meters, 100), {}, name="charger")
    made, now = Derivation(derived), clock.now()
    for _ in range(2):  # as the other master reads it: in blocks that no profile has
        made.take(reading(100, Block(Table.HOLDING_REGISTERS, address, 8 + at), now - at, bytes(size) + volts + bytes(12 - size + 2 * at))
                  for at, address, size, volts in ((0, 0x5B00, 0, b"\0\0\x09\x01"), (1, 0x5AFF, 2, b"\0\0\x08\x01")))
    shown = next(each for each in made.lines() if each.made.register.name == "voltage_l1_n")
    assert shown.text == "230.5 V"


def test_a_derivation_out_of_a_status_is_what_masters_get():
    with house() as (splitter, _, tcp, _):
        until(lambda: len(tcp.ask(1, POWER)) == 6)
        derived = splitter._topology.derived[0]
        made = Derivation(derived, splitter._topology.downstreams[0])
        made.take(readings_of(derived, splitter.status()))
        line = next(each for each in made.lines() if each.made.register.name == "active_power_total")
        assert line.is_fresh and line.text.endswith(" W") and [each.age < 1 for each in line.ingredients] == [True, True]


CONFIG = """
[upstream.meters]
url = "{url}"
units = {{ 100 = "abb-b23", 2 = "abb-b23" }}
[derived.rest]
profile = "abb-b23"
from = "meters/100"
values.active_power_total = "active_power_total - meters/2.active_power_total"
values.frequency = "50 Hz"
[downstream.charger]
url = "tcp://127.0.0.1:{port}"
units = {{ 1 = "derived/rest" }}
"""


def test_read_shows_a_derived_unit_with_its_inputs(tmp_path):
    config = tmp_path / "softsplit.toml"

    def read(*more: str) -> str:
        return CliRunner().invoke(main, ["read", "-c", str(config), "derived/rest", *more]).output

    with simulated_gateway(load_profile("abb-b23")) as gateway:
        config.write_text(CONFIG.format(url=gateway.url, port=1502))
        shown, trace = read("-d"), read("--trace")
        assert re.search(r"^active_power_total +-?[0-9.]+ W  = active_power_total - meters/2.active_power_total  "
                         r"\(meters/100.active_power_total -?[0-9.]+ W, \d+.\d s old; meters/2", shown, re.MULTILINE), shown
        assert re.search(r"^frequency +50.00 Hz  = 50 Hz  your own$", shown, re.MULTILINE)
        assert len(trace.splitlines()) in (1, 2) and re.search(
            r"^active_power_total: masters get [0-9a-f]{4} [0-9a-f]{4} -?[0-9.]+ W, the unit says [0-9a-f]{4} ", trace), trace


@pytest.mark.parametrize("arguments, message", [
    (["-c", "FILE", "derived/other"], "there is no derived/other; derived units are: derived/rest"),
    (["-c", "FILE", "derived/rest", "-p", "abb-b23"], "an option for a device (profile) does not apply to derived/NAME"),
    (["0", "--trace"], "--trace needs derived/NAME"), (["0", "-c", "FILE"], "-c needs derived/NAME"),
])
def test_a_wrong_read_of_a_derived_unit_is_told(tmp_path, arguments, message):
    config = tmp_path / "softsplit.toml"
    config.write_text(CONFIG.format(url="tcp://127.0.0.1:1", port=1502))
    done = CliRunner().invoke(main, ["read", *(each.replace("FILE", str(config)) for each in arguments)])
    assert message in str(done.output) + str(done.exception) and done.exit_code


def test_top_shows_a_derived_unit_with_its_inputs_and_what_its_masters_get():
    with house() as (splitter, _, tcp, _):
        until(lambda: len(tcp.ask(1, POWER)) == 6 and splitter.status().health.is_well)
        topology, status = splitter._topology, splitter.status()
        look = Look(status, watched_units(topology, status), 0.0, topology)
        shown = "\n".join(draw_all(View(look, History()), 160))
    assert "unit 1  " in shown and "= derived/charger" in shown
    assert re.search(r"derived/charger: Eastron SDM630, made from meters/100, meters/2", shown)
    assert re.search(r"^active_power_total +-?[0-9.]+ W +meters/100.active_power_total -?[0-9.]+ W \d.\d s; meters/2.active_power_total",
                     shown, re.MULTILINE)
    assert re.search(r"^frequency +50 Hz +your own$", shown, re.MULTILINE)
    assert "derived data" in shown
