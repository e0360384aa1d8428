"""`softsplit profile`: list, show, check, import, learned."""

import json

import pytest
from click.testing import CliRunner

from softsplit import Downstream, Splitter, Unit, Upstream
from softsplit.cli import main
from softsplit.commands.profile.learned import learned_profiles
from softsplit.commands.profile.moddef import import_moddef
from softsplit.daemon.health import Health
from softsplit.daemon.status import Status
from softsplit.downstream.report import AskedStatus
from softsplit.errors import ConfigError
from softsplit.profiles import load_profile, shipped_profiles
from softsplit.profiles.content import profile_of
from softsplit.profiles.loader import parse_profile
from softsplit.profiles.tomltext import toml_of
from softsplit.profiles.written import content_of
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from tests.support import TcpMaster, simulated_gateway, until


def ran(*words: str):
    return CliRunner().invoke(main, ["profile", *map(str, words)])


def test_the_list_has_a_line_for_each_shipped_profile_and_says_what_is_unconfirmed():
    lines = ran("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["profile", *shipped_profiles()]
    assert next(line for line in lines if line.startswith("abb-b23 ")).split() == ["abb-b23", "ABB", "B23", "134", "yes", "15", "values"]


def test_a_profile_is_shown_with_its_sources_its_blocks_and_every_value():
    shown = ran("show", "abb-b23").stdout
    assert "2CMC485003M0201" in shown and "whether 0x6308, 0x6309, 0x6310 and 0x6311 are of inputs 1 and 2" in shown
    assert '"B23 ..." in holding registers 0x8960+6' in shown
    for register in load_profile("abb-b23").registers:
        assert f"\n  {register.name} " in shown
    line = next(line for line in shown.splitlines() if line.startswith("  input_1_state "))
    assert line.split()[-1] == "unconfirmed" and "0x6308" in line


def test_what_has_a_say_in_a_value_is_shown(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text("""block = [{ address = 40000, count = 9 }]
        max_count = 20
        gap = 0.5
        register = [
            { name = "power", address = 40001, type = "s16", resolution = "0.1 W", exponent = { address = 40002 }, times = [{ address = 40003, type = "u16" }] },
            { name = "field", address = 40004, type = "u16", mask = 0x0F00, states = { 0 = "off" } },
            { name = "long", address = 40005, type = "u32", word_order = "little", sign = { address = 40007, negative = 2 } },
        ]""")
    shown = ran("show", path).stdout
    for words in ("20 registers", "0.5 s", "s16  ", "times ten to the power in 0x9C42; times 0x9C43", "u16 mask 0xF00", "0 off", "u32 cdab",
                  "negative where 0x9C47 is 2"):
        assert words in shown, words
    checked = ran("check", path).stdout
    assert "own.toml is right: 1 block polled, 3 values named" in checked
    assert "40001 is taken for protocol address 0x9C41; if number 1 of the holding registers is meant, write address = 0" in checked
    path.write_text("block = [{ address = 1, count = 0 }]")
    wrong = ran("check", path)
    assert wrong.exit_code == 2 and "block[1].count: 0 does not fit" in wrong.stderr


@pytest.mark.parametrize("name", shipped_profiles())
def test_the_text_of_a_profile_says_what_it_says(name):
    profile = load_profile(name)
    text = toml_of(content_of(profile), ["a comment"])
    assert content_of(parse_profile(text, name)) == content_of(profile_of(content_of(profile), name))


MODDEF = {"docId": "acme.meter", "version": "1.0.0", "enums": [{"typeId": "state", "values": [{"name": "OFF"}, {"value": 1, "name": "ON"}]}],
          "devices": [{"deviceId": "m", "vendor": "ACME", "model": "M1", "commands": [{}], "blocks": [
              {"blockId": "live", "space": "INPUT_REGISTER", "startOffset": 0, "points": [
                  {"pointId": "voltage", "storageType": "U16", "unit": "V", "mapping": {"space": "INPUT_REGISTER"},
                   "transform": {"scale": {"numerator": 1, "denominator": 10}}, "naValues": [{"raw": 65535}]},
                  {"pointId": "power", "storageType": "S32", "unit": "W", "mapping": {"offset": 4, "lengthWords": 2, "wordOrder": "WORD_LITTLE_ENDIAN"},
                   "transform": {"scaleRef": {"pointId": "power_sf", "mode": "POW10"}, "offset": {"numerator": -1}}},
                  {"pointId": "power_sf", "storageType": "S16", "mapping": {"offset": 6}},
                  {"pointId": "frequency", "storageType": "COMPOSED", "unit": "Hz", "mapping": {"offset": 8, "lengthWords": 2, "composed": {
                      "base": 10, "mantissa": {"storageType": "U32", "bitLength": 24}, "exponent": {"bitOffset": 24, "bitLength": 8}}}},
                  {"pointId": "state", "storageType": "U16", "valueType": {"enumRef": {"typeId": "state"}}, "mapping": {"offset": 10}},
                  {"pointId": "alarms", "storageType": "U16", "valueType": {"flags": {"bits": {"0": "hot", "3": "fan"}}}, "mapping": {"offset": 11}},
                  {"pointId": "label", "storageType": "STRING_UTF8", "mapping": {"offset": 12, "lengthWords": 4}},
                  {"pointId": "clock", "storageType": "U32", "datetime": {"encoding": "PACKED_BCD_DATETIME"}, "mapping": {"offset": 16}},
                  {"pointId": "third", "storageType": "U16", "transform": {"scale": {"numerator": 1, "denominator": 3}}, "mapping": {"offset": 18}},
                  {"pointId": "maybe", "storageType": "U16", "availableIf": {"pointId": "state", "equals": 1}, "mapping": {"offset": 300}},
              ]}, {"blockId": "bits", "space": "COIL", "points": [{"pointId": "relay", "mapping": {"space": "COIL", "offset": 3}}]}]}]}


def test_a_register_map_in_moddef_becomes_a_profile_and_what_it_cannot_say_is_told(tmp_path):
    path = tmp_path / "meter.moddef.json"
    path.write_text(json.dumps(MODDEF))
    text, lost = import_moddef(str(path))
    profile = parse_profile(text, "imported")
    assert (profile.title, profile.source) == ("ACME M1", "ModDef acme.meter 1.0.0")
    data = bytes.fromhex("08fd 0000 0000 0000 0064 0000 ffff 0000 fd00 c350 0001 0009 c3bc 6200 0000 0000")
    said = profile.decode(Block(Table.INPUT_REGISTERS, 0, 16), data)
    assert {register.name: value for register, value in said.items()} == {
        "voltage": 230.1, "power": 9.0, "power_sf": -1, "frequency": 50.0, "state": "ON", "alarms": ("hot", "fan"), "label": "üb"}
    assert {read.block for read in profile.reads} == {
        Block(Table.INPUT_REGISTERS, 0, 16), Block(Table.INPUT_REGISTERS, 300, 1), Block(Table.COILS, 3, 1)}
    assert lost == ["clock: a time as PACKED_BCD_DATETIME cannot be said", "third: its scale 1/3 is no decimal number",
                    "maybe: available_if is left out; look whether the value is right without it",
                    "commands of the device: a profile has none"]
    shown = ran("import", path)
    assert shown.stdout == text and shown.stderr.splitlines()[0] == f"softsplit: {lost[0]}"


def test_a_register_of_moddef_is_scaled_by_that_of_another_block_with_its_own_place_and_patterns(tmp_path):
    power = {"pointId": "power", "storageType": "S16", "mapping": {"modelRelativeOffset": 1}, "transform": {"scaleRef": {
        "pointId": "ratio", "mode": "MULTIPLY"}}}
    ratio = {"pointId": "ratio", "storageType": "U16", "mapping": {"modelRelativeOffset": 0}, "naValues": [{"raw": 65535}]}
    blocks = [{"space": "HOLDING_REGISTER", "startOffset": 10, "points": [power]}, {"space": "INPUT_REGISTER", "startOffset": 20, "points": [ratio]}]
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"devices": [{"blocks": blocks}]}))
    register, _ = parse_profile(import_moddef(str(path))[0], "imported").registers
    factor, = register.times
    assert (factor.block, factor.not_available) == (Block(Table.INPUT_REGISTERS, 20, 1), (65535,))
    ratio |= {"storageType": "BCD"}
    path.write_text(json.dumps({"devices": [{"blocks": blocks}]}))
    assert import_moddef(str(path))[1] == ["power: the register with which it is scaled is no plain number, which cannot be said"]


