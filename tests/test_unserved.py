"""Requests for units that are not served, and bytes that are no request: what is counted, and what is no cause for alarm."""

import pytest

from softsplit.downstream.servers.framing import Framer
from softsplit.downstream.unserved import RECENT, STRAYS, Unserved, describe_unserved
from softsplit.protocol.adu import rtu_frame
from softsplit.protocol.pdu import exception_pdu
from tests.support import Clock, read_request

QUESTION = "bytes without a request: is the baud rate 19200 8E1?"
READ = read_request(0x5B00, 4)
REPLY = b"\x03\x08" + bytes(8)
WRITE, WRITTEN = bytes.fromhex("1000010001020007"), bytes.fromhex("1000010001")
BITS, BITS_REPLY = read_request(0x300, 20, 1), b"\x01\x03\x05\x00\x01"  # as long as a request
ECHO = bytes.fromhex("060001000a")


def heard(*frames: bytes, apart: bool = True) -> Unserved:
    """What a line tells that serves units 100 and 2, on which these are heard, one by one or in one piece."""
    unserved = Unserved("maxem", (100, 2), QUESTION)
    framer = Framer(unserved)
    for number, segment in enumerate(frames if apart else [b"".join(frames)]):
        framer.segment(segment, number, number)
        if framer.expires_at is not None:
            framer.expire()
    return unserved


def asked(unserved: Unserved) -> dict[str, int]:
    return {each.unit: each.requests for each in unserved.asked(0.0)}


def test_requests_that_nobody_answers_are_counted_by_unit_and_told_once(caplog):
    unserved = heard(*[rtu_frame(1, READ)] * 4, *[rtu_frame(9, READ)] * 2, rtu_frame(2, READ))
    assert asked(unserved) == {"1": 4, "9": 2}
    assert [each.message for each in caplog.records] == [
        "maxem: a master asks for unit 1, which is not served here; served are 100 and 2"]


@pytest.mark.parametrize("request_pdu, reply", [
    (READ, REPLY), (READ, exception_pdu(3, 2)), (WRITE, WRITTEN), (BITS, BITS_REPLY), (ECHO, ECHO),
    (b"\x42\x01\x02\x03", b"\x42\x09"), (READ, b"\x03\x08" + bytes(6)),  # unknown; damaged
])
@pytest.mark.parametrize("apart", [True, False])
def test_another_device_on_the_line_that_answers_its_master_is_no_cause_for_alarm(request_pdu, reply, apart):
    unserved = heard(*[rtu_frame(7, request_pdu), rtu_frame(7, reply)] * 6, rtu_frame(100, READ), apart=apart)
    assert asked(unserved) == {} and not unserved.garbled(0.0)


def test_another_device_may_miss_a_request_now_and_then_and_be_off_at_first(caplog):
    off, on = [rtu_frame(7, READ)] * 2, [rtu_frame(7, READ), rtu_frame(7, REPLY)]
    assert asked(heard(*off, *on, *off, *off, *on)) == {} and not caplog.records


def test_a_broadcast_and_an_answer_to_what_was_not_heard_are_no_cause_for_alarm():
    assert asked(heard(*[rtu_frame(0, ECHO)] * 5, *[rtu_frame(5, REPLY)] * 5, rtu_frame(100, READ))) == {}


def test_a_second_question_to_a_unit_that_does_not_answer_is_no_answer():
    assert asked(heard(*[rtu_frame(7, READ), rtu_frame(7, read_request(0x300, 1)), rtu_frame(5, REPLY)])) == {"7": 2}


def test_bytes_without_a_request_are_told_once_until_a_frame_comes(caplog):
    caplog.set_level("INFO")
    garbage = [b"\xf8\x80\xfe"] * STRAYS
    unserved = heard(*garbage, *garbage)
    assert unserved.garbled(0.0) == QUESTION and unserved.stray_bytes == 3 * 2 * STRAYS
    unserved.frame()
    assert not unserved.garbled(0.0)
    assert [each.message for each in caplog.records] == [f"maxem: {QUESTION}", "maxem: valid frames are received again"]


def test_noise_between_requests_is_counted_and_nothing_more(caplog):
    unserved = heard(*[b"\xf8\x80\xfe", rtu_frame(100, READ)] * 9)
    assert unserved.stray_bytes == 27 and not unserved.garbled(0.0) and not caplog.records


def test_what_is_over_is_not_told_for_ever(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("softsplit.clock.now", clock)
    unserved = heard(*[b"\xf8\x80\xfe"] * STRAYS)
    clock.now += RECENT - 1
    assert unserved.garbled(clock.now)
    clock.now += 2
    assert not unserved.garbled(clock.now)


@pytest.mark.parametrize("units, served, words", [
    ([1], [100], "a master asks for unit 1, which is not served here; served is 100"),
    ([1, 3, 5], [100, 2], "a master asks for units 1, 3 and 5, which are not served here; served are 100 and 2"),
])
def test_wrong_units_in_words(units, served, words):
    assert describe_unserved(units, served) == words
