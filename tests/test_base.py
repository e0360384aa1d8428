"""Profiles of SunSpec models, which stand elsewhere on each device: found once after connecting."""

import json
import re

import pytest
from click.testing import CliRunner

from softsplit import Derived, Downstream, Splitter, Unit, Upstream
from softsplit.cli import main
from softsplit.commands.check.wiring import draw
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.simulate import SimulatedUnit
from softsplit.commands.sniff.format import Names
from softsplit.commands.sniff.format import draw as draw_line
from softsplit.commands.top.history import Look, Watched, latest_values
from softsplit.config.topology import Topology
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.errors import ConfigError
from softsplit.profiles.base import find_model
from softsplit.profiles.content import profile_of
from softsplit.profiles.loader import parse_profile
from softsplit.profiles.written import content_of
from softsplit.protocol import adu
from softsplit.protocol import pdu as pdus
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.upstream.counters import Counters
from softsplit.upstream.locator import HeardBase, locate
from softsplit.web.values import watched_units
from tests.support import ScriptedGateway, TcpMaster, read_request, splitting, until
from tests.test_listener import listening

TEXT = """
title = "Any inverter"
base = { sunspec = 103 }
block = [{ name = "inverter", address = 0, count = 52 }]
register = [
    { name = "power", address = 14, type = "s16", resolution = "1 W", not_available = 0x8000, exponent = { address = 15 } },
    { name = "frequency", address = 16, type = "u16", resolution = "1 Hz", exponent = { address = 17 } },
]
"""
PROFILE = parse_profile(TEXT, "inverter.toml")


def device(start: int, *models: tuple[int, int]) -> dict[int, int]:
    """The words of a chain of models, (number, length), that begins there; of model 103 some are filled in."""
    words, at = {start: 0x5375, start + 1: 0x6E53}, start + 2
    for model, length in models:
        words |= {at: model, at + 1: length, **dict.fromkeys(range(at + 2, at + 2 + length), 0)}
        if model == 103:
            words |= {at + 14: 1234, at + 15: 0xFFFF, at + 16: 5001, at + 17: 0xFFFE}
        at += 2 + length
    return words | {at: 0xFFFF, at + 1: 0}


def gateway_of(words: dict[int, int]) -> ScriptedGateway:
    def reply(transaction, unit, pdu):
        asked = range(int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[1:3], "big") + int.from_bytes(pdu[3:5], "big"))
        answer = (bytes((3, 2 * len(asked))) + b"".join(words[each].to_bytes(2, "big") for each in asked)
                  if all(each in words for each in asked) else pdus.exception_pdu(3, 2))
        return adu.tcp_frame(transaction, unit, answer)

    return ScriptedGateway(reply)


PLACES = [(40000, [(1, 65), (103, 50)], 40069), (40000, [(1, 66), (11, 13), (103, 50)], 40085), (0, [(1, 66), (103, 50), (120, 26)], 70), (50000, [(103, 50)], 50002)]


@pytest.mark.parametrize("start, models, at", PLACES)
def test_a_model_is_found_wherever_its_chain_begins_and_whatever_stands_before_it(start, models, at):
    words = device(start, *models)

    def read(block):
        asked = range(block.address, block.end)
        return b"".join(words[each].to_bytes(2, "big") for each in asked) if all(each in words for each in asked) else None

    assert find_model((103,), read) == at == find_model((101, 103), read) and find_model((203,), read) is None
    located = PROFILE.located(at)
    assert [each.block.address for each in located.reads] == [at] and located is PROFILE.located(at)
    assert [(each.block.address, each.exponent.block.address) for each in located.registers] == [(at + 14, at + 15), (at + 16, at + 17)]


