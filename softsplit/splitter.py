"""Builds the parts from a topology, starts them, watches them, stops them."""

import logging
from collections.abc import Iterable, Sequence
from queue import Queue

from softsplit.downstream.mirror import Mirror
from softsplit.downstream.server import Server
from softsplit.downstream.servers import server_for
from softsplit.downstream.sync import QUEUE_SIZE, Sync
from softsplit.downstream.tcp import make_room
from softsplit.topology import Downstream, Served, Topology
from softsplit.upstream.poller import Poller
from softsplit.worker import Worker, run_until_signal, set_up_logging, start_all, stop_all

log = logging.getLogger("softsplit")


class Splitter:
    """One process that splits buses: servers, the sync thread and pollers, wired as the downstreams say.

    `run()` does everything from a script's point of view; `start()` and `stop()`, once each, are for programs
    with a main loop of their own. Raises ConfigError when two parts want the same wire.
    """

    def __init__(self, wiring: Topology | Iterable[Downstream]):
        self._topology = wiring if isinstance(wiring, Topology) else Topology(wiring)
        readings: Queue = Queue(QUEUE_SIZE)
        mirrors: dict[tuple[str, int], list[Mirror]] = {}
        self.servers: list[Server] = []
        for downstream in self._topology.downstreams:
            own = [_mirror(downstream, served) for served in downstream.served]
            for served, mirror in zip(downstream.served, own):
                mirrors.setdefault((served.upstream.name, served.origin.unit), []).append(mirror)
            self.servers.append(server_for(downstream.name, downstream.url, own, downstream.line,
                                           downstream.access))
        pollers = []
        for upstream in self._topology.served():
            served = [unit for unit in upstream.units if (upstream.name, unit.unit) in mirrors]
            pollers.append(Poller(upstream, served, readings))
        self.workers: list[Worker] = [*self.servers, Sync(readings, mirrors), *pollers]

    def open(self) -> Sequence[Worker]:
        """Get hold of every port and device, and return all threads, not yet started.

        Raises DownstreamError, with nothing left open.
        """
        for upstream in self._topology.unserved():
            log.warning("%s is not polled, because no downstream serves it", upstream.name)
        make_room(sum(each.access.max_connections for each in self._topology.downstreams if each.access))
        try:
            for server in self.servers:
                server.open()
        except BaseException:
            for server in self.servers:
                server.close()
            raise
        return self.workers

    def start(self) -> None:
        """Open, then start all threads. Raises DownstreamError before anything is served."""
        start_all(self.open())

    def stop(self) -> None:
        """End all threads, within two seconds."""
        stop_all(self.workers)

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM. Raises SoftsplitError when it cannot start or a thread fails.

        Runs in the main thread, and logs to stderr unless logging is set up already.
        """
        set_up_logging()
        run_until_signal(self.open)


def _mirror(downstream: Downstream, served: Served) -> Mirror:
    profile = served.origin.profile
    return Mirror(served.unit, served.origin.reads, profile.tables, downstream.max_age, downstream.when_stale)
