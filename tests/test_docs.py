"""The README and the examples are true: their commands exist, their configurations parse, their scripts run."""

import os
import re
import sys
import threading
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest

from softsplit import Downstream, Splitter, Upstream
from softsplit.cli import COMMANDS, main
from softsplit.commands.check.discovery import missed_by_victron
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.simulate.simulate import SimulatedUnit
from softsplit.config.access import Access
from softsplit.config.line import Line
from softsplit.config.loader import (DERIVED_KEYS, DIAGNOSTICS_KEYS, DOWNSTREAM_KEYS, STATUS_KEYS,
                                     UPSTREAM_KEYS, load_config, parse_config)
from softsplit.config.schemes import SCHEMES
from softsplit.config.topology import Topology
from softsplit.config.url import parse_url
from softsplit.downstream.servers.choice import server_for
from softsplit.profiles import load_profile, shipped_profiles
from softsplit.profiles.content import IDENTIFY_KEYS, PROFILE_KEYS, READ_KEYS
from softsplit.profiles.entries import REGISTER_KEYS
from softsplit.protocol import pdu
from softsplit.protocol.values import TYPES
from tests import test_troubles_downstream as downstream_troubles
from tests.support import Child, RtuMaster, TcpMaster, running, splitting, until
from tests.support.tappedcable import TappedCable
from tests.test_troubles import TROUBLES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))


def fenced(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


HOUSE = fenced("toml")[0]


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 250
    assert max(len(line) for line in README.splitlines() if not line.startswith("|")) <= 140


def test_the_test_command_of_the_readme_is_what_ci_runs():
    commands = [command.strip() for command in fenced("sh")]
    assert commands[0].endswith(".venv/bin/softsplit run --demo") and "python3 -m venv .venv" in commands[0]
    assert commands[-1] == ".venv/bin/python -m pytest" and commands[-1] in (ROOT / ".ci" / "run").read_text()


def test_the_readme_lists_every_command_as_the_help_does():
    section = README.partition("\n## Commands\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `softsplit (\w+)[^`]*` \| (.*) \|$", section, re.MULTILINE)
    assert [(name, does.lower()) for name, does in rows] == [
        (name, does.replace("`", "").lower()) for name, does in COMMANDS.items()]


def test_every_option_in_the_readme_exists():
    for line in re.findall(r"`(softsplit [a-z]+ [^`]*)`", README):
        words = line.replace("\\|", "|").partition(" | ")[0].split()
        context = click.Context(main)
        command = main.get_command(context, words[1])
        inner = command.get_command(context, words[2]) if isinstance(command, click.Group) and len(words) > 2 else None
        options = {option for each in (command, inner) if each for param in each.params for option in param.opts}
        assert not [word for word in words if word.startswith("-") and word.partition("=")[0] not in options], line


def test_the_configuration_of_the_readme_is_right():
    topology = parse_config(HOUSE, "README.md", ROOT)
    assert [downstream.name for downstream in topology.downstreams] == ["victron", "maxem", "evcc"]
    assert all(f"{scheme}://" in README for scheme in SCHEMES if scheme != "pty")


def test_the_first_configuration_and_script_of_the_readme_need_no_root():
    for text in (HOUSE, fenced("python")[0]):
        ports = [int(port) for port in re.findall(r"tcp://0\.0\.0\.0:(\d+)", text)]
        assert ports and min(ports) >= 1024


def test_what_the_readme_tells_masters_to_ask_for_is_what_is_served():
    ports = {each.name: each.url.port for each in parse_config(HOUSE, "README.md", ROOT).downstreams}
    assert f"`port: {ports['evcc']}`" in README and f"`port: {ports['victron']}`" in README
    register, = [each for each in load_profile("abb-b23").registers if each.name == "active_power_total"]
    assert f"`address: {register.block.address}`" in README and (register.type, register.resolution) == ("s32", "0.01 W")
    assert f"address {register.block.address}, quantity {register.block.count}" in README


def test_the_readme_knows_what_the_search_of_a_victron_finds():
    victron = parse_config(HOUSE.replace(":1502", ":502"), "README.md", ROOT).downstreams[0]
    assert "it finds unit 2 only" in missed_by_victron(victron)[0] and "it finds only unit 2" in README
    cured = HOUSE.replace('url = "tcp://0.0.0.0:1502"', 'url = "tcp://0.0.0.0:502"\nunits = { 1 = "meters/100" }')
    assert not missed_by_victron(parse_config(cured, "README.md", ROOT).downstreams[0])


def test_the_derived_unit_of_the_readme_is_right():
    topology = parse_config(HOUSE.partition("[downstream.")[0] + fenced("toml")[1], "README.md", ROOT)
    charger, = topology.downstreams
    assert charger.derived[0].derived.profile.name == "eastron-sdm630"


def test_the_readme_quotes_sentences_that_are_said():
    """Every sentence in its table is one of the troubles that the tests make, or the beginning of it."""
    known = [plain(each.says.partition(": ")[2]) for each in (*TROUBLES, *downstream_troubles.TROUBLES)]
    section = README.partition("\n## It does not work\n")[2].partition("\n## ")[0]
    quoted = re.findall(r"^\| (.*?) \| .* \|$", section, re.MULTILINE)[2:]
    assert len(quoted) > 10
    for each in quoted:
        assert any(sentence.startswith(plain(each)) for sentence in known), each


def plain(sentence: str) -> str:
    """A sentence without places and numbers."""
    return re.sub(r"(?<=://)[\w.:-]+|\.\.\.|\*|\d[\d.]*", "0", sentence.replace("PLACE", "0")).replace("tcp://0", "0").replace("rtuover0", "rtuovertcp://0")


def test_the_readme_lists_the_shipped_profiles():
    assert f"Shipped: {list_of_profiles()} (*: " in " ".join(README.split())


def list_of_profiles() -> str:
    """Titles without the words that all of a maker have in common; * where `scan` does not recognise the make."""
    profiles = [load_profile(name) for name in shipped_profiles() if name != "any"]
    makers = []
    for maker, group in groupby(profiles, lambda profile: profile.title.split()[0]):
        makes = {tuple(each.title.replace(",", "").split()): "" if each.identify else "*" for each in group}
        common = [maker] if len(makes) == 1 else os.path.commonprefix(list(makes))
        makers.append(" ".join(common) + " " + ", ".join(" ".join(words[len(common):]) + star for words, star in makes.items()))
    return "; ".join(makers)


def test_the_shown_profile_has_every_key_and_every_type():
    text = (ROOT / "examples" / "profile.toml").read_text()
    assert load_profile("profile.toml", ROOT / "examples").registers[0].name == "temperature_1"
    for key in {*PROFILE_KEYS, *IDENTIFY_KEYS, *READ_KEYS, *REGISTER_KEYS}:
        assert re.search(rf"\b{key}\b", text), key
    assert all(re.search(rf"\b{name}\b", text) for name in TYPES if name not in ("s24", "s32", "s48"))


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
    for path in (*SCRIPTS, *(ROOT / "examples").glob("*.toml")):
        for chapter in re.findall(r'README, "(.*?)"', path.read_text()):
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
