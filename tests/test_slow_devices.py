"""Devices that need long for an answer: the time-out means what it says for what masters ask."""

import threading

import pytest

from softsplit import Downstream, Unit, Upstream, clock
from softsplit.commands.check.wiring import draw
from softsplit.config.topology import Topology
from softsplit.errors import NoAnswer
from softsplit.polling import fairness
from softsplit.polling.fairness import longest_forward
from softsplit.polling.plan import Plan
from softsplit.profiles import load_profile
from softsplit.profiles.loader import parse_profile
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import read_question
from softsplit.upstream import queue as queue_module
from softsplit.upstream.queue import Forward, RequestQueue
from tests.support import SLOWNESS, TcpMaster, read_request, splitting, until
from tests.support.bus import Bus, good_answer

BLOCK = Block(Table.HOLDING_REGISTERS, 100, 2)
GOOD = b"\x03\x04\x00\x01\x00\x02"


def plan_of(*periods: float, timeout: float) -> Plan:
    reads = [Read(Block(Table.HOLDING_REGISTERS, 10 * number, 4), str(number), every) for number, every in enumerate(periods)]
    return Plan({1: reads, 2: ()}, timeout, 0.0)


def test_a_masters_read_gets_the_whole_time_out_where_nothing_is_polled():
    plan = plan_of(timeout=15.0)
    for unit in (1, 2):  # one of which was never heard, while the other is quick
        assert plan.forward_timeout(unit, False) == 15.0
        plan.forwarded(Outcome(1, read_question(BLOCK), 0.0, 0.01, GOOD), 0.01)


def test_a_masters_read_gets_what_the_shortest_period_leaves_and_a_slow_unit_what_it_needs():
    assert longest_forward(15.0, [1.0, 5.0]) == 1.0 and longest_forward(15.0, [0.1]) == 1.0
    assert longest_forward(15.0, [6.0, 600.0]) == 6.0 and longest_forward(2.0, [600.0]) == 2.0 and longest_forward(2.0, []) == 2.0
    plan = plan_of(1.0, 30.0, timeout=5.0)
    read, _ = plan.next(0.0)[1], plan.answered(1, plan.next(0.0)[1], 0.0, 0.1)
    assert plan.forward_timeout(1, False) == 1.0 and plan.forward_timeout(1, True) == 5.0
    plan.answered(1, read, 1.0, 2.0)
    assert plan.forward_timeout(1, False) == 4.0


@pytest.mark.parametrize("kind", ["tcp", "rtuovertcp"])
def test_an_answer_that_takes_long_gets_to_the_master_though_the_unit_is_quick_at_others(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(fairness, "LONG_FORWARD", 0.01)  # what a read got where something is polled
    timeout, delay = 2.0 * SLOWNESS, 0.15
    slow = read_request(500, 2)
    with Bus(kind, tmp_path) as bus, \
            splitting(Downstream("tcp://127.0.0.1:0", [Upstream(bus.url, [Unit(1, "any"), Unit(2, "any")], timeout)])) as splitter, \
            TcpMaster(splitter.servers[0].url.port) as master:
        bus.fault = lambda say, frame, unit, pdu: threading.Timer(
            delay * (pdu == slow), say, (frame(unit, good_answer(unit, pdu)),)).start()
        for number in range(3):
            assert master.ask(1, read_request(number, 1)) == good_answer(1, read_request(number, 1))
        for unit in (1, 2):
            assert master.ask(unit, slow) == good_answer(unit, slow)


def test_it_is_told_when_an_answer_takes_longer_than_polling_leaves(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(fairness, "LONG_FORWARD", 0.05)
    profile = parse_profile("block = [{ address = 0, count = 4, every = 0.05 }]\nreadable = [{ address = 0, count = 1000 }]", "busy")
    slow = read_request(500, 2)
    with Bus("tcp", tmp_path) as bus, \
            splitting(Downstream("tcp://127.0.0.1:0", [Upstream(bus.url, [Unit(1, profile), Unit(2, profile)], 30.0, "meters")])) as splitter, \
            TcpMaster(splitter.servers[0].url.port) as master:
        until(lambda: master.ask(1, read_request(0, 4))[0] == 3)
        bus.fault = lambda say, frame, unit, pdu: pdu == slow or say(frame(unit, good_answer(unit, pdu)))
        assert master.ask(1, slow) == b"\x83\x0b"
        until(lambda: "s, the part of its time-out that polling leaves" in caplog.text)


def forward(master: str, at: float) -> Forward:
    return Forward(1, read_question(BLOCK), master=master, asked_at=at)


def test_no_master_waits_longer_than_two_long_reads_take():
    forwards, now = RequestQueue(lambda: None), clock.now()
    for longest, waits in ((1.0, 5.0), (3.0, 6.0), (15.0, 30.0)):
        forwards.expect(longest)
        asked = forwards.hand_in(forward("host:1", now))
        forwards.give_up_late(now + waits - 0.1)
        assert not asked.done()
        forwards.give_up_late(now + waits + 0.1)
        assert isinstance(asked.exception(0), NoAnswer)


def test_who_asks_long_after_a_read_was_sent_gets_a_newer_one(monkeypatch):
    monkeypatch.setattr(queue_module, "SHARED_FOR", 60.0)
    forwards, now = RequestQueue(lambda: None), clock.now()
    first = forwards.hand_in(forward("host:1", now))
    taken = forwards.take(lambda each: True)
    assert forwards.hand_in(forward("host:2", now + 59)) is first
    later = forwards.hand_in(forward("host:3", now + 61))
    assert later is not first and forwards.hand_in(forward("host:4", now + 61)) is later
    forwards.answered(taken, GOOD)
    assert first.result(0) == GOOD and not later.done()
    forwards.answered(forwards.take(lambda each: True), GOOD[::-1])
    assert later.result(0) == GOOD[::-1] and forwards.take(lambda each: True) is None


def test_what_was_read_while_the_process_stood_still_is_too_old():
    forwards = RequestQueue(lambda: None)
    asked = forwards.hand_in(forward("host:1", clock.now() - 6.0))
    forwards.answered(forwards.take(lambda each: True), GOOD)
    assert "the process stood still" in str(asked.exception(0))
    assert not forwards.hand_in(forward("host:1", clock.now())).done(), "it is no refusal, and is asked again at once"


def test_check_says_what_polling_leaves_of_the_time_out():
    def drawn(profile, timeout: float) -> str:
        upstream = Upstream("tcp://10.0.0.1", [Unit(1, profile)], timeout, name="meters")
        return draw(Topology([Downstream("tcp://0.0.0.0:1502", [upstream])]), "house")

    said = "other requests of masters have to be answered within 1 s, because something is read every 1 s"
    assert said in drawn(load_profile("abb-b23"), 5.0)
    for profile, timeout in ((load_profile("abb-b23"), 1.0), (load_profile("any"), 15.0),
                             (parse_profile("block = [{ address = 0, count = 4, every = 20 }]", "slow"), 15.0)):
        assert "besides" not in drawn(profile, timeout)
