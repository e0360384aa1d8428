"""Decoder: what a tap hears becomes what was asked and what came of it."""

import pickle
import random

import pytest

from softsplit.decoder.decoder import Decoder, Kind
from softsplit.protocol.adu import crc, rtu_frame
from tests.bench.listening import LINES, SLOW, Score, judge, listen
from tests.support.traffic import Line, traffic

CHARACTER = 11 / 9600  # s
ABB = [  # real frames of an ABB meter
    ("01 03 5b 14 00 02 97 2b", "01 03 04 00 00 00 36 7a 25", [0, 54]),
    ("01 03 5b 3b 00 01 e6 e3", "01 03 02 7f ff d8 34", [0x7FFF]),
    ("01 03 50 04 00 04 14 c8", "01 03 08 ff ff ff ff ff ff ff ff d4 53", [0xFFFF] * 4),
    ("01 03 50 00 00 04 55 09", "01 03 08 00 00 00 00 00 00 0d 5e 10 bf", [0, 0, 0, 3422]),
]
PAIRS = [(bytes.fromhex(request), bytes.fromhex(reply)) for request, reply, _ in ABB]
REQUEST, REPLY = PAIRS[0]
WRITE = rtu_frame(1, bytes.fromhex("06 00 10 12 34"))
KINDS_OF_ANSWERS = (Kind.OK, Kind.EXCEPTION)


def frame(text: str) -> bytes:
    """A whole frame of its unit, function and data."""
    data = bytes.fromhex(text)
    return rtu_frame(data[0], data[1:])


def hear(data: bytes, size: int = 10**9, **options) -> list:
    """What is told of bytes that are read in pieces of that size, at times nobody knows."""
    pairing = Decoder(CHARACTER, **options)
    told = []
    for at in range(0, len(data), size):
        told += pairing.feed(data[at:at + size])
    return told + pairing.finish()


def hear_timed(*said: tuple[float, bytes], jitter: float = 0.001, **options) -> list:
    """What is told of frames that were read at these times."""
    pairing = Decoder(CHARACTER, jitter=jitter, **options)
    return [each for t, data in said for each in pairing.feed(data, t)] + pairing.finish()


def outline(told) -> list[tuple]:
    return [(each.kind, each.request, each.reply) for each in told]


def pairs(told) -> list[tuple[bytes, bytes]]:
    return [(each.request, each.reply) for each in told if each.kind in KINDS_OF_ANSWERS]


def test_real_frames_are_paired_with_their_values():
    told = hear(b"".join(request + reply for request, reply in PAIRS))
    assert outline(told) == [(Kind.OK, *pair) for pair in PAIRS]
    assert [each.values for each in told] == [values for _, _, values in ABB]
    assert (told[0].unit, told[0].function, told[0].address, told[0].count) == (1, 3, 0x5B14, 2)
    assert told[0].exception is told[0].latency is told[0].time is told[0].damage is None


@pytest.mark.parametrize("line", [Line(), Line(bit_errors=1e-3), Line(false_bytes=True)])
def test_it_does_not_matter_how_the_bytes_are_read(line):
    data = traffic(line, 7, 300).data
    whole = hear(data)
    assert len(pairs(whole)) > 150
    for size in (1, 32, 100):
        assert outline(hear(data, size)) == outline(whole)


@pytest.mark.parametrize("name", LINES)
def test_the_figures_are_reached(name):
    score = Score()
    for seed in (11, 14):
        heard = traffic(LINES[name], seed, 400)
        judge(score, heard, list(listen(Decoder(CHARACTER), heard)))
    assert score.recovered >= 0.995 * score.intact
    assert score.false == 0


@pytest.mark.parametrize("seed", range(3))
def test_without_times_a_clean_line_is_told_as_it_was(seed):
    heard = traffic(Line(), seed, 500)
    answered = [(each.request.frame, each.reply.frame) for each in heard.truth if each.reply]
    assert pairs(hear(heard.data)) == answered


@pytest.mark.parametrize("cut", range(1, len(REQUEST + REPLY)))
def test_it_may_begin_in_the_middle_of_a_frame(cut):
    rest = b"".join(request + reply for request, reply in PAIRS[1:])
    assert pairs(hear((REQUEST + REPLY)[cut:] + rest))[-3:] == PAIRS[1:]


