"""What `softsplit check` says: the topology as a picture, what is read how often, and what it costs."""

from softsplit.line import BAUDRATES
from softsplit.protocol import budget
from softsplit.protocol.blocks import Read
from softsplit.protocol.budget import Cost
from softsplit.topology import Downstream, Topology, Unit, Upstream

USUAL_BAUDRATES = (9600, 19200, 38400, 57600, 115200)  # baud


def draw(topology: Topology, name: str) -> str:
    """Return the wiring as text: every upstream with its units and their reads, then every downstream."""
    unserved = topology.unserved()
    parts = [_upstream(upstream, upstream in unserved) for upstream in topology.upstreams]
    return "\n\n".join([f"{name} is right", *parts, *map(_downstream, topology.downstreams)])


def _upstream(upstream: Upstream, is_unserved: bool) -> str:
    note = "  NOT POLLED: no downstream serves it" if is_unserved else ""
    line = f"  {upstream.line.baudrate} {upstream.line.mode}" if upstream.line else ""
    lines = [f"upstream {upstream.name}  {upstream.url}{line}  timeout {upstream.timeout:g} s{note}"]
    costs = _costs(upstream)
    for index, unit in enumerate(upstream.units):
        is_last = index == len(upstream.units) - 1
        title = f"  ({unit.profile.title})" if unit.profile.title else ""
        lines.append(f" {'└' if is_last else '├'}─ unit {unit.unit}  {unit.profile.name}{title}")
        lines += [f" {' ' if is_last else '│'}    {line}" for line in _reads(unit, costs)]
    return "\n".join(lines + _budget(upstream, list(costs.values())))


def _costs(upstream: Upstream, baudrate: int = 0) -> dict[tuple[int, Read], Cost]:
    """What the reads cost, on a line with another baud rate if one is given; nothing for an unknown line."""
    if upstream.line is None:
        return {}
    reads = [(unit.unit, read) for unit in upstream.units for read in unit.reads]
    found = budget.costs(reads, baudrate or upstream.line.baudrate, upstream.line.mode, upstream.request_gap)
    return {(cost.unit, cost.read): cost for cost in found}


def _reads(unit: Unit, costs: dict[tuple[int, Read], Cost]):
    """One line for each read of a unit."""
    width = max(len(read.name) for read in unit.reads)
    for read in unit.reads:
        line = f"{read.name:{width}}  {str(read.block):28}  every {f'{read.every:g} s':6}"
        if cost := costs.get((unit.unit, read)):
            line += (f"  {cost.size:3} bytes  {1000 * cost.duration:4.0f} ms  {100 * cost.share:5.1f} %"
                     f"  at worst {_seconds(cost.oldest)} old")
        yield line.rstrip()


def _budget(upstream: Upstream, costs: list[Cost]) -> list[str]:
    """What all reads need of the wire, and what to change when that is too much."""
    if not costs:
        return [" the line behind the gateway is not known; set baudrate and mode to see what the reads need"]
    needed = sum(cost.share for cost in costs)
    lines = [f" the reads need {100 * needed:.0f} % of the wire"]
    slowest = max(costs, key=lambda cost: cost.duration)
    if slowest.duration > upstream.timeout:
        lines.append(f" TOO SHORT: timeout {upstream.timeout:g} s, because {slowest.read.name} of unit "
                     f"{slowest.unit} takes {_seconds(slowest.duration)}; set timeout to at least "
                     f"{_seconds(2 * slowest.duration)}")
    if needed > budget.ROOMY:
        what = "TOO MUCH: periods will be stretched" if needed > 1 else "NARROW: there is hardly any room"
        lines.append(f" {what}; {_cure(upstream, costs, needed)}")
    return lines


def _cure(upstream: Upstream, costs: list[Cost], needed: float) -> str:
    """Say which baud rate, or which period of the costliest read, brings the need below what is roomy."""
    cures = []
    for baudrate in USUAL_BAUDRATES:
        if baudrate > upstream.line.baudrate and baudrate in BAUDRATES:
            less = sum(cost.share for cost in _costs(upstream, baudrate).values())
            if less <= budget.ROOMY:
                cures.append(f"{baudrate} baud would need {100 * less:.0f} %")
                break
    costliest = max(costs, key=lambda cost: cost.share).read
    alike = [cost for cost in costs if cost.read.name == costliest.name]
    rest = budget.ROOMY - needed + sum(cost.share for cost in alike)
    if rest > 0:
        every = sum(cost.duration for cost in alike) / rest
        cures.append(f'every = {{ "{costliest.name}" = {every:.2g} }} for its units would do')
    return ", or ".join(cures) or "poll fewer units or blocks, or all of them less often"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def _downstream(downstream: Downstream) -> str:
    lines = [f"downstream {downstream.name}  {downstream.url}{_how(downstream)}  "
             f"max_age {downstream.max_age:g} s  when_stale {downstream.when_stale}"]
    for number, served in enumerate(downstream.served, 1):
        branch = "└" if number == len(downstream.served) else "├"
        lines.append(f" {branch}─ unit {served.unit}  from {served.upstream.name}/{served.origin.unit}")
    return "\n".join(lines)


def _how(downstream: Downstream) -> str:
    if downstream.line:
        return f"  {downstream.line.baudrate} {downstream.line.mode}"
    allowed = ", ".join(map(str, downstream.access.allow)) or "everybody"
    return f"  for {allowed}, up to {downstream.access.max_connections}"
