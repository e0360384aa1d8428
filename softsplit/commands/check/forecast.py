"""Forecast how old the data of a poll plan gets on a wire without faults, by running the plan. Pure."""

from collections.abc import Mapping, Sequence

from softsplit.polling import busload
from softsplit.polling.plan import Plan
from softsplit.protocol.blocks import Read

SECONDS = 400.0  # s of the wire's time that are run
MOST_STEPS = 200_000  # reads looked at; a plan of very many reads is run for less time
LEAST_SENT = 3  # times a read was sent; what was sent less often is estimated
LATENESS = 1.3  # periods, stretched ones, that may pass between two reads


def oldest(reads: Sequence[tuple[int, Read]], durations: Sequence[float]) -> list[float]:
    """Return the greatest age in seconds of the data of each read of (unit, read), which takes so long."""
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
    """The age that a read of a long period can have, when all others are in its way once."""
    needed = sum(duration / read.every for (_, read), duration in takes.items())
    is_roomy = needed <= busload.ROOMY
    return (1.0 if is_roomy else LATENESS) * each[1].every * max(1.0, needed) + sum(takes.values())
