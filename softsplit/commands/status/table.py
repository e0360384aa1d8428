"""Draw a status as a table for people."""

import click

from softsplit.commands.shared.columns import columns
from softsplit.daemon.health import DEGRADED, FRESH, Health
from softsplit.daemon.status import Status
from softsplit.daemon.troubles.upstreams import describe_load
from softsplit.downstream.report import AskedStatus, DownstreamStatus, ServedStatus
from softsplit.logs.conditions import show_age, show_count, show_duration, show_latency
from softsplit.printable import all_printable
from softsplit.upstream.report import UpstreamStatus

REQUESTS_SHOWN = 8  # of one master, the most frequent


def draw_status(status: Status) -> str:
    """Return the table: wiring, ages, masters, and troubles in words; with colours."""
    status = all_printable(status)
    parts = []
    if process := status.process:
        parts.append([f"softsplit {process.version}  process {process.pid}  "
                      f"up {show_duration(status.uptime)}  {process.config}"])
        parts += [_upstream(name, each, status.health) for name, each in status.upstreams.items()]
        parts += [_downstream(name, each, status.health) for name, each in status.downstreams.items()]
    health = status.health
    colour = {FRESH: "green", DEGRADED: "yellow"}.get(health.code, "red")
    words = health.troubles if not health.is_well else [f"all is well: {health.summary}"]
    parts.append([*(click.style(line, fg=colour) for line in words),
                  *(click.style(line, fg="yellow") for line in health.starting), *health.notes])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _upstream(name: str, upstream: UpstreamStatus, health: Health) -> list[str]:
    latency = upstream.latency
    title = [f"upstream {name}", str(upstream.url), _flagged(upstream.state, upstream.is_reachable)]
    title += [describe_load(upstream)] if upstream.is_reachable else []
    if latency.p50 is not None and latency.p99 is not None and not upstream.is_silent:
        title.append(f"answers within {show_latency(latency.p50)} (p99 {show_latency(latency.p99)})")
    rows = [["unit", "state", "newest", "oldest", "requests", "no answer", "damaged", "refused", "profile"]]
    for number, unit in upstream.units.items():
        span = [show_age(min(unit.ages)), show_age(max(unit.ages))] if unit.ages else ["never", "never"]
        errors = unit.errors
        rows.append([number, _flagged(unit.state, unit.answers_now or health.is_starting(f"{name}/{number}")),
                     *span, str(unit.requests), str(errors.no_answer), str(errors.damaged),
                     str(sum(errors.exceptions.values())),
                     unit.profile])  # last: where a row is too long, it may wrap
    return ["  ".join(title), *columns(rows), *(_heard(upstream) if upstream.is_heard else ())]


def _heard(upstream: UpstreamStatus) -> list[str]:
    """The blocks that the other master reads: only these can be served."""
    rows = [["unit", "is read", "every", "age", "requests", "no answer"]]
    for number, unit in upstream.units.items():
        for block in unit.blocks:
            every = "-" if block.every is None else f"{block.every:.3g} s"
            age = "never" if block.age is None else show_age(block.age)
            share = 100 * block.errors.no_answer / max(block.requests, 1)
            rows.append([number, str(block.block), every, age,
                         str(block.requests), f"{share:.0f} %"])
    return ["", *columns(rows)] if rows[1:] else []


def _downstream(name: str, downstream: DownstreamStatus, health: Health) -> list[str]:
    state = _flagged(downstream.state, downstream.is_serving)
    title = [f"downstream {name}", str(downstream.url), state, show_count(downstream.requests, "request")]
    title += [_times(code, count) for code, count in downstream.exceptions.items()]
    if refused := sum(downstream.refused_peers.values()):
        title.append(f"{show_count(refused, 'connection')} refused")
    if unserved := sum(each.requests for each in downstream.unserved):
        title.append(f"{show_count(unserved, 'request')} for units that are not served")
    if downstream.stray_bytes:
        title.append(f"{show_count(downstream.stray_bytes, 'byte')} without a request")
    units = [["unit", "fresh", "from"]]
    for number, unit in downstream.units.items():
        fresh = f"{unit.fresh} of {unit.blocks} blocks"
        units.append([number, _flagged(fresh, not unit.stale or health.is_starting_for(unit)), _origin(unit)])
    return ["  ".join(title), *columns(units), *_masters(downstream)]


def _origin(unit: ServedStatus) -> str:
    """The origin of a unit; for a derived one its sources, and the registers that the user wrote."""
    made_from = ", ".join(dict.fromkeys(each.origin for each in unit.inputs))
    stated = f"; your own: {', '.join(unit.stated)}" if unit.stated else ""
    return f"{unit.origin} = {made_from}{stated}" if made_from else unit.origin


def _masters(downstream: DownstreamStatus) -> list[str]:
    peers = [connection.address for connection in downstream.connections]
    lines = []
    for address, master in downstream.masters.items():
        if not master.requests and address not in peers:
            continue
        connections = f"  {peers.count(address)} connections" if peers.count(address) != 1 and peers else ""
        refused = "".join(f"  {_times(code, count)}" for code, count in master.exceptions.items())
        lines.append(f"  master {address}{connections}  {_rate(master.rate)}{refused}")
        asked = sorted(master.asked, key=lambda each: -each.requests)
        lines += columns([[_request(each), _rate(each.rate)] for each in asked[:REQUESTS_SHOWN]], indent=4)
        if len(asked) > REQUESTS_SHOWN:
            lines.append(f"    and {len(asked) - REQUESTS_SHOWN} more; --json shows all")
    return lines


def _request(asked: AskedStatus) -> str:
    return str(asked) if asked.unit is None else f"unit {asked.unit}  {asked}"


def _flagged(text: str, is_well: bool) -> str:
    return text if is_well else click.style(text, fg="red", bold=True)


def _times(code: int, count: int) -> str:
    return f"exception 0x{code:02X}: {count}"


def _rate(rate: float) -> str:
    return f"{rate:.2f} per s"
