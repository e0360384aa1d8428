"""The schema of `status.json` in words, made from its dataclasses."""

from dataclasses import MISSING, is_dataclass
from datetime import datetime
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from softsplit.config.url import Url
from softsplit.daemon.jsonform import FORMS, as_json, fields_of, key_of
from softsplit.daemon.status import Status
from softsplit.protocol.functions import Table

INDENT = 15
NAMES = {int: "integer", float: "number", str: "text", bool: "true or false", Table: "text", Url: "url",
         bytes: "hex", datetime: "time"}


def named(kind: Any) -> str:
    """Return a type hint in words."""
    inner = get_args(kind)
    if NoneType in inner:
        return f"{named(inner[0])} or null"
    if get_origin(kind) is dict:
        return f"{named(inner[1])} by {'number' if inner[0] is int else 'name'}"
    if get_origin(kind) is tuple:
        return f"list of {named(inner[0])}"
    if get_origin(kind) is Literal:
        return " or ".join(str(as_json(each)) for each in inner)
    return NAMES.get(kind) or kind.__name__.removesuffix("Status").lower()


def _rows(kind: Any, known: dict[str, str]) -> dict[str, str]:
    """Return the row of a dataclass, and those of the dataclasses in it."""
    keys = [f"{key_of(each)}{'' if each.default is each.default_factory is MISSING else '?'} {named(hint)}"
            for each, hint in fields_of(kind)]
    known[named(kind)] = ", ".join(keys)
    for _, hint in fields_of(kind):
        for inner in (hint, *get_args(hint)):
            if is_dataclass(inner) and inner not in FORMS and named(inner) not in known:
                _rows(inner, known)
    return known


def schema() -> str:
    """Return a line for each object: its keys and their types. A key with ? may be missing."""
    return "\n".join(f"{name or 'the file':{INDENT}}{keys}" for name, keys in _rows(Status, {}).items())
