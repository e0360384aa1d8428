"""Listening: what the three modes make of a line, from a clean one to one where all goes wrong at once.

    python -m tests.bench.listening [--quick]

For each mode: the share of the intact transactions that are told as they were, and the pairs that never were and
are not marked late or suspect, as a share of all. For auto also: the share that is marked suspect, bytes per second,
and how long after the last byte of a reply its transaction is told (half of them, 99 %). The hint for rts is who
talked last when a read ended, as a modem line shows. At the end: what input made to be slow costs.

Cells: intact transactions that were
told as they were, and pairs told as good that never were, in %; then, for `auto`, pairs marked suspect in %, speed, and how
long after its last byte a reply is told (p50 / p99). With an adapter this slow a hint from a modem line colours two frames
at once, which is why `rts` is the poorest. Masters ask again after 0.1 to 1 s, those with quick retries after 0.1 or 0.15 s.
Measured on 2026-11-30, speeds on 2026-11-25, on the machine above:

| line | auto | alternating | rts | suspect | speed | delay |
| --- | --- | --- | --- | --- | --- | --- |
| FC 3/4 only, no errors | 100.00 / 0.00 | 100.00 / 0.00 | 55.18 / 0.00 | 0.00 | 752 kB/s | 8 / 16 ms |
| clean mix | 100.00 / 0.00 | 94.40 / 0.00 | 57.52 / 0.00 | 0.00 | 625 kB/s | 8 / 16 ms |
| bit error rate 1e-3 | 100.00 / 0.00 | 87.22 / 0.00 | 56.76 / 0.00 | 1.37 | 306 kB/s | 8 / 16 ms |
| lost bytes 1e-3 | 99.99 / 0.01 | 81.83 / 0.01 | 57.28 / 0.00 | 0.08 | 545 kB/s | 8 / 16 ms |
| a false byte per turnaround | 100.00 / 0.00 | 0.17 / 0.01 | 57.16 / 0.00 | 0.08 | 416 kB/s | 8 / 50 ms |
| 20 % no reply | 99.82 / 0.00 | 45.03 / 0.00 | 62.85 / 0.00 | 1.65 | 585 kB/s | 8 / 31 ms |
| second master 5 % | 100.00 / 0.00 | 74.21 / 0.00 | 57.89 / 0.00 | 0.34 | 636 kB/s | 8 / 16 ms |
| 20 % no reply, quick retries | 99.65 / 0.00 | 43.70 / 0.30 | 61.75 / 0.00 | 2.01 |  | 8 / 16 ms |
| all at once, BER 1e-4 | 99.74 / 0.00 | 1.53 / 0.00 | 47.94 / 0.00 | 2.37 | 373 kB/s | 9 / 68 ms |
| all at once, quick retries | 99.53 / 0.00 | 1.33 / 0.00 | 47.67 / 0.01 | 3.10 |  | 9 / 66 ms |

No input was found that is decoded at less than 75 kB/s, however it is read; memory is bounded.
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
