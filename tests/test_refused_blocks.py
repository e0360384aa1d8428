"""A unit refuses a block as a whole, though it has registers in it: masters get those, and the cause is told."""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from softsplit import Downstream, Profile, Read, Unit, Upstream
from softsplit.daemon.health import DEGRADED, NOTHING_SERVED
from softsplit.downstream.mirrors import mirror as mirror_module
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.upstream.words import smaller
from tests.support import SLOWNESS, TcpMaster, read_request, splitting, until
from tests.support.bus import KINDS, Bus, good_answer

HOLDING = Table.HOLDING_REGISTERS
POWERS, ENERGIES = Read(Block(HOLDING, 0, 40), "powers", 0.1), Read(Block(HOLDING, 100, 20), "energies", 0.1)
PROFILE = Profile("meter", (POWERS, ENERGIES))
MISSING = 0x10


def has_a_hole(unit: int, pdu: bytes) -> bytes:
    address, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
    return b"\x83\x02" if address <= MISSING < address + count else good_answer(unit, pdu)


def has_a_limit(unit: int, pdu: bytes) -> bytes:
    return b"\x83\x03" if int.from_bytes(pdu[3:5], "big") > 10 else good_answer(unit, pdu)


@contextmanager
def house(tmp_path, device, kind="tcp", learn=True, profile=PROFILE):
    with Bus(kind, tmp_path, device) as bus:
        line = {"mode": "8N1"} if kind == "rtu" else {}
        meters = Upstream(bus.url, [Unit(1, profile)], 0.4 * SLOWNESS, "meters", learn=learn, **line)
        with splitting(Downstream("tcp://127.0.0.1:0", [meters], name="masters")) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            until(lambda: all(block.requests for block in splitter.status().upstreams["meters"].units["1"].blocks))
            yield bus, splitter, master


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("device, code", [(has_a_hole, 2), (has_a_limit, 3)])
def test_masters_get_what_the_unit_answers_of_a_block_that_it_refuses_as_a_whole(tmp_path, kind, device, code):
    with house(tmp_path, device, kind) as (_, _, master):
        for address, count in ((0, 2), (4, 10), (18, 4), (38, 2)):
            assert master.ask(1, read_request(address, count)) == good_answer(1, read_request(address, count))
        assert master.ask(1, read_request(0, 40)) == bytes((0x83, code)), "the block itself is refused as the unit does"
        assert master.ask(1, read_request(12, 20)) == bytes((0x83, code)), "and so is a part that the unit refuses"
        energies = master.ask(1, read_request(100, 20))
        assert energies == (good_answer(1, read_request(100, 20)) if device is has_a_hole else b"\x83\x03")


def test_a_part_that_masters_ask_for_often_is_polled(tmp_path, monkeypatch):
    monkeypatch.setattr("softsplit.polling.demand.SHORTEST_PERIOD", 0.05)
    with house(tmp_path, has_a_hole) as (bus, splitter, master):
        until(lambda: master.ask(1, read_request(4, 6)) and any(
            block.name == "learned 0x0004+6" and block.answers > 1
            for block in splitter.status().upstreams["meters"].units["1"].blocks), timeout=8)
        assert master.ask(1, read_request(4, 6)) == good_answer(1, read_request(4, 6))


def test_where_nothing_is_forwarded_a_part_gets_the_exception_of_its_block(tmp_path):
    with house(tmp_path, has_a_hole, learn=False) as (_, _, master):
        until(lambda: master.ask(1, read_request(0, 2)) == b"\x83\x02")  # once the block was asked for


def test_the_log_names_the_block_and_proposes_smaller_ones(tmp_path, caplog):
    with house(tmp_path, has_a_hole):
        until(lambda: "(that is holding registers 0x0000+40; it may answer smaller blocks, as 0x0000+20 and 0x0014+20)" in caplog.text)
        assert "meters: unit 1 refuses powers with exception 0x02 (illegal data address)" in caplog.text
    assert smaller(Block(Table.INPUT_REGISTERS, 10, 3, step=2)).endswith("as 0x000A+1 and 0x000C+2)")
    assert not smaller(Block(HOLDING, 7, 1)) and not smaller(None)