@pytest.mark.parametrize("models, at", [([(1, 66), (103, 49), (103, 50)], 40121), ([(1, 66), (103, 49)], None)])
def test_a_model_that_is_too_short_for_the_profile_is_not_taken_for_it(models, at):
    """What follows it is the next model, whose words would be served under the names of this one."""
    words = device(40000, *models)

    def read(block):
        asked = range(block.address, block.end)
        return b"".join(words[each].to_bytes(2, "big") for each in asked) if all(each in words for each in asked) else None

    assert find_model((103,), read) == 40070 and locate(PROFILE, read) == at


def test_a_chain_without_an_end_or_a_device_that_says_nothing_has_no_such_model():
    endless = iter([b"SunS", *[b"\0\1\0\0"] * 500])
    assert find_model((103,), lambda block: next(endless)) is None and find_model((103,), lambda block: None) is None


def test_read_shows_the_values_where_the_device_has_them(tmp_path):
    path = tmp_path / "inverter.toml"
    path.write_text(TEXT)
    with gateway_of(device(40000, (1, 66), (103, 50))) as gateway:
        ran = CliRunner().invoke(main, ["read", "-a", f"127.0.0.1:{gateway.url.port}", "-p", str(path), "--json"])
        assert {name: each["value"] for name, each in json.loads(ran.stdout)["values"].items()} == {"power": 123.4, "frequency": 50.01}
    with gateway_of({}) as gateway:
        ran = CliRunner().invoke(main, ["read", "-a", f"127.0.0.1:{gateway.url.port}", "-p", str(path)])
        assert ran.exit_code == 1 and "there is no SunSpec model 103" in ran.stderr + str(ran.exception)


def test_a_running_splitter_polls_it_names_it_and_serves_it():
    with gateway_of(device(40000, (1, 65), (103, 50))) as gateway:
        upstream = Upstream(str(gateway.url), [Unit(1, PROFILE)], name="pv")
        splitter = Splitter([Downstream("tcp://127.0.0.1:0", units={1: (upstream, 1)}, name="house")])
        splitter.start()
        try:
            until(lambda: splitter.values("house", 1) == {"power": 123.4, "frequency": 50.01})
            status = splitter.status()
            assert status.upstreams["pv"].units["1"].base == 40069 and [each.address for each in status.upstreams["pv"].units["1"].blocks] == [40069, 40000, 40002]
            named = latest_values(Look(status, {("pv", "1"): Watched(PROFILE, 5.0)}, 0.0), "pv", "1")
            assert {each.named.name: each.named.value for each in named} == {"power": 123.4, "frequency": 50.01}
            with TcpMaster(splitter.servers[0].url.port) as master:
                assert master.read(1, 40069, 52)[28:32] == bytes.fromhex("04d2ffff") and master.read(1, 40000, 2) == b"SunS"
        finally:
            splitter.stop()


def test_a_model_that_does_not_fit_before_the_end_of_the_table_is_not_the_one(caplog):
    with gateway_of(device(50000, (1, 15486), (103, 46))) as gateway:  # model 103 at 0xFFD2, where 46 registers are left
        upstream = Upstream(str(gateway.url), [Unit(1, PROFILE)], name="pv")
        splitter = Splitter([Downstream("tcp://127.0.0.1:0", units={1: (upstream, 1)}, name="house")])
        splitter.start()
        try:
            until(lambda: splitter.status().upstreams["pv"].units["1"].answers >= 3)
            assert splitter.status().upstreams["pv"].units["1"].missing == "SunSpec model 103" and "bug" not in caplog.text
        finally:
            splitter.stop()
    words, base = device(50000, (1, 15486), (103, 46)), HeardBase(PROFILE)
    for address in (50000, 50002, 65490):
        base.hear(Block(Table.HOLDING_REGISTERS, address, 2), answer(words, address, 2))
    assert base.at is None


