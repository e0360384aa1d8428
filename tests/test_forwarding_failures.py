"""What masters ask of a unit and do not get leaves a trace: its reason, once in the log, and in the status."""

from contextlib import contextmanager

import pytest

from softsplit import Downstream, Profile, Read, Unit, Upstream
from softsplit.daemon.health import DEGRADED, FRESH
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from tests.support import SLOWNESS, ScriptedGateway, TcpMaster, read_request, splitting, until
from tests.support.bus import good_answer

HOLDING = Table.HOLDING_REGISTERS
PROFILE_THAT_LEARNS = Profile("meter", (Read(Block(HOLDING, 0, 4), "polled", 0.1),), readable=(Block(HOLDING, 0, 1000),))
ASKED, OTHER = read_request(500, 4), read_request(600, 2)


@contextmanager
def house(wrong, profile="any"):
    """A gateway that answers ASKED with `wrong(transaction, unit)`, and all else well; a splitter, and a master."""
    faults = [wrong]

    def reply(transaction, unit, pdu):
        if pdu == ASKED and faults:
            return faults[-1](transaction, unit)
        return adu.tcp_frame(transaction, unit, good_answer(unit, pdu))

    with ScriptedGateway(reply) as gateway:
        meters = Upstream(str(gateway.url), [Unit(1, profile)], 0.2 * SLOWNESS, "meters")
        with splitting(Downstream("tcp://127.0.0.1:0", [meters], name="masters", max_age=0.05)) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            yield splitter, master, faults


@pytest.mark.parametrize("wrong, why", [
    (lambda transaction, unit: adu.tcp_frame(transaction, unit, b"\x03\x28" + bytes(40)), "the answer has 40 bytes of data instead of 8"),
    (lambda transaction, unit: adu.tcp_frame(transaction, unit, b"\x83\x0b"), "exception 0x0B (gateway target did not answer)"),
])
def test_the_reason_is_told_once_in_the_log_and_stands_in_the_status_until_the_unit_answers(wrong, why, caplog, monkeypatch):
    monkeypatch.setattr("softsplit.upstream.queue.UNANSWERED_FOR", 0.0)
    caplog.set_level("INFO")
    with house(wrong) as (splitter, master, faults):
        assert master.ask(1, OTHER)[0] == 3
        assert master.ask(1, ASKED) == master.ask(1, ASKED) == b"\x83\x0b"
        told = f"meters: a request of a master is not answered: read holding registers 0x01F4+4: unit 1: {why}"
        forwarded = until(lambda: (found := splitter.status().upstreams["meters"].units["1"].forwarded).last_error and found)
        assert why in forwarded.last_error and forwarded.is_failing and forwarded.age >= forwarded.last_error_age
        health = splitter.status().health
        assert health.code == DEGRADED and health.troubles[0].startswith(told), "nothing else is served of this unit"
        assert sum(told in record.message for record in caplog.records) == 1
        faults.clear()
        until(lambda: master.ask(1, ASKED)[0] == 3)
        assert splitter.status().health.code == FRESH
        assert "meters: unit 1 answers again: read holding registers 0x01F4+4" in caplog.text


def test_beside_what_is_polled_it_is_a_note():
    with house(lambda transaction, unit: adu.tcp_frame(transaction, unit, b"\x83\x0b"), PROFILE_THAT_LEARNS) as (splitter, master, _):
        until(lambda: master.ask(1, read_request(0, 4))[0] == 3)
        assert master.ask(1, ASKED) == b"\x83\x0b"
        assert any("a request of a master is not answered" in each for each in splitter.status().health.notes)


def test_a_refusal_of_the_unit_itself_is_an_answer(caplog):
    with house(lambda transaction, unit: adu.tcp_frame(transaction, unit, b"\x83\x02")) as (splitter, master, _):
        assert master.ask(1, ASKED) == b"\x83\x02"
        forwarded = splitter.status().upstreams["meters"].units["1"].forwarded
        assert not forwarded.is_failing and forwarded.last_error is None and "is not answered" not in caplog.text
