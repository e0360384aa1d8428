"""HTML from parts: every text that is no Markup is escaped and made printable. Pure."""

from html import escape
from urllib.parse import quote

from softsplit.printable import printable

VOID = ("br", "hr", "meta", "path", "circle", "rect", "line")  # elements without an end tag


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(part: object) -> str:
    """Return a part of a page as HTML; None is nothing."""
    if part is None:
        return ""
    return part if isinstance(part, Markup) else escape(printable(str(part)))


def join(parts, between: str = "") -> Markup:
    """Return parts one after the other."""
    return Markup(between.join(map(text, parts)))


def tag(name: str, *parts: object, **attributes: object) -> Markup:
    """Return an element. `aria_label=` is aria-label, `class_=` class; True has no value, None is left out."""
    said = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in VOID:
        return Markup(f"<{name}{said}>" if name in ("br", "hr", "meta") else f"<{name}{said}/>")
    return Markup(f"<{name}{said}>{join(parts)}</{name}>")


def unit_link(upstream: str, unit: str, title: str) -> Markup:
    """Return a link to the page of a unit; with .json behind its path, programs get its values."""
    return tag("a", title, href=f"/units/{quote(upstream, safe='')}/{quote(unit, safe='')}")


def _attribute(name: str, value: object) -> str:
    key = name.rstrip("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{text(value)}"'