def test_record_finds_it_too_and_periods_may_be_others(tmp_path):
    path = tmp_path / "inverter.toml"
    path.write_text(TEXT)
    with gateway_of(device(40000, (1, 66), (103, 50))) as gateway:
        ran = CliRunner().invoke(main, ["record", f"127.0.0.1:{gateway.url.port}", "-u", f"1={path}", "--every", "0.1", "--for", "0.5s",
                                        "--output", str(tmp_path / "house.jsonl")])
    assert ran.exit_code == 0, ran.output
    assert len([line for line in (tmp_path / "house.jsonl").read_text().splitlines() if '"0x9C86", "count": 52' in line and "04D2 FFFF" in line]) >= 2
    unit = Unit(1, PROFILE, {"inverter": 7})
    assert [(each.block.address, each.every) for each in unit.reads_at(40069)] == [(40069, 7.0)] and unit.reads == () == unit.reads_at(None)
    assert "SunSpec model 103 is polled once its address is found" in draw(Topology([Downstream("tcp://127.0.0.1:0", [Upstream("tcp://127.0.0.1", [unit])])]), "x")


def test_what_is_simulated_is_found():
    unit = SimulatedUnit(1, PROFILE, Faults())
    at = find_model((103,), lambda block: unit.data(block, 1_750_000_000.0))
    located = PROFILE.located(at)
    said = located.decode(located.reads[0].block, unit.data(located.reads[0].block, 1_750_000_000.0))
    assert {register.name: value for register, value in said.items()} == {"power": pytest.approx(1000, rel=0.06), "frequency": pytest.approx(50, abs=0.1)}


def test_the_profile_comes_back_as_it_was_and_wrong_ones_are_refused():
    assert content_of(profile_of(content_of(PROFILE), "x")) == content_of(PROFILE) and content_of(PROFILE)["base"] == {"sunspec": [103]}
    assert PROFILE.readable == (Block(Table.HOLDING_REGISTERS, 0, 65536),) and PROFILE.reads == () == PROFILE.registers
    for text, message in (("base = 5", "base: 5 is not a table"), ("base = { sunspec = 0 }", "base.sunspec: 0 is no model"), ("base = { x = 1 }", "base.x: unknown key"),
                          ("base = { sunspec = [] }", "base.sunspec: names no model"), ("base = { sunspec = [101, 0x10000] }", "base.sunspec: 65536 is no model"),
                          ("max_count = 51\nbase = { sunspec = 103 }", "block[1].count: 52 is more than the device gives"),
                          ('base = { sunspec = "103" }', 'base.sunspec: "103" is not')):
        with pytest.raises(ConfigError, match=re.escape(message)):
            parse_profile(TEXT.replace("base = { sunspec = 103 }", text), "own")
    with pytest.raises(ConfigError, match=re.escape("block[1].table: input registers hold no SunSpec model")):
        parse_profile(TEXT.replace('{ name = "inverter", ', '{ table = "input registers", '), "own")


def test_one_profile_describes_the_inverters_with_one_or_three_phases_whichever_model_a_device_has(tmp_path):
    path = tmp_path / "inverter.toml"
    path.write_text(TEXT.replace("sunspec = 103", "sunspec = [101, 102, 103]"))
    profile = parse_profile(path.read_text(), "own")
    assert content_of(profile)["base"] == {"sunspec": [101, 102, 103]} == content_of(profile_of(content_of(profile), "x"))["base"]
    with gateway_of(device(40000, (1, 66), (103, 50))) as gateway:
        ran = CliRunner().invoke(main, ["read", "-a", f"127.0.0.1:{gateway.url.port}", "-p", str(path), "--json"])
        assert json.loads(ran.stdout)["values"]["power"]["value"] == 123.4
    with gateway_of(device(40000, (1, 66), (203, 105))) as gateway:
        ran = CliRunner().invoke(main, ["read", "-a", f"127.0.0.1:{gateway.url.port}", "-p", str(path)])
        assert ran.exit_code == 1 and "there is no SunSpec model 101 or 102 or 103" in ran.stderr + str(ran.exception)