@pytest.mark.parametrize("false", [b"\x00", b"\xff", b"\x01", b"\x03", b"\x10", b"\x00\x00", b"\xff\x00"])
def test_false_bytes_at_each_turnaround_lose_nothing(false):
    data = b"".join(request + false + reply + false for request, reply in PAIRS)
    told = hear(data, 1)
    assert pairs(told) == PAIRS
    assert b"".join(each.reply for each in told if each.kind is Kind.DAMAGED) == false * 8


def test_a_frame_is_found_that_begins_anew_in_the_middle():
    """A CRC over all of it is good, and one over its end alone."""
    twice = next(each for each in (frame(f"07 {function:02x} {address:04x} 00 01") for function in (1, 2, 3, 4)
                                   for address in range(0xFF00)) if crc(each[:4]) == 0xFFFF)
    told = hear(REQUEST + REPLY + b"\x01\x03\x50" + twice + REQUEST + REPLY)  # what looks like a long reply
    assert outline(told)[2] == (Kind.NO_REPLY, twice, None)


def test_each_byte_is_told_once():
    heard = traffic(Line(bit_errors=1e-3, lost_bytes=1e-3, false_bytes=True, no_reply=0.1), 3, 500)
    told = [each for each, _ in listen(Decoder(CHARACTER), heard)]
    assert sum(len(each.request or b"") * (each.kind is not Kind.LATE) + len(each.reply or b"")
               for each in told) == len(heard.data)


def test_a_reply_that_looks_like_a_request_is_a_reply():
    asked, reply = frame("01 01 03 20 00 14"), frame("01 01 03 00 01 01")  # 20 coils, nearly all of them off
    assert outline(hear(asked + reply)) == [(Kind.OK, asked, reply)]
    asked, reply = frame("01 17 0a 00 00 05 00 00 00 01 02 00 07"), frame("01 17 0a" + 10 * "00")
    assert outline(hear(2 * (asked + reply))) == 2 * [(Kind.OK, asked, reply)]


def test_a_request_that_looks_like_a_reply_is_a_request():
    asked, reply = frame("01 01 03 20 00 14"), frame("01 01 03 05 c0 0f")
    told = hear_timed((1.0, asked), (1.5, asked), (1.55, reply))
    assert outline(told) == [(Kind.NO_REPLY, asked, None), (Kind.OK, asked, reply)]
    assert [each.retry for each in told] == [False, True]


def test_an_echo_is_a_reply_and_a_write_after_the_time_out_a_retry():
    told = hear_timed((1.0, WRITE), (1.02, WRITE), (2.0, WRITE), (2.5, WRITE), (2.52, WRITE))
    assert outline(told) == [(Kind.OK, WRITE, WRITE), (Kind.NO_REPLY, WRITE, None), (Kind.OK, WRITE, WRITE)]
    assert [each.retry for each in told] == [False, False, True]
    assert told[0].latency == pytest.approx(0.02)
    assert told[0].values == [0x1234]


def test_an_echo_whose_reads_are_too_late_to_tell_is_suspect():
    told = hear_timed((1.0, WRITE), (1.5, WRITE), jitter=0.2)
    assert outline(told) == [(Kind.SUSPECT, WRITE, WRITE)]


def test_an_echo_that_comes_when_a_quick_master_would_ask_again_is_suspect_until_a_retry_shows_when_it_does():
    told = hear_timed((1.0, WRITE), (1.1, WRITE))
    assert outline(told) == [(Kind.SUSPECT, WRITE, WRITE)]
    told = hear_timed((1.0, REQUEST), (1.5, REQUEST), (1.52, REPLY), (2.0, WRITE), (2.1, WRITE))
    assert outline(told)[1:] == [(Kind.OK, REQUEST, REPLY), (Kind.OK, WRITE, WRITE)]


def test_a_write_after_its_own_late_echo_is_not_acknowledged():
    told = hear_timed((1.0, WRITE), (1.3, REQUEST), (1.32, WRITE), (1.34, REPLY), (1.37, WRITE), (1.39, WRITE))
    assert (WRITE, WRITE) not in pairs(told)


def test_a_write_after_its_damaged_echo_is_a_request():
    damaged = WRITE[:3] + b"\x11" + WRITE[4:]
    told = hear_timed((1.0, WRITE), (1.02, damaged), (1.1, WRITE), (1.12, WRITE))
    assert outline(told) == [(Kind.DAMAGED, WRITE, damaged), (Kind.OK, WRITE, WRITE)]
    assert told[0].damage == "reply: bit 0 of byte 3 is wrong"


