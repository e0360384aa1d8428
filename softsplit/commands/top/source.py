"""The sources of `softsplit top`: the status of a running splitter, or one unit that it polls itself."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Queue

from softsplit import clock
from softsplit.commands.shared.configuration import find_topology
from softsplit.commands.shared.route import find_route
from softsplit.commands.status.status import read_status
from softsplit.commands.top.history import Look, Watched
from softsplit.config.line import Line
from softsplit.config.topology import Topology
from softsplit.config.upstream import Unit, Upstream
from softsplit.config.url import Url
from softsplit.daemon.health import DEGRADED, FRESH, Health, find_troubles
from softsplit.daemon.status import Status
from softsplit.daemon.troubles.trouble import NOTE, Trouble
from softsplit.errors import SoftsplitError
from softsplit.upstream.poller import Poller
from softsplit.worker import Worker, start_all, stop_all

LOOK = 1.0  # s between looks; a status is written as often
YOUNG = 3.0  # s, the max_age without a server


class Watcher(Worker):
    """Looks about once a second, and keeps the latest look."""

    def __init__(self, look: Callable[[], Look]):
        super().__init__("watcher")
        self._look = look
        self.seen = look()

    def step(self) -> None:
        if not self.pause(LOOK):
            self.seen = self._look()


@contextmanager
def watching(look: Callable[[], Look], *others: Worker) -> Iterator[Callable[[], Look]]:
    """Look repeatedly in this context; yield a function that returns the latest look with its present age.

    The function raises SoftsplitError if a thread has failed.
    """
    watcher = Watcher(look)
    workers = [*others, watcher]

    def latest() -> Look:
        for worker in workers:
            if worker.error:
                raise SoftsplitError(f"{worker.name} has failed: {worker.error}") from worker.error
        seen = watcher.seen
        age = seen.status.age + clock.now() - seen.seen_at
        return replace(seen, status=replace(seen.status, age=age))

    start_all(workers)
    try:
        yield latest
    finally:
        stop_all(workers)


class RunningSplitter:
    """The splitter that runs a configuration; `look()` returns its status. Raises ConfigError."""

    def __init__(self, config: Path):
        self._config = config
        self._pid: int | None = None
        self._topology = find_topology(config)

    def look(self) -> Look:
        status = read_status(self._config)
        if status.process is None:
            return Look(status, {}, clock.now())
        if status.process.pid != self._pid:  # it may have read another configuration
            self._pid = status.process.pid
            self._topology = find_topology(self._config)
        return Look(status, watched_units(self._topology, status), clock.now(), self._topology)


def watched_units(topology: Topology, status: Status) -> dict[tuple[str, str], Watched]:
    """Find the units of a status in its configuration. Raises SoftsplitError if one is not there."""
    ages: dict[tuple[str, str], list[float]] = {}
    for downstream in topology.downstreams:
        for served in downstream.served:
            ages.setdefault((served.upstream.name, str(served.origin.unit)), []).append(downstream.max_age)
        for made in downstream.derived:
            for upstream, unit in made.derived.units:
                ages.setdefault((upstream.name, str(unit.unit)), []).append(downstream.max_age)
    units = {(upstream.name, str(unit.unit)): unit
             for upstream in topology.upstreams for unit in upstream.units}
    try:
        return {(name, unit): Watched(units[name, unit].profile, min(ages[name, unit]))
                for name, upstream in status.upstreams.items() for unit in upstream.units}
    except KeyError as error:
        raise SoftsplitError(f"unit {'/'.join(error.args[0])} is not in the configuration any more; restart "
                             f"process {status.process and status.process.pid} to load it") from None


class WakeQueue(Queue):
    """Sets an event for each reading, and keeps none: the counters of the poller have the data."""

    def __init__(self) -> None:
        super().__init__()
        self.event = threading.Event()

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:  # poller thread
        self.event.set()


class Endpoint:
    """One unit of any Modbus server: `poller` polls it by its profile, `look()` returns its status."""

    def __init__(self, upstream: Upstream, why: str = ""):
        self._upstream = upstream
        self._notes = [Trouble(cause=why, severity=NOTE)] if why else []
        self._wake = WakeQueue()
        self.poller = Poller(upstream, upstream.units, self._wake)

    @classmethod
    def at(cls, url: Url, unit: Unit, timeout: float, line: Line, force: bool = False) -> "Endpoint":
        """A unit behind `url`, or behind the server of a splitter that owns that wire. Raises SoftsplitError.

        `line` is that of a serial url.
        """
        where, number, why = find_route(url, unit.unit, force)
        baudrate, mode = (line.baudrate, line.mode) if where.is_serial else (None, None)
        return cls(Upstream(where, [Unit(number, unit.profile)], timeout, baudrate=baudrate, mode=mode), why)

    def look(self) -> Look:
        upstreams = {self._upstream.name: self.poller.report(clock.now())}
        troubles = find_troubles(upstreams, {}, clock.now() - self.poller.counters.since)
        health = Health.of(DEGRADED if troubles else FRESH, [*troubles, *self._notes],
                           "" if troubles else f"{self._upstream.url} answers")
        watched = {(self._upstream.name, str(unit.unit)): Watched(unit.profile, YOUNG)
                   for unit in self._upstream.units}
        return Look(Status.of(health, upstreams), watched, clock.now())

    def look_once(self) -> Look:
        """Poll until every block was read once, or no unit answers; return the status then."""
        start_all([self.poller])
        try:
            while not self._is_done() and not self.poller.join(0):
                self._wake.event.wait(LOOK)
                self._wake.event.clear()
            return self.look()
        finally:
            stop_all([self.poller])

    def _is_done(self) -> bool:
        counters = self.poller.counters
        are_found = all(unit.unit in counters.places for unit in self._upstream.units if unit.profile.base)
        return bool(counters.unreachable or counters.mute) or are_found and all(
            block.requests for blocks in counters.blocks.values() for block in tuple(blocks.values()))
