"""The client on a line whose bytes tell nothing but themselves: late, foreign, doubled and damaged ones."""

import itertools
import socket
import threading
from contextlib import suppress

import pytest

from softsplit import clock
from softsplit.config.line import Line
from softsplit.config.url import parse_url
from softsplit.errors import BadAnswer, NoAnswer, Refused, Unreachable
from softsplit.protocol import adu
from softsplit.protocol import pdu as pdus
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table, describe_pdu
from softsplit.protocol.pdu import read_question
from softsplit.protocol.requests import parse_question, parse_write
from softsplit.transport.wire import SocketWire
from softsplit.upstream.clients import replies
from softsplit.upstream.clients.choice import client_for
from softsplit.upstream.clients.foreign import Foreign
from softsplit.upstream.clients.outstanding import Outstanding, probes
from tests.support import SLOWNESS, read_request, until
from tests.support.bus import KINDS, Bus, HangUp, good_answer
from tests.test_upstreams import Copy, running

TIMEOUT = 0.2 * SLOWNESS
POWERS = Block(Table.HOLDING_REGISTERS, 0x5B14, 2)
OTHERS = Block(Table.HOLDING_REGISTERS, 0x0100, 2)  # of the same shape
LONGER = Block(Table.HOLDING_REGISTERS, 0x0200, 9)
INPUTS = Block(Table.DISCRETE_INPUTS, 0x0320, 20)  # its request looks like a reply


def data_pdu(block: Block) -> bytes:
    return good_answer(1, read_request(block.address, block.count, block.table.function))


def data_of(unit: int, block: Block) -> bytes:
    return good_answer(unit, read_request(block.address, block.count, block.table.function))[2:]


class Talk:
    """A bus, and a client of it."""

    def __init__(self, kind, directory, baudrate: int = 19200, **delays):
        self.bus = Bus(kind, directory)
        url = parse_url(self.bus.url, KINDS)
        self.client = client_for(url, TIMEOUT, Line(baudrate, mode="8N1") if kind == "rtu" else None, **delays)

    def ask(self, block: Block = POWERS, unit: int = 1, timeout: float = TIMEOUT) -> bytes:
        return self.client.read(unit, block, timeout)

    def is_right(self, block: Block = POWERS, unit: int = 1) -> bool:
        return self.ask(block, unit) == data_of(unit, block)

    def fails(self, error, match: str, block: Block = POWERS, unit: int = 1) -> None:
        with pytest.raises(error, match=match):
            self.ask(block, unit)

    def once(self, reply) -> None:
        """Let the next request be answered by `reply(say, unit, pdu)`, all others as ever."""
        def fault(say, frame, unit, pdu):
            self.bus.fault = None
            reply(say, unit, pdu)
        self.bus.fault = fault


@pytest.fixture(params=["rtuovertcp", "rtu"])
def line(request, tmp_path):
    line = Talk(request.param, tmp_path)
    yield line
    line.client.close()
    line.bus.vanish()


def answer(unit: int, pdu: bytes) -> bytes:
    return adu.rtu_frame(unit, good_answer(unit, pdu))


def test_all_four_tables_are_read_over_one_connection(line):
    for table in Table:
        for count in (1, 7, 17, 125):
            assert line.is_right(Block(table, 0x0310, count), unit=count)
    assert line.bus.connections == (line.bus.kind != "rtu")


def test_an_answer_may_come_byte_by_byte(line):
    def drip(say, unit, pdu):
        for byte in answer(unit, pdu):
            say(bytes((byte,)))
            threading.Event().wait(0.002)

    for _ in range(3):
        line.once(drip)
        assert line.is_right(LONGER)


@pytest.mark.parametrize("noise", [b"", b"\0", b"\x01\x03\x04", b"\x01\x83", bytes(30)])
def test_what_stands_around_an_answer_is_overheard(line, noise):
    line.once(lambda say, unit, pdu: say(noise + answer(unit, pdu) + noise))
    assert line.is_right()
    assert line.is_right(LONGER)


