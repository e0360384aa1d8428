"""The top of the page: the health in words, colour and shape; and the list of troubles. Pure."""

import time

from softsplit.daemon.health import DEGRADED, FRESH, Health
from softsplit.daemon.status import Status
from softsplit.daemon.troubles.trouble import NOTE, STARTING, TROUBLE, Trouble, with_others
from softsplit.logs.conditions import show_duration, show_some
from softsplit.web.history import Since
from softsplit.web.markup import Markup, tag

SHAPES = {  # for people who cannot tell the colours apart
    "well": ("M16 2a14 14 0 1 0 .1 0z", "M9 16l5 5 9-10"),
    "starting": ("M16 2a14 14 0 1 0 .1 0z", "M16 8v8l5 4"),
    "degraded": ("M16 2L31 29H1z", "M16 11v8m0 3.5v3"),
    "down": ("M10 2h12l8 8v12l-8 8H10l-8-8V10z", "M10 10l12 12m0-12L10 22"),
}
DAY = 86400.0  # s


def kind_of(health: Health) -> str:
    """Return the kind of a verdict, which is its CSS class and its shape."""
    if health.code == FRESH:
        return "well"
    if any(each.severity == TROUBLE for each in health.found) or not health.found:
        return "degraded" if health.code == DEGRADED else "down"
    return "starting"


def headline(health: Health) -> str:
    """Return the health in a sentence without anything that changes every second."""
    if health.code == FRESH:
        return "All is well"
    troubles = [each for each in health.found if each.severity == TROUBLE]
    if not troubles:
        waiting = [each for each in health.found if each.severity == STARTING]
        return (f"Starting: {waiting[0].cause}" if len(waiting) == 1 else
                "Starting, not everything has answered yet")
    return with_others(troubles[0].cause.partition("; ")[0], len(troubles) - 1)


def draw_verdict(status: Status, figures: str, since: Since) -> Markup:
    """Return the top of the page: what is wrong, and since when."""
    kind = kind_of(status.health)
    lines = (tag("path", d=line) for line in SHAPES[kind])
    shape = tag("svg", *lines, viewBox="0 0 32 32", aria_hidden="true")
    now = time.strftime("%H:%M:%S", time.localtime(time.time() - status.age))
    words = {"degraded": "Something is wrong", "down": "Nothing is served"}.get(kind, "")
    first = next((each for each in status.health.found if each.severity == TROUBLE), None)
    lasting = since.of(first) if first else None
    words += f", since {_when(lasting)}. " if words and lasting is not None else ". " if words else ""
    more = tag("a", "Cause and cure", href="#troubles") if kind in ("degraded", "down") else None
    return tag("header", shape, tag("div", tag("h1", headline(status.health), aria_live="polite"),
                                    tag("p", f"{words}{figures}, at {now}", more)), class_=f"verdict {kind}")


def draw_troubles(status: Status, since: Since) -> Markup:
    """Return each trouble with its cause, its cure and when it began; then the notes."""
    ranks = {TROUBLE: 0, STARTING: 1, NOTE: 2}
    found = sorted(status.health.found, key=lambda each: ranks[each.severity])
    if not found:
        return Markup("")
    title = {TROUBLE: "Troubles", STARTING: "Starting", NOTE: "Notes"}[found[0].severity]
    rows = [_trouble(each, since.of(each)) for each in found]
    return tag("section", tag("h2", title, id="troubles"), tag("ul", *rows, class_="troubles"),
               aria_labelledby="troubles")


def _trouble(trouble: Trouble, lasting: float | None) -> Markup:
    what, _, cure = trouble.cause.partition("; ")
    more = [cure] if cure else []
    if lasting is not None and trouble.severity == TROUBLE:
        more.append(f"since {_when(lasting)}, for {show_duration(lasting)}")
    if trouble.affects:
        more.append(f"stale: {show_some(trouble.affects)}")
    prefix = {STARTING: "starting: ", NOTE: "note: "}.get(trouble.severity, "")
    return tag("li", tag("b", f"{prefix}{what}"), *(tag("p", each) for each in more), class_=trouble.severity)


def _when(ago: float) -> str:
    """Return the time of day so many seconds ago, with the date when that is long ago."""
    form = "%H:%M:%S" if ago < DAY / 2 else "%Y-%m-%d %H:%M"
    return time.strftime(form, time.localtime(time.time() - ago))