@pytest.mark.parametrize("content, message", [
    ("", "is no JSON"), ("[]", "[] is not a table"), ("{}", "devices: 0 devices; a profile is of one"),
    ('{"devices": [{"blocks": [{"points": [{"mapping": {"space": "X"}}]}]}]}', 'space: unknown space "X"'),
    ('{"enums": [{"typeId": {}}], "devices": [{}]}', "enums[1].type_id: {  } is not text"),
    ('{"devices": [{"blocks": [{"points": [{"pointId": []}]}]}]}', "devices[1].blocks[1].points[1].point_id: [] is not text"),
    ('{"devices": [{"blocks": 5}]}', "devices[1].blocks: 5 is not a list"), ('{"devices": [{}]}', "profile imported: block: at least one block"),
    ('{"devices": [{"blocks": [{"space": "COIL", "points": [{"mapping": 5}]}]}]}', "devices[1].blocks[1].points[1].mapping: 5 is not a table"),
])
def test_what_is_no_moddef_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_text(content)
    shown = ran("import", path)
    assert shown.exit_code == 2 and message in shown.stderr and shown.stderr.count("\n") == 1, shown.output


def asked(table: Table, address: int, count: int, requests: int, rate: float = 0.0) -> AskedStatus:
    return AskedStatus(unit=1, function=table.function, table=table, address=address, count=count, requests=requests, rate=rate)


