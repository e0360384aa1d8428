"""The status of the splitter in this process, made once a second."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from softsplit import clock
from softsplit.config.topology import Topology
from softsplit.daemon.health import Trouble, judge
from softsplit.daemon.instance import stamped, this_process
from softsplit.daemon.status import ProcessStatus, Status
from softsplit.downstream.deriving.report import report_derived
from softsplit.daemon.troubles.trouble import of_certificate
from softsplit.downstream.report import DownstreamStatus, report_units
from softsplit.downstream.servers.server import Server
from softsplit.logs.conditions import Condition, TokenBucket
from softsplit.upstream.listener import Listener
from softsplit.upstream.poller import Poller
from softsplit.upstream.report import UpstreamStatus

MAX_STATUS_AGE = 1.5  # s; the main thread makes a status once a second, so an older one has no writer


class CertificateLog:
    """Logs when one of our own certificates has a problem, and when that has ended."""

    def __init__(self):
        self._bucket = TokenBucket()
        self._conditions: dict[str, Condition] = {}

    def tell(self, ends: Mapping[str, UpstreamStatus | DownstreamStatus]) -> None:
        for name, end in ends.items():
            if end.certificate:
                condition = self._conditions.setdefault(name,
                                                        Condition(self._bucket, well_at_first=True, tries=""))
                condition.trouble(str(of_certificate(name, end.certificate)))
            elif name in self._conditions:
                self._conditions[name].well(f"{name}: our certificate is good")
        self._bucket.catch_up()


class CurrentStatus:
    """Collects the status of upstreams and servers.

    `process` is this process as its state directory names it, None until `splitter` sets it.
    """

    def __init__(self, topology: Topology, upstreams: Mapping[str, Poller | Listener],
                 servers: Sequence[Server]):
        self._topology = topology
        self._upstreams = upstreams
        self._servers = servers
        self._started_at = clock.now()
        self._lock = threading.Lock()
        self._latest: tuple[float, Status] | None = None  # and when it was made
        self._certificates = CertificateLog()
        self.process: ProcessStatus | None = None
        self.besides: Callable[[], list[Trouble]] = list  # troubles of neither upstreams nor downstreams

    def report(self) -> Status:  # any thread
        """Return the status as of now."""
        with self._lock:
            now = clock.now()
            self._latest = now, self._report(now)
            return self._latest[1]

    def latest(self) -> Status:  # any thread
        """Return a status that is at most MAX_STATUS_AGE old, with its age, as `status.json` has it."""
        seen_at, status = self._latest or (0.0, None)
        if status is None or clock.now() - seen_at > MAX_STATUS_AGE:
            seen_at, status = clock.now(), self.report()
        self.process = self.process or this_process(None)
        age = round(clock.now() - seen_at, 3)
        return replace(stamped(status, self.process), age=age, written_at=round(time.time() - age, 3))

    def _report(self, now: float) -> Status:
        downstreams = {}
        for downstream, server in zip(self._topology.downstreams, self._servers):
            mirrors = server.databank.mirrors
            units = report_units(downstream.served, mirrors, now) | report_derived(downstream.derived, mirrors, now)
            downstreams[downstream.name] = server.report(units, now)
        upstreams = {name: each.report(now) for name, each in self._upstreams.items()}
        self._certificates.tell({**downstreams, **upstreams})
        uptime = now - self._started_at
        health = judge(upstreams, downstreams, uptime, self.besides())
        return Status.of(health, upstreams, downstreams, round(uptime, 1))