def test_the_echo_of_a_damaged_write_is_no_request():
    damaged = WRITE[:3] + b"\x11" + WRITE[4:]
    told = hear_timed((1.0, damaged), (1.02, WRITE), (1.1, REQUEST), (1.12, REPLY))
    assert outline(told) == [(Kind.DAMAGED, damaged, WRITE), (Kind.OK, REQUEST, REPLY)]
    assert told[0].damage == "request: bit 0 of byte 3 is wrong"


def test_a_late_reply_is_told_as_such():
    other, answer = PAIRS[1]
    told = hear_timed((1.0, REQUEST), (1.5, other), (1.52, REPLY), (1.54, answer))
    assert outline(told) == [(Kind.NO_REPLY, REQUEST, None), (Kind.LATE, REQUEST, REPLY),
                             (Kind.OK, other, answer)]
    assert told[1].latency == pytest.approx(0.52)


def test_a_late_echo_is_not_a_request():
    told = hear_timed((1.0, WRITE), (1.5, WRITE), (1.55, REQUEST), (1.57, REPLY))
    assert outline(told) == [(Kind.NO_REPLY, WRITE, None), (Kind.LATE, WRITE, WRITE),
                             (Kind.OK, REQUEST, REPLY)]


def test_a_reply_that_fits_two_requests_is_suspect():
    other = frame("01 03 5b 20 00 02")
    told = hear_timed((1.0, REQUEST), (1.5, other), (1.52, REPLY))
    assert outline(told) == [(Kind.NO_REPLY, REQUEST, None), (Kind.SUSPECT, other, REPLY)]


def test_a_reply_behind_what_may_have_been_a_request_is_suspect():
    other = frame("01 03 5b 20 00 02")
    told = hear_timed((1.0, REQUEST), (1.1, b"\xff\xff\xff\xff" + other[4:-1] + b"\0"), (1.12, REPLY))
    assert Kind.SUSPECT in [each.kind for each in told] and not pairs(told)


def test_a_reply_is_suspect_while_the_request_of_another_may_be_what_was_damaged():
    lost = b"\xff\xff\xff" + frame("01 03 5b 20 00 02")[3:-1]
    told = hear_timed((1.0, lost), (1.5, REQUEST), (1.52, REPLY), (1.6, PAIRS[1][0]), (1.62, PAIRS[1][1]))
    assert [each.kind for each in told] == [Kind.DAMAGED, Kind.OK, Kind.OK]  # its unit and function are lost
    told = hear_timed((1.0, b"\x01" + lost[1:]), (1.5, REQUEST), (1.52, REPLY), (4.0, REQUEST), (4.02, REPLY))
    assert [each.kind for each in told] == [Kind.DAMAGED, Kind.SUSPECT, Kind.OK]


def test_a_reply_to_nothing_is_an_orphan():
    told = hear_timed((1.0, REPLY), (2.0, REQUEST), (2.1, REPLY))
    assert outline(told) == [(Kind.ORPHAN, None, REPLY), (Kind.OK, REQUEST, REPLY)]
    assert (told[0].unit, told[0].function, told[0].address, told[0].values) == (1, 3, None, [0, 54])


def test_the_reply_after_the_time_out_is_late():
    told = hear_timed((1.0, REQUEST), (4.0, REPLY), timeout=1.0)
    assert [each.kind for each in told] == [Kind.NO_REPLY, Kind.ORPHAN]


def test_an_exception_is_told_with_its_code():
    refusal = frame("01 83 02")
    told = hear(REQUEST + refusal)
    assert outline(told) == [(Kind.EXCEPTION, REQUEST, refusal)]
    assert (told[0].function, told[0].exception, told[0].values) == (3, 2, None)


def test_a_broadcast_waits_for_no_reply():
    everybody = frame("00 06 00 01 00 02")
    assert outline(hear(everybody + REQUEST + REPLY)) == [
        (Kind.BROADCAST, everybody, None), (Kind.OK, REQUEST, REPLY)]


def test_what_victron_finds_the_baud_rate_with_is_a_broadcast():
    probe = bytes.fromhex("00 08 00 00 55 55 1e b5")
    assert outline(hear(12 * probe, 1)) == 12 * [(Kind.BROADCAST, probe, None)]


def test_an_odd_request_is_one_where_a_frame_must_begin():
    odd, refusal = frame("01 03 00 00 01 00"), frame("01 83 03")  # 256 registers
    told = hear(REQUEST + REPLY + odd + refusal, 1)
    assert outline(told) == [(Kind.OK, REQUEST, REPLY), (Kind.EXCEPTION, odd, refusal)]


