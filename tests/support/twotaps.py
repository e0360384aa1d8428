"""A line heard by two taps, seeded, of which each may be late: delays, hiccups, and a reader that is stopped.

Each reply says which register was asked for: what is paired wrongly shows.
"""

import random
from dataclasses import dataclass
from heapq import merge

from softsplit.decoder.decoder import Decoder, Kind
from softsplit.protocol.adu import rtu_frame

CHARACTER = 11 / 19200  # s


@dataclass(frozen=True)
class Trouble:
    """What befalls a line and its taps; times are in seconds, shares are of requests."""

    blocks: tuple  # (unit, address, count) in turn
    interval: float = 0.1  # from one request to the next
    latency: float = 0.01
    unanswered: float = 0.0
    timeout: float = 0.15  # of the master
    late: float = 0.0  # always, the reply tap
    hiccups: float = 0.0  # how often each tap holds back what it hears, a second
    hiccup: tuple = (0.03, 0.5)  # how long
    stops: float = 0.0  # how often the reader stands still, a second
    stop: tuple = (0.05, 0.2)
    damaged: float = 0.0  # share of frames
    jitter: float = 0.016


@dataclass
class Score:
    right: int = 0
    wrong: int = 0
    suspect: int = 0
    asked: int = 0


def said(trouble: Trouble, pick: random.Random, seconds: float):
    """Yield what is on the line: when it ends, its role, and the frame."""
    now = 1.0
    while now < seconds:
        for unit, address, count in trouble.blocks:
            begun = now
            request = rtu_frame(unit, bytes((3,)) + address.to_bytes(2, "big") + count.to_bytes(2, "big"))
            now += len(request) * CHARACTER
            yield now, "request", _on_the_line(request, trouble, pick)
            if pick.random() < trouble.unanswered:
                now += trouble.timeout
            else:
                data = address.to_bytes(2, "big").ljust(2 * count, b"\0")
                reply = rtu_frame(unit, bytes((3, 2 * count)) + data)
                now += trouble.latency * pick.uniform(1, 1.5) + len(reply) * CHARACTER
                yield now, "reply", _on_the_line(reply, trouble, pick)
            now = max(now + 4 * CHARACTER, begun + trouble.interval * pick.uniform(1, 1.05))


def _on_the_line(frame: bytes, trouble: Trouble, pick: random.Random) -> bytes:
    if pick.random() >= trouble.damaged:
        return frame
    at = pick.randrange(len(frame))
    return frame[:at] + bytes((frame[at] ^ 1 << pick.randrange(8),)) + frame[at + 1:]


def _pauses(often: float, length: tuple, pick: random.Random, seconds: float) -> list[tuple[float, float]]:
    pauses, at = [], 0.0
    while often and at < seconds:
        at += pick.expovariate(often)
        pauses.append((at, at + pick.uniform(*length)))
        at = pauses[-1][1]
    return pauses


def _after(pauses: list[tuple[float, float]], t: float) -> float:
    """When that is seen which happens at `t`; pauses that are over are dropped."""
    while pauses and pauses[0][1] <= t:
        pauses.pop(0)
    return pauses[0][1] if pauses and pauses[0][0] <= t else t


def reads(trouble: Trouble, seed: int, seconds: float):
    """Yield (time, role, bytes) as they are read; no bytes where nothing comes."""
    pick = random.Random(seed)
    line = list(said(trouble, random.Random(seed), seconds))
    taps = []
    for role in ("request", "reply"):
        held, last, heard = _pauses(trouble.hiccups, trouble.hiccup, pick, seconds), 0.0, []
        for end, who, frame in line:
            if who == role:
                late = trouble.late if role == "reply" else 0.0
                last = max(last, _after(held, end) + late + pick.uniform(0, trouble.jitter))
                heard.append((last, role, frame))
        taps.append(heard)
    stops, seen = _pauses(trouble.stops, trouble.stop, pick, seconds), []
    for t, role, frame in merge(*taps):
        seen.append((_after(stops, t), role, frame))
    seen.sort(key=lambda each: (each[0], each[1] == "reply"))  # requests first, of two that are ready
    last = 0.0
    for t, role, frame in seen:
        while t - last > 0.1:
            last += 0.1
            yield last, None, b""
        last = t
        yield t, role, frame


def listen(trouble: Trouble, seed: int, seconds: float) -> Score:
    """Let a pairing hear it, and compare what it tells as good with what the replies say."""
    pairing, score = Decoder(CHARACTER, jitter=0.1 if trouble.late else 0.016, timeout=5.0), Score()

    def take(told) -> None:
        for each in told:
            score.asked += each.request is not None
            score.suspect += each.kind is Kind.SUSPECT
            if each.kind is Kind.OK:
                is_right = each.reply[3:5] == each.request[2:4]
                score.right, score.wrong = score.right + is_right, score.wrong + (not is_right)

    for t, role, data in reads(trouble, seed, seconds):
        take(pairing.feed(data, t, role) if data else pairing.idle(t))
    take(pairing.finish())
    return score


ALIKE, MORE_ALIKE = ((1, 0, 4), (1, 100, 4)), ((1, 0, 4), (1, 100, 4), (1, 200, 4))
TWO_UNITS = (1, 0, 4), (2, 0, 4), (1, 100, 4), (2, 100, 4)
MIXED = (*ALIKE, (2, 0, 4), (1, 200, 10), (2, 50, 6))


def any_trouble(pick: random.Random) -> Trouble:
    """Whatever may befall a line, and all of it together."""
    return Trouble(
        blocks=pick.choice((ALIKE, MORE_ALIKE, TWO_UNITS, MIXED)),
        interval=pick.choice((0.05, 0.1, 0.2, 0.5, 1.0)), latency=pick.choice((0.003, 0.01, 0.04, 0.1)),
        unanswered=pick.choice((0, 0.01, 0.05)), timeout=pick.choice((0.1, 0.15, 0.3, 1.0)),
        late=pick.choice((0, 0, 0, 0.06, 0.12, 0.4)), hiccups=pick.choice((0, 0.05, 0.2)),
        hiccup=pick.choice(((0.08, 0.08), (0.1, 0.1), (0.2, 0.2), (0.03, 0.8))),
        stops=pick.choice((0, 0.3, 1)), stop=pick.choice(((0.05, 0.05), (0.05, 0.24))), damaged=pick.choice((0, 0, 0.01)))
