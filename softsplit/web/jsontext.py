"""Strict JSON of much content, made in pieces: Python's encoder blocks all other threads during each call."""

import json
from math import isfinite
from typing import Any

DEPTH = 4  # levels of objects that are encoded one by one: the status, upstreams, units, blocks


def json_text(content: Any) -> str:
    """Return the text (RFC 8259) in one line; a number that is not finite becomes null."""
    return _text(content, DEPTH) + "\n"


def _text(content: Any, depth: int) -> str:
    if depth and isinstance(content, dict):
        entries = (f"{_text(str(key), 0)}: {_text(each, depth - 1)}" for key, each in content.items())
        return f"{{{', '.join(entries)}}}"
    try:
        said = json.dumps(content, allow_nan=False)
    except ValueError:  # a number that is not finite
        said = json.dumps(finite(content), allow_nan=False)
    return said.replace("\x7f", "\\u007f")


def finite(content: Any) -> Any:
    """Return content with None for each number that JSON cannot write."""
    if isinstance(content, dict):
        return {key: finite(each) for key, each in content.items()}
    if isinstance(content, (list, tuple)):
        return [finite(each) for each in content]
    return None if isinstance(content, float) and not isfinite(content) else content
