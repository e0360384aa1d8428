"""Listening: what the three modes make of a line, from a clean one to one where all goes wrong at once.

    python -m tests.bench.listening [--quick]

For each mode: the share of the intact transactions that are told as they were, and the pairs that never were and
are not marked late or suspect, as a share of all. For auto also: the share that is marked suspect, bytes per second,
and how long after the last byte of a reply its transaction is told (half of them, 99 %). The hint for rts is who
talked last when a read ended, as a modem line shows. At the end: what input made to be slow costs.
"""

import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

from softsplit.decoder.decoder import AUTO, MODES, RTS, Decoder, Kind
from softsplit.protocol.adu import rtu_frame
from tests.support.traffic import CHARACTER_BITS, Line, Traffic, traffic

QUICK = (0.1, 0.15)  # s
ALL_AT_ONCE = {"bit_errors": 1e-4, "lost_bytes": 1e-4, "false_bytes": True, "no_reply": 0.2, "late": 0.2,
               "second_master": 0.05}
LINES = {
    "FC 3/4 only, no errors": Line(functions=(3, 3, 4), broadcasts=0),
    "clean mix": Line(),
    "bit error rate 1e-3": Line(bit_errors=1e-3),
    "lost bytes 1e-3": Line(lost_bytes=1e-3),
    "a false byte per turnaround": Line(false_bytes=True),
    "20 % no reply": Line(no_reply=0.2, late=0.2),
    "second master 5 %": Line(second_master=0.05),
    "20 % no reply, quick retries": Line(no_reply=0.2, late=0.2, timeouts=QUICK),
    "all at once, BER 1e-4": Line(**ALL_AT_ONCE),
    "all at once, quick retries": Line(**ALL_AT_ONCE, timeouts=QUICK),
}
POLL, EXCEPTION, UNKNOWN = (rtu_frame(1, bytes.fromhex(pdu)) for pdu in ("03 0000 0001", "83 02", "41 05"))
SLOW = {  # found by search
    "long false heads": b"\x01\x03\xfa",
    "writes that never end": bytes.fromhex("0110 0001 007b f6"),
    "noise that no CRC notices": POLL + 60 * b"\xa8\xea" + UNKNOWN + bytes(60),
    "an unknown function without an end": POLL + b"\x01\x41" + bytes(range(1, 255)),
    "frames that are no sure ones": POLL + b"\x01\x03\xfa" + 30 * (EXCEPTION + b"\xff\xff\xff"),
}
TOLERANCE = 0.04  # s between a time that was told and the true one
PAIRED = (Kind.OK, Kind.EXCEPTION, Kind.LATE, Kind.SUSPECT)


@dataclass
class Score:
    """How what was told compares with the truth."""

    intact: int = 0
    recovered: int = 0
    total: int = 0
    false: int = 0
    suspect: int = 0
    bytes: int = 0
    seconds: float = 0.0
    delays: list[float] = field(default_factory=list)

    @property
    def shares(self) -> str:
        return f"{100 * self.recovered / self.intact:6.2f} / {100 * self.false / self.total:5.2f}"

    @property
    def costs(self) -> str:
        delays = sorted(self.delays)
        half, most = (1000 * delays[len(delays) * percent // 100] for percent in (50, 99))
        return (f"{100 * self.suspect / self.total:7.2f} | {self.bytes / self.seconds / 1000:5.0f} | "
                f"{half:3.0f}, {most:3.0f}")


def listen(pairing: Decoder, heard: Traffic, hinted: bool = False):
    """Yield each transaction with the time at which it is told."""
    for data, t, role in heard.reads:
        for transaction in pairing.feed(data, t, role if hinted else None) if data else pairing.idle(t):
            yield transaction, t
    for transaction in pairing.finish():
        yield transaction, t


def judge(score: Score, heard: Traffic, told: list) -> None:
    """Compare what was told with the truth."""
    truths = defaultdict(list)
    for truth in heard.truth:
        truths[truth.request.frame, truth.reply and truth.reply.frame].append(truth)
    score.intact += sum(truth.is_intact for truth in heard.truth)
    score.total += len(heard.truth)
    score.bytes += len(heard.data)
    for transaction, t in told:
        if transaction.request is None or transaction.kind is Kind.DAMAGED:
            continue
        candidates = truths[transaction.request, transaction.reply]
        truth = next((truth for truth in candidates if is_close(transaction, truth)), None)
        score.suspect += transaction.kind is Kind.SUSPECT
        if truth:
            candidates.remove(truth)
            score.recovered += truth.is_intact
            score.delays += [t - truth.reply.end] if truth.reply else []
        else:
            score.false += transaction.kind in (Kind.OK, Kind.EXCEPTION)


def is_close(transaction, truth) -> bool:
    """Whether both are of the same time."""
    if abs(transaction.time - truth.request.end) >= TOLERANCE:
        return False
    return truth.reply is None or abs(transaction.time + transaction.latency - truth.reply.end) < TOLERANCE


def run(line: Line, mode: str, seeds, transactions: int) -> Score:
    score = Score()
    for seed in seeds:
        heard = traffic(line, seed, transactions)
        pairing = Decoder(CHARACTER_BITS / line.baudrate, mode)
        began = time.process_time()
        told = list(listen(pairing, heard, mode == RTS))
        score.seconds += time.process_time() - began
        judge(score, heard, told)
    return score


def speed(data: bytes, size: int) -> float:
    """Bytes per second when each read brings `size` of them."""
    pairing = Decoder(CHARACTER_BITS / 9600)
    began = time.process_time()
    for at in range(0, len(data), size):
        pairing.feed(data[at:at + size], at * CHARACTER_BITS / 9600)
    return len(data) / (time.process_time() - began)


def main() -> None:
    quick = "--quick" in sys.argv
    seeds, transactions = (range(1), 500) if quick else (range(5), 2000)
    modes = " | ".join(f"{mode:14}" for mode in MODES)
    print(f"{'recovered / false, %':28} | {modes} | suspect |  kB/s | delay, ms")
    for name, line in LINES.items():
        scores = [run(line, mode, seeds, transactions) for mode in MODES]
        shares = " | ".join(score.shares for score in scores)
        print(f"{name:28} | {shares} | {scores[MODES.index(AUTO)].costs}", flush=True)
    print(f"\n{'made to be slow, kB/s':36} | reads of 64 | of one byte")
    for name, piece in SLOW.items():
        data = piece * (30000 // len(piece))
        print(f"{name:36} | {speed(data, 64) / 1000:11.0f} | {speed(data, 1) / 1000:11.0f}", flush=True)


if __name__ == "__main__":
    main()
