"""Another master where softsplit has to be the only one: its answers are never taken for ours, and it is told."""

import threading
from contextlib import suppress

import pytest

from softsplit.config.line import Line
from softsplit.config.url import parse_url
from softsplit.errors import BadAnswer
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import read_question
from softsplit.upstream.clients.choice import client_for
from softsplit.upstream.clients.foreign import LEAST_ANSWERS, QUIET_FOR, Foreign, Pace
from softsplit.upstream.clients.replies import shape
from softsplit.upstream.clients.widening import cut, wider
from tests.support import SLOWNESS, read_request, running, until
from tests.support.bus import KINDS, Bus, good_answer
from tests.test_upstreams import Copy

TIMEOUT = 0.3 * SLOWNESS
OURS, THEIRS = read_request(0x100, 4), read_request(0x300, 4)  # of one shape
BLOCK = Block(Table.HOLDING_REGISTERS, 0x100, 4)


def reply(pdu: bytes) -> bytes:
    return adu.rtu_frame(1, good_answer(1, pdu))


class Spot:
    """A bus and its client; what `say` puts on the line comes unasked, once there was a request."""

    def __init__(self, kind: str, directory):
        self.bus = Bus(kind, directory)
        self.client = client_for(parse_url(self.bus.url, KINDS), TIMEOUT, Line(mode="8N1") if kind == "rtu" else None)
        self.say = None
        self.early = b""  # what comes before the next answer
        self.delay = 0.0  # s until that comes
        self.bus.fault = self._answer

    def _answer(self, say, frame, unit, pdu):
        self.say = say
        early, self.early = self.early, b""
        if early:
            say(early)
        threading.Event().wait(self.delay)
        say(frame(unit, self.device(unit, pdu)))

    device = staticmethod(good_answer)

    def intrude(self, pdu: bytes = THEIRS) -> None:
        """Have the reply to another master's request on the line, and hear it."""
        self.say(reply(pdu))
        until(lambda: self.client.listen() or self.client.others._said)

    def is_right(self) -> bool:
        return self.client.read(1, BLOCK, TIMEOUT) == good_answer(1, OURS)[2:]


@pytest.fixture(params=["rtuovertcp", "rtu"])
def line(request, tmp_path):
    line = Spot(request.param, tmp_path)
    yield line
    line.client.close()
    line.bus.vanish()


@pytest.mark.parametrize("kind", ["rtuovertcp", "rtu"])
def test_no_answer_to_another_master_is_served_and_it_is_told_at_once(kind, tmp_path, caplog):
    with Bus(kind, tmp_path) as bus:
        says, is_over = [], threading.Event()

        def answer(say, frame, unit, pdu):
            says.append(say)
            threading.Event().wait(0.01)
            say(frame(unit, good_answer(unit, pdu)))

        def intrude():
            while not is_over.wait(0.03):
                with suppress(OSError):
                    says[-1](reply(THEIRS))

        bus.fault = answer
        copy = Copy(bus.url, max_age=5.0 * SLOWNESS)
        with running(*copy.workers):
            until(lambda: copy.is_fresh(0.0))
            intruder = threading.Thread(target=intrude)
            intruder.start()
            until(lambda: "another master is on this line" in caplog.text)
            count = len(bus.requests)
            until(lambda: copy.check() or len(bus.requests) > count + 30)
            is_over.set()
            intruder.join()
            copy.check()
    assert copy.poller.counters.foreigner and copy.is_fresh(0.0)


def test_while_another_master_asks_alike_we_ask_in_another_shape(line):
    assert line.is_right() and line.bus.requests[-1][1] == OURS
    line.intrude()
    assert line.client.others.is_sure and line.client.others.take_said() == ["an answer from unit 1"]
    assert line.is_right() and line.bus.requests[-1][1] == read_request(0x100, 5)
    line.intrude(read_request(0x300, 5))
    assert line.is_right() and line.bus.requests[-1][1] == read_request(0x100, 6)


def test_where_no_other_shape_can_be_asked_nothing_is_believed(line):
    line.device = lambda unit, pdu: good_answer(unit, pdu) if pdu == OURS else bytes((0x83, 2))
    assert line.is_right()
    line.intrude()
    for _ in range(2):
        with pytest.raises(BadAnswer, match="another master sends the same request"):
            line.client.read(1, BLOCK, TIMEOUT)


