"""A write that another master sends is heard: what it says never becomes a value, for the program as it runs."""

import re
from contextlib import contextmanager

import pytest

from softsplit import clock
from softsplit.protocol import adu
from tests.support import SLOWNESS, SOFTSPLIT, Child, RtuMaster, TcpMaster, read_request, running, until
from tests.test_listener import REFUSED, Line, listening

REGISTER = read_request(0, 1)
WRITES = {6: bytes.fromhex("06 0000 270f"), 16: bytes.fromhex("10 0000 0001 02 270f")}


@contextmanager
def copying(tmp_path, taps=1):
    """A line of unit 1, its master, and a second master whom `softsplit run` serves what it hears there."""
    line = Line(tmp_path)
    line.device.registers[1, 0] = 320
    line.device.write = lambda unit, function, address, pdu: pdu[:5]  # it acknowledges, and keeps what it has
    config = tmp_path / "softsplit.toml"
    url, reply = (line.tap.path, "") if taps == 1 else (line.request_tap.path, f'reply_url = "listen://{line.reply_tap.path}"')
    config.write_text(f'[upstream.tap]\nurl = "listen://{url}"\n{reply}\nmode = "8N1"\nunits = {{ 1 = "any" }}\n'
                      '[downstream.copy]\nurl = "tcp://127.0.0.1:0"\n')
    with running(line), RtuMaster(line.right) as master, Child([*SOFTSPLIT, "run", "-c", str(config)]) as child:
        port = int(until(lambda: re.search(r"serving copy on .*:(\d+)", child.log()))[1])
        with TcpMaster(port) as other:
            until(lambda: master.ask(1, REGISTER) and other.ask(1, REGISTER) == b"\x03\x02\x01\x40")
            yield line, master, other


@pytest.mark.parametrize("function", WRITES)
def test_a_write_that_the_unit_acknowledges_and_does_not_do_is_not_believed(tmp_path, function):
    with copying(tmp_path) as (_, master, other):
        assert master.ask(1, WRITES[function])
        until(lambda: other.ask(1, REGISTER) == REFUSED)
        until(lambda: master.ask(1, REGISTER) and other.ask(1, REGISTER) == b"\x03\x02\x01\x40")


def test_a_write_is_in_doubt_before_anybody_answers_it(tmp_path):
    with copying(tmp_path) as (line, master, other):
        line.is_mute = True
        master.port.write(adu.rtu_frame(1, WRITES[16]))
        asked_at = clock.now()
        until(lambda: other.ask(1, REGISTER) == REFUSED)
        assert clock.now() - asked_at < SLOWNESS, "the master may wait for longer"


@pytest.mark.parametrize("pause", [0.1, 0.18])
def test_a_write_sent_twice_to_a_unit_that_is_off_is_no_value_and_no_sign_of_life(tmp_path, pause):
    with listening(tmp_path, units=(1,)) as (line, master, other, splitter):
        until(lambda: master.ask(1, REGISTER) and other.ask(1, REGISTER)[0] == 3)
        line.is_mute, master.port.timeout = True, pause
        unit = until(lambda: not master.ask(1, REGISTER) and (unit := _unit(splitter)).state == "mute" and unit)
        for _ in range(4):
            assert master.ask(1, WRITES[6]) == b""
        until(lambda: other.ask(1, REGISTER) == REFUSED)
        until(lambda: not master.ask(1, REGISTER) and _unit(splitter).requests > unit.requests)
        assert (_unit(splitter).state, _unit(splitter).answers) == ("mute", unit.answers)
        assert other.ask(1, REGISTER) == REFUSED


def _unit(splitter) -> dict:
    return splitter.status().upstreams["tap"].units["1"]


def test_a_read_from_before_a_write_that_is_told_after_it_does_not_count(tmp_path):
    with listening(tmp_path, units=(1,), taps=2) as (line, master, other, splitter):
        until(lambda: master.ask(1, REGISTER) and other.ask(1, REGISTER)[0] == 3)
        line.is_mute = True
        master.port.write(adu.rtu_frame(1, WRITES[16]))
        until(lambda: other.ask(1, REGISTER) == REFUSED)
        until(lambda: not splitter.upstreams["tap"]._pairing.open_requests(), timeout=10)
        assert other.ask(1, REGISTER) == REFUSED
