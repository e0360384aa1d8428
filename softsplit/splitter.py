"""Builds the parts from a topology, starts them, watches them, stops them."""

import logging
from collections.abc import Iterable
from queue import Queue

from softsplit.downstream.bank import Bank
from softsplit.downstream.mirror import Mirror
from softsplit.downstream.rtu import RtuServer
from softsplit.downstream.server import Server
from softsplit.downstream.sync import QUEUE_SIZE, Sync
from softsplit.downstream.tcp import TcpServer
from softsplit.errors import SoftsplitError
from softsplit.protocol.pdus import GATEWAY_NO_PATH
from softsplit.topology import Downstream, Topology
from softsplit.upstream.poller import Poller
from softsplit.worker import Worker, run, set_up_logging, start, stop

log = logging.getLogger("softsplit")


class Splitter:
    """One process that splits buses: pollers, the sync thread and servers, wired as the downstreams say.

    `run()` does everything from a script's point of view; `start()` and `stop()` are for programs with a main
    loop of their own.
    """

    def __init__(self, wiring: Topology | Iterable[Downstream]):
        topology = wiring if isinstance(wiring, Topology) else Topology(wiring)
        for upstream in topology.unserved():
            log.warning("%s is not polled, because no downstream serves it", upstream.name)
        readings: Queue = Queue(QUEUE_SIZE)
        mirrors: dict[tuple[str, int], list[Mirror]] = {}
        self.servers = [_server(downstream, mirrors) for downstream in topology.downstreams]
        pollers = [Poller(upstream, readings) for upstream in topology.upstreams
                   if upstream not in topology.unserved()]
        self.workers: list[Worker] = [*self.servers, Sync(readings, mirrors), *pollers]

    def open(self) -> None:
        """Get hold of every port and device. Raises DownstreamError, with nothing left open."""
        try:
            for server in self.servers:
                server.open()
        except SoftsplitError:
            for server in self.servers:
                server.close()
            raise

    def start(self) -> None:
        """Open, then start all threads. Raises DownstreamError before anything is served."""
        self.open()
        start(self.workers)

    def stop(self) -> None:
        """End all threads, within two seconds."""
        stop(self.workers)

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM. Raises SoftsplitError when it cannot start or a thread fails.

        Runs in the main thread, and logs to stderr unless logging is set up already.
        """
        set_up_logging()
        self.open()
        run(self.workers)


def _server(downstream: Downstream, mirrors: dict[tuple[str, int], list[Mirror]]) -> Server:
    """Build the server of a downstream; its mirrors are added to those which the sync thread fills."""
    own = []
    for upstream in downstream.serves:
        for unit in upstream.units:
            mirror = Mirror(unit.unit, unit.profile.reads, unit.profile.tables, downstream.max_age,
                            downstream.when_stale)
            mirrors.setdefault((upstream.name, unit.unit), []).append(mirror)
            own.append(mirror)
    name, url = downstream.name, downstream.url
    if url.scheme == "rtu":
        return RtuServer(name, url, downstream.baudrate, downstream.mode, Bank(name, own, unknown_unit=None))
    return TcpServer(name, url, Bank(name, own, unknown_unit=GATEWAY_NO_PATH))
