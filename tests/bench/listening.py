"""Listening: what the three modes make of a line, from a clean one to one where all goes wrong at once.

    python -m tests.bench.listening [--quick]

Recovered: the share of the intact transactions that are told as they were. False: pairs which never were, not
marked late or suspect, as a share of all. Delay: from the last byte of a reply until its transaction is told.
"""

import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

from softsplit.protocol.pairing import Kind, Pairing
from tests.traffic import Line, Traffic, traffic

READS = (3, 3, 4)
LINES = {
    "FC 3/4 only, no errors": Line(functions=READS, broadcasts=0),
    "clean mix": Line(),
    "bit error rate 1e-3": Line(bit_errors=1e-3),
    "lost bytes 1e-3": Line(lost_bytes=1e-3),
    "a false byte per turnaround": Line(false_bytes=True),
    "20 % no reply": Line(no_reply=0.2, late=0.2),
    "second master 5 %": Line(second_master=0.05),
    "all at once, BER 1e-4": Line(bit_errors=1e-4, lost_bytes=1e-4, false_bytes=True, no_reply=0.2, late=0.2,
                                  second_master=0.05),
}
TOLERANCE = 0.04  # s between a time that was told and the true one
PAIRED = (Kind.OK, Kind.EXCEPTION, Kind.LATE, Kind.SUSPECT)


@dataclass
class Score:
    intact: int = 0
    recovered: int = 0
    false: int = 0
    marked: int = 0
    suspect: int = 0
    total: int = 0
    bytes: int = 0
    seconds: float = 0.0
    delays: list = field(default_factory=list)
    wrong: list = field(default_factory=list)
    missed: list = field(default_factory=list)

    def __str__(self) -> str:
        delays = sorted(self.delays) or [0]
        return (f"{100 * self.recovered / self.intact:6.2f} / {100 * self.false / self.total:5.2f} "
                f"(suspect {100 * self.suspect / self.total:4.2f})  "
                f"{self.bytes / self.seconds / 1000:4.0f} kB/s  {1000 * delays[len(delays) // 2]:4.0f} "
                f"{1000 * delays[len(delays) * 99 // 100]:5.0f} ms")


def listen(pairing: Pairing, heard: Traffic, hinted: bool = False):
    """Yield each transaction with the time at which it was told."""
    for data, t, role in heard.reads:
        for transaction in pairing.feed(data, t, role if hinted else None) if data else pairing.idle(t):
            yield transaction, t
    for transaction in pairing.finish():
        yield transaction, t


def judge(score: Score, heard: Traffic, told: list) -> None:
    """Compare what was told with the truth."""
    open_truths = defaultdict(list)
    for truth in heard.truth:
        score.intact += truth.is_intact
        open_truths[truth.request.frame, truth.reply and truth.reply.frame].append(truth)
    score.total += len(heard.truth)
    score.bytes += len(heard.data)
    for transaction, t in told:
        if transaction.request is None or transaction.kind is Kind.DAMAGED:
            continue
        paired = transaction.kind in PAIRED
        score.suspect += transaction.kind is Kind.SUSPECT
        truths = open_truths[transaction.request, transaction.reply]
        truth = next((each for each in truths if abs(each.request.end - transaction.time) < TOLERANCE and (
            not paired or abs(each.reply.end - transaction.time - transaction.latency) < TOLERANCE)), None)
        if truth:
            truths.remove(truth)
            score.recovered += truth.is_intact
            if paired:
                score.delays.append(t - truth.reply.end)
        elif paired and transaction.kind in (Kind.OK, Kind.EXCEPTION):
            score.false += 1
            score.wrong.append(transaction)
        else:
            score.marked += paired
    score.missed += [truth for truths in open_truths.values() for truth in truths if truth.is_intact]


def run(line: Line, mode: str, seeds, transactions: int) -> Score:
    score = Score()
    for seed in seeds:
        heard = traffic(line, seed, transactions)
        pairing = Pairing(11 / line.baudrate, mode)
        began = time.process_time()
        told = list(listen(pairing, heard, mode == "rts"))
        score.seconds += time.process_time() - began
        judge(score, heard, told)
    return score


def main() -> None:
    quick = "--quick" in sys.argv
    seeds, transactions = (range(1), 500) if quick else (range(5), 2000)
    print("recovered / false %, speed, delay (median, 99 %)")
    for name, line in LINES.items():
        print(name)
        for mode in ("alternating", "rts", "auto"):
            print(f"    {mode:12} {run(line, mode, seeds, transactions)}", flush=True)


if __name__ == "__main__":
    main()
