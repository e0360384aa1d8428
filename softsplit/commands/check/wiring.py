"""The output of `softsplit check`: wiring, poll plan and bus load."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor, log10

from softsplit.commands.check import forecast
from softsplit.commands.check.derived import Oldest, draw_derived
from softsplit.commands.check.discovery import missed_by_victron
from softsplit.config.access import PRIVATE
from softsplit.config.deriving.expression import Input
from softsplit.config.downstream import Downstream
from softsplit.config.line import Line
from softsplit.config.topology import Topology
from softsplit.config.upstream import Unit, Upstream
from softsplit.config.url import Url
from softsplit.polling import busload
from softsplit.polling.fairness import longest_forward
from softsplit.printable import printable
from softsplit.protocol.addresses import LINE_UNITS, UNITS, LongUnit
from softsplit.protocol.blocks import Read

USUAL_BAUDRATES = (9600, 19200, 38400, 57600, 115200)  # baud
TOO_SHORT, TOO_MUCH, NARROW = "TOO SHORT", "TOO MUCH", "NARROW"


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a read: seconds each time, its share of the wire, and the greatest age of its data."""

    unit: int
    read: Read
    duration: float
    share: float
    oldest: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether reads fit their wire: the `share` of it that they need, None if unknown, and `in_words`.

    `faults` are pairs: TOO_SHORT, TOO_MUCH or NARROW, and why, with the cure.
    """

    share: float | None
    in_words: str
    faults: tuple[tuple[str, str], ...] = ()


def draw(topology: Topology, name: str) -> str:
    """Return the wiring as text: every upstream with its units and their reads, then every downstream."""
    polled = {each.name: _polled(topology, each) for each in topology.upstreams}
    costs = {each.name: _costs(each, polled[each.name]) for each in topology.upstreams}
    parts = [[f"{name} is valid"],
             *(_upstream(each, polled[each.name], costs[each.name]) for each in topology.upstreams),
             *(draw_derived(topology, each, _oldest(costs)) for each in topology.derived),
             *map(_downstream, topology.downstreams), *_own(topology)]
    return "\n\n".join("\n".join(map(printable, lines)) for lines in parts)


def _oldest(costs: Mapping[str, list[Cost]]) -> Oldest:
    """Return a function for the greatest age of an input, None if the line is unknown; `costs` are by upstream."""
    def oldest(each: Input) -> float | None:
        return max((cost.oldest for cost in costs[each.upstream] if cost.unit == each.unit
                    and any(cost.read.block.contains(part) for part in each.register.needs)), default=None)
    return oldest


def fit(topology: Topology, upstream: Upstream) -> Fit | None:
    """Return whether the reads of an upstream fit its wire; None if nothing is polled."""
    polled = [] if upstream.is_heard else _polled(topology, upstream)
    return _fit(upstream, _costs(upstream, polled)) if polled else None


def _polled(topology: Topology, upstream: Upstream) -> list[Unit]:
    """The units of an upstream that a downstream serves."""
    served = {each.origin.unit for downstream in topology.downstreams for each in downstream.served
              if each.upstream is upstream}
    served |= {unit.unit for downstream in topology.downstreams for each in downstream.derived
               for other, unit in each.derived.units if other is upstream}
    return [unit for unit in upstream.units if unit.unit in served]


def _upstream(upstream: Upstream, polled: list[Unit], costs: list[Cost]) -> list[str]:
    line = f"  {upstream.line.baudrate} {upstream.line.mode}" if upstream.line else ""
    urls = " and ".join(map(str, upstream.urls))
    lines = [f"upstream {upstream.name}  {urls}{line}  timeout {upstream.timeout:g} s"]
    for index, unit in enumerate(upstream.units):
        is_last = index == len(upstream.units) - 1
        title = f"  ({unit.profile.title})" if unit.profile.title else ""
        note = "" if unit in polled else "  NOT SERVED by any downstream" if upstream.is_heard else \
            "  NOT POLLED: no downstream serves it"
        lines.append(f" {'└' if is_last else '├'}─ unit {unit.unit}  {unit.profile.name}{title}{note}"
                     f"{_reserved(unit.unit, upstream.url)}")
        lines += [f" {' ' if is_last else '│'}    {line}" for line in _reads(upstream, unit, costs)]
    if upstream.is_heard:
        lines.append(" listen only: nothing is sent; only what another master reads here is served")
    elif polled:
        found = _fit(upstream, costs)
        lines += [f" {found.in_words}", *(f" {fault}: {why}" for fault, why in found.faults)]
    return lines + _forwarding(upstream, polled)


def _forwarding(upstream: Upstream, polled: list[Unit]) -> list[str]:
    """Say how much of the time-out polling leaves to other requests of masters, if that is not all."""
    periods = [read.every for unit in polled for read in unit.reads]
    longest = longest_forward(upstream.timeout, periods)
    if upstream.is_heard or not upstream.learn or longest >= upstream.timeout:
        return []
    return [f" other requests of masters have to be answered within {longest:g} s, because something is read "
            f"every {min(periods):g} s"]


def _costs(upstream: Upstream, polled: list[Unit]) -> list[Cost]:
    """The costs of the reads of these units; none if the line is unknown."""
    reads = [(unit.unit, read) for unit in polled for read in unit.stated.reads]
    if upstream.line is None or upstream.is_heard or not reads:
        return []
    durations = [_duration(upstream, read, upstream.line) for _, read in reads]
    return [Cost(*each, duration, duration / each[1].every, age)
            for each, duration, age in zip(reads, durations, forecast.oldest(reads, durations))]


def _duration(upstream: Upstream, read: Read, line: Line) -> float:
    seconds = busload.duration(read, line.baudrate, line.mode, unit_bytes=upstream.unit_bytes)
    return seconds + upstream.gap


def _reads(upstream: Upstream, unit: Unit, costs: list[Cost]):
    """One line for each read of a unit."""
    if upstream.is_heard:
        return
    if unit.profile.base:
        yield f"{unit.profile.base} is polled once its address is found"
    elif not unit.reads:
        yield "nothing is polled; " + ("requests of masters are forwarded to the unit" if upstream.learn else
                                       "NOTHING IS SERVED, because learn is false")
    own = {cost.read: cost for cost in costs if cost.unit == unit.unit}
    width = max((len(read.name) for read in unit.reads), default=0)
    for read in unit.reads:
        line = f"{read.name:{width}}  {str(read.block):28}  every {f'{read.every:g} s':6}"
        if cost := own.get(read):
            line += (f"  {busload.size(read, upstream.unit_bytes):3} bytes  {1000 * cost.duration:4.0f} ms"
                     f"  {100 * cost.share:5.1f} %  at worst {_seconds(cost.oldest)} old")
        yield line.rstrip()


def _fit(upstream: Upstream, costs: list[Cost]) -> Fit:
    """The share of the wire that all reads need, and what to change if that is too much."""
    line = upstream.line
    if line and not costs:
        return Fit(0.0, "nothing is polled")
    if not line:
        return Fit(None, "the line behind the gateway is unknown; set baudrate and mode to see the load of the "
                         "reads")
    needed = sum(cost.share for cost in costs)
    faults = []
    slowest = max(costs, key=lambda cost: cost.duration)
    if slowest.duration > upstream.timeout:
        faults.append((TOO_SHORT, f"timeout {upstream.timeout:g} s, because {slowest.read.name} of unit "
                                  f"{slowest.unit} takes {_seconds(slowest.duration)}; set timeout to at "
                                  f"least {_seconds(2 * slowest.duration)}"))
    if needed > busload.ROOMY:
        fault, what = ((TOO_MUCH, "periods will be stretched") if needed > 1 else
                       (NARROW, "the wire is almost full"))
        faults.append((fault, f"{what}; {_cure(upstream, line, costs, needed)}"))
    return Fit(needed, f"the reads need {100 * needed:.0f} % of the wire if devices begin to answer after "
                       f"{1000 * busload.DEVICE_DELAY:g} ms", tuple(faults))


def _cure(upstream: Upstream, line: Line, costs: list[Cost], needed: float) -> str:
    """Say which baud rate, or which period of the costliest read, brings the load down to busload.ROOMY."""
    cures = []
    for baudrate in USUAL_BAUDRATES:
        faster = replace(line, baudrate=baudrate)
        less = sum(_duration(upstream, cost.read, faster) / cost.read.every for cost in costs)
        if baudrate > line.baudrate and less <= busload.ROOMY:
            cures.append(f"{baudrate} baud would need {100 * less:.0f} %")
            break
    costliest = max(costs, key=lambda cost: cost.share).read
    alike = [cost for cost in costs
             if (cost.read.name, cost.read.every) == (costliest.name, costliest.every)]
    rest = busload.ROOMY - needed + sum(cost.share for cost in alike)
    if rest > 0:
        every = _round_up(sum(cost.duration for cost in alike) / rest)
        units = ", ".join(str(cost.unit) for cost in alike)
        cures.append(f'every = {{ "{costliest.name}" = {every:g} }} for unit {units} would do')
    return ", or ".join(cures) or "poll fewer units or blocks, or all of them less often"


def _round_up(seconds: float) -> float:
    """Round up to two digits."""
    step = 10.0 ** (floor(log10(seconds)) - 1)
    return ceil(seconds / step) * step


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def _downstream(downstream: Downstream) -> list[str]:
    lines = [f"downstream {downstream.name}  {downstream.url}{_how(downstream)}  "
             f"max_age {downstream.max_age:g} s  when_stale {downstream.when_stale}"]
    for number, served in enumerate(downstream.served, 1):
        branch = "└" if number == len(downstream.unit_ids) else "├"
        origin = served.upstream.name, str(served.origin.unit)
        writable = [str(each) for each in downstream.allow_writes if (each.upstream, each.unit) == origin]
        functions = [str(each) for each in downstream.allow_functions if (each.upstream, each.unit) == origin]
        may = f"  masters may write {', '.join(writable)}" if writable else ""
        may += f"  masters may use functions {', '.join(functions)}" if functions else ""
        lines.append(f" {branch}─ unit {served.unit}  from {'/'.join(origin)}{may}"
                     f"{_reserved(served.unit, downstream.url)}")
        if served.also:
            ids = " or ".join(map(str, served.also))
            lines.append(f"    masters may also use unit id {ids}, unless strict_ids = true")
    for number, made in enumerate(downstream.derived, 1):
        branch = "└" if number == len(downstream.derived) else "├"
        lines.append(f" {branch}─ unit {made.unit}  from {made.derived.origin}{_reserved(made.unit, downstream.url)}")
    return lines + missed_by_victron(downstream)


def _reserved(unit: int, url: Url) -> str:
    """A note on an id that the specification reserves on a serial line, though some devices have one."""
    is_usual = url.kind.has_mbap or isinstance(unit, LongUnit) or unit in LINE_UNITS
    return "" if is_usual else f"  ({LINE_UNITS[-1] + 1} to {UNITS[-1]} are reserved on a serial line)"


def _own(topology: Topology) -> list[list[str]]:
    """What softsplit serves of itself."""
    page, unit = topology.status, topology.diagnostics
    return [*([[f"diagnostics  unit {unit} of every downstream"]] if unit is not None else []),
            *([[f"status page  {page.url}  for {', '.join(map(str, page.allow)) or 'everybody'}"]] if page else [])]


def _how(downstream: Downstream) -> str:
    line, access = downstream.line, downstream.access
    if line:
        return f"  {line.baudrate} {line.mode}"
    if not access:
        return ""
    allowed = ", ".join(map(str, access.allow)) or "everybody"
    if downstream.url.kind.has_datagrams:
        return f"  for {'private networks' if allowed == ', '.join(PRIVATE) else allowed}"
    return f"  for {allowed}, up to {access.max_connections}"