@pytest.mark.parametrize("noise", [b"", b"\0"])
@pytest.mark.parametrize("block", [POWERS, INPUTS])
def test_its_own_echo_is_never_the_answer(line, block, noise):
    line.once(lambda say, unit, pdu: say(noise + adu.rtu_frame(unit, pdu) + answer(unit, pdu)))
    assert line.is_right(block)
    line.once(lambda say, unit, pdu: say(noise + adu.rtu_frame(unit, pdu)))
    line.fails(NoAnswer, "does not answer", block)
    assert not line.client.others.take_said()


def test_an_exception_is_told_with_its_code(line):
    line.once(lambda say, unit, pdu: say(adu.rtu_frame(unit, b"\x83\x02")))
    with pytest.raises(Refused) as raised:
        line.ask()
    assert raised.value.exception_code == 2 and line.is_right()


def test_after_silence_the_same_shape_has_to_wait(line):
    line.once(lambda say, unit, pdu: None)
    line.fails(NoAnswer, "unit 1 does not answer")
    asked_at = line.client.asked_at
    for block in (POWERS, OTHERS):
        assert asked_at + TIMEOUT < line.client.free_at(1, read_question(block)) < asked_at + 2 * TIMEOUT
    assert line.client.free_at(1, read_question(LONGER)) == line.client.free_at(2, read_question(POWERS)) == 0.0
    assert line.is_right(LONGER), "an answer of another shape shows that none is missing any more"
    assert line.client.free_at(1, read_question(OTHERS)) == 0.0


def stalls(line, seconds: float) -> None:
    """Let the bus say nothing for a while, and then answer all it was asked, in order."""
    line.once(lambda say, unit, pdu: (threading.Event().wait(seconds), say(answer(unit, pdu))))


@pytest.mark.parametrize("stall", [1.4, 2.2, 3.3])
def test_after_a_stall_no_answer_is_taken_for_that_to_a_later_question(line, stall):
    assert line.is_right()
    stalls(line, stall * TIMEOUT)
    fixed_at = clock.now() + stall * TIMEOUT
    line.fails(NoAnswer, "does not answer")
    answered = 0
    for block in itertools.cycle((OTHERS, POWERS)):
        until(lambda: line.client.free_at(1, read_question(block)) <= clock.now())
        with suppress(NoAnswer):
            assert line.is_right(block)
            answered += 1
        if answered > 10 and clock.now() > fixed_at:
            break
    assert not line.client.others.take_said()


def test_after_a_stall_no_answer_to_one_write_is_taken_for_that_to_another(line):
    one, two = (parse_write(b"\x10\x00\x10\x00\x01\x02\x00" + value).question for value in (b"\1", b"\2"))
    heard = []

    def fault(say, frame, unit, pdu):
        heard.append(pdu)
        if len(heard) == 1:
            threading.Event().wait(2.2 * TIMEOUT)
        if pdu != two.pdu:
            say(frame(unit, one.answer if pdu == one.pdu else good_answer(unit, pdu)))

    line.bus.fault = fault
    with pytest.raises(NoAnswer):
        line.client.ask(1, one, TIMEOUT, may_repeat=False)
    for _ in range(3):
        until(lambda: clock.now() > line.client.free_at(1, two))
        with pytest.raises(NoAnswer):
            line.client.ask(1, two, TIMEOUT, may_repeat=False)
    assert two.pdu in heard, "which the unit does not answer"


@pytest.mark.parametrize("block", [POWERS, Block(Table.HOLDING_REGISTERS, 0x5B14, 1)])
def test_a_unit_that_refuses_all_but_its_only_block_is_read_again_after_one_lost_answer(line, block):
    wanted = read_question(block).pdu

    def fault(say, frame, unit, pdu):
        say(frame(unit, good_answer(unit, pdu) if pdu == wanted else bytes((pdu[0] | 0x80, 2))))

    line.once(lambda say, unit, pdu: setattr(line.bus, "fault", fault))
    line.fails(NoAnswer, "does not answer", block)
    assert line.is_right(block) and line.is_right(block)
    assert not line.client._awaited.has(1)


