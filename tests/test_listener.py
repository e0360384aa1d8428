"""Listening as an upstream: a real master polls a real line, and another one gets a copy over the network."""

import logging
import shutil
import subprocess
import threading
from contextlib import contextmanager

import pytest

from softsplit import Downstream, Unit, Upstream, clock
from softsplit.config.loader import parse_config
from softsplit.errors import ConfigError
from softsplit.protocol import adu
from softsplit.upstream import listener as listener_module
from tests.support import SLOWNESS, RtuMaster, TcpMaster, read_request, running, splitting, until
from tests.support.bus import Bus, good_answer
from tests.support.tappedcable import TappedCable
from tests.test_forwarding import Device

POWERS = read_request(0, 6)
REFUSED = b"\x83\x0b"


class Line(TappedCable):
    """A tapped cable with writable units at its left end, which answer after as long as they are told."""

    def __init__(self, directory):
        super().__init__(directory)
        self.device = Device()
        self.is_mute = False
        self._heard = b""

    def carry(self, sender: int, receiver: int, data: bytes) -> None:
        super().carry(sender, receiver, data)
        if sender != self._right:
            return
        self._heard += data
        while len(self._heard) >= 8 and len(self._heard) >= (size := adu.request_length(self._heard) or len(self._heard)):
            request, self._heard = self._heard[:size], self._heard[size:]
            unit, pdu = adu.take_apart(request)
            if unit in (1, 2) and not self.is_mute and adu.is_rtu_frame(request):
                super().carry(receiver, sender, adu.rtu_frame(unit, self.device(unit, pdu)))


@contextmanager
def listening(tmp_path, max_age=1.0, units=(1, 2), profile="any", taps=1):
    """A splitter which hears a line; gives the line, its master, who is served, and the splitter."""
    line = Line(tmp_path)
    url, reply_url = (line.tap.path, None) if taps == 1 else (line.request_tap.path, f"listen://{line.reply_tap.path}")
    tap = Upstream(f"listen://{url}", [Unit(unit, profile) for unit in units], mode="8N1", name="tap", reply_url=reply_url)
    with running(line), RtuMaster(line.right) as master, \
            splitting(Downstream("tcp://127.0.0.1:0", [tap], max_age=max_age, name="copy")) as splitter, \
            TcpMaster(splitter.servers[0].url.port) as other:
        until(lambda: splitter.upstreams["tap"]._is_open)
        yield line, master, other, splitter
        assert [each.said() for each in (line.tap, line.request_tap, line.reply_tap)] == 3 * [b""], "a tap never speaks"


@pytest.mark.parametrize("taps", [1, 2])
def test_a_second_master_gets_what_the_first_one_was_answered(tmp_path, taps):
    with listening(tmp_path, taps=taps) as (line, master, other, _):
        assert other.ask(1, POWERS) == REFUSED, "it was never heard"
        for unit in (1, 2):
            until(lambda unit=unit: master.ask(unit, POWERS) == other.ask(unit, POWERS) != REFUSED)
        assert other.ask(1, read_request(2, 3)) == line.device(1, read_request(2, 3))
        assert other.ask(1, read_request(0, 7)) == REFUSED and other.ask(3, POWERS) == b"\x83\x0a"
        assert other.ask(1, b"\x06\x00\x01\x00\x07") == b"\x86\x01" and not line.device.written


def test_it_turns_stale_when_the_first_master_stops(tmp_path):
    with listening(tmp_path, max_age=0.6) as (_, master, other, splitter):
        master.ask(1, POWERS)
        heard_at = clock.now()
        until(lambda: other.ask(1, POWERS)[0] == 3)
        until(lambda: other.ask(1, POWERS) == REFUSED)
        assert 0.2 < clock.now() - heard_at < 0.7 * SLOWNESS
        master.ask(1, POWERS)
        until(lambda: other.ask(1, POWERS)[0] == 3)


def test_a_unit_that_does_not_answer_turns_stale_though_it_was_slow(tmp_path):
    with listening(tmp_path, max_age=0.6) as (line, master, other, splitter):
        master.port.timeout = 0.05
        until(lambda: master.ask(1, POWERS) and other.ask(1, POWERS)[0] == 3)
        line.is_mute = True
        until(lambda: not master.ask(1, POWERS) and splitter.status().upstreams["tap"].units["1"].state == "mute")
        until(lambda: not master.ask(1, POWERS) and other.ask(1, POWERS) == REFUSED)
        line.is_mute = False
        until(lambda: master.ask(1, POWERS) and other.ask(1, POWERS)[0] == 3)


