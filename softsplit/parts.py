"""The parts of a splitter, built from a topology: pollers and listeners, mirrors and servers, and who joins them."""

from concurrent.futures import Future
from functools import partial
from queue import Queue

from softsplit.config.downstream import Downstream, Served
from softsplit.config.permission import FILES
from softsplit.config.topology import Topology
from softsplit.downstream.deriving.choice import Derivers
from softsplit.downstream.diagnostics import Counts, Diagnostics, uncounted
from softsplit.downstream.mirrors.choice import store_for
from softsplit.downstream.mirrors.forwarding import Way
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.sync import QUEUE_SIZE, Sync, Taker
from softsplit.downstream.servers.choice import server_of
from softsplit.downstream.servers.server import Server
from softsplit.protocol.pdu import Question
from softsplit.protocol.requests import Write
from softsplit.upstream.listener import Listener
from softsplit.upstream.poller import Poller
from softsplit.upstream.queue import Forward
from softsplit.upstream.served import served_origins

Origin = tuple[str, int]  # an upstream, and a unit there


class Parts:
    """The parts of one process, none of which is started: `upstreams` by name, `servers` in the order of the
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
        self._takers: dict[Origin, list[Taker]] = {(name, unit): [] for name in wanted for unit in wanted[name]}
        self._derivers = Derivers()
        self.servers: list[Server] = [self._server(each) for each in topology.downstreams]
        for origin, taker in self._derivers.takers():
            self._takers[origin].append(taker)
        self.sync = Sync(readings, self._takers)

    def _server(self, downstream: Downstream) -> Server:
        mirrors = [_mirror(downstream, served, self.upstreams[served.upstream.name]) for served in downstream.served]
        for served, mirror in zip(downstream.served, mirrors):
            self._takers[served.upstream.name, served.origin.unit].append(mirror)
        derived = [self._derivers.mirror(downstream, served) for served in downstream.derived]
        watched = {mirror.unit: (mirror, counts) for mirror, counts in (
            *zip(mirrors, map(self._counts, downstream.served)), *((each, uncounted) for each in derived))}
        diagnostics = [] if self._topology.diagnostics is None else [Diagnostics(self._topology.diagnostics, watched)]
        return server_of(downstream, [*mirrors, *derived, *diagnostics])

    def _counts(self, served: Served) -> Counts:
        return partial(self.upstreams[served.upstream.name].counters.snapshot, served.origin.unit)


def _mirror(downstream: Downstream, served: Served, upstream: Poller | Listener) -> Mirror:
    """Return a unit as the masters of a downstream see it, with the way on which their requests get to it."""
    profile = served.origin.profile
    store = store_for(served.upstream, served.origin, downstream.max_age)
    way = None if isinstance(upstream, Listener) else _way(downstream, served, upstream)
    return Mirror(served.unit, store, profile.tables, downstream.when_stale, profile.step, way, profile.identity)


def _way(downstream: Downstream, served: Served, poller: Poller) -> Way:
    """How requests of masters get to the unit itself, as far as they may."""
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