def test_a_unit_that_answers_nothing_but_its_only_block_is_read_again_after_the_longest_stall(line, monkeypatch):
    def fault(say, frame, unit, pdu):
        if pdu == read_question(POWERS).pdu:
            say(frame(unit, good_answer(unit, pdu)))

    def is_back() -> bool:
        with suppress(NoAnswer):
            return line.is_right()

    monkeypatch.setattr(line.client, "_awaited", Outstanding(3 * TIMEOUT))
    line.once(lambda say, unit, pdu: setattr(line.bus, "fault", fault))
    line.fails(NoAnswer, "does not answer")
    asked_at = line.client.asked_at
    until(is_back)
    assert line.client.asked_at > asked_at + 3 * TIMEOUT and line.is_right()


def test_a_block_that_is_refused_is_refused_again_after_one_lost_answer(line):
    line.once(lambda say, unit, pdu: setattr(
        line.bus, "fault", lambda say, frame, unit, pdu: say(frame(unit, bytes((pdu[0] | 0x80, 2))))))
    line.fails(NoAnswer, "does not answer")
    line.fails(Refused, "0x02")


def test_a_unit_that_was_away_for_long_is_read_at_its_first_answer(line):
    line.bus.fault = lambda *_: None
    for _ in range(12):
        with pytest.raises(NoAnswer):
            line.ask(timeout=0.03 * SLOWNESS)
    line.bus.fault = None
    assert line.is_right() and not line.client._awaited.has(1)
    assert sum(pdu == read_question(POWERS).pdu for _, pdu, _ in line.bus.requests) == 2


def test_a_late_answer_is_overheard_and_its_unit_known_to_live(line):
    line.once(lambda say, unit, pdu: threading.Timer(1.2 * TIMEOUT, say, (answer(unit, pdu),)).start())
    line.fails(NoAnswer, "unit 1 does not answer")
    late: set[int] = set()
    until(lambda: line.is_right(LONGER, unit=2) and (late.update(line.client.take_late()) or late))
    assert late == {1} and not line.client.others.take_said()


def test_an_exception_that_may_be_late_is_not_believed(line):
    line.once(lambda say, unit, pdu: None)
    line.fails(NoAnswer, "unit 1 does not answer")
    line.once(lambda say, unit, pdu: say(adu.rtu_frame(unit, b"\x83\x02")))
    line.fails(BadAnswer, "may be the late answer", LONGER)


def test_a_damaged_answer_is_not_waited_out(line):
    line.once(lambda say, unit, pdu: say(answer(unit, pdu)[:-1] + b"\0"))
    begin = clock.now()
    with pytest.raises(BadAnswer, match="a wrong CRC"):
        line.ask(timeout=5.0)
    assert clock.now() - begin < 2.0 * SLOWNESS
    assert line.is_right(LONGER) and line.client.free_at(1, read_question(POWERS)) == 0.0 and line.is_right()


@pytest.mark.parametrize("reply, fault", [
    (lambda unit, pdu: answer(unit + 1, pdu), "unit 2 instead of 1"),
    (lambda unit, pdu: answer(unit, b"\x04" + pdu[1:]), "function 4 instead of 3"),
    (lambda unit, pdu: answer(unit, pdu[:4] + b"\1"), "2 bytes of data instead of 4"),
    (lambda unit, pdu: answer(unit, pdu)[:6], "6 bytes without a meaning"),
])
def test_what_is_not_the_answer_is_named(line, reply, fault):
    line.once(lambda say, unit, pdu: say(reply(unit, pdu)))
    line.fails(BadAnswer, fault)
    assert line.is_right(LONGER)