def test_what_a_write_covers_is_stale_until_it_was_read_again_in_both_tables(tmp_path):
    with listening(tmp_path) as (line, master, other, _):
        line.device = lambda unit, pdu: pdu if pdu[0] == 6 else good_answer(unit, pdu)
        until(lambda: master.ask(1, POWERS) and master.ask(1, read_request(0, 6, 4))
              and other.ask(1, POWERS)[0] == 3 and other.ask(1, read_request(0, 6, 4))[0] == 4)
        master.ask(1, b"\x06\x00\x02\x12\x34")
        until(lambda: other.ask(1, read_request(2, 1)) == REFUSED and other.ask(1, read_request(2, 1, 4)) == b"\x84\x0b")
        assert other.ask(1, read_request(0, 2))[0] == 3 and other.ask(1, read_request(3, 1, 4))[0] == 4
        until(lambda: master.ask(1, POWERS) and other.ask(1, POWERS)[0] == 3)
        assert other.ask(1, read_request(2, 1, 4)) == b"\x84\x0b", "that was not read again"


def test_a_reply_to_a_retry_may_be_as_old_as_the_try_before(tmp_path):
    with listening(tmp_path, max_age=3.0, units=(1,)) as (line, master, other, splitter):
        master.ask(1, POWERS)
        until(lambda: other.ask(1, POWERS)[0] == 3)
        before = splitter.status().upstreams["tap"].units["1"].answers
        line.is_mute, master.port.timeout = True, 0.8
        asked_at = clock.now()
        assert not master.ask(1, POWERS)
        line.is_mute = False
        assert master.ask(1, POWERS)
        counts = until(lambda: (unit := splitter.status().upstreams["tap"].units["1"]).answers > before and unit)
        assert counts.blocks[0].age >= clock.now() - asked_at - 0.1


def test_a_period_is_that_of_the_requests_not_of_the_answers(tmp_path):
    with listening(tmp_path, units=(1,)) as (line, master, _, splitter):
        master.port.timeout = 0.05
        for answered in (True, False, False, True, False, False, True, False, False):
            begun, line.is_mute = clock.now(), not answered
            master.ask(1, POWERS)
            master.ask(2, POWERS)  # so that nothing is a retry
            until(lambda begun=begun: clock.now() > begun + 0.2)
        block, = until(lambda: splitter.status().upstreams["tap"].units["1"].blocks)
        assert (block.answers, block.errors.no_answer) == (3, 6) and 0.15 < block.every < 0.3


def test_a_broadcast_makes_what_it_covers_stale_in_all_units(tmp_path):
    with listening(tmp_path) as (_, master, other, _):
        for unit in (1, 2):
            until(lambda unit=unit: master.ask(unit, POWERS) and other.ask(unit, POWERS)[0] == 3)
        master.port.write(adu.rtu_frame(0, b"\x06\x00\x02\x12\x34"))
        until(lambda: other.ask(1, POWERS) == other.ask(2, POWERS) == REFUSED)
        assert other.ask(1, read_request(0, 2))[0] == other.ask(2, read_request(3, 3))[0] == 3


def test_what_a_unit_refuses_is_refused(tmp_path):
    with listening(tmp_path) as (_, master, other, _):
        beyond = read_request(1200, 2)
        assert master.ask(1, beyond) == b"\x83\x02"
        until(lambda: other.ask(1, beyond) == b"\x83\x02")


def test_the_status_shows_what_the_first_master_reads_and_how_often(tmp_path):
    with listening(tmp_path, units=(1,)) as (_, master, other, splitter):
        status = splitter.status()
        assert status.health.code == 2 and "starting: tap: unit 1 has not answered yet" in status.health.starting
        for _ in range(4):
            begun = clock.now()
            master.ask(1, POWERS)
            master.ask(2, POWERS)
            until(lambda begun=begun: clock.now() > begun + 0.1)
        until(lambda: splitter.status().upstreams["tap"].unlisted == (2,))
        upstream = splitter.status().upstreams["tap"]
        block, = upstream.units["1"].blocks
        assert (block.name, block.answers, upstream.state) == ("holding registers 0x0000+6", 4, "connected")
        assert 0.09 < block.every < 0.2 and block.age < 1
        assert splitter.status().health.code == 0
        assert any("unit 2 is also on this line" in note for note in splitter.status().health.notes)


