"""A process that was stopped, as a box does that is too busy or sleeps, serves nothing from before as new."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from softsplit import clock, standstill
from softsplit.commands.status.status import read_status
from softsplit.config.url import Url
from softsplit.errors import NoAnswer
from softsplit.polling.plan import Plan
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import read_question
from softsplit.upstream.causes.diagnosis import Diagnosis
from softsplit.upstream.causes.firstrequests import FirstRequests
from softsplit.upstream.clients.gatewaywait import GatewayWait
from tests.support import SLOWNESS, SOFTSPLIT, Child, until
from tests.support.bus import KINDS, Bus, good_answer
from tests.support.suspension import Suspended
from tests.support.waiting import Clock

TIMEOUT = 0.2 * SLOWNESS  # s


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_a_process_that_was_stopped_serves_nothing_old_when_it_goes_on(tmp_path, kind):
    with Suspended(kind, tmp_path) as house:
        house.stop(1.3)
        house.answers_come()
    house.check()


def test_what_took_long_while_the_process_was_stopped_counts_in_no_statistic(tmp_path):
    """Else a unit would be slow, its reads too many for the wire, and the cure a longer time-out."""
    (tmp_path / "meter.toml").write_text('block = [{ address = 0, count = 2, name = "now", every = 0.1 }]\n')
    with ExitStack() as stack:
        buses = {kind: stack.enter_context(Bus(kind, tmp_path)) for kind in KINDS}
        for bus in buses.values():
            bus.fault = after_a_while
        config = tmp_path / "softsplit.toml"
        config.write_text("".join(
            f'[upstream.{kind}]\nurl = "{bus.url}"\ntimeout = {TIMEOUT}\nunits = {{ 1 = "meter.toml" }}\n' for kind, bus in buses.items())
            + '[downstream.own]\nurl = "tcp://127.0.0.1:0"\nunits = { 1 = "tcp/1", 2 = "rtuovertcp/1", 3 = "rtu/1" }\n')
        child = stack.enter_context(Child([*SOFTSPLIT, "run", "-c", str(config)]))
        until(lambda: child.log().count("unit 1 answers") == len(KINDS))
        for _ in range(2):
            stop(child, 3 * TIMEOUT)
            asked = {kind: len(bus.requests) for kind, bus in buses.items()}
            until(lambda: all(len(bus.requests) > asked[kind] + 4 for kind, bus in buses.items()))
        found = until(lambda: status_of(child, config))
    for upstream in found.upstreams.values():
        assert upstream.latency.p99 < 2 * TIMEOUT and upstream.gateway_wait is None, upstream
        assert not (upstream.advice or upstream.is_overloaded or upstream.skipped.late), upstream
    assert "set timeout" not in child.log() and "periods" not in child.log()


def after_a_while(say, frame, unit, pdu):
    """Answer so late that a request is under way about half of the time."""
    time.sleep(0.05)
    say(frame(unit, good_answer(unit, pdu)))


def stop(child: Child, seconds: float) -> None:
    """Have the process stand still, while the request that it has made is answered."""
    child.process.send_signal(signal.SIGSTOP)
    stopped_at = clock.now()
    until(lambda: clock.now() > stopped_at + seconds)
    child.process.send_signal(signal.SIGCONT)


def status_of(child: Child, config: Path):
    """What the process says of itself after all that."""
    status, since = read_status(config), time.time()
    return until(lambda: (each := read_status(config)).written_at > max(since, status.written_at) and each)


def test_the_process_stands_still_when_a_beat_is_late_and_before_it_beats_again(monkeypatch, clock_that_stands):
    now = clock_that_stands
    monkeypatch.setattr(standstill, "_beat_at", standstill.NONE)
    monkeypatch.setattr(standstill, "_ended_at", standstill.NEVER)
    began = now.now
    now.now += 100
    assert not standstill.any_since(began), "as nobody beats"
    for _ in range(3):
        standstill.beat()
        now.now += 0.1
    assert not standstill.any_since(began)
    now.now += 1
    assert standstill.any_since(began) and standstill.any_since(now.now), "the thread that asks is the first to run"
    standstill.beat()
    assert standstill.any_since(began) and not standstill.any_since(now.now + 0.01)
    standstill.end()
    now.now += 5
    assert not standstill.any_since(now.now)


@pytest.fixture
def clock_that_stands(monkeypatch):
    now = Clock()
    monkeypatch.setattr(clock, "now", now)
    return now


def test_a_connection_that_began_while_the_process_stood_still_says_nothing_of_the_first_requests():
    first = FirstRequests(timeout=1.0, connect_delay=0.0)
    for number in range(10):
        first.count(10.0 * number, 1, 10.0 * number + 2, True, stood_still=True)
        first.count(10.0 * number, 1, 10.0 * number + 3, True)
    assert first.connect_delay is None


def test_a_gateway_that_answers_after_the_process_stood_still_is_not_slow():
    wait = GatewayWait(1.0)
    for at in range(0, 100, 10):
        wait.note_answer(at + 8.0, at, is_gateway=True, stood_still=True)
        wait.note_answer(at + 9.0, at, is_gateway=False, silent=[at - 5.0], stood_still=True)
    assert wait.known is None and wait.patience(1.0) == 1.0


def test_a_unit_that_answers_after_the_process_stood_still_is_not_slow(clock_that_stands):
    read = Read(Block(Table.HOLDING_REGISTERS, 0, 2), "now", 1.0)
    plan = Plan({1: [read]}, 1.0, 0.0)
    plan.answered(1, read, 0.0, 0.05)
    before = plan.demand
    plan.answered(1, read, 1.0, 901.0, stood_still=True)
    assert plan.demand == before and plan.forward_timeout(1, is_write=False) == 1.0


def test_losses_while_the_process_stood_still_need_no_request_gap():
    seen = Diagnosis(Url("tcp", "10.0.0.1", 502), None, [1], 1.0, 0.0)
    question = read_question(Block(Table.HOLDING_REGISTERS, 0, 2))
    for at in range(0, 100, 10):
        seen.count(Outcome(1, question, at, 0.02, b"\x03\x04\0\0\0\0"))
        seen.count(Outcome(1, question, at + 0.03, 5.0, error=NoAnswer(""), stood_still=True))
    assert not seen.advice(100.0)