def test_the_answer_is_found_behind_those_of_others(line):
    line.once(lambda say, unit, pdu: say(answer(9, pdu) + adu.rtu_frame(9, pdu) + answer(unit, pdu)))
    assert line.is_right()
    assert line.client.others.take_said() == ["an answer from unit 9", "a request to unit 9 (read holding registers 0x5B14+2)"]
    assert line.client.others.take_said() == []


def test_an_answer_is_doubtful_when_another_master_asked_the_same(line):
    stolen = read_request(OTHERS.address, OTHERS.count)
    line.once(lambda say, unit, pdu: say(adu.rtu_frame(unit, stolen) + answer(unit, stolen)))
    line.fails(BadAnswer, "another master sent the same request")


@pytest.mark.parametrize("ours, theirs, reply", [
    (b"\x10\0\2\0\1\2\0\x0a", b"\x10\0\2\0\1\2\0\x63", b"\x10\0\2\0\1"),
    (b"\x0f\0\2\0\1\1\0", b"\x0f\0\2\0\1\1\1", b"\x0f\0\2\0\1"),
    (b"\x17\0\1\0\1\0\2\0\1\2\0\x0a", b"\x17\0\x40\0\1\0\2\0\1\2\0\x63", b"\x17\2\xde\xad"),
    (b"\x14\7\6\0\4\0\1\0\2", b"\x14\7\6\0\4\0\x63\0\2", b"\x14\6\5\6\xde\xad\xbe\xef"),
])
def test_so_is_one_to_a_write_or_a_file_record(line, ours, theirs, reply):
    line.once(lambda say, unit, pdu: say(adu.rtu_frame(unit, theirs) + adu.rtu_frame(unit, reply)))
    with pytest.raises(BadAnswer, match="another master sent the same request"):
        line.client.ask(1, parse_question(ours), TIMEOUT, may_repeat=False)
    assert line.client.others.take_said() == [f"a request to unit 1 ({describe_pdu(theirs)})"]


def test_what_others_ask_is_soon_forgotten():
    others = Foreign(1.0)
    for address in range(1000):
        others.hear(1, read_request(address, 1 + address % 100), True, address / 100, doubtful=1)
    assert len(others._asked) == 100
    shape = replies.shape(1, read_question(Block(Table.HOLDING_REGISTERS, 999, 100)))
    assert others.has_asked(shape, 10.9) and not others.has_asked(shape, 11.0)


@pytest.mark.parametrize("gap", [0.001, 0.0021])
def test_another_masters_question_may_come_in_pieces(line, gap):
    stolen = read_request(OTHERS.address, OTHERS.count)
    assert line.is_right(LONGER)

    def intrude():
        for byte in adu.rtu_frame(1, stolen):
            say[0](bytes((byte,)))
            threading.Event().wait(gap)
        threading.Event().wait(0.06)
        say[0](answer(1, stolen))

    say = []
    line.once(lambda speak, unit, pdu: (say.append(speak), speak(answer(unit, pdu))))
    assert line.is_right(LONGER)
    line.bus.fault = lambda *_: None
    intruder = threading.Thread(target=intrude)
    intruder.start()
    line.fails((BadAnswer, NoAnswer), "unit 1")
    intruder.join()


def test_a_header_found_by_chance_does_not_end_the_wait(line):
    """A frame of another unit whose data looks like the beginning of the answer."""
    other = adu.rtu_frame(2, bytes((3, 4, 1, 3, 4, 0)))
    line.once(lambda say, unit, pdu: (
        say(other), threading.Timer(0.5 * TIMEOUT, say, (answer(unit, pdu),)).start()))
    assert line.is_right()


def test_what_is_awaited_is_forgotten_after_the_longest_stall_and_not_before():
    awaited, shape, other = Outstanding(30.0), replies.shape(1, read_question(POWERS)), replies.shape(2, read_question(POWERS))
    awaited.ask(shape, 5.0)
    awaited.ask(other, 34.9)
    assert awaited.asked_at(shape) == 5.0
    awaited.ask(other, 35.1)
    assert shape not in awaited and not awaited.has(1) and awaited.has(2)