def test_a_block_that_says_something_else_alone_is_not_asked_for_with_more(line):
    line.client.keep_shape = {(1, OURS)}
    assert line.is_right()
    line.intrude()
    with pytest.raises(BadAnswer, match="another master sends the same request"):
        line.client.read(1, BLOCK, TIMEOUT)
    assert [pdu for _, pdu, _ in line.bus.requests] == [OURS]


def test_an_answer_that_is_followed_by_another_was_perhaps_not_ours(line):
    assert line.is_right()
    line.intrude(read_request(0x200, 4))
    assert line.client.others.take_mistaken() == [(1, read_question(BLOCK))] and not line.client.others.take_mistaken()


def test_another_master_noticed_only_after_our_next_request_makes_all_answers_of_its_shape_doubtful(line):
    other, longer = Block(Table.HOLDING_REGISTERS, 0x200, 4), Block(Table.HOLDING_REGISTERS, 0x200, 9)
    line.device = lambda unit, pdu: good_answer(unit, THEIRS if pdu == OURS else pdu)  # theirs comes before ours
    assert line.client.read(1, BLOCK, TIMEOUT) == good_answer(1, THEIRS)[2:]
    for block in (other, longer):
        line.client.read(1, block, TIMEOUT)
    assert not line.client.others.take_mistaken()
    line.intrude()
    assert line.client.others.take_mistaken() == [(1, read_question(BLOCK)), (1, read_question(other))]
    line.intrude()
    assert not line.client.others.take_mistaken(), "each once"


def test_an_answer_that_comes_twice_proves_nothing(line):
    assert line.is_right()
    line.say(reply(OURS))
    assert line.is_right() and line.is_right()
    assert not line.client.others.is_sure and line.bus.requests[-1][1] == OURS


def test_an_answer_sooner_than_any_before_is_not_believed_when_another_follows(line):
    line.delay = 0.08
    for _ in range(LEAST_ANSWERS):
        assert line.is_right()
    line.early = reply(THEIRS)
    with pytest.raises(BadAnswer, match="another master sent the same request"):
        line.client.read(1, BLOCK, TIMEOUT)
    assert line.client.others.is_sure


def test_an_answer_sooner_than_any_before_is_believed_when_no_other_follows(line):
    line.delay = 0.08
    for _ in range(LEAST_ANSWERS):
        assert line.is_right()
    line.delay = 0.0
    assert line.is_right() and line.is_right() and not line.client.others.is_sure


def test_other_masters_are_forgotten_after_a_minute_of_quiet():
    others, now = Foreign(), 0.0
    for _ in range(3):
        others.hear(1, good_answer(1, THEIRS), False, now, doubtful=None)
        others.hear(1, read_request(7, 1), True, now, doubtful=1)
        now += 0.9 * QUIET_FOR
    asked = shape(1, read_question(BLOCK))
    assert others.has_asked(asked, now)
    assert not others.has_asked(asked, now + 0.2 * QUIET_FOR)
    others.hear(1, b"\x83\2", False, now, doubtful=None)
    assert others.has_asked((1, b"\x83", 2), now)


def test_a_wider_read_brings_what_was_asked_for_and_nothing_else():
    for block in (BLOCK, Block(Table.COILS, 3, 10), Block(Table.DISCRETE_INPUTS, 0, 16), Block(Table.COILS, 0, 1985)):
        question = read_question(block)
        for read in wider(question):
            assert read.size > question.size
            assert cut(good_answer(1, read.pdu), question) == good_answer(1, question.pdu)
        assert len(list(wider(question))) == (4 if block.count < 1900 else 1)
    wide = Block(Table.HOLDING_REGISTERS, 0xFFF0, 7, 2)  # each register takes two addresses, up to 0xFFFF
    assert [read.block for read in wider(read_question(wide))] == [Block(Table.HOLDING_REGISTERS, 0xFFF0, 8, 2)]
    assert not list(wider(read_question(Block(Table.HOLDING_REGISTERS, 0, 125))))
    assert not list(wider(read_question(Block(Table.HOLDING_REGISTERS, 0xFFFF, 1))))


def test_jitter_is_no_sign_of_another_master():
    pace, asked = Pace(), shape(1, read_question(BLOCK))
    assert not pace.is_too_soon(asked, 0.001)
    for _ in range(LEAST_ANSWERS):
        pace.note(asked, 0.06)
    assert not pace.is_too_soon(asked, 0.057) and pace.is_too_soon(asked, 0.05)
