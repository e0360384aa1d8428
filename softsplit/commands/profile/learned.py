"""Make a profile of what masters asked a unit for. Pure.

Overlapping requests become one block, as far as one read can carry it. So everything that masters asked for
is polled, and only new requests are forwarded.
"""

from collections.abc import Iterator
from dataclasses import replace

from softsplit import checks
from softsplit.daemon.health import NOT_RUNNING
from softsplit.daemon.status import Status
from softsplit.downstream.report import AskedStatus
from softsplit.errors import ConfigError, SoftsplitError
from softsplit.profiles.content import profile_of
from softsplit.profiles.tomltext import toml_of
from softsplit.protocol.blocks import ADDRESSES, Block
from softsplit.protocol.functions import writing

ANY = "any"  # the profile of an unknown device
FASTEST, SLOWEST = 1.0, 600.0  # s, the periods of frequent reads, and of reads at the start only


def learned_profiles(status: Status, unit: str | None) -> str:
    """Return the profile of a unit, named UPSTREAM/UNIT, or of the only one whose profile is "any".

    Raises SoftsplitError if nothing runs, and ConfigError if no master asked such a unit.
    """
    if status.health.code == NOT_RUNNING:
        raise SoftsplitError(status.health.summary)
    units = _units(status)
    if unit is None:
        found = [name for name, profile in units.items() if profile == ANY]
        if len(found) != 1:
            which = (f"choose one: {', '.join(found)}" if found else
                     f'none has the profile "{ANY}"; name one of ' + ", ".join(units))
            raise ConfigError(f"which unit? {which}", "UNIT")
        unit, = found
    checks.require_word(unit, units, "unit", "UNIT")
    asked = list(_asked_of(unit, status))
    if not asked:
        raise ConfigError(f"no master has asked {unit} for anything yet; try again later", "UNIT")
    return _profile(unit, asked, status.uptime)


def _units(status: Status) -> dict[str, str]:
    """The profile names of a splitter's units, by UPSTREAM/UNIT."""
    return {f"{name}/{each}": report.profile for name, upstream in status.upstreams.items()
            for each, report in upstream.units.items()}


def _asked_of(unit: str, status: Status) -> Iterator[AskedStatus]:
    """Yield the reads of all masters for a unit, on any downstream."""
    for downstream in status.downstreams.values():
        for master in downstream.masters.values():
            for asked in master.asked:
                served = None if asked.unit is None else downstream.served(asked.unit)
                if served and served.origin == unit and asked.table and asked.address is not None and asked.count:
                    yield asked


def _profile(unit: str, asked: list[AskedStatus], uptime: float) -> str:
    periods: dict[Block, float] = {}
    for each in asked:
        if block := _block_of(each):
            rate = max(each.rate, each.requests / max(uptime, FASTEST))
            periods[block] = min(periods.get(block, SLOWEST),
                                 max(FASTEST, round(1 / rate, 1) if rate else SLOWEST))
    blocks = list(_joined(periods))
    tables = sorted({block.table for block, _ in blocks}, key=lambda table: table.function)
    content = {
        "title": f"device at {unit}", "source": "what masters asked for; its meaning is unknown",
        "functions": sorted({code for each in tables
                             for code in (each.function, *writing(each, plainly=True))}),
        "readable": [{"table": table.value, "address": 0, "count": ADDRESSES} for table in tables],
        "block": [{"name": f"{block}", "table": block.table.value, "address": block.address,
                   "count": block.count,
                   "every": every} for block, every in blocks],
    }
    profile_of(content, "learned")  # raises if it is wrong
    requests = sum(each.requests for each in asked)
    return toml_of(content, [f"Learned from {requests} requests for {unit}. Add names to it: see README, profiles."])


def _block_of(asked: AskedStatus) -> Block | None:
    """The block of a request; None if it is impossible."""
    if asked.table is None or asked.address is None or not asked.count or asked.count > asked.table.max_count \
            or asked.address + asked.count > ADDRESSES:
        return None
    return Block(asked.table, asked.address, asked.count)


def _joined(periods: dict[Block, float]) -> Iterator[tuple[Block, float]]:
    """Join blocks that overlap; each gets the shortest period of its parts."""
    current: tuple[Block, float] | None = None
    for block, every in sorted(periods.items(), key=lambda each: (each[0].table.function, each[0].address)):
        if current and current[0].overlaps(block):
            whole = replace(current[0], count=max(current[0].end, block.end) - current[0].address)
            current = whole, min(every, current[1])
            continue
        if current:
            yield from _cut(*current)
        current = block, every
    if current:
        yield from _cut(*current)


def _cut(block: Block, every: float) -> Iterator[tuple[Block, float]]:
    """Cut a block into parts for one read each; masters can still read across them."""
    most = block.table.max_count
    for address in range(block.address, block.end, most):
        yield replace(block, address=address, count=min(most, block.end - address)), every
