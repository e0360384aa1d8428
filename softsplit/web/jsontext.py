"""Strict JSON of much content, in pieces: Python's encoder lets no other thread run during one."""

import json
from math import isfinite
from typing import Any

DEEP = 4  # tables in each other that are written piece by piece: upstreams, its units, one of them


def json_text(content: Any) -> str:
    """Return the text (RFC 8259) in one line; a number that is not finite becomes null."""
    return _text(content, DEEP) + "\n"


def _text(content: Any, deep: int) -> str:
    if deep and isinstance(content, dict):
        entries = (f"{_text(str(key), 0)}: {_text(each, deep - 1)}" for key, each in content.items())
        return f"{{{', '.join(entries)}}}"
    try:
        said = json.dumps(content, allow_nan=False)
    except ValueError:  # a number that is not finite
        said = json.dumps(finite(content), allow_nan=False)
    return said.replace("\x7f", "\\u007f")


def finite(content: Any) -> Any:
    """The same, with None for each number that JSON cannot write."""
    if isinstance(content, dict):
        return {key: finite(each) for key, each in content.items()}
    if isinstance(content, (list, tuple)):
        return [finite(each) for each in content]
    return None if isinstance(content, float) and not isfinite(content) else content
