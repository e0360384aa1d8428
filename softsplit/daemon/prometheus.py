"""A status as Prometheus text, for the textfile collector of its node exporter."""

import os
from collections.abc import Iterator
from pathlib import Path

from softsplit.daemon.health import NOT_RUNNING
from softsplit.daemon.status import Status
from softsplit.downstream.report import DownstreamStatus
from softsplit.printable import printable
from softsplit.upstream.report import UpstreamStatus

Sample = tuple[str, dict[str, str], float]  # name without prefix, labels, value

HELP = {  # name: type, what it is
    "up": ("gauge", "1 while a process runs this configuration."),
    "verdict": ("gauge", "0 all is fresh, 1 degraded, 2 nothing is served, 3 not running."),
    "uptime_seconds": ("gauge", "How long the process has run."),
    "status_age_seconds": ("gauge", "How old these figures are."),
    "upstream_reachable": ("gauge", "0 while the gateway or the adapter is away."),
    "upstream_utilisation": ("gauge", "Share of the latest minute in which the wire was busy."),
    "upstream_latency_seconds": ("summary", "Latency of the latest answers."),
    "upstream_unreachable_total": ("counter", "Failed attempts to reach the gateway or the adapter."),
    "upstream_reconnects_total": ("counter", "Connections to the gateway or of the adapter after the first."),
    "upstream_foreign_frames_total": ("counter", "Frames on the line that answer no request of ours."),
    "unit_mute": ("gauge", "1 while a unit does not answer."),
    "unit_requests_total": ("counter", "Requests to a unit, by result."),
    "block_age_seconds": ("gauge", "How long ago the latest data of a block was asked for."),
    "downstream_serving": ("gauge", "0 while the adapter is away."),
    "downstream_connections": ("gauge", "Open connections."),
    "downstream_requests_total": ("counter", "Requests of masters."),
    "downstream_exceptions_total": ("counter", "Exceptions that masters got, by code."),
    "downstream_refused_peers_total": ("counter", "Connections refused by address."),
    "downstream_blocks": ("gauge", "Blocks of a unit as a downstream serves it, and how many are fresh."),
    "master_requests_total": ("counter", "Requests of one master, by its address."),
}


def as_prometheus(status: Status, config: Path | None) -> str:
    """Return the text; ages are as of now.

    Each series has a label with the configuration, so that files of several can lie in one directory.
    """
    own = {"config": os.path.realpath(config) if config else ""}
    found: dict[str, dict[str, float]] = {name: {} for name in HELP}
    for name, labels, value in _samples(status):
        found[name][_labels(own | labels)] = value
    lines = []
    for name, (kind, what) in HELP.items():
        if series := found[name]:
            lines += [f"# HELP softsplit_{name} {what}", f"# TYPE softsplit_{name} {kind}"]
            lines += [f"softsplit_{name}{labels} {value:.15g}" for labels, value in series.items()]
    return "\n".join(lines) + "\n"


def _samples(status: Status) -> Iterator[Sample]:
    code = status.health.code
    yield "up", {}, code != NOT_RUNNING
    yield "verdict", {}, code
    if status.process is None:
        return
    yield "uptime_seconds", {}, status.uptime + status.age
    yield "status_age_seconds", {}, status.age
    for name, upstream in status.upstreams.items():
        yield from _upstream(upstream, {"upstream": name}, status.age)
    for name, downstream in status.downstreams.items():
        yield from _downstream(downstream, {"downstream": name})


def _upstream(upstream: UpstreamStatus, labels: dict, age: float) -> Iterator[Sample]:
    yield "upstream_reachable", labels, upstream.is_reachable
    yield "upstream_utilisation", labels, upstream.utilisation
    for latency, quantile in ((upstream.latency.p50, "0.5"), (upstream.latency.p99, "0.99")):
        if latency is not None:
            yield "upstream_latency_seconds", {**labels, "quantile": quantile}, latency
    yield "upstream_unreachable_total", labels, upstream.unreachable
    yield "upstream_reconnects_total", labels, upstream.reconnects
    yield "upstream_foreign_frames_total", labels, upstream.foreign_frames
    for number, unit in upstream.units.items():
        own = {**labels, "unit": number}
        yield "unit_mute", own, unit.is_mute
        yield "unit_requests_total", {**own, "result": "answer"}, unit.answers
        yield "unit_requests_total", {**own, "result": "no_answer"}, unit.errors.no_answer
        yield "unit_requests_total", {**own, "result": "damaged"}, unit.errors.damaged
        for code, count in unit.errors.exceptions.items():
            yield "unit_requests_total", {**own, "result": f"exception_{code}"}, count
        for block in unit.blocks:
            if block.age is not None:
                where = {"table": str(block.table), "block": block.name}
                yield "block_age_seconds", {**own, **where}, block.age + age


def _downstream(downstream: DownstreamStatus, labels: dict) -> Iterator[Sample]:
    yield "downstream_serving", labels, downstream.is_serving
    yield "downstream_connections", labels, len(downstream.connections)
    yield "downstream_requests_total", labels, downstream.requests
    for code, count in downstream.exceptions.items():
        yield "downstream_exceptions_total", {**labels, "code": str(code)}, count
    yield "downstream_refused_peers_total", labels, sum(downstream.refused_peers.values())
    for number, unit in downstream.units.items():
        for state, count in (("fresh", unit.fresh), ("all", unit.blocks)):
            yield "downstream_blocks", {**labels, "unit": number, "state": state}, count
    for address, master in downstream.masters.items():
        yield "master_requests_total", {**labels, "master": address}, master.requests


def _labels(labels: dict[str, str]) -> str:
    escaped = {name: printable(text).replace("\\", r"\\").replace('"', r'\"')
               for name, text in labels.items()}
    return "{" + ",".join(f'{name}="{text}"' for name, text in escaped.items()) + "}"
