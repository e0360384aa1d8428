"""Builds the parts from a topology, starts them, watches them, stops them."""

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING

from softsplit import checks
from softsplit.config import loader
from softsplit.config.downstream import Downstream
from softsplit.config.statuspage import StatusPage
from softsplit.config.topology import Topology
from softsplit.daemon.current import CurrentStatus
from softsplit.daemon.instance import Instance
from softsplit.daemon.notify import Notifier
from softsplit.daemon.status import Status
from softsplit.downstream.diagnostics import Diagnostics
from softsplit.downstream.mirrors.latest import latest_answers
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.sync import QUEUE_SIZE, Sync
from softsplit.downstream.servers.choice import server_for
from softsplit.downstream.servers.server import Server
from softsplit.downstream.servers.sockets import make_room
from softsplit.errors import ConfigError, SoftsplitError
from softsplit.logs import setup
from softsplit.parts import mirror_for
from softsplit.printable import printable
from softsplit.protocol.values import Value
from softsplit.upstream.deadlines import Deadlines
from softsplit.upstream.listener import Listener
from softsplit.upstream.poller import Poller
from softsplit.upstream.served import served_origins
from softsplit.worker import Worker, run_until_signal, signals_held, start_all, stop_all

if TYPE_CHECKING:
    from softsplit.web.server import StatusServer

log = logging.getLogger("softsplit")



