"""The README and the examples are true: their commands exist, their configurations parse, their scripts run."""

import re
import sys
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from softsplit import Downstream, Splitter, Upstream
from softsplit.cli import COMMANDS
from softsplit.commands.check.discovery import missed_by_victron
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.simulate.simulate import SimulatedUnit
from softsplit.config.access import Access
from softsplit.config.line import Line
from softsplit.config.loader import (
    DERIVED_KEYS,
    DIAGNOSTICS_KEYS,
    DOWNSTREAM_KEYS,
    STATUS_KEYS,
    UPSTREAM_KEYS,
    load_config,
    parse_config,
)
from softsplit.config.schemes import SCHEMES
from softsplit.config.topology import Topology
from softsplit.config.url import parse_url
from softsplit.downstream.servers.choice import server_for
from softsplit.profiles import load_profile, shipped_profiles
from softsplit.profiles.content import (
    IDENTIFY_KEYS,
    PROFILE_KEYS,
    READ_KEYS,
)
from softsplit.profiles.entries import REGISTER_KEYS
from softsplit.profiles.loader import parse_profile
from softsplit.protocol import pdu
from softsplit.protocol.values import TYPES
from tests.support import Child, RtuMaster, TcpMaster, running, splitting, until
from tests.support.tappedcable import TappedCable

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))


