"""Which request on a serial line is answered: bytes alone, with time as an argument."""

import random

import pytest

from softsplit.downstream.servers.framing import Framer
from softsplit.downstream.unserved import Unserved
from softsplit.protocol import adu
from softsplit.protocol.adu import JOIN, rtu_frame
from tests.support import read_request

OURS, FOREIGN = (100, 2), (1, 5, 16, 247)
REQUEST = rtu_frame(100, read_request(0x5B00, 62))
OTHER = rtu_frame(2, read_request(0x5000, 8))
FOREIGN_REQUEST = rtu_frame(5, read_request(0x5B00, 3))
FOREIGN_REPLY = rtu_frame(5, bytes.fromhex("0306000100020003"))
BROADCAST = rtu_frame(0, bytes.fromhex("06000a0001"))
TRAP = rtu_frame(5, b"\x03" + bytes((len(REQUEST),)) + REQUEST)  # a foreign reply that contains a request to us


def framer() -> Framer:
    return Framer(Unserved("maxem", OURS))


def answered(*segments: bytes, gap: float = 0.1) -> list[bytes | None]:
    """What is answered after each segment, when so much silence follows each."""
    line, now, found = framer(), 0.0, []
    for segment in segments:
        request = line.segment(segment, now, now + 0.01)
        now += 0.01 + gap
        if line.expires_at is not None and now > line.expires_at:
            request = request or line.expire()
        found.append(request)
    return found


@pytest.mark.parametrize("segment, request_found", [
    (REQUEST, REQUEST),
    (FOREIGN_REQUEST + FOREIGN_REPLY + REQUEST, REQUEST),
    (OTHER + REQUEST, REQUEST),
    (b"\x00" + REQUEST, REQUEST),
    (b"\xff\xff\x00" + REQUEST, REQUEST),
    (FOREIGN_REPLY + b"\x00" + REQUEST, REQUEST),
    (b"\x64" + REQUEST, REQUEST),
    (b"\x64\x10\x00\x00\x00\x7b\xf6" + REQUEST, REQUEST),
    (REQUEST[:-1] + b"\x00" + OTHER, OTHER),
    (BROADCAST + REQUEST, REQUEST),
    (REQUEST + b"\x00", None),
    (REQUEST + b"\x00\x00\x00", None),
    (REQUEST + FOREIGN_REQUEST, None),
    (REQUEST + FOREIGN_REPLY, None),
    (REQUEST[:-1] + b"\x00", None),
    (REQUEST[:-2], None),
    (FOREIGN_REQUEST, None),
    (FOREIGN_REPLY, None),
    (TRAP, None),
    (BROADCAST, None),
    (bytes.fromhex("0008000055551eb5") * 12, None),
    (bytes.fromhex("0008000055551eb5") * 12 + REQUEST, REQUEST),
    (b"\x00", None), (b"\x64", None), (b"\x64\x03", None), (b"", None),
])
def test_only_a_request_for_us_that_silence_follows_is_answered(segment, request_found):
    assert answered(segment) == [request_found]
    assert answered(segment, REQUEST)[1] == REQUEST, "the next request is answered whatever came before"


@pytest.mark.parametrize("pdu", ["2b0e0100", "41", "4100112233", "07", "11", "0b", "1800aa", "1406060001000000 01",
                                 "1506060001000000010000", "160004fff00001", "17000000010000000102aaaa",
                                 "0f00000008 01ff", "1000000001020001", "0800005555", "03", "0300", "100000000100"])
def test_requests_of_any_function_reach_the_unit(pdu):
    frame = rtu_frame(100, bytes.fromhex(pdu))
    assert answered(frame) == [frame]


@pytest.mark.parametrize("cut", range(1, len(REQUEST)))
def test_a_gap_inside_a_request_does_not_lose_it(cut):
    assert answered(REQUEST[:cut], REQUEST[cut:], gap=0.016) == [None, REQUEST]
    assert answered(REQUEST[:cut], REQUEST[cut:], gap=2 * JOIN)[1] is None


def test_a_long_frame_may_come_in_many_lumps():
    reply = rtu_frame(5, bytes((3, 250)) + bytes(range(250)))
    lumps = [reply[at:at + 31] for at in range(0, len(reply), 31)]
    assert answered(*lumps, REQUEST, gap=0.016) == [None] * len(lumps) + [REQUEST]


def test_a_request_inside_the_lumps_of_a_foreign_reply_is_not_answered():
    at = TRAP.index(REQUEST)
    end = at + len(REQUEST)
    assert answered(TRAP[:at], TRAP[at:end], TRAP[end:], gap=0.016) == [None, None, None]


def test_noise_that_looks_like_the_beginning_of_a_long_frame_delays_but_does_not_lose():
    line = framer()
    noise = b"\x10\x10\x00\x00\x00\x7b\xf6"
    assert line.segment(noise + REQUEST, 0.0, 0.01) is None
    assert line.expires_at == pytest.approx(0.01 + JOIN)
    assert line.expire() == REQUEST and line.expires_at is None


def test_the_beginning_of_a_frame_is_forgotten_in_time():
    line = framer()
    assert line.segment(REQUEST[:5], 0.0, 0.01) is None
    assert line.segment(REQUEST, 0.01 + 2 * JOIN, 0.2) == REQUEST


def traffic(rng: random.Random) -> bytes:
    """Something that is on a line and none of our business: noise, damaged frames, others' talk."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 20))
    if kind == 1:
        damaged = bytearray(rng.choice((REQUEST, OTHER, FOREIGN_REPLY)))
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        return bytes(damaged)
    if kind == 2:
        unit, count = rng.choice(FOREIGN), rng.randrange(1, 60)
        return rtu_frame(unit, read_request(rng.randrange(65536 - count), count))
    if kind == 3:
        data = rng.randbytes(2 * rng.randrange(1, 60))
        return rtu_frame(rng.choice(FOREIGN), bytes((3, len(data))) + data)
    if kind == 4:
        return REQUEST[:rng.randrange(1, len(REQUEST))]
    return rtu_frame(0, bytes((6,)) + rng.randbytes(4))


def campaign(seed: int, rounds: int) -> None:
    """Every request that silence follows is answered, and nothing else is."""
    rng, line, now = random.Random(seed), framer(), 0.0
    for number in range(rounds):
        before = b"".join(traffic(rng) for _ in range(rng.randrange(3)))
        request = rng.choice((REQUEST, OTHER))
        is_followed_by_silence = rng.random() < 0.7
        segment = before + request if is_followed_by_silence else before + request + FOREIGN_REPLY
        now += rng.choice((0.03, 0.1, 1.0))
        if line.expires_at is not None:
            assert line.expire() is None
        found = line.segment(segment, now, now + 0.02)
        if found is None and line.expires_at is not None:
            found = line.expire()
        now += 0.02
        expected = request if is_followed_by_silence else None
        assert found == expected, f"seed {seed}, round {number}: {segment.hex(' ')}"


@pytest.mark.parametrize("seed", range(5))
def test_a_campaign_of_noise(seed):
    campaign(seed, 600)


def test_lengths_are_told_by_the_function():
    assert adu.request_length(REQUEST) == 8 and adu.reply_length(FOREIGN_REPLY) == len(FOREIGN_REPLY)
    assert adu.request_length(rtu_frame(1, bytes.fromhex("1000000001020001"))) == 11
    assert adu.request_length(b"\x01\x41") == 0 and adu.reply_length(b"\x01\x83") == 5
