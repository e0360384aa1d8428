"""Requests of masters wait for a wire: a few of each, in turn, and none for too long."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from softsplit import Downstream, Unit, Upstream, clock
from softsplit.errors import Busy, NoAnswer
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.pdu import read_question
from softsplit.protocol.requests import parse_write
from softsplit.upstream import queue as queue_module
from softsplit.upstream.queue import MOST_OF_HOST, MOST_OF_MASTER, MOST_WAITING, Forward, RequestQueue
from tests.support import SLOWNESS, RtuMaster, TcpMaster, read_request, splitting, until
from tests.support.bus import Bus
from tests.test_forwarding import HOLDING, OTHER, PROFILE, Device, house

WRITE = parse_write(b"\x06\x00\x32\x00\x0a")


def read(address: int, master: str, unit: int = 1) -> Forward:
    block = Block(HOLDING, address, 1)
    return Forward(unit, read_question(block), master=master)


def write(master: str, unit: int = 1) -> Forward:
    return Forward(unit, WRITE.question, True, WRITE.blocks, master)


def taken(forwards: RequestQueue) -> list[str]:
    """Whose requests are taken one after the other, each of which is answered at once."""
    masters = []
    while forward := forwards.take(lambda each: True):
        masters.append(forward.master)
        forwards.answered(forward, forward.question.answer)
    return masters


@pytest.mark.parametrize("kind", [read, lambda address, master: write(master)])
def test_more_requests_than_its_share_find_the_wire_busy_at_once(kind):
    forwards = RequestQueue(lambda: None)
    for address in range(MOST_OF_MASTER):
        assert not forwards.hand_in(kind(address, "host:1")).done()
    refused = forwards.hand_in(kind(99, "host:1"))
    assert isinstance(refused.exception(0), Busy) and refused.exception().exception_code == 6
    assert not forwards.hand_in(kind(99, "host:2")).done(), "another master has a share of its own"
    forwards.answered(forwards.take(lambda each: True), b"\x03\x02\x00\x01")
    assert not forwards.hand_in(kind(100, "host:1")).done()


def test_a_host_with_many_connections_leaves_room_for_others():
    forwards = RequestQueue(lambda: None)
    for number in range(1000):
        forwards.hand_in(read(number, f"greedy:{number}"))
    assert len(forwards._reads) == MOST_OF_HOST
    assert not forwards.hand_in(read(5000, "modest:1")).done()
    for number in range(1000):
        forwards.hand_in(read(10_000 + number, f"host{number}:1"))
    assert len(forwards._reads) == MOST_WAITING


def test_masters_take_turns_and_first_of_all_their_hosts():
    forwards = RequestQueue(lambda: None)
    for number in range(MOST_OF_MASTER):
        forwards.hand_in(read(number, "greedy:1"))
    for number in range(2):
        forwards.hand_in(read(10 + number, "greedy:2"))
        forwards.hand_in(read(20 + number, "modest:1"))
    assert taken(forwards) == ["greedy:1", "modest:1", "greedy:2", "modest:1", "greedy:1", "greedy:2", *3 * ["greedy:1"]]


def test_who_shares_a_read_that_waits_has_it_asked_in_its_own_turn_and_for_nothing():
    forwards = RequestQueue(lambda: None)
    for number in range(MOST_OF_MASTER):
        forwards.hand_in(read(number, "greedy:1"))
    assert forwards.take(lambda each: True).question.block.address == 0
    forwards.answered(forwards._reads[1, read_question(Block(HOLDING, 0, 1)).pdu], b"\x03\x02\x00\x01")
    shared = forwards.hand_in(read(MOST_OF_MASTER - 1, "modest:1"))
    forward = forwards.take(lambda each: True)
    assert forward.question.block.address == MOST_OF_MASTER - 1 and forward.future is shared


def test_a_write_that_its_master_takes_back_waits_no_more():
    forwards = RequestQueue(lambda: None)
    for number in range(20_000):
        forwards.hand_in(write(f"host:{number}")).cancel()
    assert not forwards._writes and not forwards.take(lambda each: True)
    kept = write("host:1")
    forwards.hand_in(kept)
    assert forwards.begin(kept) and not kept.future.cancel(), "what is being sent cannot be taken back"
    assert not forwards.begin(write("host:1")), "nor is sent what does not wait"


def test_what_a_unit_refused_is_forgotten_when_something_was_written_to_it():
    forwards = RequestQueue(lambda: None)

    def refuse(unit: int) -> None:
        forwards.hand_in(read(1, "host:1", unit))
        forwards.answered(forwards.take(lambda each: True), b"\x83\x02")

    for unit in (1, 2):
        refuse(unit)
    forwards.forget(1)
    assert not forwards.hand_in(read(1, "host:1", 1)).done() and forwards.hand_in(read(1, "host:1", 2)).done()
    forwards.answered(forwards.take(lambda each: True), b"\x83\x02")
    assert forwards.hand_in(read(1, "host:1", 1)).done(), "it still refuses"
    forwards.forget(1, clock.now() + 60)
    refuse(1)
    assert not forwards.hand_in(read(1, "host:1", 1)).done(), "the write may be done at any time"


def test_who_waited_long_enough_is_told_so_and_a_later_answer_is_nobodys(monkeypatch):
    monkeypatch.setattr(queue_module, "LONGEST_WAIT", 0.0)
    forwards = RequestQueue(lambda: None)
    requests = [read(1, "host:1"), write("host:1"), write("host:2")]
    for each in requests:
        forwards.hand_in(each)
    assert forwards.begin(requests[1])
    forwards.give_up_late(clock.now() + 1)
    for each in requests:
        assert isinstance(each.future.exception(0), NoAnswer)
        forwards.answered(each, b"\x03\x02\x00\x01")
    assert not forwards.begin(requests[2]) and not forwards.take(lambda each: True)


def test_a_connection_that_asks_for_much_leaves_other_masters_their_answers(tmp_path):
    device = Device()
    with Bus("tcp", tmp_path, device) as bus:
        bus.fault = lambda say, frame, unit, pdu: until(lambda at=clock.now(): clock.now() > at + 0.05) and say(frame(unit, device(unit, pdu)))
        meters = Upstream(bus.url, [Unit(1, PROFILE)], 1.0, "meters")
        here = [Downstream(f"{kind}://127.0.0.1:0", [meters]) for kind in ("rtuovertcp", "tcp")]
        with splitting(*here) as splitter, TcpMaster(splitter.servers[1].url.port) as modest, ThreadPoolExecutor(1) as pool, \
                RtuMaster(f"socket://127.0.0.1:{splitter.servers[0].url.port}") as greedy:
            def ask_much() -> None:
                while not is_over.wait(0.004):
                    greedy.port.write(adu.rtu_frame(1, read_request(300 + next(numbers) % 500, 1)))

            is_over, numbers = threading.Event(), itertools.count()
            flood = pool.submit(ask_much)
            until(lambda: next(numbers) > 50)
            for number in range(5):
                assert modest.ask(1, read_request(100 + number, 2)) == device(1, read_request(100 + number, 2))
            is_over.set()
            flood.result()
            greedy.port.timeout = 0.2
            assert b"\x83\x06" in greedy.port.read(2000)


def test_no_master_waits_longer_whatever_holds_up_the_wire(tmp_path, monkeypatch):
    monkeypatch.setattr(queue_module, "LONGEST_WAIT", 0.3)
    with house(tmp_path, timeout=20.0) as (bus, device, _, master):
        bus.fault = lambda *_: None
        before = len(bus.requests)
        until(lambda: len(bus.requests) > before)  # and now it waits for an answer
        begun = clock.now()
        assert master.ask(2, OTHER) == b"\x83\x0b" and clock.now() - begun < 1.5 * SLOWNESS
