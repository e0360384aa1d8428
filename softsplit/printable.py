"""Remove control characters from the text of devices, masters, profiles, files and local processes."""

from dataclasses import fields, is_dataclass, replace
from typing import Any


def printable(text: str) -> str:
    r"""Return a text in one line of visible characters: a line end becomes \n, a bell \x07.

    So foreign text cannot begin a new line in a log, or move the cursor of a terminal.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def all_printable(content: Any) -> Any:
    """Return a status or the content of a JSON document with every text in it, also keys, made printable."""
    if isinstance(content, str):
        return printable(content)
    if isinstance(content, dict):
        return {all_printable(key): all_printable(each) for key, each in content.items()}
    if isinstance(content, (list, tuple)):
        return type(content)(all_printable(each) for each in content)
    if is_dataclass(content) and not isinstance(content, type):
        return replace(content, **{each.name: all_printable(getattr(content, each.name))
                                   for each in fields(content)})
    return content
