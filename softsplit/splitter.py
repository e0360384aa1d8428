"""Start the parts of a topology, watch them, and stop them."""

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
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
from softsplit.downstream.mirrors.latest import derived_values, latest_answers
from softsplit.downstream.servers.server import Server
from softsplit.downstream.servers.sockets import make_room
from softsplit.errors import SoftsplitError
from softsplit.logs import setup
from softsplit.parts import Parts
from softsplit.printable import printable
from softsplit.protocol.values import Value
from softsplit.upstream.deadlines import Deadlines
from softsplit.upstream.poller import Poller
from softsplit.worker import Worker, run_until_signal, signals_held, start_all, stop_all

if TYPE_CHECKING:
    from softsplit.web.server import StatusServer

log = logging.getLogger("softsplit")


class Splitter:
    """One process that splits buses: servers, the sync thread, pollers and listeners.

    Splitter([victron, maxem]).run() is the last line of a script; `start()` and `stop()`, once each, are for
    programs with their own main loop. `wiring` is the downstreams, or the result of `load_config()`;
    `diagnostics` is the id of a unit on every downstream that shows how fresh the others are, `status` a
    StatusPage, or its url. Raises ConfigError if two parts need the same wire.
    """

    def __init__(self, wiring: Topology | Iterable[Downstream], diagnostics: int | None = None,
                 status: StatusPage | str | None = None):
        self._topology = (wiring if isinstance(wiring, Topology) else
                          Topology(wiring, diagnostics=diagnostics, status=status))
        parts = Parts(self._topology)
        self.upstreams, self.servers = parts.upstreams, parts.servers
        deadlines = Deadlines([each for each in self.upstreams.values() if isinstance(each, Poller)])
        self.workers: list[Worker] = [*self.servers, parts.sync, *self.upstreams.values(), deadlines]
        self._current = CurrentStatus(self._topology, self.upstreams, self.servers)
        self.page = self._page()
        self.workers += [self.page] if self.page else []

    def _page(self) -> "StatusServer | None":
        """The status page, if there is one; its modules are imported only then."""
        if not self._topology.status:
            return None
        from softsplit.web.server import StatusServer
        from softsplit.web.site import Site
        from softsplit.web.values import watched_units
        units = watched_units(self._topology.downstreams,
                              [server.databank.mirrors for server in self.servers])
        page = StatusServer(self._topology.status, Site(self._topology.status, self._current.latest, units))
        self._current.besides = page.troubles
        return page

    def open(self) -> Sequence[Worker]:
        """Open every port and device, and return all threads, not yet started.

        Raises DownstreamError, and closes everything then.
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
        """The workers with a port or a device."""
        return [*self.servers, *([self.page] if self.page else [])]

    def start(self) -> None:
        """Open, then start all threads. Raises DownstreamError before anything is served."""
        start_all(self.open())

    def stop(self) -> None:
        """End all threads within two seconds."""
        stop_all(self.workers)

    def status(self) -> Status:  # any thread
        """Return the current status."""
        return self._current.report()

    def values(self, downstream: Downstream | str, unit: int) -> dict[str, Value | None]:  # any thread
        """Return the values of a unit by register name, as the masters of a downstream get them.

        Any thread may call it, at any time. `downstream` is the object, or its name; `unit` the id there.
        Numbers are in their units of measure; None means "no value". Stale values are left out. Raises
        ConfigError if there is no such downstream or unit.
        """
        names = [each.name for each in self._topology.downstreams]
        name = downstream.name if isinstance(downstream, Downstream) else downstream
        checks.require_word(name, names, "downstream")
        index = names.index(name)
        chosen = self._topology.downstreams[index]
        checks.require_word(str(unit), map(str, chosen.unit_ids), "unit of this downstream")
        mirror = self.servers[index].databank.mirrors[unit]
        for derived in chosen.derived:
            if derived.unit == unit:
                return derived_values(mirror, derived.derived)
        upstream, origin = next((each.upstream, each.origin) for each in chosen.served if each.unit == unit)
        base = mirror.base
        profile = origin.profile.located(base)
        said = profile.said(latest_answers(mirror,
                                           profile.reads if upstream.is_heard else origin.reads_at(base)))
        return {register.name: each.value for register, each in said.items()} if mirror.base == base else {}

    def expect_check(self, port: int) -> None:  # any thread
        """Note that whoever asks a server next from this port of this machine only checks it, and is no master."""
        for server in self.servers:
            server.checks.expect(port)

    def run(self, attend: Callable[[Status], None] | None = None, name: str | Path | None = None) -> None:
        """Serve until SIGINT, SIGTERM or SIGHUP: the last line of a script.

        Runs in the main thread, logs to stderr unless logging is set up already, and reports to systemd.
        `attend` gets the status once a second. "softsplit status -c SCRIPT" and other commands find the
        process by the path of the script, or by `name`; two processes cannot have the same.

        An error, such as a taken port or a script that runs already, ends the process with one line on stderr
        and the exit code of "softsplit run".
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
            instance = stack.enter_context(Instance(config, topology, self.expect_check)) if config else None
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
    """Run a configuration file, in the only process that does. Raises SoftsplitError."""
    setup.set_up_logging(logs)
    setup.tell_of_log_file(logs)
    try:
        Splitter(loader.load_config(path)).serve(path)
    except SoftsplitError as error:
        if logs.are_elsewhere:
            log.critical("%s", error)
        raise


def _script() -> Path | None:
    """The script that was started; None in an interactive session."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    return Path(file) if file else None
