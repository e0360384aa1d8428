"""Calculate how long reads take on a wire. Pure."""

from collections.abc import Sequence
from itertools import groupby

from softsplit.protocol import adu
from softsplit.protocol.blocks import Read

REQUEST_SIZE = 8  # bytes: unit (of one), function, address, count, CRC
ROOMY = 0.8  # of the wire; below this load no read has to wait for longer ones
AROUND_DATA = 5  # bytes: unit (of one), function, byte count, CRC
DEVICE_DELAY = 0.003  # s until a device begins to answer; 2.1 to 3.2 ms were measured on real lines


def spread(loads: Sequence[tuple[float, float]]) -> list[float]:
    """Return the periods that a wire can carry for reads of (every, duration), sorted by `every`.

    No period is shorter than one round of the reads with this or a shorter period. If the wire is still
    overloaded, all periods are stretched by the same factor.
    """
    periods: list[float] = []
    busy = load = 0.0
    for every, group in groupby(loads, key=lambda each: each[0]):
        durations = [duration for _, duration in group]
        busy += sum(durations)  # s for one round of this and all shorter periods
        load += sum(durations) / max(every, busy)
        periods += len(durations) * [max(every, busy)]
    return [period * max(1.0, load) for period in periods]


def size(read: Read, unit_bytes: int = 1) -> int:
    """Bytes of a read on a serial line: request and reply."""
    return sum(_sizes(read, unit_bytes))


def duration(read: Read, baudrate: int, mode: str, delay: float = DEVICE_DELAY, unit_bytes: int = 1) -> float:
    """Seconds for a read on a serial line: request and reply, with the silence after each."""
    return delay + sum(adu.wire_time(each, baudrate, mode) for each in _sizes(read, unit_bytes))


def _sizes(read: Read, unit_bytes: int) -> tuple[int, int]:
    more = unit_bytes - 1
    return REQUEST_SIZE + more, AROUND_DATA + more + read.block.byte_count