def test_an_adapter_that_is_pulled_is_heard_again_when_it_is_back(tmp_path, caplog):
    caplog.set_level(logging.INFO, "softsplit")
    with listening(tmp_path) as (line, master, other, splitter):
        until(lambda: master.ask(1, POWERS) and other.ask(1, POWERS)[0] == 3)
        line.tap.pull()
        until(lambda: splitter.status().upstreams["tap"].state == "unreachable")
        until(lambda: other.ask(1, POWERS) == REFUSED)
        line.tap.plug_in()
        until(lambda: master.ask(1, POWERS) and other.ask(1, POWERS)[0] == 3)
    said = [record.message for record in caplog.records]
    assert sum("waiting for it" in each for each in said) == 1


def test_a_tap_that_is_not_there_yet_ends_nothing(tmp_path):
    tap = Upstream(f"listen://{tmp_path}/later", [Unit(1, "any")], mode="8N1", name="tap")
    with splitting(Downstream("tcp://127.0.0.1:0", [tap])) as splitter, TcpMaster(splitter.servers[0].url.port) as other:
        until(lambda: "there is no such device" in splitter.status().upstreams["tap"].error)
        assert other.ask(1, POWERS) == REFUSED


def test_silence_and_noise_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(listener_module, "SILENCE_TIMEOUT", 0.3)
    with listening(tmp_path) as (line, master, _, splitter):
        until(lambda: "nothing is heard at" in splitter.status().upstreams["tap"].error)

        def babble() -> bool:
            master.port.write(bytes(range(100, 164)))
            return "mostly noise; is the line 19200 8N1" in splitter.status().upstreams["tap"].error

        until(babble)


def test_what_came_while_nobody_looked_cannot_be_dated_and_is_not_taken(tmp_path, monkeypatch):
    with listening(tmp_path) as (_, master, other, splitter):
        until(lambda: master.ask(1, POWERS) and other.ask(1, POWERS)[0] == 3)
        until(lambda: other.ask(1, POWERS) == REFUSED)
        monkeypatch.setattr(listener_module, "STALLED", -1.0)
        for _ in range(5):
            master.ask(1, POWERS)
        assert other.ask(1, POWERS) == REFUSED
        monkeypatch.undo()
        until(lambda: master.ask(1, POWERS) and other.ask(1, POWERS)[0] == 3)


def test_all_that_has_piled_up_meanwhile_is_dropped(tmp_path, monkeypatch):
    with Bus("rtuovertcp", tmp_path) as bus:
        tap = Upstream(bus.url.replace("rtuovertcp", "listen"), [Unit(1, "any")], mode="8N1", name="tap")
        with splitting(Downstream("tcp://127.0.0.1:0", [tap])) as splitter, TcpMaster(splitter.servers[0].url.port) as other:
            until(lambda: len(bus._ends) == 2)
            listener, stands, goes_on = splitter.upstreams["tap"], threading.Event(), threading.Event()
            monkeypatch.setattr(listener, "_report_health", lambda now: stands.set() or goes_on.wait(10))
            stands.wait()
            stood_since = listener._looked_at
            said = adu.rtu_frame(1, read_request(0, 125)) + adu.rtu_frame(1, b"\x03\xfa" + bytes(250))
            bus._ends[1].sendall(40 * said)  # more than is read at a time
            until(lambda: clock.now() - stood_since > listener_module.STALLED)
            goes_on.set()
            until(lambda: not listener._is_behind and listener._looked_at > stood_since)
            assert other.ask(1, POWERS) == REFUSED
            bus._ends[1].sendall(said)
            until(lambda: other.ask(1, POWERS)[0] == 3)


