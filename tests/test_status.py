"""Each figure of the status is what really happened, counted at the meter and at the masters."""

import json
import os
import socket
import struct
import subprocess
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from softsplit import Downstream, Unit, Upstream
from softsplit.commands.doctor.running import Troubles, examine_process
from softsplit.commands.simulate.faults import Fault, Faults
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.status.status import read_status
from softsplit.config.topology import Topology
from softsplit.daemon.health import FRESH, Health
from softsplit.daemon.instance import Instance
from softsplit.daemon.status import Status
from softsplit.downstream.servers import masters as tally_module
from softsplit.downstream.servers.masters import Masters
from softsplit.errors import ConfigError
from softsplit.protocol import adu
from softsplit.rates import Rates
from softsplit.version import VERSION
from tests.support import (SLOWNESS, SOFTSPLIT, Child, RtuMaster, ScriptedGateway, TcpMaster, brisk_profile,
                           free_port, good_answer, read_request, run_program, running, simulated_gateway,
                           splitting, until, upstream_of)

POWERS, ENERGIES = read_request(0x5B00, 62), read_request(0x5000, 8)
PROFILE = """
    [[block]]
    name = "powers"
    address = 0x5B00
    count = 62
    every = 0.1
    [[block]]
    name = "energies"
    address = 0x5000
    count = 8
    every = 0.25
    """


