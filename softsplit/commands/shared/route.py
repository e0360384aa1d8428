"""If a running splitter owns a wire, find its server through which to read a unit there."""

import os
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from softsplit import clock
from softsplit.config.downstream import Downstream
from softsplit.config.loader import load_config
from softsplit.config.topology import Topology
from softsplit.config.url import Url
from softsplit.daemon.directories import key_of
from softsplit.daemon.process import Gone, Process
from softsplit.daemon.status import Status, Unreadable
from softsplit.downstream.report import DownstreamStatus
from softsplit.errors import SoftsplitError
from softsplit.transport import names

LOOKUP_TIMEOUT = 5.0  # s for a process, and for name servers
HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # an address of a server that listens at all of them


@dataclass(frozen=True, slots=True)
class Owner:
    """A running splitter that owns a wire: its status, its upstream's name, and its configuration's key.

    `topology` is that of a script; None for a configuration file.
    """

    status: Status
    upstream: str
    key: str
    topology: Topology | None

    def __str__(self) -> str:
        url, process = self.status.upstreams[self.upstream].url, self.status.process
        if not process:
            return f"another process owns {url}"
        return f"process {process.pid} runs {process.config} and owns {url}"


def find_route(url: Url, unit: int, force: bool = False) -> tuple[Url, int, str]:
    """Return the url and the unit id by which to ask a unit behind `url`, and the reason if they differ.

    They differ if a running splitter owns that wire, unless `force`. Raises SoftsplitError if that does not
    serve the unit to us, or if the wires of a splitter are unknown; ConfigError if its file is wrong now.
    """
    if not force and (owner := _find_owner(url)):
        return _route_through(owner, unit)
    return url, unit, ""


def require_free(url: Url, cure: str) -> None:
    """Raise SoftsplitError, with a cure, if a running splitter owns the wire at `url`, or may."""
    if owner := _find_owner(url):
        raise SoftsplitError(f"{owner}; {cure}")


def find_server(url: Url) -> str:
    """Return the configuration of the running splitter that serves at `url`, or "" if none is known."""
    hosts = Hosts()
    for process in Process.all_that_run():
        with process, suppress(SoftsplitError):
            status = _status_of(process)
            if status.process and any(hosts.are_same(url, here(each.url))
                                      for each in status.downstreams.values()):
                return status.process.config
    return ""


def _find_owner(url: Url) -> Owner | None:
    """Return the splitter that owns a wire. Raises SoftsplitError if one may, but its wires are unknown."""
    hosts, unknown = Hosts(), ""
    for process in Process.all_that_run():
        with process:
            try:
                status = _status_of(process)
            except Gone:
                continue
            except SoftsplitError as error:
                unknown = (f"{process} runs, but its wires are unknown: {error}; --force uses {url} anyway, "
                           "perhaps as a second master")
                continue
            for name, upstream in status.upstreams.items():
                if hosts.are_same(url, upstream.url):
                    return Owner(status, name, process.state.path.name, process.topology())
    if unknown:
        raise SoftsplitError(unknown)
    return None


def _status_of(process: Process) -> Status:
    """Return the status of a process; wait for one that has just started. Raises SoftsplitError."""
    try:
        return process.status()
    except Unreadable:
        if process.is_certain:
            process.ask(LOOKUP_TIMEOUT)
        return process.status()


def _route_through(owner: Owner, unit: int) -> tuple[Url, int, str]:
    obstacles = []
    for downstream in _topology_of(owner).downstreams:
        report = owner.status.downstreams.get(downstream.name)
        for served in downstream.served:
            if (served.upstream.name, served.origin.unit) == (owner.upstream, unit):
                obstacle = _obstacle(downstream, report)
                if report and not obstacle:
                    url = here(report.url)
                    why = f"{owner}; its server {url} is asked for unit {served.unit} instead"
                    return url, served.unit, why
                obstacles.append(f"{downstream.name}: {obstacle}")
    raise SoftsplitError(f"{owner}, but cannot be asked for unit {unit}: "
                         f"{'; '.join(obstacles) or 'none of its servers has that unit'}")


def _topology_of(owner: Owner) -> Topology:
    """Return the topology of its configuration. Raises SoftsplitError."""
    if owner.topology:
        return owner.topology
    config = Path(owner.status.process.config if owner.status.process else "")
    if not config.is_absolute() or key_of(config) != owner.key or not os.path.isfile(config):
        raise SoftsplitError(f"{owner}, but its servers are unknown, because that file is gone")
    return load_config(config)


def _obstacle(downstream: Downstream, report: DownstreamStatus | None) -> str:
    if report is None or not report.is_serving:
        return report.state if report else "not served yet"
    if downstream.url.is_serial:
        return f"{downstream.url} can only be asked at the other end of its line"
    return obstacle_at(downstream, here(report.url), len(report.connections))


def here(url: Url) -> Url:
    """Return the url by which to reach a server of this machine."""
    return Url(url.scheme, HERE.get(url.host, url.host), url.port, url.path)


def obstacle_at(downstream: Downstream, url: Url, connections: int) -> str:
    """Say why a server at `url` with so many connections cannot be asked from here; "" if it can."""
    access = downstream.access
    if access is None:
        return ""
    if downstream.identity:
        return "only masters with a certificate may connect, so it was not asked"
    if connections >= access.max_connections:
        return (f"its connections are all taken, so it was not asked; max_connections = "
                f"{access.max_connections} may be too few")
    if access.allow and not _is_allowed(url.host, access.allow):
        return f"allow does not list {url.host}, so it was not asked from here"
    return ""


def _is_allowed(host: str, networks) -> bool:
    """Whether this machine may connect to its own address, which is then also the sender."""
    try:
        address = names.addresses(host, 0, LOOKUP_TIMEOUT)[0][4][0]
    except OSError:
        return True  # connecting will show
    return any(ip_address(address.partition("%")[0]) in network for network in networks)


class Hosts:
    """Finds out which host names are the same machine; all look-ups together take at most LOOKUP_TIMEOUT."""

    def __init__(self):
        self._deadline = clock.now() + LOOKUP_TIMEOUT
        self._addresses: dict[str, set[str]] = {}

    def are_same(self, one: Url, other: Url) -> bool:
        """Whether two urls are the same wire."""
        if one.path or other.path:
            paths = {os.path.realpath(each.path) for each in (one, other) if each.path}
            return bool(one.path and other.path) and len(paths) == 1
        return one.port == other.port and (one.host == other.host
                                           or not self._of(one.host).isdisjoint(self._of(other.host)))

    def _of(self, host: str) -> set[str]:
        if host not in self._addresses:
            try:
                found = names.addresses(host, 0, max(0.0, self._deadline - clock.now()))
                self._addresses[host] = {each[4][0] for each in found}
            except OSError:
                self._addresses[host] = {host.lower()}
        return self._addresses[host]
