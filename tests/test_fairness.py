"""What masters ask besides: nobody starves, nothing is done twice or out of order, nothing stays refused."""

import threading

import pytest

from softsplit import Downstream, Profile, Unit, Upstream, clock
from softsplit.errors import ConfigError
from softsplit.polling.plan import Plan
from softsplit.profiles import load_profile
from softsplit.profiles.loader import parse_profile
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import read_question
from softsplit.protocol.requests import parse_write
from softsplit.upstream import queue as forwards_module
from softsplit.upstream.queue import Forward, RequestQueue
from tests.support import SLOWNESS, TcpMaster, read_request, splitting, until
from tests.support.bus import Bus
from tests.test_forwarding import HOLDING, PROFILE, Device, house

ALL = ["meters/1 holding registers 0+100"]
WRITE = b"\x06\x00\x32\x00\x0a"  # 10 to register 50
SLOW = read_request(50, 4)
TWO_PACES = Profile("two paces", (Read(Block(HOLDING, 0, 4), "fast", 0.1), Read(Block(HOLDING, 50, 4), "slow", 600.0),
                                  Read(Block(Table.INPUT_REGISTERS, 50, 4), "measured", 600.0)),
                    readable=(Block(HOLDING, 0, 1000), Block(Table.INPUT_REGISTERS, 0, 100)), functions=(3, 4, 6))


def with_inputs(device: Device):
    return lambda unit, pdu: b"\x04\x08" + bytes(8) if pdu[0] == 4 else device(unit, pdu)


def forwarding(unit: int, pdu: bytes) -> Forward:
    write = parse_write(pdu) if pdu[0] == 6 else None
    if write:
        return Forward(unit, write.question, True, write.blocks)
    return Forward(unit, read_question(Block(HOLDING, pdu[2], 1)))


def order(forwards: RequestQueue, is_free=lambda forward: True) -> list[bytes]:
    """In which order requests are taken, each of which is answered at once."""
    taken = []
    while forward := forwards.take(is_free):
        taken.append(bytes((forward.unit,)) + forward.question.pdu[:3])
        forwards.answered(forward, forward.question.answer)
    return taken


def test_writes_come_first_but_do_not_starve_reads():
    forwards = RequestQueue(lambda: None)
    for unit, pdu in ((1, b"\x03\x00\x01"), (1, b"\x03\x00\x02"), (1, WRITE), (1, WRITE), (2, WRITE)):
        forwards.hand_in(forwarding(unit, pdu))
    assert [each[1] for each in order(forwards)] == [6, 3, 6, 3, 6]


def test_a_unit_whose_reads_take_long_does_not_hold_up_those_of_another():
    forwards = RequestQueue(lambda: None)
    for unit, address in ((1, 1), (1, 2), (1, 3), (2, 4), (2, 5)):
        forwards.hand_in(forwarding(unit, bytes((3, 0, address))))
    assert [each[0] for each in order(forwards)] == [1, 2, 1, 2, 1]


def test_a_newer_write_never_overtakes_an_older_one_of_its_unit():
    forwards = RequestQueue(lambda: None)
    older, newer, others = forwarding(1, WRITE), forwarding(1, b"\x06\x00\x02\x00\x14"), forwarding(2, WRITE)
    for write in (older, newer, others):
        forwards.hand_in(write)
    taken = forwards.take(lambda forward: forward is not older)
    assert taken is others
    forwards.answered(taken, WRITE)
    assert forwards.take(lambda forward: forward is not older) is None


def test_a_write_whose_master_is_gone_is_not_sent(tmp_path):
    with house(tmp_path, allow_writes=ALL) as (bus, device, splitter, _):
        bus.vanish()
        poller = splitter.upstreams["meters"]
        write = forwarding(1, WRITE)
        write.future.cancel()
        poller.forward(write)
        bus.come_back()
        until(lambda: not poller._queue._writes)
        assert not device.written


def test_only_what_a_unit_itself_refuses_is_remembered_for_long(monkeypatch):
    monkeypatch.setattr(forwards_module, "UNANSWERED_FOR", 0.05)
    monkeypatch.setattr(forwards_module, "BUSY_FOR", 0.05)
    forwards = RequestQueue(lambda: None)
    for answer, is_remembered in ((b"\x83\x06", False), (b"\x83\x0b", False), (b"\x83\x02", True)):
        forwards.hand_in(forwarding(1, b"\x03\x00\x01"))
        forwards.answered(forwards.take(lambda each: True), answer)
        end = clock.now() + 0.06
        until(lambda end=end: clock.now() > end)
        assert forwards.hand_in(forwarding(1, b"\x03\x00\x01")).done() is is_remembered
        forwards.give_up(ValueError())