MAKE = parse_profile("""
    block = [{ address = 0, count = 2 }]
    register = [{ name = "power", address = 0, type = "s32", resolution = "0.1 W" }]""", "make")
WITHOUT_HEAD = parse_profile(TEXT.replace("address = 0, count = 52", "address = 14, count = 4, every = 0.1"), "two.toml")
WITH_HEAD = parse_profile(TEXT.replace("count = 52", "count = 52, every = 0.1"), "one.toml")


def replaced(power: int) -> dict[int, int]:
    """Another device, whose model 103 is elsewhere; in the place of the other's power it has something else."""
    words = device(40000, (1, 65), (120, 120), (103, 50))
    words |= {40069 + 14 + at: 7 for at in range(4)}
    return words | {40191 + 14: power, 40191 + 15: 0}


@pytest.mark.parametrize("profile", [WITH_HEAD, WITHOUT_HEAD], ids=["with the head", "without"])
def test_nothing_is_named_from_the_base_of_a_device_that_was_replaced(profile, caplog):
    caplog.set_level("INFO")
    words = device(40000, (1, 65), (103, 50))
    with gateway_of(words) as gateway:
        upstream = Upstream(str(gateway.url), [Unit(1, profile)], 0.5, name="pv", learn=False)
        copy = Derived(MAKE, source=(upstream, 1), name="copy")
        house = Downstream("tcp://127.0.0.1:0", units={1: (upstream, 1), 2: copy}, name="house")
        with splitting(house) as splitter, TcpMaster(splitter.servers[0].url.port) as master:
            page, = (each for each in watched_units([house], [splitter.servers[0].databank.mirrors]) if each.upstream == "pv")

            def seen() -> list:
                """What everybody says of the power."""
                status = splitter.status()
                top = {each.named.name: each.named.value for each in latest_values(Look(status, {("pv", "1"): Watched(profile, 5.0)}, 0.0), "pv", "1")}
                shown = page.values(page.registers, status)[0]
                answer = master.ask(2, read_request(0, 2))
                return [splitter.values("house", 1).get("power"), top.get("power"), shown.named.value,
                        int.from_bytes(answer[2:], "big") / 10 if answer[0] == 3 else None]

            until(lambda: seen() == [123.4] * 4)
            assert master.read(1, 40083, 2) == bytes.fromhex("04d2ffff"), "and it is served though nothing is learned"
            until(lambda: find_model([103], lambda block: master.read(1, block.address, block.count)) == 40069)
            came: set = set()
            for other, says in ((replaced(55), 55), (device(50000, (103, 50)), 123.4), (replaced(56), 56)):
                words.clear()
                words.update(other)
                now = {None, says, *seen()}
                until(lambda: came.update(said := seen()) or said == [says] * 4)
                assert came <= now, f"{came - now} were said by no device"
                came.clear()
            words.clear()
            words.update({at: 7 for at in range(40000, 40400)})
            until(lambda: seen() == [None] * 4)
            assert page.values(page.registers, splitter.status())[0].why == "SunSpec model 103 was not found yet"
            until(lambda: "pv: unit 1 has no SunSpec model 103; does its profile fit" in caplog.text)
            assert any("unit 1 has no SunSpec model 103" in each.cause for each in splitter.status().health.found)
            assert "pv: unit 1: SunSpec model 103 begins at 0x9C85" in caplog.text
            assert splitter.status().upstreams["pv"].units["1"].base is None and master.ask(1, read_request(40083, 2))[0] == 0x83


# Where another master asks


def answer(words: dict[int, int], address: int, count: int) -> bytes:
    return b"".join(words.get(each, 0).to_bytes(2, "big") for each in range(address, address + count))


