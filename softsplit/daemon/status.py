"""`status.json`: what a running process writes about itself once a second, and what of it is believed.

Whoever reads it, root too, gets a bounded file of a trusted user, whose content has the shape below; there
may be more in it. Ages and latencies are in seconds, data is in hex.
"""

import errno
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from softsplit.config.schemes import SCHEMES
from softsplit.config.url import parse_url
from softsplit.daemon.atomicfile import write_inside
from softsplit.daemon.directories import Directory
from softsplit.daemon.health import DEGRADED, FRESH, NOTHING_SERVED
from softsplit.errors import ConfigError, SoftsplitError
from softsplit.protocol.blocks import Block, Table

STATUS = "status.json"  # in a state directory
FORMAT = 1
LARGEST = 4_000_000  # bytes
LARGEST_NUMBER = 1e15
MOST_DATA = 250  # bytes of one read; Application Protocol V1.1b3, 6.1 and 6.3


class Each:
    """An object whose keys are names, all of one shape."""

    def __init__(self, shape: Any):
        self.shape = shape


class Agreeing:
    """An object whose parts, each in its shape, have to agree."""

    def __init__(self, shape: dict, agrees: Callable[[dict], bool]):
        self.shape, self.agrees = shape, agrees


def is_code(value: Any) -> bool:
    """An exit code of "softsplit status"."""
    return value in (FRESH, DEGRADED, NOTHING_SERVED) and type(value) is int


def is_table(value: Any) -> bool:
    return value in set(map(str, Table))


def is_url(value: Any) -> bool:
    return bool(parse_url(value, SCHEMES))


def is_moment(value: Any) -> bool:
    return bool(datetime.fromisoformat(value))


def is_data(value: Any) -> bool:
    return len(bytes.fromhex(value)) <= MOST_DATA


def is_block(value: dict) -> bool:
    """Whether there is as much data as the block has registers or bits."""
    try:
        block = Block(Table(value["table"]), value["address"], value["count"])
    except ConfigError:
        return False
    return value["data"] is None or len(bytes.fromhex(value["data"])) == block.byte_count


TEXT_OR_NONE, NUMBER_OR_NONE, INT_OR_NONE = (str, None), (float, None), (int, None)
LATENCY = {"p50": NUMBER_OR_NONE, "p99": NUMBER_OR_NONE}
COUNTS = {"requests": int, "answers": int,
          "errors": {"no_answer": int, "damaged": int, "exceptions": Each(int)}}
BLOCK = Agreeing({
    **COUNTS, "name": str, "table": is_table, "address": int, "count": int, "every": NUMBER_OR_NONE,
    "age": NUMBER_OR_NONE, "data": (is_data, None), "last_error": TEXT_OR_NONE,
    "last_error_age": NUMBER_OR_NONE,
}, is_block)
POLLED_UNIT = {**COUNTS, "profile": str, "state": str, "latency": LATENCY, "forwarded": COUNTS,
               "blocks": [BLOCK]}
UPSTREAM = {**COUNTS, "url": is_url, "state": str, "error": TEXT_OR_NONE, "utilisation": float,
            "unreachable": int, "latency": LATENCY, "is_heard": bool, "foreign_frames": int,
            "other_master": str, "units": Each(POLLED_UNIT)}
ASKED = {"unit": INT_OR_NONE, "function": INT_OR_NONE, "table": TEXT_OR_NONE,
         "address": INT_OR_NONE, "count": INT_OR_NONE, "requests": int, "rate": float}
MASTER = {"requests": int, "rate": float, "exceptions": Each(int), "silences": int, "asked": [ASKED]}
SERVED_UNIT = {"origin": str, "is_heard": bool, "blocks": int, "fresh": int, "refused": int, "stale": [str]}
DOWNSTREAM = {"url": is_url, "state": str, "connections": [{"peer": str}], "refused_peers": Each(int),
              "requests": int, "exceptions": Each(int), "silences": int, "masters": Each(MASTER),
              "units": Each(SERVED_UNIT)}
DOCUMENT = {
    "written": str, "written_at": float, "uptime": float,
    "process": {"pid": int, "config": str, "started": is_moment, "version": str, "python": str},
    "verdict": {"code": is_code, "summary": str, "troubles": [str], "notes": [str]},
    "upstreams": Each(UPSTREAM), "downstreams": Each(DOWNSTREAM),
}


class Unreadable(SoftsplitError):
    """A status that is not there, not to be trusted, or not in the shape that we know."""


def write(state: Directory, document: dict) -> None:
    """Write it into a state directory, never seen half. Raises OSError."""
    text = json.dumps({"format": FORMAT, **document}, ensure_ascii=False) + "\n"
    if len(text) > LARGEST:
        raise OSError(errno.EFBIG, f"it would have more than {LARGEST} bytes")
    write_inside(state.fd, STATUS, text)


def read(state: Directory) -> dict:
    """Return it from a state directory, with its `age`. Raises Unreadable."""
    place = state.path / STATUS
    try:
        document = json.loads(_read_text(state), parse_constant=float)
    except OSError as error:
        raise Unreadable(f"{place} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{place} cannot be read: it is no JSON") from error
    if isinstance(document, dict) and document.get("format", FORMAT) != FORMAT:
        raise Unreadable(f"{place} is of another version of softsplit, which has to be restarted")
    if wrong := next(_faults(document, DOCUMENT, "it"), ""):
        raise Unreadable(f"{place} cannot be read: {wrong}")
    document["age"] = round(max(0.0, time.time() - document["written_at"]), 3)
    return document


def _read_text(state: Directory) -> bytes:
    """Return a bounded regular file of a trusted user. Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    fd = os.open(STATUS, flags, dir_fd=state.fd)
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is no regular file")
        if found.st_uid not in state.trusted:
            raise OSError(0, "it belongs to another user")
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise OSError(0, f"it has more than {LARGEST} bytes")
    return data


def _faults(value: Any, shape: Any, where: str) -> Iterator[str]:
    """Say what is not as it should be."""
    if isinstance(shape, Agreeing):
        wrong = list(_faults(value, shape.shape, where))
        yield from wrong
        if not wrong and not shape.agrees(value):
            yield f"the parts of {where} do not agree"
    elif isinstance(shape, (dict, Each)) and isinstance(value, dict):
        inner = shape if isinstance(shape, dict) else dict.fromkeys(value, shape.shape)
        for key, each in inner.items():
            if key in value:
                yield from _faults(value[key], each, key)
            else:
                yield f"{where} has no {key}"
    elif isinstance(shape, list) and isinstance(value, list):
        for each in value:
            yield from _faults(each, shape[0], where)
    elif not any(_is_a(value, each) for each in (shape if isinstance(shape, tuple) else (shape,))):
        yield f"{where} is something else than it should be"


def _is_a(value: Any, kind: Any) -> bool:
    if kind is None:
        return value is None
    if kind in (int, float):
        return type(value) in {int, kind} and -LARGEST_NUMBER < value < LARGEST_NUMBER
    if isinstance(kind, type):
        return type(value) is kind
    with suppress(ValueError, TypeError):
        return callable(kind) and kind(value)
    return False
