"""What reads cost on a wire, and how old their data gets. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from softsplit.protocol import frames
from softsplit.protocol.blocks import Read

REQUEST_SIZE = 8  # bytes: unit, function, address, count, CRC
ROOMY = 0.8  # of the wire; with less to carry, no read has to wait for longer ones
LATENESS = 1.5  # stretched periods between two reads at worst, when it has more to carry
AROUND_DATA = 5  # bytes: unit, function, byte count, CRC
DEVICE_DELAY = 0.003  # s until a device begins to answer; 2.1 to 3.2 ms were measured on real lines


@dataclass(frozen=True, slots=True)
class Cost:
    """What one read takes: `size` in bytes, request and reply; `duration` on the wire in seconds; `share` of
    the wire; `oldest` is the greatest age of its data, in seconds, on a wire without faults.
    """

    unit: int
    read: Read
    size: int
    duration: float
    share: float
    oldest: float


def spread(loads: Sequence[tuple[float, float]]) -> list[float]:
    """Return the periods which a wire can carry for reads of (every, duration), sorted by `every`.

    No period is shorter than one round of all that are not longer; then all are stretched alike until the
    wire is full and no more.
    """
    periods: list[float] = []
    busy = load = 0.0
    for every, group in groupby(loads, key=lambda each: each[0]):
        durations = [duration for _, duration in group]
        busy += sum(durations)  # s for one round of this period and all shorter ones
        load += sum(durations) / max(every, busy)
        periods += len(durations) * [max(every, busy)]
    return [period * max(1.0, load) for period in periods]


def duration(read: Read, baudrate: int, mode: str, delay: float = DEVICE_DELAY) -> float:
    """Seconds a read takes on a serial line: request and reply, with the silence after each."""
    return (frames.wire_time(REQUEST_SIZE, baudrate, mode) + delay
            + frames.wire_time(AROUND_DATA + read.block.byte_count, baudrate, mode))


def costs(reads: Sequence[tuple[int, Read]], baudrate: int, mode: str, gap: float = 0.0,
          delay: float = DEVICE_DELAY) -> list[Cost]:
    """Return what reads of (unit, read) cost on one serial line, in their order.

    `gap` is what passes between an answer and the next request, in seconds.
    """
    durations = {each: duration(each[1], baudrate, mode, delay) + gap for each in reads}
    ordered = sorted(reads, key=lambda each: each[1].every)
    periods = dict(zip(ordered, spread([(each[1].every, durations[each]) for each in ordered])))
    is_roomy = sum(durations[each] / each[1].every for each in reads) <= ROOMY
    found = []
    for each in reads:
        every = each[1].every
        round_ = sum(durations[other] for other in reads if other[1].every <= every)
        longest = max((durations[other] for other in reads if other[1].every > every), default=0.0)
        lateness = 1.0 if is_roomy else LATENESS
        found.append(Cost(*each, size=REQUEST_SIZE + AROUND_DATA + each[1].block.byte_count,
                          duration=durations[each], share=durations[each] / every,
                          oldest=max(lateness * periods[each], round_ + longest) + durations[each]))
    return found
