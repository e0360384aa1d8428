"""Remove control characters from the text of devices, masters, profiles, files and local processes."""

from dataclasses import fields, is_dataclass, replace
from typing import Any


def printable(text: str) -> str:
    r"""Return a text in one line in which every character can be seen: a line end becomes \n, a bell \x07.

    So nobody whose text is shown can begin a line of their own, or move the cursor of a terminal.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def all_printable(content: Any) -> Any:
    """Return a status, or what a JSON document says, with every text in it printable, keys included."""
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