class Meters:
    """A gateway with units 1 and 2, whose faults and delays the test sets, and which counts what it is asked."""

    def __init__(self):
        self.delay = 0.0
        self.faults: dict[tuple[int, int], str] = {}  # unit and address
        self.outcomes: list[tuple[int, int, str]] = []  # unit, address, what came of it

    def reply(self, transaction, unit, pdu):
        address = int.from_bytes(pdu[1:3], "big")
        what = self.faults.get((unit, address), "answer")
        time.sleep(self.delay)  # the time of a real wire
        self.outcomes.append((unit, address, what))
        return {"answer": good_answer(transaction, unit, pdu), "refusal": adu.tcp_frame(transaction, unit, b"\x83\x02"),
                "silence": b"", "damage": adu.tcp_frame(transaction, unit, b"\x03\x02\x00\x00")}[what]

    def count(self, what: str, *whose) -> int:
        return sum(outcome[:len(whose)] == whose and outcome[2] == what for outcome in self.outcomes)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """The configuration of a running program with two units and two downstreams; gives a House."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    meters, cable = Meters(), Cable()
    with ScriptedGateway(meters.reply) as gateway, running(cable):
        yield House(tmp_path, meters, gateway, cable)


class House:
    def __init__(self, place, meters, gateway, cable):
        self.meters, self.gateway, self.cable, self.config = meters, gateway, cable, place / "house.toml"
        self.port, self.closed_port = free_port(), free_port()
        (place / "meter.toml").write_text(PROFILE)
        self.config.write_text(f"""
            [upstream.meters]
            url = "{gateway.url}"
            timeout = {0.3 * SLOWNESS}
            units = {{ 1 = "meter.toml", 2 = "meter.toml" }}
            [downstream.victron]
            url = "tcp://127.0.0.1:{self.port}"
            max_age = {0.5 * SLOWNESS}
            [downstream.closed]
            url = "tcp://127.0.0.1:{self.closed_port}"
            allow = ["10.0.0.1"]
            units = {{ 7 = "meters/2" }}
            [downstream.maxem]
            url = "rtu://{cable.left}"
            mode = "8N1"
            [diagnostics]
            unit = 247
            """)

    @contextmanager
    def run(self):
        """The program itself, which serves; gives the child."""
        with Child([*SOFTSPLIT, "run", "-c", str(self.config)]) as child:
            until(lambda: child.log().count("serving") == 3)
            yield child

    def call(self, *options: str) -> subprocess.CompletedProcess:
        return run_program([*SOFTSPLIT, "status", "-c", str(self.config), *options], capture_output=True, text=True,
                           timeout=30 * SLOWNESS)

    def status(self) -> dict:
        return json.loads(self.call("--json").stdout)


def test_every_figure_is_what_the_meter_and_the_masters_have_counted(house):
    meters = house.meters
    meters.delay = 0.01
    with house.run() as child:
        until(lambda: meters.count("answer", 2, 0x5000) > 3)
        begin = time.monotonic()
        victron = [TcpMaster(house.port) for _ in range(2)]
        until(lambda: victron[0].ask(1, POWERS)[0] == 3 and victron[0].ask(2, ENERGIES)[0] == 3)
        for _ in range(20):
            assert victron[1].ask(1, POWERS)[0] == 3
        for _ in range(3):
            assert victron[1].ask(1, read_request(0x6000, 2)) == b"\x83\x02"
        assert victron[1].ask(9, POWERS) == b"\x83\x0a"
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", house.closed_port)) as refused:
                assert refused.recv(1) == b""
        with RtuMaster(house.cable.right) as maxem:
            assert maxem.ask(2, POWERS)[0] == 3 and maxem.ask(2, b"\x06\x8c\x04\x00\x01") == b"\x86\x01"
        meters.faults = {(1, 0x5000): "refusal", (2, 0x5B00): "damage", (2, 0x5000): "silence"}
        until(lambda: meters.count("refusal", 1) > 1 and meters.count("damage", 2) > 1)
        busy_until = time.monotonic()
        house.gateway.close()
        until(lambda: house.status()["upstreams"]["meters"]["unreachable"] > 1)
        status, looked_at = house.status(), time.monotonic()
        assert child.end() == 0
    peers = {f"127.0.0.1:{master.sock.getsockname()[1]}": master for master in victron}
    check_upstream(status["upstreams"]["meters"], meters, busy_until - begin)
    check_downstreams(status["downstreams"], peers)
    for master in victron:
        master.sock.close()
    process = status["process"]
    assert (process["pid"], process["config"]) == (child.process.pid, str(house.config))
    assert 0 < status["uptime"] + status["age"] - (looked_at - begin) < 10 * SLOWNESS


def check_upstream(upstream: dict, meters: Meters, lasted: float) -> None:
    assert upstream["state"] == "unreachable" and "Connection refused" in upstream["error"]
    for unit in ("1", "2"):
        for block, address in zip(upstream["units"][unit]["blocks"], (0x5B00, 0x5000)):
            assert (block["address"], block["every"]) == (address, 0.1 if address == 0x5B00 else 0.25)
            check_counts(block, meters, int(unit), address)
            assert block["age"] < lasted + 5 * SLOWNESS
        check_counts(upstream["units"][unit], meters, int(unit))
        assert upstream["units"][unit]["state"] == "answers" if unit == "1" else "mute"
    check_counts(upstream, meters)
    assert "unit 1" in upstream["units"]["1"]["blocks"][1]["last_error"]
    assert upstream["units"]["1"]["blocks"][0]["last_error_age"] is None or upstream["units"]["1"]["blocks"][0]["last_error"]
    assert 0.01 < upstream["latency"]["p50"] < upstream["latency"]["p99"] < 0.3 * SLOWNESS
    assert 0 < upstream["utilisation"] < 1


def check_counts(counts: dict, meters: Meters, *whose: int) -> None:
    """What was asked while the gateway went away may have failed on the way back."""
    errors = counts["errors"]
    assert abs(counts["requests"] - sum(outcome[:len(whose)] == whose for outcome in meters.outcomes)) <= 2
    assert abs(counts["answers"] - meters.count("answer", *whose)) <= 1
    assert abs(sum(errors["exceptions"].values()) - meters.count("refusal", *whose)) <= 1
    assert set(errors["exceptions"]) <= {"2"} and abs(errors["damaged"] - meters.count("damage", *whose)) <= 1
    assert abs(errors["no_answer"] - meters.count("silence", *whose)) <= 2
    assert counts["requests"] == counts["answers"] + errors["no_answer"] + errors["damaged"] + sum(errors["exceptions"].values())


def check_downstreams(downstreams: dict, victron: dict[str, TcpMaster]) -> None:
    tcp, closed, rtu = downstreams["victron"], downstreams["closed"], downstreams["maxem"]
    assert {each["peer"]: each["requests"] for each in tcp["connections"]} == {
        peer: master.transaction for peer, master in victron.items()}
    assert tcp["requests"] == sum(master.transaction for master in victron.values()) and tcp["exceptions"]["2"] == 3 and tcp["exceptions"]["10"] == 1
    asked = {(each["unit"], each["table"], each["address"], each["count"]): each["requests"]
             for each in tcp["masters"]["127.0.0.1"]["asked"]}
    assert asked[1, "holding registers", 0x6000, 2] == 3 and asked[9, "holding registers", 0x5B00, 62] == 1
    assert sum(asked.values()) == tcp["masters"]["127.0.0.1"]["requests"] == tcp["requests"]
    assert closed["refused_peers"] == {"127.0.0.1": 4} and closed["requests"] == 0 and closed["units"].keys() == {"7"}
    assert (rtu["requests"], rtu["exceptions"], rtu["connections"]) == (2, {"1": 1}, [])
    write, = [each for each in rtu["masters"][rtu["url"].removeprefix("rtu://")]["asked"] if each["function"] == 6]
    assert (write["table"], write["address"], write["count"], write["requests"]) == (None, 0x8C04, None, 1)


def test_the_rate_of_each_request_and_the_utilisation_are_measured_over_a_minute():
    rates = Rates()
    assert rates.update({"a": 5}, 100.0) == {"a": 0.0}
    for second in range(1, 200):
        found = rates.update({"a": 5 + 2 * second, **({"b": second - 100} if second > 100 else {})}, 100.0 + second)
        assert found["a"] == 2.0
    assert found["b"] == 1.0
    rates.update({"a": 403, "b": 99}, 360.0)
    assert rates.update({"a": 403, "b": 99}, 420.0) == {"a": 0.0, "b": 0.0}, "nothing for a minute"


def test_the_exit_code_says_how_it_is(house):
    assert house.call().returncode == 3 and "nothing runs" in house.call().stdout
    house.meters.faults = {(unit, address): "silence" for unit in (1, 2) for address in (0x5B00, 0x5000)}
    with house.run() as child:
        until(lambda: house.call().returncode == 2)
        house.meters.faults = {}
        until(lambda: house.call().returncode == 0)
        other = house.config.with_name("other.toml")
        other.write_text(house.config.read_text())
        assert f"{house.config} runs, which -c chooses" in run_program(
            [*SOFTSPLIT, "status", "-c", str(other)], capture_output=True, text=True, timeout=30 * SLOWNESS).stdout
        house.meters.faults = {(2, address): "silence" for address in (0x5B00, 0x5000)}
        until(lambda: house.call().returncode == 1)
        shown = until(lambda: "meters: unit 2 does not answer, for" in (text := house.call().stdout) and text)
        until(lambda: "; stale: victron unit 2, closed unit 7, maxem unit 2" in house.call().stdout)
        assert "\x1b" not in shown and "unit 1" not in shown.rpartition("\n\n")[2]
        assert "meters: unit 2 does not answer" in child.log(), "the log has the same cause"
        assert child.end() == 0
    assert house.call().returncode == 3


def test_the_table_and_prometheus_show_wiring_ages_and_masters_and_need_no_environment(house, tmp_path):
    output = tmp_path / "textfile" / "softsplit.prom"
    output.parent.mkdir()
    assert house.call("--prometheus", "--output", str(output)).returncode == 3
    assert f'softsplit_up{{config="{house.config}"}} 0\n' in output.read_text() and [path.name for path in output.parent.iterdir()] == [output.name]
    with house.run() as child, TcpMaster(house.port) as victron:
        until(lambda: victron.ask(1, POWERS)[0] == 3)
        lines = until(lambda: house.call().returncode == 0 and house.call().stdout.splitlines())
        until(lambda: house.call("--prometheus", "--output", str(output)).returncode == 0)
        bare = run_program([*SOFTSPLIT, "status", "-c", str(house.config), "--json"], capture_output=True, timeout=30 * SLOWNESS,
                           env={"RUNTIME_DIRECTORY": os.environ["RUNTIME_DIRECTORY"]})
        assert bare.returncode == 0 and json.loads(bare.stdout)["process"]["pid"] == child.process.pid
        assert child.end() == 0
    check_prometheus(output.read_text().replace(f'config="{house.config}",', "").replace(f'{{config="{house.config}"}}', "").splitlines())
    text = "\n".join(lines)
    for expected in (f"process {child.process.pid}", f"upstream meters  {house.gateway.url}  connected",
                     f"downstream victron  tcp://127.0.0.1:{house.port}  serving", "meters/2", "2 of 2 blocks",
                     "master 127.0.0.1", "unit 1  read holding registers 0x5B00+62", "all is well: 10 of 10 blocks fresh, 1 master"):
        assert expected in text, text
    assert max(map(len, lines[1:])) < 110, text


def check_prometheus(lines: list[str]) -> None:
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert samples["softsplit_up"] == "1" and samples["softsplit_verdict"] == "0"
    assert float(samples['softsplit_block_age_seconds{upstream="meters",unit="1",table="holding registers",block="powers"}']) < 5
    assert int(samples['softsplit_unit_requests_total{upstream="meters",unit="2",result="answer"}']) > 1
    assert samples['softsplit_downstream_blocks{downstream="victron",unit="1",state="fresh"}'] == "2"
    for name in {line.partition("{")[0].split()[0] for line in samples}:
        assert sum(line.startswith(f"# TYPE {name} ") for line in lines) == 1, name


def test_a_status_that_is_old_missing_or_broken_is_told(house):
    with Instance(house.config) as instance:
        instance.attend(Status.of(Health.of(FRESH, [])))
        place = next(house.config.parent.glob("run/*/status.json"))
        good = json.loads(place.read_text())
        assert read_status(house.config).age < 5
        place.write_text(json.dumps({**good, "written_at": time.time() - 100}))
        assert read_status(house.config).health.troubles == (
            f"{place} is 1 min old, because it cannot be written; see the log",)
        for broken in ("", place.read_text()[:100], "[]"):
            place.write_text(broken)
            health = read_status(house.config).health
            assert health.code == 1 and f"process {os.getpid()} runs, but {place} cannot be read" in health.summary
        of_old = {"process": {**good["process"], "version": "0.0.9"}, "written_at": time.time()}
        for other, said in (({"format": 99}, "of another version of softsplit"), (of_old, f"of softsplit 0.0.9, and this is {VERSION}")):
            place.write_text(json.dumps(other))
            health = read_status(house.config).health
            assert health.summary.startswith(f"process {os.getpid()} runs, but {place} is {said}; restart the process"), health.summary
        place.write_text(json.dumps({**good, **of_old}))  # which we can read, and which says so
        lines = list(examine_process(SimpleNamespace(upstreams=[], downstreams=[]), read_status(house.config),
                                     Troubles(read_status(house.config)), house.config))
        assert any("is softsplit 0.0.9, and this is" in each.text and each.level == "note" for each in lines), lines
        place.unlink()
        assert read_status(house.config).health.code == 1


def test_an_adapter_that_is_away_is_trouble(house, tmp_path):
    line = tmp_path / "line"  # because another pseudo-terminal may get the name of one that is gone
    line.symlink_to(house.cable.left)
    house.config.write_text(house.config.read_text().replace(house.cable.left, str(line)))
    with house.run() as child:
        until(lambda: house.call().returncode == 0)
        line.unlink()
        house.cable.stop()
        until(lambda: house.call().returncode == 1 and ": there is no such device" in house.call().stdout)
        assert child.end() == 0


def test_masters_that_are_gone_make_room_and_are_not_lost(monkeypatch):
    monkeypatch.setattr(tally_module, "MASTERS", 3)
    masters = Masters()
    for number in range(10):
        counters = masters.meet(f"10.0.0.{number}")
        counters.count_request(1, POWERS)
        counters.count_answer(b"\x83\x02")
        counters.connections -= number != 0
    assert list(masters) == ["10.0.0.0", "10.0.0.8", "10.0.0.9"], "who is connected stays"
    assert masters.others.requests == 7 and masters.others.exceptions == {2: 7}


def test_requests_of_a_master_that_tries_everything_are_bounded():
    counters = Masters().meet("10.0.0.1")
    for address in range(5000):
        counters.count_request(1, read_request(address, 1))
    assert len(counters.asked) <= tally_module.ASKED + 1 and counters.requests == 5000


# The unit of softsplit's own, by which a PLC can watch.

def diagnosis(master: TcpMaster, address: int, count: int) -> bytes:
    return master.ask(247, read_request(address, count, function=4))


def test_a_plc_sees_states_ages_and_counters_over_every_wire():
    profile, faults, cable = brisk_profile(), Faults(), Cable()
    with simulated_gateway(profile, faults=faults) as gateway, running(cable):
        meters = upstream_of(gateway, profile)
        wiring = Topology([Downstream("tcp://127.0.0.1:0", [meters], max_age=0.5, name="plc"),
                           Downstream(f"rtu://{cable.left}", [meters], mode="8N1", name="line")], diagnostics=247)
        with splitting(wiring) as splitter, TcpMaster(splitter.servers[0].url.port) as plc, RtuMaster(cable.right) as line:
            until(lambda: diagnosis(plc, 0, 3) == struct.pack(">BB3H", 4, 6, 2, 1, 2))
            for master in (plc, line):
                answer = master.ask(247, read_request(1600, 16, function=4))
                unit, state, newest, oldest, fresh, blocks = struct.unpack(">6H", answer[2:14])
                assert (unit, state, fresh, blocks) == (100, 1, 2, 2) and newest <= oldest <= 5
                requests, answers, *failed = struct.unpack(">5I", answer[14:])
                assert failed == [0, 0, 0] and 0 < answers <= requests <= answers + 1
            faults.scheduled.append(Fault("silent", unit=2))
            until(lambda: diagnosis(plc, 2 * 16 + 1, 1) == b"\x04\x02\x00\x03")
            until(lambda: struct.unpack(">H", diagnosis(plc, 2 * 16 + 2, 1)[2:])[0] > 5)
            assert diagnosis(plc, 1, 1) == b"\x04\x02\x00\x02" and diagnosis(plc, 100 * 16 + 1, 1) == b"\x04\x02\x00\x01"
            assert struct.unpack(">I", diagnosis(plc, 2 * 16 + 12, 2)[2:])[0] > 0


def test_what_is_never_heard_has_no_age_and_what_is_not_there_is_refused():
    meters = Upstream("tcp://127.0.0.1:1", [Unit(1, brisk_profile()), Unit(2, brisk_profile()), Unit(5, brisk_profile())])
    with splitting(Topology([Downstream("tcp://127.0.0.1:0", [meters])], diagnostics=247)) as splitter, \
            TcpMaster(splitter.servers[0].url.port) as plc:
        assert diagnosis(plc, 16, 6) == struct.pack(">BB6H", 4, 12, 1, 3, 65535, 65535, 0, 2)
        assert diagnosis(plc, 16, 32)[:2] == b"\x04\x40" and diagnosis(plc, 30, 4)[:2] == b"\x04\x08"
        for address, count in ((6, 1), (5, 2), (0, 17), (16, 33), (48, 1), (64, 16), (65535, 1), (4000, 1)):
            assert diagnosis(plc, address, count) == b"\x84\x02", (address, count)
        assert diagnosis(plc, 16, 0) == b"\x84\x03" and diagnosis(plc, 65530, 100) == b"\x84\x02"
        assert plc.ask(247, read_request(16, 1)) == b"\x83\x01" and plc.ask(247, b"\x06\x00\x10\x00\x01") == b"\x86\x01"


def test_the_unit_of_the_diagnostics_must_be_free():
    meters = Upstream("tcp://127.0.0.1:1", [Unit(1, brisk_profile())])
    downstream = Downstream("tcp://127.0.0.1:0", [meters], name="plc")
    with pytest.raises(ConfigError, match=r"diagnostics.unit: downstream.plc serves a unit 1 already"):
        Topology([downstream], diagnostics=1)
    for unit in (-1, 256, "247", 1.5, True):
        with pytest.raises(ConfigError, match="diagnostics.unit"):
            Topology([downstream], diagnostics=unit)