class Splitter:
    """One process that splits buses: servers, the sync thread, pollers and listeners, as the downstreams say.

    Splitter([victron, maxem]).run() is the last line of a script; `start()` and `stop()`, once each, are for
    programs with a main loop of their own. `wiring` is the downstreams, or what `load_config()` returns;
    `diagnostics` is the id of a unit that tells on every downstream how fresh the others are, `status` a
    StatusPage, or its url. Raises ConfigError when two parts want the same wire.
    """

    def __init__(self, wiring: Topology | Iterable[Downstream], diagnostics: int | None = None,
                 status: StatusPage | str | None = None):
        self._topology = (wiring if isinstance(wiring, Topology) else
                          Topology(wiring, diagnostics=diagnostics, status=status))
        if any(each.derived for each in self._topology.downstreams):
            raise ConfigError("derived units are checked, but not served yet")
        readings: Queue = Queue(QUEUE_SIZE)
        wanted = served_origins(self._topology.downstreams)
        self.upstreams: dict[str, Poller | Listener] = {}
        for upstream in self._topology.served():
            units = [unit for unit in upstream.units if unit.unit in wanted[upstream.name]]
            kind = Listener if upstream.is_heard else Poller
            self.upstreams[upstream.name] = kind(upstream, units, readings, wanted[upstream.name])
        mirrors: dict[tuple[str, int], list[Mirror]] = {(name, unit): [] for name in wanted for unit in wanted[name]}
        self.servers: list[Server] = []
        for downstream in self._topology.downstreams:
            own = [mirror_for(downstream, served, self.upstreams[served.upstream.name])
                   for served in downstream.served]
            for served, mirror in zip(downstream.served, own):
                mirrors[served.upstream.name, served.origin.unit].append(mirror)
            self.servers.append(server_for(downstream.name, downstream.url,
                                           [*own, *self._diagnostics(downstream, own)], downstream.line,
                                           downstream.access,
                                           {also: each.unit for each in downstream.served for also in each.also}))
        deadlines = Deadlines([each for each in self.upstreams.values() if isinstance(each, Poller)])
        self.workers: list[Worker] = [*self.servers, Sync(readings, mirrors), *self.upstreams.values(),
                                      deadlines]
        self._current = CurrentStatus(self._topology, self.upstreams, self.servers)
        self.page = self._page()
        self.workers += [self.page] if self.page else []

    def _page(self) -> "StatusServer | None":
        """The status page, where one is wanted."""
        if not self._topology.status:
            return None
        from softsplit.web.server import StatusServer  # nobody else pays for a web server
        from softsplit.web.site import Site
        page = StatusServer(self._topology.status, Site(self._topology.status, self._current.latest))
        self._current.besides = page.troubles
        return page

    def _diagnostics(self, downstream: Downstream, mirrors: Sequence[Mirror]) -> list[Diagnostics]:
        """The unit that tells of the others, where one is wanted."""
        if self._topology.diagnostics is None:
            return []
        watched = {}
        for served, mirror in zip(downstream.served, mirrors):
            counters = self.upstreams[served.upstream.name].counters
            watched[served.unit] = mirror, partial(counters.snapshot, served.origin.unit)
        return [Diagnostics(self._topology.diagnostics, watched)]

    def open(self) -> Sequence[Worker]:
        """Get hold of every port and device, and return all threads, not yet started.

        Raises DownstreamError, with nothing left open.
        """
        for upstream in self._topology.unserved():
            log.warning("%s is not polled, because no downstream serves it", upstream.name)
        make_room(sum(each.access.max_connections for each in self._topology.downstreams if each.access))
        try:
            for server in self._opened:
                server.open()
        except BaseException:
            for server in self._opened:
                server.close()
            raise
        return self.workers

    @property
    def _opened(self) -> "Sequence[Server | StatusServer]":
        """What has a port or a device."""
        return [*self.servers, *([self.page] if self.page else [])]

    def start(self) -> None:
        """Open, then start all threads. Raises DownstreamError before anything is served."""
        start_all(self.open())

    def stop(self) -> None:
        """End all threads, within two seconds."""
        stop_all(self.workers)

    def status(self) -> Status:  # any thread
        """How everything stands, now."""
        return self._current.report()

    def values(self, downstream: Downstream | str, unit: int) -> dict[str, Value | None]:  # any thread
        """What the registers of a unit say, by name, as the masters of a downstream get them.

        Any thread may call it, at any time. `downstream` is the object, or its name; `unit` the id there.
        Numbers are in their units of measure; None says that there is no value. What is stale is not there.
        Raises ConfigError when there is no such downstream or unit.
        """
        names = [each.name for each in self._topology.downstreams]
        name = downstream.name if isinstance(downstream, Downstream) else downstream
        checks.require_word(name, names, "downstream")
        index = names.index(name)
        units = {str(each.unit): each for each in self._topology.downstreams[index].served}
        checks.require_word(str(unit), units, "unit of this downstream")
        served = units[str(unit)]
        answers = latest_answers(self.servers[index].databank.mirrors[unit], served.origin.reads)
        return {register.name: said.value for register, said in served.origin.profile.said(answers).items()}

    def run(self, attend: Callable[[Status], None] | None = None, name: str | Path | None = None) -> None:
        """Serve until SIGINT, SIGTERM or SIGHUP: the last line of a script.

        Runs in the main thread, logs to stderr unless logging is set up already, and tells systemd how it is.
        `attend` is given the status once a second. "softsplit status -c SCRIPT" and its like find the process
        by the path of the script, or by another that `name` says; two processes cannot have the same.

        What is wrong (a port that is taken, a script that runs already) ends the process with one line on
        stderr and the exit code that "softsplit run" has then.
        """
        setup.set_up_logging()
        try:
            self.serve(_script() if name is None else Path(name), attend, is_script=True)
        except SoftsplitError as error:
            print(f"softsplit: {printable(str(error))}", file=sys.stderr)
            sys.exit(error.exit_code)

    def serve(self, config: Path | None, attend: Callable[[Status], None] | None = None,
              is_script: bool = False) -> None:
        """Serve likewise, as the only process that runs `config`.

        Raises SoftsplitError when it cannot start, or when a thread fails or hangs.
        """
        notifier = Notifier()
        with signals_held(), ExitStack() as stack:
            topology = self._topology if is_script else None
            instance = stack.enter_context(Instance(config, topology)) if config else None
            self._current.process = instance.process if instance else None

            def look_around() -> None:
                status = self.status()
                notifier.ready(status.health.summary)
                if instance:
                    instance.attend(status)
                if attend:
                    attend(status)

            run_until_signal(self.open, look_around, notifier.stopping)


def run_config(path: Path, logs: setup.Logs) -> None:
    """Run what a configuration file states, as the only process that does. Raises SoftsplitError."""
    setup.set_up_logging(logs)
    setup.tell_of_log_file(logs)
    try:
        Splitter(loader.load_config(path)).serve(path)
    except SoftsplitError as error:
        if logs.are_elsewhere:
            log.critical("%s", error)
        raise


def _script() -> Path | None:
    """The script that was started; None of an interactive session."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    return Path(file) if file else None