def test_the_begin_of_a_reply_is_no_odd_request():
    asked = frame("1b 03 ad 3d 00 05")
    data = bytes.fromhex("1b 03 0a")
    begin = data + crc(data).to_bytes(2, "little") + bytes(8)  # its CRC is good after 5 bytes, and after 8
    reply = frame(begin.hex())
    assert outline(hear(asked + reply, 1)) == [(Kind.OK, asked, reply)]


def test_a_frame_of_an_unknown_function_ends_at_the_silence_but_for_zeros():
    asked, reply = frame("01 41 05 06 07"), frame("01 41 09 09")
    told = hear_timed((1.0, REQUEST), (1.02, REPLY), (1.2, asked + b"\0\0"), (1.3, reply), (1.4, REQUEST),
                      (1.5, REPLY))
    assert pairs(told) == [(REQUEST, REPLY), (asked, reply), (REQUEST, REPLY)]


def test_silence_shows_what_there_is():
    pairing = Decoder(CHARACTER, timeout=1.0)
    assert pairing.feed(b"\xff\xff\xff", 1.0) == []
    assert [each.reply for each in pairing.idle(1.6)] == [b"\xff\xff\xff"]
    assert pairing.feed(REQUEST, 2.0) == pairing.idle(2.9) == []
    assert outline(pairing.idle(3.1)) == [(Kind.NO_REPLY, REQUEST, None)]
    assert pairing.feed(REQUEST + REPLY[:5], 4.0) == []
    told = pairing.idle(4.6)
    assert outline(told) == [(Kind.DAMAGED, REQUEST, REPLY[:5])]
    assert told[0].damage == "reply: 5 of 9 bytes"
    assert pairing.finish() == []


def test_with_two_taps_the_roles_are_facts():
    pairing = Decoder(CHARACTER)
    told = pairing.feed(WRITE, 1.0, "request") + pairing.feed(WRITE[:3], 1.5, "reply")
    told += pairing.feed(WRITE[3:], 1.51, "reply")
    told += pairing.feed(REPLY, 2.0, "reply") + pairing.feed(REQUEST, 2.01, "request")  # the wrong way round
    told += pairing.feed(REPLY, 3.0, "reply") + pairing.feed(REQUEST, 4.0, "request") + pairing.finish()
    assert outline(told) == [(Kind.OK, WRITE, WRITE), (Kind.OK, REQUEST, REPLY), (Kind.ORPHAN, None, REPLY),
                             (Kind.NO_REPLY, REQUEST, None)]


def test_alternating_flips_the_roles_until_silence():
    told = hear(REQUEST + REPLY + WRITE + WRITE, mode="alternating")
    assert outline(told) == [(Kind.OK, REQUEST, REPLY), (Kind.OK, WRITE, WRITE)]
    told = hear_timed((1.0, REQUEST), (4.0, REQUEST), (4.1, REPLY), mode="alternating")
    assert outline(told) == [(Kind.NO_REPLY, REQUEST, None), (Kind.OK, REQUEST, REPLY)]


def test_rts_believes_what_it_is_told():
    pairing = Decoder(CHARACTER, mode="rts")
    told = [each for data, role in ((REQUEST, "request"), (REQUEST, "request"), (REPLY[:3], "reply"),
                                    (REPLY[3:], "reply")) for each in pairing.feed(data, None, role)]
    assert outline(told) == [(Kind.NO_REPLY, REQUEST, None), (Kind.OK, REQUEST, REPLY)]


def test_a_mode_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="alternating"):
        Decoder(CHARACTER, mode="automatic")


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("size", [1, 4096])
def test_memory_is_bounded_whatever_comes(name, size):
    pairing = Decoder(CHARACTER)
    data = SLOW[name] * (3000 // len(SLOW[name]))
    held = []
    for _ in range(4):
        for at in range(0, len(data), size):
            pairing.feed(data[at:at + size])
        held.append(len(pickle.dumps(pairing)))
    assert max(held[1:]) < held[0] + 500


def test_endless_noise_is_told_in_pieces():
    told = hear(REQUEST + 5000 * b"\xff")
    assert max(len(each.reply) for each in told if each.reply) <= 512


def test_only_so_many_requests_are_familiar():
    pairing = Decoder(CHARACTER)
    for address in range(3000):
        pairing.feed(frame(f"01 03 {address:04x} 00 01"))
        if address == 600:
            settled = len(pickle.dumps(pairing))
    assert len(pickle.dumps(pairing)) < settled + 1000


def test_noise_holds_no_pair():
    assert not pairs(hear(random.Random(5).randbytes(30000)))
