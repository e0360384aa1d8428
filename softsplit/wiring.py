"""What `softsplit check` says: the topology as a picture, and what is read how often."""

from softsplit.topology import Downstream, Topology, Upstream


def draw(topology: Topology, name: str) -> str:
    """Return the wiring as text: every upstream with its units and their reads, then every downstream."""
    unserved = topology.unserved()
    parts = [_upstream(upstream, upstream in unserved) for upstream in topology.upstreams]
    return "\n\n".join([f"{name} is right", *parts, *map(_downstream, topology.downstreams)])


def _upstream(upstream: Upstream, is_unserved: bool) -> str:
    note = "  NOT POLLED: no downstream serves it" if is_unserved else ""
    lines = [f"upstream {upstream.name}  {upstream.url}  timeout {upstream.timeout:g} s{note}"]
    for index, unit in enumerate(upstream.units):
        is_last = index == len(upstream.units) - 1
        title = f"  ({unit.profile.title})" if unit.profile.title else ""
        lines.append(f" {'└' if is_last else '├'}─ unit {unit.unit}  {unit.profile.name}{title}")
        width = max(len(read.name) for read in unit.reads)
        for read in unit.reads:
            lines.append(f" {' ' if is_last else '│'}    {read.name:{width}}  {str(read.block):28}"
                         f"  every {read.every:g} s")
    return "\n".join(lines)


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