def test_a_late_reply_is_not_taken_for_that_to_the_next_request(tmp_path):
    with listening(tmp_path) as (line, master, other, splitter):
        until(lambda: master.ask(1, POWERS) and other.ask(1, POWERS)[0] == 3)
        line.is_mute, master.port.timeout = True, 1.2  # a master that gives up later than ours would
        assert master.ask(1, read_request(6, 6)) == b""
        line.is_mute, line.device = False, lambda unit, pdu: b"\x03\x0c" + bytes(12)
        assert master.ask(1, read_request(12, 6)), "it takes this for the reply"
        until(lambda: splitter.status().upstreams["tap"].units["1"].errors.damaged == 1)
        assert other.ask(1, read_request(12, 6)) == REFUSED


def test_a_serial_server_can_be_listened_to(tmp_path):
    with Bus("rtuovertcp", tmp_path) as bus:
        tap = Upstream(bus.url.replace("rtuovertcp", "listen"), [Unit(1, "any")], mode="8N1", name="tap")
        with splitting(Downstream("tcp://127.0.0.1:0", [tap])) as splitter, TcpMaster(splitter.servers[0].url.port) as other:
            until(lambda: len(bus._ends) == 2)
            bus._ends[1].sendall(adu.rtu_frame(1, POWERS) + adu.rtu_frame(1, b"\x03\x0c" + bytes(range(12))))
            assert until(lambda: other.ask(1, POWERS)[0] == 3 and other.ask(1, POWERS))[2:] == bytes(range(12))
            assert not bus.requests


@pytest.mark.skipif(not shutil.which("mbpoll"), reason="mbpoll is not installed")
def test_mbpoll_keeps_its_bus_and_another_master_gets_a_copy(tmp_path):
    with listening(tmp_path, units=(1,)) as (line, _, other, _):
        polling = subprocess.Popen(["mbpoll", "-m", "rtu", "-b", "19200", "-P", "none", "-a", "1", "-0", "-t", "4", "-r", "0",
                                    "-c", "6", "-l", "100", line.right], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: other.ask(1, POWERS)[0] == 3)
            changed = 0
            while changed < 10:
                changed += 1
                line.device.registers[1, 0] = changed
                begun = clock.now()
                until(lambda: other.ask(1, read_request(0, 1)) == bytes((3, 2, 0, changed)))
                assert clock.now() - begun < 0.3 * SLOWNESS, "one poll, and 100 ms"
        finally:
            polling.kill()
            polling.wait()
        until(lambda: other.ask(1, POWERS) == REFUSED)


TAP = """
[upstream.tap]
url = "listen:///dev/ttyUSB1"
units = { 1 = "abb-b23" }
[downstream.victron]
url = "tcp://0.0.0.0:502"
"""


@pytest.mark.parametrize("change, message", [
    (("ttyUSB1\"", "ttyUSB1\"\nreply_url = \"listen:///dev/ttyUSB1\""), "upstream.tap.reply_url: is the same as url; two taps need two devices"),
    (("listen:///dev/ttyUSB1\"", "rtu:///dev/ttyUSB1\"\nreply_url = \"listen:///dev/ttyUSB2\""), "upstream.tap.reply_url: is for listen:// only"),
    (("ttyUSB1\"", "ttyUSB1\"\nrequest_gap = 1"), "upstream.tap.request_gap: has no effect, because nothing is sent"),
    (("ttyUSB1\"", "ttyUSB1\"\nlearn = false"), "upstream.tap.learn: has no effect"),
    (("ttyUSB1\"", "ttyUSB1\"\necho = true"), "upstream.tap.echo: is for rtu:// only; leave it out"),
    (("{ 1 =", "{ 0x0012D687 ="), "upstream.tap.units.0x0012D687: "),
    (("1 = \"abb-b23\"", "1 = { profile = \"abb-b23\", every = { misc = 5 } }"), "upstream.tap.units.1.every: has no effect"),
    (("0:502\"", "0:502\"\nallow_writes = [\"tap/1 coils 0+1\"]"), "downstream.victron.allow_writes: tap is only heard"),
    (("tcp://0.0.0.0:502", "rtu:///dev/ttyUSB1"), "downstream.victron.url: softsplit would be its own master"),
    (("listen:///dev/ttyUSB1", "listen://gateway"), 'upstream.tap.url: "listen://gateway" is incomplete'),
])
def test_what_cannot_be_listened_to_is_said(change, message, tmp_path):
    with pytest.raises(ConfigError) as raised:
        parse_config(TAP.replace(*change), "house.toml", tmp_path)
    assert str(raised.value).startswith(f"house.toml: {message}")
