"""The status page: one document with style and script in it, made from a template and parts."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from string import Template

from softsplit import clock
from softsplit.daemon.health import figures
from softsplit.daemon.status import Status
from softsplit.logs.conditions import show_duration
from softsplit.logs.recent import Event
from softsplit.web.history import History, Since
from softsplit.web.markup import Markup, join, tag, text
from softsplit.web.picture import draw_wiring
from softsplit.web.reply import HTML, LOCKED, Reply
from softsplit.web.tiles import draw_unit, draw_values
from softsplit.web.values import WatchedUnit
from softsplit.web.verdict import draw_troubles, draw_verdict, headline, kind_of


@cache
def _template() -> tuple[Template, str]:
    """Return the template with style and script in it, and the policy that lets a browser run only these."""
    place = files(__package__) / "templates"
    names = "page.css", "page.js", "page.html"
    style, script, page = ((place / name).read_text(encoding="utf-8") for name in names)
    policy = (f"{LOCKED}; style-src 'sha256-{_digest(style)}'; script-src 'sha256-{_digest(script)}'; "
              "connect-src 'self'; img-src data:")
    return Template(Template(page).safe_substitute(style=style, script=script)), policy


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


class Pages:
    """Draws pages; `history` has earlier values, `since` when troubles began."""

    def __init__(self, history: History, since: Since):
        self._history = history
        self._since = since

    def front(self, status: Status, units: Sequence[WatchedUnit], events: Sequence[Event]) -> Reply:
        """Return the page of the whole splitter."""
        values = draw_values(units, status, self._history.of, clock.now())
        troubles = draw_troubles(status, self._since)
        return self._page(status, tag("main", draw_wiring(status), values, troubles, _events(events)))

    def unit(self, status: Status, unit: WatchedUnit) -> Reply:
        """Return the page with all values of one unit."""
        back = tag("p", tag("a", "the whole house", href="/"))
        values = draw_unit(unit, unit.ranked, status, self._history.of, clock.now(), is_alone=True)
        return self._page(status, tag("main", back, tag("section", values),
                                      draw_troubles(status, self._since)))

    def _page(self, status: Status, main: Markup) -> Reply:
        template, policy = _template()
        mark = {"well": "", "starting": "… "}.get(kind_of(status.health), "! ")
        body = join((draw_verdict(status, figures(status.downstreams), self._since), main, _footer(status)))
        document = template.substitute(title=text(f"{mark}{headline(status.health)} - softsplit"), body=body)
        return Reply(HTTPStatus.OK, HTML, document.encode(errors="replace"), policy)


def _events(events: Sequence[Event]) -> Markup:
    rows = [tag("li", tag("time", each.when), tag("span", each.text, class_="bad" if each.is_bad else None))
            for each in events]
    return tag("section", tag("h2", "Events", id="events"), tag("ul", *rows, class_="events") if rows else
               tag("p", "nothing has happened yet", class_="dim"), aria_labelledby="events")


def _footer(status: Status) -> Markup:
    said = ""
    if process := status.process:
        up = show_duration(status.uptime + status.age)
        said = f"softsplit {process.version}, process {process.pid}, up {up}"
        said += f", {process.config}" if process.config else ""
    links = [tag("a", name, href=f"/{name}") for name in ("status.json", "metrics", "healthz")]
    return tag("footer", tag("p", said), tag("p", join(links, " ")))