def test_what_stays_free_for_polling_counts_mute_units_too():
    plan = Plan({1: (Read(Block(HOLDING, 0, 1), "a", 1.0),)}, 1.0, 0.0)
    plan.answered(1, plan.next(0.0)[1], 0.0, 0.6)
    for _ in range(2):
        plan.unanswered(1, plan._dues[0].read, 1.0, 1.5)
    assert plan.is_mute(1) and plan.demand == 0
    assert plan.learn(1, Block(HOLDING, 5, 1), 1.0, 0.5, 2.0).every == pytest.approx(0.5 / 0.2)


@pytest.mark.parametrize("answer", [b"", b"\x86\x06"])
def test_a_unit_of_which_nothing_is_polled_is_written_again_after_failures(tmp_path, answer):
    with house(tmp_path, profile=load_profile("any"), units=(1,), allow_writes=ALL, timeout=0.1) as (bus, device, _, master):
        bus.fault = lambda say, frame, unit, pdu: answer and say(frame(unit, answer))
        for _ in range(3):
            assert master.ask(1, WRITE) in (b"\x86\x0b", b"\x86\x06")
        bus.fault = None
        until(lambda: master.ask(1, WRITE) == WRITE, timeout=8)
        assert master.ask(1, read_request(5000, 1)) == b"\x83\x02"


def test_a_master_that_asks_what_a_unit_leaves_unanswered_does_not_make_it_mute_for_others(tmp_path):
    with house(tmp_path, profile=load_profile("any"), units=(1,), timeout=0.1, max_age=0.2) as (bus, device, splitter, master), \
            TcpMaster(splitter.servers[0].url.port) as scanning:
        bus.fault = lambda say, frame, unit, pdu: pdu[1] < 2 and say(frame(unit, device(unit, pdu)))
        for address in range(512, 520):
            assert master.ask(1, read_request(address - 512, 2))[0] == 3
            assert scanning.ask(1, read_request(address, 1)) == b"\x83\x0b"


@pytest.mark.parametrize("kind", ["tcp", "rtuovertcp"])
def test_a_poll_that_waits_for_a_late_answer_goes_before_requests_of_its_shape(tmp_path, kind):
    with house(tmp_path, kind, units=(1,), timeout=0.2, max_age=60) as (bus, device, splitter, _):
        bus.fault = lambda say, frame, unit, pdu: pdu[1] < 2 and say(frame(unit, device(unit, pdu)))
        mirror, is_over = splitter.servers[0].databank.mirrors[1], threading.Event()

        def ask_in_vain() -> None:
            with TcpMaster(splitter.servers[0].url.port) as master:
                for address in range(512, 900):
                    if is_over.is_set():
                        return
                    master.ask(1, read_request(address, 4))  # of the shape of what is polled

        thread = threading.Thread(target=ask_in_vain)
        thread.start()
        oldest, end = 0.0, clock.now() + 2
        while clock.now() < end:
            now = clock.now()
            oldest = max(oldest, now - mirror.states(now)[0].taken_at)
            is_over.wait(0.01)
        is_over.set()
        thread.join()
        assert oldest < 1.2


def test_what_a_write_covers_is_read_again_in_both_tables_though_it_is_slow(tmp_path):
    with house(tmp_path, profile=TWO_PACES, units=(1,), allow_writes=ALL) as (bus, device, _, master):
        bus.device = with_inputs(device)
        inputs = read_request(50, 4, 4)
        until(lambda: master.ask(1, SLOW)[0] == 3 and master.ask(1, inputs)[0] == 4)
        assert master.ask(1, WRITE) == WRITE
        until(lambda: master.ask(1, SLOW) == b"\x03\x08\x00\x0a\x10\x33\x10\x34\x10\x35" and master.ask(1, inputs)[0] == 4)


def test_a_write_that_cannot_be_sent_leaves_nothing_in_doubt(tmp_path):
    with house(tmp_path, profile=TWO_PACES, units=(1,), allow_writes=ALL) as (bus, device, _, master):
        bus.device = with_inputs(device)
        until(lambda: master.ask(1, SLOW)[0] == 3)
        bus.vanish()
        assert master.ask(1, WRITE) in (b"\x86\x0a", b"\x86\x0b")
        bus.come_back()
        until(lambda: master.ask(1, SLOW)[0] == 3)
        assert (1, WRITE) not in device.written


