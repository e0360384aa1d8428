"""Convert frozen dataclasses to JSON and back, checked by their type hints. Pure.

A field becomes a key, by its own name or by `key` in its metadata; a tuple becomes a list; Table, Url, bytes
(in hex) and datetime become texts. A key may be missing if its field has a default; unknown keys are ignored.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from softsplit.config.schemes import SCHEMES
from softsplit.config.url import Url, parse_url
from softsplit.protocol.functions import Table

LARGEST_NUMBER = 1e15
MOST_DATA = 250  # bytes of one read; Application Protocol V1.1b3, 6.1 and 6.3


def as_json(value: Any) -> Any:
    """Return a dataclass, or a value of one, as the json module takes it."""
    if form := FORMS.get(type(value)):
        return form[0](value)
    if is_dataclass(value):
        return {key_of(each): as_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {str(key): as_json(each) for key, each in value.items()}
    return [as_json(each) for each in value] if isinstance(value, tuple) else value


def _data(text: str) -> bytes:
    data = bytes.fromhex(text)
    if len(data) > MOST_DATA:
        raise ValueError
    return data


FORMS: dict[type, tuple[Callable[[Any], str], Callable[[str], Any]]] = {  # text in JSON
    Table: (str, Table),
    Url: (str, lambda text: parse_url(text, SCHEMES)),
    bytes: (bytes.hex, _data),
    datetime: (datetime.isoformat, datetime.fromisoformat),
}


def from_json(kind: Any, value: Any, where: str = "it") -> Any:
    """Return JSON content as a dataclass, or as what another type hint says.

    Raises ValueError, which names what is missing or wrong. A dataclass may have a property `agrees`: whether
    its fields are consistent.
    """
    if is_dataclass(kind) and kind not in FORMS and isinstance(value, dict):
        return _fields(kind, value, where)
    inner = get_args(kind)
    if NoneType in inner:
        return None if value is None else from_json(inner[0], value, where)
    if get_origin(kind) is dict and isinstance(value, dict):
        return {_name(inner[0], key, where): from_json(inner[1], each, key) for key, each in value.items()}
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(from_json(inner[0], each, where) for each in value)
    if get_origin(kind) is Literal:
        if any(value == each and type(value) is type(each) for each in inner):
            return value
    elif kind in FORMS and type(value) is str:
        try:
            return FORMS[kind][1](value)
        except ValueError:
            pass
    elif _is_plain(kind, value):
        return value
    raise ValueError(f"{where} has a value of the wrong kind")


def _is_plain(kind: Any, value: Any) -> bool:
    if kind in (int, float):
        return type(value) in {int, kind} and -LARGEST_NUMBER < value < LARGEST_NUMBER
    return kind in (str, bool) and type(value) is kind


def _name(kind: type, key: str, where: str) -> str | int:
    """Return the key of an object, as a name or a number."""
    if kind is str:
        return key
    if key.isascii() and key.isdecimal() and len(key) < 10:
        return int(key)
    raise ValueError(f"{where} has a key that is no number")


def _fields(kind: Any, value: dict, where: str) -> Any:
    found = {}
    for each, hint in fields_of(kind):
        key = key_of(each)
        if key in value:
            found[each.name] = from_json(hint, value[key], key)
        elif each.default is each.default_factory is MISSING:
            raise ValueError(f"{where} has no {key}")
    made = kind(**found)
    if not _agrees(made):
        raise ValueError(f"the parts of {where} do not agree")
    return made


def _agrees(made: Any) -> bool:
    try:
        return getattr(made, "agrees", True)
    except ValueError:
        return False


@cache
def fields_of(kind: Any) -> list:
    """Return the fields of a dataclass, each with its type hint."""
    hints = get_type_hints(kind)
    return [(each, hints[each.name]) for each in fields(kind)]


def key_of(each: Any) -> str:
    return each.metadata.get("key", each.name)
