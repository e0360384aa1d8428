"""What monitors get: a plug-in's line and exit code, a line when the status changes, a dashboard of metrics that we export."""

import json
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from softsplit.commands.status import nagios, watch
from softsplit.daemon.health import FRESH, NOT_RUNNING, Health, judge
from softsplit.daemon.prometheus import HELP
from softsplit.daemon.status import ProcessStatus, Status
from softsplit.daemon.troubles.trouble import Trouble
from tests.support import SLOWNESS, SOFTSPLIT, run_program
from tests.test_page import STATES

ROOT = Path(__file__).parent.parent
DASHBOARD = json.loads((ROOT / "examples" / "grafana.json").read_text())
PROCESS = ProcessStatus(pid=1, config="", started=datetime.now(UTC), version="", python="")


def state(name: str) -> Status:
    upstreams, downstreams, uptime, *_ = STATES[name]
    status = Status.of(judge(upstreams, downstreams, uptime), upstreams, downstreams, uptime)
    return replace(status, process=PROCESS)


@pytest.mark.parametrize("name, code, first", [
    ("well", 0, "SOFTSPLIT OK: 1 of 1 blocks fresh"), ("mute", 1, "SOFTSPLIT WARNING: meters: unit 1 does not answer"),
    ("gateway down", 2, "SOFTSPLIT CRITICAL: meters: cannot reach"), ("starting", 1, "SOFTSPLIT WARNING: starting")])
def test_a_plug_in_tells_it_in_a_line_and_an_exit_code(name, code, first):
    status = state(name)
    text = nagios.draw(status)
    assert text.startswith(first) and nagios.code_of(status) == code
    line, _, figures = text.splitlines()[0].partition(" | ")
    assert re.fullmatch(r"(\w+=[\d.]+(%|s)?;;;0(;\d+)? ?)+", figures) and "|" not in line


def test_no_text_of_others_divides_the_line():
    assert nagios.told(1, "a|b\nc") == "SOFTSPLIT WARNING: a/b\\nc\n"
    assert "|" not in nagios.draw(Status.of(Health.of(NOT_RUNNING, [Trouble(cause="nothing runs")])))


def nagios_of(*options: str) -> subprocess.CompletedProcess:
    return run_program([*SOFTSPLIT, "status", "--nagios", *options], capture_output=True, text=True, timeout=60 * SLOWNESS)


def test_whatever_happens_it_is_one_of_the_codes_and_a_line_on_standard_output(tmp_path):
    (tmp_path / "a.toml").write_text("[upstream]")
    done = nagios_of("-c", str(tmp_path / "a.toml"))
    assert done.returncode == 2 and done.stdout.startswith("SOFTSPLIT CRITICAL: ") and done.stdout.count("\n") == 1 and not done.stderr
    assert "section [upstream.NAME] is missing" in done.stdout
    done = nagios_of("-c", "")
    assert (done.returncode, done.stdout) == (3, "SOFTSPLIT UNKNOWN: -c names no file\n")


def test_a_line_is_told_when_what_is_wrong_changes_and_not_while_it_lasts(monkeypatch):
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: None)
    well = Status.of(Health.of(FRESH, [], "all fresh"))
    mute = [Status.of(Health.of(1, [Trouble(cause="meters: unit 2 does not answer", about="meters/2", lasting=each)])) for each in (1.0, 2.0, 3.0)]
    looks = iter([well, well, *mute, well])
    lines = list(islice(watch.changes(lambda: next(looks)), 3))
    assert [line[20:] for line in lines] == ["all is well: all fresh", "degraded: meters: unit 2 does not answer, for 1 s",
                                             "all is well: all fresh"]
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in lines)


def test_the_dashboard_names_only_metrics_that_there_are():
    named = set(re.findall(r"softsplit_(\w+)", json.dumps(DASHBOARD)))
    assert named <= HELP.keys() and len(named) > 10


def test_the_dashboard_takes_any_data_source_and_no_two_panels_are_in_one_place():
    panels = DASHBOARD["panels"]
    assert all(each["datasource"]["uid"] == "${source}" for each in panels)
    assert len({each["id"] for each in panels}) == len(panels)
    places = [(x, y) for each in panels for x in range(each["gridPos"]["x"], each["gridPos"]["x"] + each["gridPos"]["w"])
              for y in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"])]
    assert len(set(places)) == len(places) and max(x for x, _ in places) < 24
