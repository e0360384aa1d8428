"""Troubles of downstreams and their masters, in sentences. Pure."""

from collections.abc import Iterator

from softsplit.daemon.troubles.trouble import NOTE, TROUBLE, Trouble, of_certificate
from softsplit.downstream.report import DownstreamStatus
from softsplit.downstream.servers.addressfilter import may_not_connect
from softsplit.downstream.unserved import RECENT, SURE, describe_unserved


def describe_idle(downstream: DownstreamStatus) -> str:
    """Say that no master has asked for a served unit."""
    is_misled = downstream.unserved or downstream.garbled
    return "no master asks for a served unit" if is_misled else "no master has asked yet"


def find_troubles(name: str, downstream: DownstreamStatus) -> Iterator[Trouble]:
    """Yield why a server cannot serve, and what it cannot answer; only a note if masters get data."""
    if not downstream.is_serving:
        yield Trouble(cause=f"{name}: {downstream.url}: {downstream.state.removeprefix('away: ')}",
                      about=name)
    severity = NOTE if downstream.is_asked else TROUBLE
    if downstream.garbled:
        # on a serial line everything that comes is garbled, whoever got answers before
        garbled = TROUBLE if downstream.url.is_serial else severity
        yield Trouble(cause=f"{name}: {downstream.garbled}", about=name, severity=garbled)
    if downstream.refused_peers:
        yield Trouble(cause=f"{name}: {may_not_connect(list(downstream.refused_peers))}", about=name,
                      severity=severity)
    if downstream.crowded:
        yield Trouble(cause=f"{name}: {downstream.crowded}", about=name, severity=severity)
    if downstream.certificate:
        yield of_certificate(name, downstream.certificate)
    units = [each.unit for each in downstream.unserved if each.requests >= SURE and each.age < RECENT]
    if units:
        yield Trouble(cause=f"{name}: {describe_unserved(units, downstream.units)}", about=name,
                      severity=severity)