def test_a_long_timeout_is_waited_out():
    client = client_for(parse_url("rtuovertcp://gateway:502", KINDS), 40.0)
    shape, now = replies.shape(1, read_question(POWERS)), clock.now()
    client._awaited.ask(shape, now - 69.0)
    client._awaited.ask(replies.shape(2, read_question(POWERS)), now)
    assert client.free_at(1, read_question(POWERS)) == pytest.approx(now + 1.0)


def test_an_answer_ends_the_wait_for_what_was_asked_before_it_and_for_nothing_else():
    """And what was asked several times may be answered several times: no data of it is ever used."""
    first, probe, second, elsewhere = (replies.shape(unit, read_question(block)) for unit, block in
                                       ((1, POWERS), (1, LONGER), (1, INPUTS), (2, POWERS)))
    awaited = Outstanding(30.0)
    for now, shape in enumerate((first, elsewhere, probe, second, probe)):
        awaited.ask(shape, float(now))
    awaited.answered(1, data_pdu(LONGER))
    assert [shape in awaited for shape in (first, elsewhere, probe, second)] == [False, True, True, True]
    awaited.answered(1, data_pdu(INPUTS))
    assert [shape in awaited for shape in (elsewhere, probe, second)] == [True, True, False]
    assert awaited.matching(1, b"\x83\2") == [probe] and awaited.matching(2, b"\x83\2") == [elsewhere]
    awaited.answered(1, b"\x83\2")
    assert awaited.has(1) and awaited.has(2)


@pytest.mark.parametrize("question", [
    *(read_question(Block(table, address, count)) for table in Table for address in (0, 0xF000)
      for count in (1, 2, 8, 17, 20, 125, table.max_count)),
    parse_write(b"\x06\x00\x01\x00\x07").question, parse_write(b"\x10\xff\xff\x00\x01\x02\x00\x07").question,
    parse_question(b"\x14\7\6\0\4\0\1\0\2"), pdus.identification_question()])
def test_no_answer_to_a_probe_can_be_taken_for_the_one_that_is_missing(question):
    offered = probes(question)
    assert len({replies.shape(1, probe) for probe in offered}) >= 2
    assert all(pdus.reply_fault(question, probe.answer + bytes(probe.size - 2)) for probe in offered)
    assert offered[0].function == (question.function if question.function < 5 else 3)


def test_a_line_that_babbles_gets_no_request(line):
    assert line.is_right()
    is_over = threading.Event()

    def babble(say, unit, pdu):
        def keep_on():
            while not is_over.wait(0.005):
                say(b"\x55\xaa\x55")
        threading.Thread(target=keep_on, daemon=True).start()

    line.once(babble)
    line.fails(BadAnswer, "bytes without a meaning")
    count = len(line.bus.requests)
    line.fails(BadAnswer, "does not become quiet")
    assert len(line.bus.requests) == count
    is_over.set()
    until(lambda: line.is_right(LONGER))


@pytest.mark.parametrize("kind", KINDS)
def test_gateways_get_the_time_they_need(kind, tmp_path):
    line = Talk(kind, tmp_path, connect_delay=0.3, request_gap=0.15)
    begin = clock.now()
    for _ in range(3):
        assert line.is_right()
    times = [at for _, _, at in line.bus.requests]
    assert times[0] - begin >= 0.29
    assert all(later - earlier >= 0.149 for earlier, later in zip(times, times[1:]))
    line.client.close()
    line.bus.vanish()


def test_an_adapter_that_is_pulled_and_returns(tmp_path):
    line = Talk("rtu", tmp_path)
    assert line.is_right()
    line.bus.vanish()
    line.fails(Unreachable, "cannot reach rtu:///.*: there is no such device")
    line.bus.come_back()
    until(lambda: line.is_right())
    other = client_for(parse_url(line.bus.url, KINDS), TIMEOUT, Line(mode="8N1"))
    with pytest.raises(Unreachable, match="another program uses the device"):
        other.read(1, POWERS, TIMEOUT)
    line.client.close()
    line.bus.vanish()


