"""The diagnostics unit: by one read a PLC knows how a unit stands, why, since when, and what it is called."""

import struct
import time
from types import SimpleNamespace

import pytest

from softsplit import Downstream, Unit, Upstream
from softsplit.config.topology import Topology
from softsplit.downstream.diagnostics import Diagnostics, Watched, WireFacts
from softsplit.downstream.diagnostictable import (GROUPS, PER_GROUP, UNIT_0, UNITS_TOO, UPSTREAMS, in_words,
                                                  short_name)
from tests.support import (Clock, ScriptedGateway, TcpMaster, brisk_profile, good_answer, read_request,
                           splitting, until)



def test_the_table_can_be_printed():
    said = in_words()
    assert said.startswith("input registers (function 4)") and said.count("\nfrom ") == len(GROUPS) and said.count("    + ") == sum(len(rows) for _, rows in GROUPS)


def test_no_group_reaches_into_the_next():
    assert all(sum(row.registers for row in rows) <= PER_GROUP for _, rows in GROUPS)
    assert PER_GROUP * 256 == UNIT_0 and UNIT_0 + PER_GROUP <= UNITS_TOO and UNITS_TOO + PER_GROUP * 256 <= UPSTREAMS


@pytest.mark.parametrize("upstream, unit, name", [
    ("garage", 1, "garage/1"), ("a-very-long-name-of-a-bus", 100, "a-very-long-/100"), ("pumps", "0x0012D687", "pumps/0x0012D687"),
    ("the pumps", "0x0012D687", "the p/0x0012D687"), ("a-very-long-name-of-a-bus", None, "a-very-long-name")])
def test_a_name_that_is_too_long_keeps_its_unit(upstream, unit, name):
    assert short_name(upstream, unit) == name


class Plc(TcpMaster):
    def group(self, address: int, form: str) -> tuple:
        answer = self.ask(247, read_request(address, PER_GROUP, function=4))
        assert answer[:2] == b"\x04\x20", answer
        *numbers, name = struct.unpack(f">{form}16s", answer[2:])
        return (*numbers, name.rstrip(b"\0").decode())

    def unit(self, number: int) -> tuple:
        """Unit id, state, standing, error, seconds, Unix time, name."""
        return self.group(UNITS_TOO + PER_GROUP * number, "4H2I")

    def upstream(self, number: int) -> tuple:
        """State, busy, reconnects, seconds, units, mute, name."""
        return self.group(UPSTREAMS + PER_GROUP * number, "2H2I2H")


def test_one_read_says_mute_since_when_why_and_who():
    how = {}

    def reply(transaction, unit, pdu):
        return {"silence": b"", "refusal": struct.pack(">HHHBBB", transaction, 0, 3, unit, pdu[0] | 0x80, 4)}.get(
            how.get(unit), good_answer(transaction, unit, pdu))

    with ScriptedGateway(reply) as gateway:
        garage = Upstream(str(gateway.url), [Unit(1, brisk_profile()), Unit(2, brisk_profile())], name="garage", timeout=0.1)
        away = Upstream("tcp://127.0.0.1:1", [Unit(3, brisk_profile())], name="away")
        wiring = Topology([Downstream("tcp://127.0.0.1:0", [garage, away], name="plc", max_age=1.0)], diagnostics=247)
        with splitting(wiring) as splitter, Plc(splitter.servers[0].url.port) as plc:
            until(lambda: plc.unit(1)[:3] == (1, 1, 1) and plc.unit(2)[:3] == (2, 1, 1))
            *_, seconds, good_at, name = plc.unit(1)
            assert (seconds, name) == (0, "garage/1") and abs(good_at - time.time()) < 10
            how |= {1: "silence", 2: "refusal"}
            until(lambda: plc.unit(1)[1:4] == (3, 2, 256) and plc.unit(1)[4] > 0)
            until(lambda: plc.unit(2)[2:4] == (1, 4) and plc.unit(2)[4] > 0)
            how.clear()
            until(lambda: plc.unit(1)[1:5] == (1, 1, 256, 0) and plc.unit(2)[1:5] == (1, 1, 4, 0))
            until(lambda: plc.unit(3)[:4] == (3, 3, 3, 258))
            assert plc.unit(3)[5:] == (0, "away/3")
            state, busy, reconnects, seconds, units, mute, name = plc.upstream(0)
            assert (state, seconds, units, mute, name) == (1, 0, 2, 0, "garage") and 0 < busy <= 1000
            until(lambda: plc.upstream(1)[0] == 3)
            assert plc.upstream(1)[4:] == (1, 0, "away") and reconnects == splitter.status().upstreams["garage"].reconnects
            gateway.close()
            until(lambda: plc.upstream(0)[0] == 3 and plc.unit(1)[2] == 3)
            assert plc.ask(247, read_request(UPSTREAMS + 2 * PER_GROUP, 1, function=4)) == b"\x84\x02"
            assert plc.ask(247, read_request(UNITS_TOO + PER_GROUP * 9, 16, function=4)) == b"\x84\x02"


def test_reconnects_are_counted():
    with ScriptedGateway(good_answer) as gateway:
        meters = Upstream(str(gateway.url), [Unit(1, brisk_profile())], name="meters", timeout=0.2)
        with splitting(Topology([Downstream("tcp://127.0.0.1:0", [meters])], diagnostics=247)) as splitter, \
                Plc(splitter.servers[0].url.port) as plc:
            until(lambda: plc.upstream(0)[0] == 1)
            assert plc.upstream(0)[2] == 0
            gateway.close()
            until(lambda: plc.upstream(0)[0] == 3)
            gateway.listen()
            until(lambda: plc.upstream(0)[:1] + plc.upstream(0)[2:3] == (1, 1))


def test_how_busy_a_wire_is_is_that_of_the_last_minute(monkeypatch):
    clock, busy = Clock(), 0.0
    monkeypatch.setattr("softsplit.clock.now", clock)
    mirror = SimpleNamespace(states=lambda now: [])
    unit = Diagnostics(247, {1: Watched(mirror, "meters/1")}, {"meters": lambda now: WireFacts(1, busy, 7, 0.0, 1, 0)})
    asked = read_request(UPSTREAMS, 4, function=4)
    for _ in range(200):
        clock.now += 1
        busy += 0.25
        answer = unit.handle_request(asked)
    assert answer == struct.pack(">BBHHI", 4, 8, 1, 250, 7)
    for _ in range(70):
        clock.now += 1
        answer = unit.handle_request(asked)
    assert answer == struct.pack(">BBHHI", 4, 8, 1, 0, 7)
