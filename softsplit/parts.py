"""Build the parts of a splitter from a topology: pollers, listeners, mirrors, servers, and the sync thread."""

from concurrent.futures import Future
from functools import partial
from queue import Queue

from softsplit.config.deriving.inputs import DERIVED
from softsplit.config.downstream import Downstream, Served
from softsplit.config.permission import FILES
from softsplit.config.topology import Topology
from softsplit.downstream import diagnostics
from softsplit.downstream.deriving.choice import Derivers
from softsplit.downstream.diagnostics import Diagnostics, UnitFacts, Watched, WireFacts
from softsplit.downstream.diagnostictable import short_name
from softsplit.downstream.mirrors.choice import store_for
from softsplit.downstream.mirrors.forwarding import Way
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.sync import QUEUE_SIZE, Sync, Taker
from softsplit.downstream.servers.choice import server_of
from softsplit.downstream.servers.server import Server
from softsplit.errors import Unreachable
from softsplit.protocol.pdu import Question
from softsplit.protocol.requests import Write
from softsplit.upstream.counters import Counters
from softsplit.upstream.listener import Listener
from softsplit.upstream.poller import Poller
from softsplit.upstream.queue import Forward
from softsplit.upstream.served import served_origins

Origin = tuple[str, int]  # an upstream and a unit there


class Parts:
    """The parts of one process, not yet started: `upstreams` by name, `servers` in the order of the
    downstreams, and the `sync` thread between them.
    """

    def __init__(self, topology: Topology):
        self._topology = topology
        readings: Queue = Queue(QUEUE_SIZE)
        wanted = served_origins(topology.downstreams)
        self.upstreams: dict[str, Poller | Listener] = {}
        for upstream in topology.served():
            units = [unit for unit in upstream.units if unit.unit in wanted[upstream.name]]
            kind = Listener if upstream.is_heard else Poller
            self.upstreams[upstream.name] = kind(upstream, units, readings, wanted[upstream.name])
        self._takers: dict[Origin, list[Taker]] = {(name, unit): [] for name in wanted
                                                   for unit in wanted[name]}
        self._derivers = Derivers()
        self.servers: list[Server] = [self._server(each) for each in topology.downstreams]
        for origin, taker in self._derivers.takers():
            self._takers[origin].append(taker)
        self.sync = Sync(readings, self._takers)

    def _server(self, downstream: Downstream) -> Server:
        mirrors = [_mirror(downstream, served, self.upstreams[served.upstream.name])
                   for served in downstream.served]
        for served, mirror in zip(downstream.served, mirrors):
            self._takers[served.upstream.name, served.origin.unit].append(mirror)
        derived = [self._derivers.mirror(downstream, served) for served in downstream.derived]
        watched = {mirror.unit: self._watched(served, mirror)
                   for served, mirror in zip(downstream.served, mirrors)}
        watched |= {mirror.unit: Watched(mirror, short_name(DERIVED, served.derived.name))
                    for served, mirror in zip(downstream.derived, derived)}
        own = [] if self._topology.diagnostics is None else [
            Diagnostics(self._topology.diagnostics, watched,
                        {name: partial(_wire_facts, each.counters) for name, each in self.upstreams.items()})]
        return server_of(downstream, [*mirrors, *derived, *own])

    def _watched(self, served: Served, mirror: Mirror) -> Watched:
        counters, unit = self.upstreams[served.upstream.name].counters, served.origin.unit
        return Watched(mirror, short_name(served.upstream.name, unit), partial(counters.snapshot, unit),
                       partial(_unit_facts, counters, unit))


def _mirror(downstream: Downstream, served: Served, upstream: Poller | Listener) -> Mirror:
    """Return a unit as the masters of a downstream see it, and forward their requests."""
    profile = served.origin.profile
    store = store_for(served.upstream, served.origin, downstream.max_age)
    way = None if isinstance(upstream, Listener) else _way(downstream, served, upstream)
    return Mirror(served.unit, store, profile.tables, downstream.when_stale, profile.step, way,
                  profile.nameplate)


def _way(downstream: Downstream, served: Served, poller: Poller) -> Way:
    """How permitted requests of masters reach the unit itself."""
    unit, profile = served.origin.unit, served.origin.profile

    def ask(question: Question, write: Write | None, master: str) -> Future:
        changes = write.blocks if write else ()
        return poller.forward(Forward(unit, question, write is not None, changes, master))

    origin = served.upstream.name, str(unit)
    permissions = [each for each in downstream.allow_writes if (each.upstream, each.unit) == origin]
    writable = [block for each in permissions if (block := each.block(profile.step))]
    files = [range(each.first, each.first + each.count) for each in permissions if each.kind == FILES]
    return Way(ask, partial(poller.note, unit), profile.functions,
               profile.readable if served.upstream.learn else (), writable, files, poller.is_idle,
               [each for each in downstream.allow_functions if (each.upstream, each.unit) == origin],
               max_count=profile.max_count)


def _unit_facts(counters: Counters, unit: int, now: float) -> UnitFacts:  # server thread
    """The state of a unit, and for how long it has failed."""
    fault = counters.faults[unit]
    error, since = (0 if fault.error is None else fault.error.number), fault.since
    standing = diagnostics.NEVER_HEARD
    if counters.unreachable:
        standing, error = diagnostics.AWAY, Unreachable.number
        since = counters.unreachable_since if since is None else since
    elif unit in counters.mute:
        standing = diagnostics.MUTE
    elif counters.has_answered(unit):
        standing = diagnostics.ANSWERS
    return UnitFacts(standing, error, 0.0 if since is None else now - since, fault.good_at)


def _wire_facts(counters: Counters, now: float) -> WireFacts:  # server thread
    """The state of an upstream."""
    state = (diagnostics.UNREACHABLE if counters.unreachable else
             diagnostics.STARTING if counters.asked_at is None else diagnostics.CONNECTED)
    away = now - counters.unreachable_since if counters.unreachable else 0.0
    return WireFacts(state, counters.busy, max(0, counters.connections - 1), away, len(counters.blocks),
                     len(counters.mute))