def test_a_second_master_is_named_once(tmp_path, caplog):
    def fault(say, frame, unit, pdu):
        say(adu.rtu_frame(9, read_request(0x10, 5)) + answer(9, read_request(0x10, 5)) + answer(unit, pdu))

    with Bus("rtu", tmp_path) as bus:
        bus.fault = fault
        copy = Copy(bus.url)
        with running(*copy.workers):
            until(lambda: copy.poller.counters.foreign > 20)
            copy.check()
    named = [record.message for record in caplog.records if "another master" in record.message]
    assert named == ["bus: another master is on this line: a request to unit 9 (read holding registers 0x0010+5); take it off, "
                     "softsplit has to be the only one"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_wire_that_breaks_at_every_touch_is_not_hammered(kind, tmp_path):
    def fault(say, frame, unit, pdu):
        raise HangUp

    with Bus(kind, tmp_path) as bus:
        bus.fault = fault
        copy = Copy(bus.url)
        with running(*copy.workers):
            end = clock.now() + 0.5
            until(lambda: clock.now() > end)
        assert bus.connections < 10 and len(bus.requests) < 10 and copy.poller.counters.utilisation <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_does_not_wait_for_an_answer(kind, tmp_path):
    with Bus(kind, tmp_path) as bus:
        bus.fault = lambda *_: None
        copy = Copy(bus.url, timeout=20.0)
        with running(*copy.workers):
            until(lambda: bus.requests)
            begin = clock.now()
        assert clock.now() - begin < SLOWNESS and copy.poller.join(0)


def test_what_the_wire_shows_is_counted(tmp_path, caplog):
    def fault(say, frame, unit, pdu):
        if unit == 1:
            say(answer(unit, pdu) if pdu[0] == 3 else adu.rtu_frame(unit, bytes((pdu[0] | 0x80, 2))))

    caplog.set_level("INFO")
    with Bus("rtuovertcp", tmp_path) as bus:
        bus.fault = fault
        copy = Copy(bus.url)
        with running(*copy.workers):
            until(lambda: copy.counters[1].answers > 3 and copy.counters[2].no_answer > 2)
    one, two = copy.counters[1], copy.counters[2]
    assert (one.requests, one.damaged) == (one.answers + one.exceptions[2] + one.no_answer, 0)
    assert one.exceptions.keys() == {2} and two.requests == two.no_answer == sum(unit == 2 for unit, _, _ in bus.requests)
    latencies = copy.poller.counters.latencies
    median, p99 = latencies[1].shares(0.5, 0.99)
    assert 0 < median <= p99 < TIMEOUT and latencies[2].shares(0.5) == (None,)
    assert 0 < copy.poller.counters.utilisation <= 1
    assert any(record.message.startswith(f"bus: unit 1: {one.requests} requests, ") for record in caplog.records)


def test_a_dead_upstream_never_delays_another(tmp_path):
    with Bus("rtu", tmp_path) as dead, Bus("rtuovertcp", tmp_path) as alive:
        dead.fault = lambda *_: None
        copies = Copy(dead.url, timeout=5.0), Copy(alive.url)
        with running(*copies[0].workers, *copies[1].workers):
            until(lambda: copies[1].is_fresh(0.0))
            since = clock.now()
            ages = []
            until(lambda: ages.append(copies[1].age(1)) or clock.now() > since + 1.0)
            assert max(ages) < 0.5 * SLOWNESS
            assert len(dead.requests) == 1


def test_frames_are_told_from_noise():
    one, two = adu.rtu_frame(9, read_request(1, 2)), answer(9, read_request(1, 2))
    assert adu.split(b"") == ([], 0)
    assert adu.split(b"\0" + one + b"\1\2" + two + b"\x09\x03") == ([one, two], 5)


def test_a_reply_is_found_at_any_place_and_nothing_else_is():
    request, reply = adu.rtu_frame(1, read_request(0x5B14, 2)), answer(1, read_request(0x5B14, 2))
    for before in (b"", b"\1", b"\1\3", b"\1\3\4", reply[:-1], request):
        assert replies.find_reply(before + reply + b"\0", request, read_question(POWERS)) == (len(before), reply)
    for bit in range(8 * len(reply)):
        damaged = bytearray(reply)
        damaged[bit // 8] ^= 1 << bit % 8
        assert replies.find_reply(bytes(damaged), request, read_question(POWERS)) is None
    for size in range(len(reply)):
        assert replies.find_reply(reply[:size], request, read_question(POWERS)) is None


@pytest.mark.parametrize("hears", [True, False])
def test_before_the_first_write_it_finds_out_whether_it_hears_itself(line, hears):
    write = parse_write(b"\x06\x00\x01\x00\x07").question
    written = []

    def fault(say, frame, unit, pdu):
        if hears:
            say(frame(unit, pdu))
        if pdu[0] == 3:
            say(answer(unit, pdu))
        else:
            written.append(pdu)
            if len(written) > 1:
                say(frame(unit, pdu))

    line.bus.fault = fault
    with pytest.raises(NoAnswer, match="unit 1 does not answer"):
        line.client.ask(1, write, TIMEOUT, may_repeat=False)
    assert written == [write.pdu], "and its echo is not the answer"
    assert line.client.ask(1, write, TIMEOUT, may_repeat=False) == write.pdu
    assert [pdu[0] for _, pdu, _ in line.bus.requests] == [3, 6, 3, 6], "a read shows that no answer is missing"


def test_nothing_is_written_while_nobody_can_know_whose_word_would_come_back(line):
    line.bus.fault = lambda say, frame, unit, pdu: say(b"\x55\xaa\x55" + frame(unit, pdu)[:-1])
    with pytest.raises(NoAnswer, match="nothing was sent"):
        line.client.ask(1, parse_write(b"\x05\x00\x01\xff\x00").question, TIMEOUT, may_repeat=False)
    assert [pdu[0] for _, pdu, _ in line.bus.requests] == [1], "a coil is what a relay lets read"


@pytest.mark.parametrize("pdu", [b"\x05\x00\x01\xff\x00", b"\x06\x00\x01\x00\x07", b"\x16\x00\x01\x00\xff\x00\x01"])
def test_a_line_that_was_silent_for_a_while_may_echo_all_the_same(line, pdu):
    """An adapter or gateway that was stuck, and that hears itself; the unit is off all the time."""
    line.bus.fault = lambda say, frame, unit, pdu: None
    line.fails(NoAnswer, "does not answer")
    line.bus.fault = lambda say, frame, unit, pdu: say(frame(unit, pdu))
    for _ in range(2):
        with pytest.raises(NoAnswer):
            line.client.ask(1, parse_write(pdu).question, TIMEOUT, may_repeat=False)


def beginning_of_an_answer() -> tuple[int, Block]:
    """A read of one register whose request, but for its last byte, is a whole reply with a right CRC."""
    for unit, address in itertools.product(range(1, 248), range(0x0200, 0x0300)):
        request = adu.rtu_frame(unit, read_request(address, 1))
        if adu.is_rtu_frame(request[:7]):
            return unit, Block(Table.HOLDING_REGISTERS, address, 1)
    raise AssertionError


def test_the_beginning_of_an_echo_is_no_answer_though_its_crc_is_right(line):
    unit, block = beginning_of_an_answer()
    for _ in range(2):
        line.once(lambda say, unit, pdu: say(adu.rtu_frame(unit, pdu)[:7]))
        with pytest.raises((NoAnswer, BadAnswer)):
            line.ask(block, unit)
        line.once(lambda say, unit, pdu: say(adu.rtu_frame(unit, pdu) + answer(unit, pdu)))
        assert line.is_right(block, unit)


def test_an_acknowledgement_that_a_write_itself_begins_with_is_none():
    """A write of registers whose data begins with the CRC that its acknowledgement would have."""
    frames = (adu.rtu_frame(1, b"\x10" + address.to_bytes(2, "big") + b"\0\1") for address in range(0x10000))
    acknowledgement = next(frame for frame in frames if frame[6] == 2)
    write = parse_write(acknowledgement[1:] + b"\7").question
    request = adu.rtu_frame(1, write.pdu)
    assert request.startswith(acknowledgement) and replies.looks_answered(request, write)
    for size in range(len(request) + 1):
        assert replies.find_reply(request[:size], request, write, None) is None
        assert replies.find_reply(b"\0" + request[:size], request, write, True) is None
    assert replies.find_reply(request + acknowledgement, request, write, True) == (len(request), acknowledgement)
    assert replies.find_reply(acknowledgement, request, write, False) == (0, acknowledgement)


@pytest.mark.parametrize("baudrate", [300, 600])
def test_on_a_slow_line_the_time_between_two_characters_is_no_quiet(tmp_path, baudrate):
    line = Talk("rtu", tmp_path, baudrate)
    silence = adu.frame_silence(baudrate, "8N1")
    try:
        assert line.ask(LONGER, timeout=1.5) == data_of(1, LONGER)
        line.once(lambda say, unit, pdu: None)
        line.fails(NoAnswer, "does not answer")
        failed_at = clock.now()
        assert line.ask(LONGER, timeout=1.5) == data_of(1, LONGER)
        assert line.client.asked_at - failed_at > 1.9 * silence, "what ends a request, and a line that is quiet for as long"
    finally:
        line.client.close()
        line.bus.vanish()


def test_a_late_answer_to_a_write_is_not_taken_for_an_echo(line):
    one, two = (parse_write(b"\x06\x00\x01\x00" + value).question for value in (b"\1", b"\2"))
    assert line.is_right()
    line.once(lambda say, unit, pdu: threading.Timer(1.3 * TIMEOUT, say, (adu.rtu_frame(unit, pdu),)).start())
    with pytest.raises(NoAnswer):
        line.client.ask(1, one, TIMEOUT, may_repeat=False)
    until(lambda: clock.now() > line.client.asked_at + 1.6 * TIMEOUT)
    assert line.is_right(LONGER, unit=2) and set(line.client.take_late()) == {1}
    line.bus.fault = lambda say, frame, unit, pdu: say(frame(unit, pdu if pdu[0] == 6 else good_answer(unit, pdu)))
    for write in (two, one, two):
        assert line.client.ask(1, write, TIMEOUT, may_repeat=False) == write.pdu


def test_before_the_first_write_no_missing_answer_is_taken_for_that_to_the_harmless_read(line):
    one, write = Block(Table.HOLDING_REGISTERS, 1, 1), parse_write(b"\x06\x00\x01\x00\x07").question
    line.bus.fault = lambda say, frame, unit, pdu: pdu[0] == 3 or say(frame(unit, pdu))
    line.fails(NoAnswer, "does not answer", one)
    line.client._hears_itself = None
    line.bus.fault = lambda say, frame, unit, pdu: say(frame(unit, pdu if pdu[0] == 6 else good_answer(unit, pdu)))
    assert line.client.ask(1, write, TIMEOUT, may_repeat=False) == write.pdu
    assert [pdu[3:] for _, pdu, _ in line.bus.requests if pdu[0] == 3] == [b"\0\1", b"\0\2"]


def test_what_a_peer_has_not_taken_when_the_connection_is_given_up_never_reaches_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = SocketWire(parse_url(f"rtuovertcp://127.0.0.1:{server.getsockname()[1]}", KINDS), TIMEOUT)
        wire.open()
        peer, _ = server.accept()
        with peer:
            wire.close()
            with pytest.raises(ConnectionResetError):
                peer.recv(1)
