"""The README and the examples are true: their commands exist, their configurations parse, their scripts run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from softsplit.config import DIAGNOSTICS_KEYS, DOWNSTREAM_KEYS, UPSTREAM_KEYS, load_config, parse_config
from softsplit.profiles import load_profile, shipped_profiles
from softsplit.profiles.loader import PROFILE_KEYS, READ_KEYS, REGISTER_KEYS, parse_profile
from softsplit.tools.cable import Cable
from softsplit.access import Access
from softsplit.line import Line
from tests.support import (Child, RtuMaster, TcpMaster, read_request, running, simulated_gateway, until)

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))


def fenced(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_test_command_of_the_readme_is_what_ci_runs():
    commands = [command.strip() for command in fenced("sh")]
    assert commands[0].endswith(".venv/bin/softsplit run --demo") and "python3 -m venv .venv" in commands[0]
    assert commands[1] == (ROOT / ".ci" / "run").read_text().splitlines()[-1]


def test_every_command_in_the_readme_exists():
    for command in set(re.findall(r"`softsplit (\w+)", README)):
        done = subprocess.run([sys.executable, "-m", "softsplit", command, "--help"], capture_output=True, text=True)
        assert done.returncode == 0, command


def test_the_configuration_of_the_readme_is_right():
    topology = parse_config(fenced("toml")[0], "README.md", ROOT)
    assert [downstream.name for downstream in topology.downstreams] == ["victron", "maxem"]
    kinds = parse_config(fenced("toml")[1] + '[downstream.all]\nurl = "tcp://0.0.0.0:502"', "README.md", ROOT)
    assert [upstream.url.scheme for upstream in kinds.upstreams] == ["tcp", "rtuovertcp", "rtu"]
    with_more = parse_config(fenced("toml")[0] + fenced("toml")[2], "README.md", ROOT)
    assert [downstream.name for downstream in with_more.downstreams] == ["victron", "maxem", "evcc"]


def test_the_profile_of_the_readme_is_right_and_shows_every_key():
    text = fenced("toml")[4]
    assert parse_profile(text, "README.md").registers[0].name == "temperature_1"
    for key in {*PROFILE_KEYS, *READ_KEYS, *REGISTER_KEYS}:
        assert re.search(rf"\b{key}\b", text), key


def test_the_pump_of_the_readme_is_served_under_an_id_of_one_byte():
    text, = [text for text in fenced("toml") if "unit_bytes" in text]
    scada, = parse_config(text.replace("pump.toml", "any"), "README.md", ROOT).downstreams
    assert [(each.unit, str(each.origin.unit)) for each in scada.served] == [(1, "0x0012D687")]


def test_the_readme_names_every_shipped_profile():
    assert all(f"`{name}`" in README for name in shipped_profiles())


def test_the_commented_configuration_is_right_and_shows_every_key():
    topology = load_config(ROOT / "examples" / "softsplit.toml")
    text = (ROOT / "examples" / "softsplit.toml").read_text()
    for key in {*UPSTREAM_KEYS, *DOWNSTREAM_KEYS, *DIAGNOSTICS_KEYS}:
        assert re.search(rf"^(# )?{key} = ", text, re.MULTILINE), key
    victron, maxem, evcc = topology.downstreams
    assert (victron.max_age, victron.when_stale) == (10.0, "exception")
    assert (victron.access, maxem.line) == (Access(), Line())
    meters, garage, cellar = topology.upstreams
    assert (meters.timeout, meters.connect_delay, meters.request_gap, meters.line) == (1.0, 0.0, 0.0, None)
    assert (garage.line, cellar.line) == (Line(9600, "8N1"), None)


def runs(script: str, tmp_path) -> None:
    """Run a script with its urls, and nothing else, replaced; all its servers must serve both meters."""
    cable = Cable()
    with simulated_gateway(load_profile("abb-b23")) as gateway, running(cable):
        script = re.sub(r'(Upstream\()"[^"]*"', rf'\1"{gateway.url}"', script)
        script = re.sub(r'(Downstream\()"tcp:[^"]*"', r'\1"tcp://127.0.0.1:0"', script)
        script = re.sub(r'(Downstream\()"rtu:[^"]*"', rf'\1"rtu://{cable.left}"', script)
        (tmp_path / "script.py").write_text(script)
        with Child([sys.executable, str(tmp_path / "script.py")]) as child:
            expected = script.count("Downstream(")
            until(lambda: child.log().count("serving") == expected)
            for port in re.findall(r"serving.*127\.0\.0\.1:(\d+)", child.log()):
                with TcpMaster(int(port)) as master:
                    until(lambda: all(master.ask(unit, read_request(0x5B00, 62))[:1] == b"\x03" for unit in (100, 2)))
            if "rtu:" in script:
                with RtuMaster(cable.right) as master:
                    assert all(master.ask(unit, read_request(0x5B00, 62))[:1] == b"\x03" for unit in (100, 2))
            assert child.end() == 0


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_an_example_runs(path, tmp_path):
    runs(path.read_text(), tmp_path)


def test_the_script_of_the_readme_runs(tmp_path):
    runs(fenced("python")[0].replace('"tcp://0.0.0.0:502", [meters]', '"tcp://0.0.0.0:502", [meters], name="victron"'),
         tmp_path)


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_an_example_is_a_wiring_diagram(path):
    text = path.read_text()
    assert len(text.splitlines()) < 60 and "\ndef " not in text
    assert text.rstrip().endswith(".run()")
    assert f"examples/{path.name}" in README