@pytest.mark.parametrize("kind", ["tcp", "rtuovertcp"])
def test_a_write_that_is_done_late_is_read_again_after_that(tmp_path, kind):
    with house(tmp_path, kind, profile=TWO_PACES, units=(1,), allow_writes=ALL, timeout=0.2) as (bus, device, _, master):
        bus.device = with_inputs(device)
        until(lambda: master.ask(1, SLOW)[0] == 3)

        def fault(say, frame, unit, pdu):
            if pdu == WRITE:
                threading.Timer(0.3, lambda: say(frame(unit, device(unit, pdu)))).start()
            else:
                say(frame(unit, bus.device(unit, pdu)))

        bus.fault = fault
        assert master.ask(1, WRITE) == b"\x86\x0b"
        answers = set()
        until(lambda: answers.add(master.ask(1, SLOW)) or device.written and len(answers) > 1)
        assert answers == {b"\x83\x0b", b"\x03\x08\x00\x0a\x10\x33\x10\x34\x10\x35"}, "never what it was before"


def test_an_unanswered_write_is_told_also_where_stale_data_is_met_with_silence(tmp_path):
    with house(tmp_path, profile=load_profile("any"), allow_writes=ALL, timeout=0.1, when_stale="silent") as (bus, device, _, master):
        bus.fault = lambda say, frame, unit, pdu: pdu == WRITE or say(frame(unit, device(unit, pdu)))
        assert master.ask(1, WRITE) == b"\x86\x0b"


def test_a_write_gets_the_whole_time_out_though_its_unit_was_never_heard(tmp_path):
    device = Device()
    with Bus("tcp", tmp_path, device) as bus:
        meters = Upstream(bus.url, [Unit(1, PROFILE), Unit(2, load_profile("any"))], 3.0, "meters")
        with splitting(Downstream("tcp://127.0.0.1:0", [meters], allow_writes=["meters/2 holding registers 0+100"])) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            until(lambda: master.ask(1, read_request(0, 4))[0] == 3)
            bus.fault = lambda say, frame, unit, pdu: threading.Timer(0.6 * (unit == 2), say, (frame(unit, device(unit, pdu)),)).start()
            assert master.ask(2, WRITE) == WRITE


def test_a_long_time_out_does_not_let_a_masters_read_age_what_is_polled(tmp_path):
    with house(tmp_path, units=(1, 2), timeout=3.0) as (bus, device, splitter, master):
        bus.fault = lambda say, frame, unit, pdu: pdu[1] < 2 and say(frame(unit, device(unit, pdu)))
        begun = clock.now()
        assert master.ask(1, read_request(512, 1)) == b"\x83\x0b" and clock.now() - begun < 1.5 * SLOWNESS


def test_what_is_polled_may_be_read_with_a_write_where_nothing_is_forwarded(tmp_path):
    with house(tmp_path, allow_writes=ALL, learn=False) as (_, device, _, master):
        both = b"\x17\x00\x00\x00\x02\x00\x32\x00\x01\x02\x00\x0a"
        assert master.ask(1, both) == b"\x17\x04\x10\x00\x10\x01" and device.written


def test_writes_of_unknown_outcome_do_not_fill_the_log(tmp_path, caplog):
    with house(tmp_path, allow_writes=ALL, timeout=0.02) as (bus, device, _, master):
        bus.fault = lambda say, frame, unit, pdu: pdu == WRITE or say(frame(unit, device(unit, pdu)))
        for _ in range(20):
            assert master.ask(1, WRITE) == b"\x86\x0b"
    assert sum("whether it was done is not known" in record.message for record in caplog.records) == 1


BYTES = parse_profile('addressing = "bytes"\nblock = [{ address = 0x10, count = 4 }]', "bytes")


@pytest.mark.parametrize("profile, text, told", [
    ("abb-b23", "coils 0+16", 'abb-b23 writes no coils: function 5 or 15 is not among its functions (3, 6, 16)'),
    ("anzen-bms", "holding registers 40000+4", "anzen-bms writes no holding registers"),
    ("any", "files 4+2", "any writes no files: function 21 is not among"),
    (BYTES, "holding registers 0x0011+4", "registers of bytes begin at even addresses"),
    (BYTES, "holding registers 0x8000+20000", "count: 20000 does not fit"),
])
def test_what_can_never_be_written_is_said_by_check(profile, text, told):
    meters = Upstream("tcp://127.0.0.1:1", [Unit(1, profile)], name="meters")
    with pytest.raises(ConfigError) as raised:
        Downstream("tcp://127.0.0.1:0", [meters], allow_writes=[f"meters/1 {text}"])
    assert told in str(raised.value) and "allow_writes" in str(raised.value)
