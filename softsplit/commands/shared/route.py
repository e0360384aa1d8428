"""Ways to a unit past the running splitter that owns its wire: the servers of that splitter."""

import os
import socket
from ipaddress import ip_address
from pathlib import Path

from softsplit.commands.status.status import read_status_of
from softsplit.config.loader import load_config
from softsplit.config.topology import Downstream
from softsplit.config.url import EXAMPLES, Url, parse_url
from softsplit.daemon.presence import Process
from softsplit.errors import SoftsplitError

HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where to find a server that is at every address


def find_entrance(url: Url, unit: int) -> tuple[Url, int, str]:
    """Return where a unit can be asked that is behind `url`, under which id, and why there.

    That is the url itself, for no reason, unless a running splitter owns that wire. Raises SoftsplitError
    when that serves the unit nowhere to us, or ConfigError when its configuration is wrong meanwhile.
    """
    if found := _find_owner(url):
        return _entrance(*found, unit)
    return url, unit, ""


def require_free(url: Url, cure: str) -> None:
    """Raise SoftsplitError, with a cure, when a running splitter owns the wire at `url`."""
    if found := _find_owner(url):
        raise SoftsplitError(f"{_describe(*found)}; {cure}")


def _find_owner(url: Url) -> tuple[dict, str] | None:
    """Return the status of the splitter that owns a wire, and the name of its upstream there."""
    for document in map(read_status_of, Process.all_that_run()):
        for name, upstream in document.get("upstreams", {}).items():
            if _is_same(url, parse_url(upstream["url"], EXAMPLES)):
                return document, name
    return None


def _describe(document: dict, upstream: str) -> str:
    process = document["process"]
    return (f"process {process['pid']} runs {process['config']} and owns "
            f"{document['upstreams'][upstream]['url']}")


def _entrance(document: dict, upstream: str, unit: int) -> tuple[Url, int, str]:
    owner = _describe(document, upstream)
    obstacles = []
    for downstream in load_config(Path(document["process"]["config"])).downstreams:
        report = document["downstreams"].get(downstream.name, {"state": "not served yet"})
        for served in downstream.served:
            if (served.upstream.name, served.origin.unit) == (upstream, unit):
                obstacle = _obstacle(downstream, report)
                if not obstacle:
                    url = here(parse_url(report["url"], EXAMPLES))
                    why = f"{owner}; its server {url} is asked for unit {served.unit} instead"
                    return url, served.unit, why
                obstacles.append(f"{downstream.name}: {obstacle}")
    raise SoftsplitError(f"{owner}, but cannot be asked for unit {unit}: "
                         f"{'; '.join(obstacles) or 'none of its servers has that unit'}")


def _obstacle(downstream: Downstream, report: dict) -> str:
    if report["state"] != "serving":
        return report["state"]
    if downstream.url.path:
        return f"{downstream.url} can only be asked at the other end of its line"
    return obstacle_at(downstream, here(parse_url(report["url"], EXAMPLES)), len(report["connections"]))


def here(url: Url) -> Url:
    """Where a server of this machine is found."""
    return Url(url.scheme, HERE.get(url.host, url.host), url.port, url.path)


def obstacle_at(downstream: Downstream, url: Url, connections: int) -> str:
    """Say why a server that is at `url` and has so many connections cannot be asked from here, or nothing."""
    access = downstream.access
    if connections >= access.max_connections:
        return (f"its connections are all taken, so it was not asked; max_connections = "
                f"{access.max_connections} may be too few")
    if access.allow and not _is_allowed(url.host, access.allow):
        return f"allow does not list {url.host}, so it was not asked from here"
    return ""


def _is_allowed(host: str, networks) -> bool:
    """Whether this machine, which calls itself from the address it calls, is let in."""
    try:
        address = socket.getaddrinfo(host, None)[0][4][0]
    except OSError:
        return True  # the connection will tell
    return any(ip_address(address.partition("%")[0]) in network for network in networks)


def _is_same(one: Url, other: Url) -> bool:
    """Whether two urls are one wire, by whatever names."""
    if one.path or other.path:
        return bool(one.path and other.path) and os.path.realpath(one.path) == os.path.realpath(other.path)
    return one.port == other.port and not _addresses(one.host).isdisjoint(_addresses(other.host))


def _addresses(host: str) -> set[str]:
    try:
        return {found[4][0] for found in socket.getaddrinfo(host, None)}
    except OSError:
        return {host.lower()}