def fenced(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_test_command_of_the_readme_is_what_ci_runs():
    commands = [command.strip() for command in fenced("sh")]
    assert commands[0].endswith(".venv/bin/softsplit run --demo") and "python3 -m venv .venv" in commands[0]
    assert commands[1] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_readme_names_every_command_that_exists_and_no_other():
    assert set(re.findall(r"`softsplit (\w+)", README)) == set(COMMANDS)


def test_the_configuration_of_the_readme_is_right():
    topology = parse_config(fenced("toml")[0], "README.md", ROOT)
    assert [downstream.name for downstream in topology.downstreams] == ["victron", "maxem"]
    kinds = parse_config(fenced("toml")[1] + '[downstream.all]\nurl = "tcp://0.0.0.0:502"', "README.md", ROOT)
    assert [upstream.url.scheme for upstream in kinds.upstreams] == ["tcp", "rtuovertcp", "rtu"]
    with_more = parse_config(fenced("toml")[0] + fenced("toml")[2], "README.md", ROOT)
    assert [downstream.name for downstream in with_more.downstreams] == ["victron", "maxem", "evcc"]


def test_the_first_configuration_and_script_of_the_readme_need_no_root():
    for text in (fenced("toml")[0], fenced("python")[0]):
        ports = [int(port) for port in re.findall(r"tcp://0\.0\.0\.0:(\d+)", text)]
        assert ports and min(ports) >= 1024


def test_what_the_readme_tells_masters_to_ask_for_is_what_is_served():
    evcc, assistant = fenced("yaml")
    port = parse_config(fenced("toml")[0] + fenced("toml")[2], "README.md", ROOT).downstreams[-1].url.port
    assert f"port: {port}\n" in evcc
    register, = [each for each in load_profile("abb-b23").registers if each.name == "active_power_total"]
    assert f"address: {register.block.address} " in assistant and (register.type, register.resolution) == ("s32", "0.01 W")
    assert f"address {register.block.address}, quantity {register.block.count}" in README


def test_the_victron_of_the_readme_finds_the_meter_by_itself():
    text, = [text for text in fenced("toml") if "the search finds it" in text]
    upstream = fenced("toml")[0].partition("[downstream")[0]
    victron, = parse_config(upstream + text, "README.md", ROOT).downstreams
    assert not missed_by_victron(victron)
    original, = parse_config(upstream + text.replace("units", "# units"), "README.md", ROOT).downstreams
    assert "it finds unit 2 only" in missed_by_victron(original)[0] and "finds only unit 2" in README


def test_the_tap_of_the_readme_is_only_heard():
    text, = [text for text in fenced("toml") if "listen://" in text]
    topology = parse_config(text + '[downstream.all]\nurl = "tcp://0.0.0.0:502"', "README.md", ROOT)
    assert topology.upstreams[0].is_heard


def test_the_profile_of_the_readme_is_right_and_shows_every_key():
    text, = [text for text in fenced("toml") if "[[register]]" in text]
    assert parse_profile(text, "README.md").registers[0].name == "temperature_1"
    section = README.partition("\n## Profiles\n")[2].partition("\n## ")[0]
    for key in {*PROFILE_KEYS, *IDENTIFY_KEYS, *READ_KEYS, *REGISTER_KEYS}:
        assert re.search(rf"\b{key}\b", section), key
    assert all(re.search(rf"\b{name}\b", section) for name in TYPES if name not in ("s24", "s32", "s48"))


def test_the_pump_of_the_readme_is_served_under_an_id_of_one_byte():
    text, = [text for text in fenced("toml") if "unit_bytes" in text]
    scada, = parse_config(text.replace("pump.toml", "any"), "README.md", ROOT).downstreams
    assert [(each.unit, str(each.origin.unit)) for each in scada.served] == [(1, "0x0012D687")]


def test_the_readme_names_every_shipped_profile():
    assert all(f"`{name}`" in README for name in shipped_profiles())


def test_the_commented_configuration_is_right_and_shows_every_key():
    topology = load_config(ROOT / "examples" / "softsplit.toml")
    text = (ROOT / "examples" / "softsplit.toml").read_text()
    for key in {*UPSTREAM_KEYS, *DOWNSTREAM_KEYS, *DIAGNOSTICS_KEYS, *STATUS_KEYS, *DERIVED_KEYS}:
        assert re.search(rf"^(# )?{key} = ", text, re.MULTILINE), key
    victron, maxem, evcc = topology.downstreams
    assert (victron.max_age, victron.when_stale) == (10.0, "exception")
    assert (victron.access, maxem.line) == (Access(), Line())
    meters, garage, cellar, tap = topology.upstreams
    assert tap.is_heard and tap.line == Line(9600, "8N1")
    assert (meters.timeout, meters.connect_delay, meters.request_gap, meters.line) == (1.0, 0.0, 0.0, None)
    assert (garage.line, cellar.line) == (Line(9600, "8N1"), None)


def test_the_house_of_the_founder_takes_fifteen_lines():
    path = ROOT / "examples" / "founders_house.toml"
    assert len([line for line in path.read_text().splitlines() if line and not line.startswith("#")]) <= 15
    with simulated(load_config(path)) as (urls, _):
        text = path.read_text()
        for url, place in urls.items():
            text = text.replace(f'"{url}"', f'"{place}"').replace(f'"{url.removesuffix(":502")}"', f'"{place}"')
        topology = parse_config(text.replace(urls["rtu:///dev/ttyUSB0"], "tcp://127.0.0.1:0"), "founders_house.toml", ROOT)
        with splitting(topology) as splitter, TcpMaster(splitter.servers[0].url.port) as master:
            until(lambda: is_served(master, topology.downstreams[0]))
            house, solar = splitter.values("balancer", 100), splitter.values("balancer", 1)
            assert house["active_power_total"] >= 0 and house["voltage_l1_n"] > 200 and solar["active_power_total"] <= 0


def test_the_examples_name_chapters_that_the_readme_has():
    for path in (ROOT / "examples").iterdir():
        for chapter in re.findall(r'README, "(.*?)"', path.read_text()) if path.is_file() else ():
            assert f"\n## {chapter}\n" in README, (path, chapter)


def wiring_of(script: str, monkeypatch) -> Topology:
    """The topology of a script, which is not run."""
    built = []
    monkeypatch.setattr(Splitter, "run", lambda self, attend=None: built.append(self._topology))
    exec(compile(script, "script", "exec"), {})
    monkeypatch.undo()
    return built[0]


@contextmanager
def a_line_with_its_own_master(tap: Upstream):
    """A line on which somebody polls the units of a tap; gives the url of the tap."""
    with TemporaryDirectory() as directory, running(cable := TappedCable(Path(directory))):
        units = [SimulatedUnit(unit.unit, unit.profile, Faults()) for unit in tap.units]
        server = server_for("meter", parse_url(f"rtu://{cable.left}", SCHEMES), units, Line(mode="8N1"))
        server.open()
        is_over = threading.Event()

        def poll() -> None:
            with RtuMaster(cable.right) as master:
                while not is_over.wait(0.05):
                    for unit in tap.units:
                        master.ask(unit.unit, pdu.read_question(unit.probe).pdu)

        polling = threading.Thread(target=poll)
        with running(server):
            polling.start()
            yield f"listen://{cable.tap.path}"
            is_over.set()
            polling.join()
            assert cable.tap.said() == b""


@contextmanager
def simulated(topology: Topology):
    """Everything that a wiring has at its ends; gives what to replace its urls with, and the far ends of its lines."""
    urls, far_ends = {}, {}
    with ExitStack() as stack:
        for end in (*topology.upstreams, *topology.downstreams):
            here = there = f"{end.url.scheme}://127.0.0.1:0"
            if isinstance(end, Upstream) and end.is_heard:
                urls[str(end.url)] = stack.enter_context(a_line_with_its_own_master(end))
                continue
            if end.url.path:
                cable = Cable()
                stack.enter_context(running(cable))
                here, there = f"rtu://{cable.left}", f"rtu://{cable.right}"
                far_ends[end.name] = cable.right
            if isinstance(end, Upstream):
                units = [SimulatedUnit(unit.unit, unit.profile, Faults()) for unit in end.units]
                server = server_for(end.name, parse_url(there, SCHEMES, 0), units, end.line)
                server.open()
                stack.enter_context(running(server))
                here = here if end.url.path else str(server.url)
            urls[str(end.url)] = here
        yield urls, far_ends


def is_served(master, downstream: Downstream) -> bool:
    """Whether a master gets every unit of a downstream."""
    return all(master.ask(each.unit, pdu.read_question(each.origin.probe).pdu)[:1] == bytes((each.origin.probe.table.function,))
               for each in downstream.served) and all(
        master.ask(each.unit, pdu.read_question(made.register.block).pdu)[:1] == bytes((made.register.block.table.function,))
        for each in downstream.derived for made in each.derived.made[:5] if made.inputs)


def runs(script: str, tmp_path, monkeypatch) -> None:
    """Run a script with its urls, and nothing else, replaced; all its servers must serve all their units."""
    topology = wiring_of(script, monkeypatch)
    with simulated(topology) as (urls, far_ends):
        for url, place in urls.items():
            script = script.replace(f'"{url}"', f'"{place}"').replace(f'"{url.removesuffix(":502")}"', f'"{place}"')
        (tmp_path / "script.py").write_text(script)
        with Child([sys.executable, str(tmp_path / "script.py")]) as child:
            until(lambda: child.log().count("serving") == len(topology.downstreams))
            for number, downstream in enumerate(topology.downstreams):
                port = re.findall(r"serving.* on (?:.*127\.0\.0\.1:(\d+)|rtu)", child.log())[number]
                place = far_ends.get(downstream.name) or f"socket://127.0.0.1:{port}"
                with TcpMaster(int(port)) if downstream.url.scheme == "tcp" else RtuMaster(place) as master:
                    until(lambda: is_served(master, downstream))
            if "print(" in script:
                until(lambda: re.search(r"^active_power_total \d+\.\d+$", child.text(), re.MULTILINE))
            assert child.end() == 0, child.log()


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_an_example_runs(path, tmp_path, monkeypatch):
    runs(path.read_text(), tmp_path, monkeypatch)


def test_the_script_of_the_readme_runs(tmp_path, monkeypatch):
    runs(fenced("python")[0], tmp_path, monkeypatch)


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_an_example_is_a_wiring_diagram(path):
    text = path.read_text()
    assert len(text.splitlines()) < 60 and "\ndef " not in text
    assert ".run(" in text.splitlines()[-1] and max(map(len, text.splitlines())) <= 120
    assert f"examples/{path.name}" in README
