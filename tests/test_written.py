"""A script's wiring as other processes read it is the wiring, with every profile there is."""

import json
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from softsplit import Downstream, Profile, Topology, Unit, Upstream
from softsplit.config.loader import load_config
from softsplit.config.written import read_content, topology_content
from softsplit.errors import ConfigError
from softsplit.profiles import load_profile, shipped_profiles
from softsplit.profiles.content import profile_of
from softsplit.profiles.written import content_of

ROOT = Path(__file__).parent.parent


def plain(value):
    """What a frozen value says, whoever compares it by identity."""
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return {key: plain(each) for key, each in value.items()} if isinstance(value, dict) else value


def over_json(content: dict) -> dict:
    return json.loads(json.dumps(content))


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_profile_comes_back_as_it_was(name):
    profile = load_profile(name)
    assert plain(profile_of(over_json(content_of(profile)), name)) == plain(profile)


def same_wiring(topology: Topology) -> None:
    found = read_content(over_json(topology_content(topology)))
    assert plain(found.upstreams) == plain(topology.upstreams) and found.diagnostics == topology.diagnostics
    assert [plain((each.name, each.url, each.line, each.access, each.served, each.allow_writes, each.allow_functions, each.max_age, each.when_stale))
            for each in found.downstreams] == [
        plain((each.name, each.url, each.line, each.access, each.served, each.allow_writes, each.allow_functions, each.max_age, each.when_stale))
        for each in topology.downstreams]


def test_a_configuration_with_every_key_comes_back_as_it_was():
    same_wiring(load_config(ROOT / "examples" / "softsplit.toml"))


def test_profiles_of_a_script_and_long_units_and_writes_come_back_too():
    meter = load_profile("abb-b23")
    own = Profile("my boiler", meter.reads[:1], registers=meter.registers_in(meter.reads[0].block))
    other = Profile("my boiler", meter.reads[1:2])
    pumps = Upstream("rtuovertcp://127.0.0.1:1", [Unit("0x0012D687", own), Unit("0x0012D688", other, {meter.reads[1].name: 7.0})],
                     unit_bytes=4)
    tap = Upstream("listen:///dev/ttyS8", [Unit(1, "any")], reply_url="listen:///dev/ttyS9", name="tap")
    same_wiring(Topology([
        Downstream("tcp://127.0.0.1:0", units={1: (pumps, "0x0012D687"), 2: (pumps, "0x0012D688")}, name="one",
                   allow=iter(["127.0.0.1", "10.0.0.0/8"]), prefer=["10.0.0.7"], max_connections=3,
                   allow_writes=[f"{pumps.name}/0x0012D687 holding registers 0x5B00+2"],
                   allow_functions=[f"{pumps.name}/0x0012D687 43/14"]),
        Downstream("rtu:///dev/ttyS7", [tap], baudrate=9600, mode="8N1", echo=True)], diagnostics=247))


@pytest.mark.parametrize("content", [{}, {"upstream": 3}, {"elsewhere": {}}, {"profiles": {"0": {}}, "upstream": {
    "m": {"url": "tcp://127.0.0.1:1", "units": {"1": "0"}}}}, {"upstream": {"m": {"url": "tcp://1.2.3.4", "units": {"1": "/etc/x.toml"}}}}])
def test_what_is_no_wiring_is_refused(content):
    with pytest.raises(ConfigError):
        read_content(content)
