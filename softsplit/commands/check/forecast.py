"""Forecast the age of the data of a poll plan on a wire without faults, by simulating the plan. Pure."""

from collections.abc import Mapping, Sequence

from softsplit.polling import busload
from softsplit.polling.plan import Plan
from softsplit.protocol.blocks import Read

SECONDS = 400.0  # s of simulated time
MOST_STEPS = 200_000  # reads examined; a plan of very many reads is simulated for less time
LEAST_SENT = 3  # reads; the age of a block that was read less often is estimated
LATENESS = 1.3  # stretched periods that may pass between two reads


def oldest(reads: Sequence[tuple[int, Read]], durations: Sequence[float]) -> list[float]:
    """Return the greatest age in seconds of the data of each (unit, read); `durations` are theirs."""
    takes = dict(zip(reads, durations))
    plan = Plan({unit: [read for whose, read in reads if whose == unit] for unit, _ in reads}, 1.0, now=0.0)
    sent: dict[tuple[int, Read], list[float]] = {each: [] for each in reads}
    now, steps = 0.0, MOST_STEPS // len(reads)
    while now < SECONDS and steps:
        steps -= 1
        if due := plan.next(now):
            sent[due].append(now)
            plan.answered(*due, now, now + takes[due])
            now += takes[due]
        else:
            now += plan.pause(now)
    return [_gap(sent[each]) + takes[each] if len(sent[each]) >= LEAST_SENT else _estimate(each, takes)
            for each in reads]


def _gap(times: list[float]) -> float:
    return max(later - earlier for earlier, later in zip(times, times[1:]))


def _estimate(each: tuple[int, Read], takes: Mapping[tuple[int, Read], float]) -> float:
    """The greatest age for a read with a long period: it may wait for all others once."""
    needed = sum(duration / read.every for (_, read), duration in takes.items())
    is_roomy = needed <= busload.ROOMY
    return (1.0 if is_roomy else LATENESS) * each[1].every * max(1.0, needed) + sum(takes.values())