def test_a_base_is_learned_from_what_another_master_reads_and_forgotten_with_the_device():
    words, base = device(40000, (1, 65), (103, 50)), HeardBase(PROFILE)

    def hear(address: int, count: int, now: float = 0.0) -> int | None:
        base.note(True, now)
        base.hear(Block(Table.HOLDING_REGISTERS, address, count), answer(words, address, count))
        return base.at

    assert [hear(40069, 2), hear(40000, 2), hear(40002, 2), hear(40069, 2)] == [None, None, None, 40069]
    assert hear(40083, 2) == 40069 and hear(40071, 50) == 40069
    base.hear(Block(Table.INPUT_REGISTERS, 40000, 2), b"\0\0\0\0")
    base.note(False, 1.0)
    assert hear(40083, 2, 2.0) == 40069, "one request may be lost"
    words = device(40000, (1, 65), (120, 26), (103, 50))
    assert [hear(40069, 2, 3.0), hear(40069, 125, 4.0)] == [None, 40097]
    base.note(False, 5.0)
    base.note(False, 6.0)
    assert base.at is None and hear(40097, 2, 7.0) is None and hear(40000, 125, 8.0) == 40097
    assert hear(40111, 2, 39.0) is None, "it may have been replaced meanwhile"


def test_sniff_names_what_it_has_heard_the_place_of_and_says_when_it_has_not():
    words, names = device(40000, (1, 65), (103, 50)), Names(PROFILE)

    def told(address: int, count: int, kind: Kind = Kind.OK) -> str:
        reply = adu.rtu_frame(1, bytes((3, 2 * count)) + answer(words, address, count))
        heard = Transaction(kind, 1.0, adu.rtu_frame(1, read_request(address, count)), reply if kind is Kind.OK else None, 0.01)
        names.hear(heard)
        return draw_line(heard, names)

    assert "(SunSpec model 103 was not heard yet) 1234 65535" in told(40083, 2)
    assert told(40000, 2) and told(40002, 2) and told(40069, 2)
    assert told(40083, 4).endswith("  power 123.4 W, frequency 50.01 Hz\n")
    for _ in range(2):
        told(40083, 4, Kind.NO_REPLY)
    assert "was not heard yet" in told(40083, 4), "another device may be there now"


def test_what_another_master_reads_is_named_too_and_derived_from(tmp_path):
    with listening(tmp_path, profile=PROFILE) as (line, master, other, splitter):
        words = device(40000, (1, 65), (103, 50))
        line.device = lambda unit, pdu: bytes((3, 2 * pdu[4])) + answer(words, int.from_bytes(pdu[1:3], "big"), pdu[4])
        mirror = splitter.servers[0].databank.mirrors[1]
        until(lambda: master.ask(1, read_request(40069, 52)) and other.ask(1, read_request(40083, 2))[0] == 3)
        assert mirror.base is None and splitter.values("copy", 1) == {}
        until(lambda: master.ask(1, read_request(40000, 71)) and mirror.base == 40069)
        until(lambda: master.ask(1, read_request(40069, 52)) and splitter.values("copy", 1) == {"power": 123.4, "frequency": 50.01})
        words.clear()
        words.update(device(40000, (1, 65), (120, 26), (103, 50)))
        until(lambda: master.ask(1, read_request(40069, 52)) and mirror.base == 40097)
        assert splitter.values("copy", 1) == {}, "that was not read from this one yet"
        until(lambda: master.ask(1, read_request(40097, 52)) and splitter.values("copy", 1) == {"power": 123.4, "frequency": 50.01})
        words.clear()
        until(lambda: master.ask(1, read_request(40069, 52)) and mirror.base is None)
        assert splitter.values("copy", 1) == {} and splitter.status().upstreams["tap"].units["1"].base is None


def test_a_block_that_masters_had_learned_before_it_was_found_may_be_forgotten_twice():
    counters, mark = Counters({1: ()}), Block(Table.HOLDING_REGISTERS, 40000, 2)
    counters.learn(1, mark, "learned", 1.0)
    counters.learn(1, mark, "SunSpec 0x9C40", 60.0)
    counters.forget(1, mark)
    counters.forget(1, mark)
    assert counters.blocks == {1: {}}
