"""The answers to HTTP requests, by path, from the status and from the values that masters get now.

The expensive ones are kept for a moment, so that many requests cost hardly more than a few.
"""

import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from softsplit import clock
from softsplit.config.statuspage import StatusPage
from softsplit.daemon.health import FRESH
from softsplit.daemon.jsonform import as_json
from softsplit.daemon.prometheus import as_prometheus
from softsplit.daemon.status import Status
from softsplit.logs.recent import RecentEvents
from softsplit.printable import printable
from softsplit.web.history import History, Since
from softsplit.web.hostnames import HostNames
from softsplit.web.jsontext import json_text
from softsplit.web.page import Pages
from softsplit.web.reply import JSON, METRICS, Reply, refusal, text
from softsplit.web.tiles import MARGIN
from softsplit.web.values import WatchedUnit
from softsplit.web.values import as_json as values_of

KEPT = {("",), ("metrics",), ("status.json",)}  # paths whose answers are kept for MARGIN s
WRONG_HOST = "call this machine by its address, or list the name under hosts in [status]"
PATHS = "there are /, /healthz, /metrics, /status.json, /units/UPSTREAM/UNIT, and the same with .json"


class Site:
    """Answers requests; `look` returns the status of now, `units` are those whose values are shown."""

    def __init__(self, page: StatusPage, look: Callable[[], Status], units: Sequence[WatchedUnit]):
        self._look = look
        self._units = {unit.key: unit for unit in units}
        self._history = History(units)
        self._since = Since()
        self.events = RecentEvents()
        self._draw = Pages(self._history, self._since)
        self._names = HostNames((*page.hosts, page.url.host))
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, ...], tuple[float, Reply]] = {}  # until when

    def look_around(self) -> None:  # the page's own thread, at least once a second
        """Record the values and troubles of now."""
        self._history.take(clock.now())
        self._since.note(self._look().health.found)

    def answer(self, method: str, path: str, hosts: list[str]) -> Reply:  # any thread
        """Return the answer to a request, by its method, path and Host headers."""
        if method not in ("GET", "HEAD"):
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED, "this is only for reading")
        if len(hosts) != 1:
            return refusal(HTTPStatus.BAD_REQUEST, "one Host header is needed")
        if not self._names.admit(hosts[0]):
            return refusal(HTTPStatus.FORBIDDEN, WRONG_HOST)
        where = tuple(unquote(part, errors="replace") for part in path.partition("?")[0].split("/")[1:])
        with self._lock:
            now = clock.now()
            until, reply = self._kept.get(where, (0.0, None))
            if reply is None or now > until:
                reply = self._make(where)
                if where in KEPT:
                    self._kept[where] = now + MARGIN, reply
            return reply

    def _make(self, where: tuple[str, ...]) -> Reply:
        match where:
            case ("",):
                return self._draw.front(self._look(), list(self._units.values()), self.events.events())
            case ("healthz",):
                return healthz(self._look())
            case ("metrics",):
                return metrics(self._look())
            case ("status.json",):
                return _json(as_json(self._look()))
            case ("units", upstream, unit) if found := self._units.get((upstream, unit)):
                return self._draw.unit(self._look(), found)
            case ("units", upstream, file) if found := self._units.get((upstream, file.removesuffix(".json"))):
                return _json(values_of(found, self._look()))
        return refusal(HTTPStatus.NOT_FOUND, PATHS)


def _json(content: Any) -> Reply:
    return Reply(HTTPStatus.OK, JSON, json_text(content).encode(errors="replace"))


def healthz(status: Status) -> Reply:
    """Return 200 while all is well, else 503, and one line that says why."""
    health = status.health
    is_well = health.code == FRESH
    return text(HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE,
                printable(f"all is well: {health.summary}" if is_well else health.summary))


def metrics(status: Status) -> Reply:
    """Return the text of `softsplit status --prometheus`."""
    config = status.process.config if status.process else ""
    said = as_prometheus(status, Path(config) if config else None)
    return Reply(HTTPStatus.OK, METRICS, said.encode(errors="replace"))