def test_all_is_never_well_while_no_block_is_fresh(tmp_path):
    refused = []
    with house(tmp_path, lambda unit, pdu: b"\x83\x02" if refused else good_answer(unit, pdu)) as (_, splitter, _):
        until(lambda: not splitter.status().health.troubles)
        refused.append("from now on")  # as after an update of the device
        until(lambda: (health := splitter.status().health).code == NOTHING_SERVED and "unit 1 refuses" in health.troubles[0])


def test_what_is_not_polled_beside_a_unit_that_refuses_everything_does_not_make_all_well(tmp_path):
    with Bus("tcp", tmp_path, has_a_limit) as bus:
        meters = Upstream(bus.url, [Unit(1, PROFILE), Unit(2, "any")], 0.4 * SLOWNESS, "meters")
        with splitting(Downstream("tcp://127.0.0.1:0", [meters], name="masters")) as splitter:
            until(lambda: (health := splitter.status().health).code == DEGRADED and health.troubles)


def test_a_master_that_asks_now_and_then_gets_a_value_read_for_it_while_the_wire_is_idle(tmp_path, monkeypatch):
    monkeypatch.setattr(mirror_module, "YOUNG", 0.05)
    profile = Profile("lazy", (Read(Block(HOLDING, 0, 4), "polled", 2.0),), readable=(Block(HOLDING, 0, 1000),))
    counted = [0]

    def counts(unit: int, pdu: bytes) -> bytes:
        counted[0] += pdu == ASKED
        return good_answer(unit, pdu) if pdu != ASKED else b"\x03\x02" + counted[0].to_bytes(2, "big")

    ASKED = read_request(500, 1)
    with house(tmp_path, counts, profile=profile) as (bus, splitter, master):
        def asked_later() -> bytes:
            until(lambda: splitter.upstreams["meters"].is_idle())
            before = bus.requests[-1][2]
            until(lambda: mirror_module.clock.now() - before > 0.06)
            return master.ask(1, ASKED)
        assert [asked_later()[-1] for _ in range(3)] == [1, 2, 3]
        monkeypatch.setattr(splitter.servers[0].databank.mirrors[1], "_way", busy(splitter))
        assert asked_later()[-1] == 3, "while the wire has other things to do, what is fresh is good enough"


def busy(splitter):
    """The way of its only mirror, over a wire that always has something to do."""
    return replace(splitter.servers[0].databank.mirrors[1]._way, is_idle=lambda: False)


def test_what_was_read_before_is_served_when_it_cannot_be_read_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(mirror_module, "YOUNG", 0.0)
    profile = Profile("lazy", (Read(Block(HOLDING, 0, 4), "polled", 0.2),), readable=(Block(HOLDING, 0, 1000),))
    with house(tmp_path, good_answer, profile=profile) as (bus, splitter, master):
        until(lambda: splitter.upstreams["meters"].is_idle())
        assert master.ask(1, read_request(500, 1))[0] == 3
        bus.fault = lambda say, frame, unit, pdu: say(frame(unit, b"\x83\x0b" if pdu == read_request(500, 1)
                                                            else good_answer(unit, pdu)))
        until(lambda: splitter.upstreams["meters"].is_idle())
        assert master.ask(1, read_request(500, 1)) == good_answer(1, read_request(500, 1))
        assert sum(pdu == read_request(500, 1) for _, pdu, _ in bus.requests) == 2


def test_where_only_parts_are_answered_masters_are_served_and_the_trouble_is_the_profile(tmp_path, monkeypatch):
    monkeypatch.setattr("softsplit.polling.demand.SHORTEST_PERIOD", 0.05)
    with house(tmp_path, has_a_limit) as (_, splitter, master):
        until(lambda: master.ask(1, read_request(4, 6)) and splitter.status().health.code == DEGRADED, timeout=8)
        assert "refuses powers, energies with exception 0x03" in splitter.status().health.troubles[0]
