"""Check a running splitter by its status and its servers, without touching a wire."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from softsplit import clock
from softsplit.commands.doctor.finding import Finding, note, well, wrong
from softsplit.commands.shared.route import here, obstacle_at
from softsplit.config.downstream import Downstream
from softsplit.config.topology import Topology
from softsplit.config.upstream import Upstream
from softsplit.config.url import Url
from softsplit.daemon.health import figures
from softsplit.daemon.process import Process
from softsplit.daemon.status import Status
from softsplit.daemon.troubles.trouble import TROUBLE, Trouble
from softsplit.daemon.troubles.upstreams import describe_load
from softsplit.downstream.report import DownstreamStatus
from softsplit.errors import Refused, Unreachable, UpstreamError
from softsplit.logs.conditions import show_count, show_duration, show_latency
from softsplit.protocol.blocks import Block
from softsplit.protocol.pdu import GATEWAY_NO_PATH, OWN_EXCEPTIONS
from softsplit.upstream.clients.choice import client_for
from softsplit.upstream.report import UnitStatus, UpstreamStatus
from softsplit.version import VERSION

SERVER_TIMEOUT = 2.0  # s for an answer of our own server
SEVERAL, MANY = 0.01, 0.1  # failed requests, as shares of all
MASTERS_NAMED = 4  # in one line


class Troubles:
    """The troubles and notes in the status of a running splitter; hands out each once."""

    def __init__(self, status: Status):
        self._left = list(status.health.found)
        self._away = {name for name, each in status.upstreams.items() if not each.is_reachable}
        self._away |= {name for name, each in status.downstreams.items() if not each.is_serving}

    def is_away(self, name: str) -> bool:
        """Whether a port or device cannot be opened, or a gateway cannot be reached."""
        return name in self._away

    def of(self, name: str) -> Iterator[Finding]:
        """Yield those of an upstream with its units, or of a downstream."""
        return self._take(lambda each: _is_about(each, name))

    def besides(self, names: Collection[str]) -> Iterator[Finding]:
        """Yield those about none of these names."""
        return self._take(lambda each: not any(_is_about(each, name) for name in names))

    def _take(self, is_wanted: Callable[[Trouble], bool]) -> Iterator[Finding]:
        wanted = [each for each in self._left if is_wanted(each)]
        self._left = [each for each in self._left if each not in wanted]
        return ((wrong if each.severity == TROUBLE else note)(str(each)) for each in wanted)


def _is_about(trouble: Trouble, name: str) -> bool:
    return trouble.about == name or trouble.about.startswith(f"{name}/")


def examine_process(topology: Topology, status: Status, troubles: Troubles,
                    config: Path) -> Iterator[Finding]:
    """Yield findings about a running splitter as a whole."""
    if process := status.process:
        yield well(f"process {process.pid} has run it for {show_duration(status.uptime)}: "
                   f"{figures(status.downstreams)}")
    if process and process.version != VERSION:
        yield note(f"process {process.pid} is softsplit {process.version}, and this is {VERSION}; restart it if "
                   "you have installed another version")
    yield from troubles.besides([*(each.name for each in topology.upstreams),
                                 *(each.name for each in topology.downstreams)])
    if process and config.exists() and config.stat().st_mtime > process.started.timestamp() + 1:
        yield note(f"{config} has changed since process {process.pid} was started, which does not know it")


def examine_upstreams(topology: Topology, status: Status, troubles: Troubles) -> Iterator[Finding]:
    """Yield what a running splitter knows about its wires."""
    for upstream in topology.upstreams:
        yield from troubles.of(upstream.name)
        if report := status.upstreams.get(upstream.name):
            yield from _upstream(upstream, report)


def examine_downstreams(topology: Topology, status: Status, troubles: Troubles,
                        config: Path) -> Iterator[Finding]:
    """Yield what a running splitter knows about its masters, then what its servers answer."""
    process = Process.that_runs(config)
    with process or nullcontext():
        for downstream in topology.downstreams:
            yield from troubles.of(downstream.name)
            if server := status.downstreams.get(downstream.name):
                yield from _downstream(downstream, server)
                if server.is_serving and downstream.access and not server.url.is_serial:
                    yield from _ask_server(downstream, server, process, status)


def _upstream(upstream: Upstream, report: UpstreamStatus) -> Iterator[Finding]:
    if not report.is_reachable or report.is_silent:
        return  # the troubles say why
    yield well(f"{upstream.name}: {upstream.url} is {report.state}, {describe_load(report)}")
    for unit in upstream.units:
        if each := report.units.get(str(unit.unit)):
            yield from _unit(f"{upstream.name}: unit {unit.unit}", upstream, each)


def _unit(who: str, upstream: Upstream, report: UnitStatus) -> Iterator[Finding]:
    if not report.answers_now:
        return  # the troubles say why
    latency, errors, requests = report.latency, report.errors, report.requests
    yield well(f"{who} answers within {show_latency(latency.p50)} (p99 {show_latency(latency.p99)})")
    for how, count, cure in (
            ("damaged", errors.damaged, f"look at termination, shield, {_line(upstream)}, other masters"),
            ("missing", errors.no_answer, "look at the wiring, and at the timeout")):
        share = count / max(requests, 1)
        if share > SEVERAL:
            level = wrong if how == "damaged" and share > MANY else note  # the unit may just have been off
            yield level(f"{who}: {100 * share:.0f} % of its {requests} answers were {how}; {cure}")


def _line(upstream: Upstream) -> str:
    return f"{upstream.line.baudrate} {upstream.line.mode}" if upstream.line else "baud rate, mode"


def _downstream(downstream: Downstream, report: DownstreamStatus) -> Iterator[Finding]:
    if not report.is_serving:
        return  # the troubles say why
    who = f"{downstream.name}: {report.url}"
    if report.requests:
        masters = [address for address, master in report.masters.items() if master.requests]
        others = f" and {len(masters) - MASTERS_NAMED} others" if len(masters) > MASTERS_NAMED else ""
        yield well(f"{who} was asked {show_count(report.requests, 'time')}, by "
                   f"{', '.join(masters[:MASTERS_NAMED])}{others}")
    elif not (report.garbled or report.unserved or report.refused_peers):  # these are troubles
        line = downstream.line
        cure = (f"are they set to these unit ids and {line.baudrate} {line.mode}, are A and B the right way "
                "round?" if line else "are they set to this machine's address, and to this port?")
        yield note(f"{who}: no master has asked yet; {cure}")


def _ask_server(downstream: Downstream, report: DownstreamStatus, process: Process | None,
                status: Status) -> Iterator[Finding]:
    """Ask a server as a master does, unless that would take a connection from a master, or count as one."""
    url = here(report.url)
    stale = {number for number, unit in report.units.items() if unit.stale}
    if not (process and process.is_certain):
        yield note(f"{downstream.name}: {url} was not asked; only root and the user of the process can do that without "
                   "counting as a master")
    elif obstacle := obstacle_at(downstream, url, len(report.connections)):
        yield note(f"{downstream.name}: {obstacle}")
    else:
        yield from _ask_units(downstream, url, stale, process, dict(_probes(downstream, status)))


def _probes(downstream: Downstream, status: Status) -> Iterator[tuple[int, Block]]:
    """Give what to read of each unit: where softsplit only listens, what was heard, if anything was."""
    for served in downstream.served:
        upstream = status.upstreams.get(served.upstream.name)
        if not served.upstream.is_heard:
            yield served.unit, served.origin.probe
        elif upstream and (unit := upstream.units.get(str(served.origin.unit))):
            yield from ((served.unit, block.block) for block in unit.blocks if block.data and block.every)
    yield from ((served.unit, served.derived.probe) for served in downstream.derived)


def _ask_units(downstream: Downstream, url: Url, stale: set[str], process: Process,
               probes: Mapping[int, Block]) -> Iterator[Finding]:
    """Read each unit; for a `stale` one the troubles already say why it fails."""
    latencies = []
    client = client_for(url, SERVER_TIMEOUT,
                        tell_port=partial(process.expects_check, patience=SERVER_TIMEOUT))
    try:
        for unit, probe in probes.items():
            try:
                client.read(unit, probe, SERVER_TIMEOUT)
            except Unreachable as error:
                yield wrong(f"{downstream.name}: {error}, though the process serves there; restart it")
                return
            except UpstreamError as error:
                if str(unit) not in stale or error.exception_code == GATEWAY_NO_PATH:
                    yield _refused(downstream, error)
            else:
                latencies.append(clock.now() - client.asked_at)
    finally:
        client.close()
    if latencies:
        yield well(f"{downstream.name}: {url} serves {show_count(len(latencies), 'unit')}, within "
                   f"{show_latency(max(latencies))}")


def _refused(downstream: Downstream, error: UpstreamError) -> Finding:
    """Explain why a master gets no data."""
    who = f"{downstream.name}: {error}"
    if not isinstance(error, Refused):
        is_meant = downstream.when_stale == "silent"
        why = ", because data is too old and when_stale is silent" if is_meant else "; restart it"
        return wrong(f"{who}{why}")
    if error.exception_code in OWN_EXCEPTIONS:
        return note(f"{who}, which is the answer of the unit itself")
    if error.exception_code == GATEWAY_NO_PATH:
        return wrong(f"{who}: it is not served; restart the process, so that it reads the configuration")
    return wrong(f"{who}: its data is too old to be served; check its upstream")