def test_what_overlaps_is_learned_as_one_block_and_as_often_as_it_is_wanted(monkeypatch, tmp_path):
    wanted = [asked(Table.HOLDING_REGISTERS, 0x5B00, 62, 600, 1.0), asked(Table.HOLDING_REGISTERS, 0x5B3A, 8, 60, 0.1),
              asked(Table.HOLDING_REGISTERS, 0x5000, 8, 120, 0.2), asked(Table.HOLDING_REGISTERS, 0x8960, 2, 1),
              asked(Table.HOLDING_REGISTERS, 0x1000, 125, 10, 1.0), asked(Table.HOLDING_REGISTERS, 0x1040, 125, 10, 1.0)]
    monkeypatch.setattr("softsplit.commands.profile.learned._asked_of", lambda unit, status: iter(wanted))
    monkeypatch.setattr("softsplit.commands.profile.learned._units", lambda status: {"meters/5": "any"})
    status = Status.of(Health(code=0, summary="well", troubles=(), notes=()), uptime=600.0)
    profile = parse_profile(learned_profiles(status, None), "learned")
    assert [(read.block.address, read.block.count, read.every) for read in profile.reads] == [
        (0x1000, 125, 1.0), (0x107D, 64, 1.0), (0x5000, 8, 5.0), (0x5B00, 66, 1.0), (0x8960, 2, 600.0)]
    assert profile.readable == (Block(Table.HOLDING_REGISTERS, 0, 65536),)
    path = tmp_path / "learned.toml"
    wanted = [asked(Table.HOLDING_REGISTERS, 40001, 2, 600, 1.0)]  # which no manual has numbered: a master asked for it
    path.write_text(learned_profiles(status, None))
    assert "address = 0x9C41" in path.read_text() and "is taken for" not in ran("check", path).stdout
    with pytest.raises(ConfigError, match='UNIT: unknown unit "meters/7"'):
        learned_profiles(status, "meters/7")


def test_what_masters_asked_an_any_unit_for_is_polled_with_the_learned_profile():
    """The questions of a Victron, asked of a running splitter; then of one with the profile that it printed."""
    questions = [(0x8960, 2), (0x8900, 2), (0x8908, 8), (0x5000, 8), (0x5460, 24), (0x5B00, 62), (0x5B00, 28), (0x5B3A, 4)]

    def served(profile, port: int) -> Splitter:
        upstream = Upstream(f"tcp://127.0.0.1:{port}", [Unit(1, profile)], name="meters")
        return Splitter([Downstream("tcp://127.0.0.1:0", units={1: (upstream, 1)}, name="victron")])

    def asked_of(profile, port: int):
        """The status after these questions; what is polled, was read before."""
        splitter = served(profile, port)
        splitter.start()
        try:
            until(lambda: splitter.status().health.code == 0 or profile == "any")
            with TcpMaster(splitter.servers[0].url.port) as master:
                assert [len(master.read(1, address, count)) // 2 for address, count in questions] == [count for _, count in questions]
            return splitter.status()
        finally:
            splitter.stop()

    with simulated_gateway(load_profile("abb-b23"), (1,)) as gateway:
        learned = learned_profiles(asked_of("any", gateway.url.port), None)
        status = asked_of(parse_profile(learned, "learned"), gateway.url.port)
    assert status.upstreams["meters"].units["1"].forwarded.requests == 0
