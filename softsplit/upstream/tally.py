"""What one wire shows: how often each unit was asked, what came of it, and how long it took."""

import time
from collections import Counter, deque
from dataclasses import dataclass, field

LATENCIES = 1000  # the latest, of one unit


@dataclass(slots=True)
class UnitTally:
    """The requests to one unit, each of which ended in one way: an answer, an exception, or neither.

    `damaged` are those to which something came that was not the answer; `latencies` are in seconds.
    """

    requests: int = 0
    answers: int = 0
    exceptions: Counter = field(default_factory=Counter)  # by code
    no_answer: int = 0
    damaged: int = 0
    latencies: deque = field(default_factory=lambda: deque(maxlen=LATENCIES))

    def latency(self, share: float) -> float | None:
        """The latency that `share` of the latest answers and exceptions did not exceed; None without any."""
        ordered = sorted(self.latencies)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None

    def __str__(self) -> str:
        parts = [f"{self.requests} requests", f"{self.answers} answers"]
        parts += [f"{count} times exception 0x{code:02X}" for code, count in sorted(self.exceptions.items())]
        parts += [f"{count} {what}" for count, what in ((self.no_answer, "without an answer"),
                                                        (self.damaged, "with a damaged one")) if count]
        if self.latencies:
            median, p99 = (1000 * self.latency(share) for share in (0.5, 0.99))  # ms
            parts.append(f"latency {median:.0f} ms (p99 {p99:.0f} ms)")
        return ", ".join(parts)


class Tally:
    """One wire: its units, the seconds it was `busy` with them, and the `foreign` frames heard on it."""

    def __init__(self, units):
        self.units = {unit: UnitTally() for unit in units}
        self.busy = 0.0  # s, from a request to the end of its answer or of the wait for it
        self.foreign = 0
        self.since = time.monotonic()

    @property
    def utilisation(self) -> float:
        """The share of the time in which the wire was busy."""
        return self.busy / max(time.monotonic() - self.since, 1e-6)
