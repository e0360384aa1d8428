"""What Prometheus is told: each series once, also of two instances in one directory, by promtool's own rules."""

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from softsplit import Downstream, Unit, Upstream
from softsplit.daemon.prometheus import HELP, as_prometheus
from softsplit.daemon.health import Health
from softsplit.daemon.status import ProcessStatus, Status
from softsplit.profiles import Profile
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from tests.support import (SLOWNESS, ScriptedGateway, TcpMaster, brisk_profile, good_answer, read_request,
                           splitting, until)

ODD = Profile('odd "\\ profile', tuple(Read(Block(table, 0, 2), 'x"\\ ü', 0.05)
                                       for table in (Table.HOLDING_REGISTERS, Table.INPUT_REGISTERS)))
NOT_RUNNING = Status.of(Health.of(3, []))
PROCESS = ProcessStatus(pid=1, config="", started=datetime.now(UTC), version="", python="")


@pytest.fixture(scope="module")
def documents():
    """The status of two splitters, one with an odd profile, and of one that does not run; by configuration."""
    found = {"/etc/softsplit/gone.toml": NOT_RUNNING}
    with ScriptedGateway(good_answer) as gateway:
        for name, profile in (("/etc/softsplit/a.toml", brisk_profile()), ('/etc/b "\\\n\udcff.toml', ODD)):
            meters = Upstream(str(gateway.url), [Unit(1, profile)], name="meters")
            with splitting(Downstream("tcp://127.0.0.1:0", [meters], name="victron")) as splitter:
                address = profile.reads[0].block.address
                with TcpMaster(splitter.servers[0].url.port) as master:
                    until(lambda: master.read(1, address, 2))
                    master.ask(9, read_request(0, 1))
                    until(lambda: all(block.age is not None
                                      for block in splitter.status().upstreams["meters"].units["1"].blocks))
                    found[name] = replace(splitter.status(), process=PROCESS, age=0.5)
    return found


@pytest.fixture
def text(documents):
    """The texts of all, as one directory holds them."""
    return {name: as_prometheus(document, Path(name)) for name, document in documents.items()}


def samples(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_no_series_is_told_twice(text):
    series = [line.rpartition(" ")[0] for one in text.values() for line in samples(one)]
    assert len(set(series)) == len(series) > 50
    assert sum('table="input registers"' in each for each in series) == 1, "beside the one of holding registers"
    assert all(line.isprintable() for one in text.values() for line in one.splitlines())


def test_each_metric_keeps_promtools_rules(text):
    """As in promlint: a help, a type, a unit at the end of the name, counters and they alone end in _total."""
    for one in text.values():
        lines = one.splitlines()
        names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
        assert len(set(names)) == len(names) and one.endswith("\n")
        for number, line in enumerate(lines):
            if line.startswith("# TYPE"):
                assert lines[number - 1].startswith(f"# HELP {line.split()[2]} ")
            if not line.startswith("#"):
                name = line.partition("{")[0]
                kind = HELP[name.removeprefix("softsplit_")][0]
                assert name in names and (kind == "counter") is name.endswith("_total"), line
                assert ("quantile=" in line) is (kind == "summary") and 'config="' in line, line


def test_prometheus_own_parser_takes_two_instances_and_an_odd_profile_together(text):
    parser = pytest.importorskip("prometheus_client.parser")
    found = [sample for one in text.values() for family in parser.text_string_to_metric_families(one)
             for sample in family.samples]
    assert len({(each.name, tuple(sorted(each.labels.items()))) for each in found}) == len(found) > 50
    assert {each.labels["config"] for each in found} == {
        "/etc/softsplit/gone.toml", "/etc/softsplit/a.toml", r'/etc/b "\\n\udcff.toml'}
    assert {each.labels["config"]: each.value for each in found if each.name == "softsplit_up"} == {
        "/etc/softsplit/gone.toml": 0, "/etc/softsplit/a.toml": 1, r'/etc/b "\\n\udcff.toml': 1}


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_nothing_to_say(text):
    for one in text.values():
        done = subprocess.run(["promtool", "check", "metrics"], input=one, capture_output=True, text=True, timeout=60 * SLOWNESS)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    together: dict[str, list[str]] = {}
    for one in text.values():  # as the textfile collector does
        for line in one.splitlines():
            name = line.split()[2] if line.startswith("#") else line.partition("{")[0]
            together.setdefault(name, [])
            if line not in together[name]:
                together[name].append(line)
    merged = "\n".join(line for lines in together.values() for line in lines) + "\n"
    done = subprocess.run(["promtool", "check", "metrics"], input=merged, capture_output=True, text=True, timeout=60 * SLOWNESS)
    assert (done.returncode, done.stderr) == (0, "")
