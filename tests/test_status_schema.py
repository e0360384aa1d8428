"""The README's table of `status.json` is what the dataclasses say, and what was written can be read again."""

import re
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from softsplit.config.url import Url
from softsplit.daemon import status
from softsplit.daemon.health import judge
from softsplit.daemon.jsonform import FORMS, as_json, from_json, key_of
from softsplit.daemon.status import ProcessStatus, Status
from softsplit.protocol.functions import Table
from tests.support.statuses import (
    asked,
    block,
    downstream,
    errors,
    master,
    unit,
    upstream,
)

README = Path(__file__).parent.parent / "README.md"
NAMES = {int: "integer", float: "number", str: "text", bool: "true or false", Table: "text", Url: "url",
         bytes: "hex", datetime: "time"}


def named(kind) -> str:
    """A type hint in words."""
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


def rows(kind, known: dict[str, str]) -> dict[str, str]:
    """The row of a dataclass, and of all in it."""
    hints = get_type_hints(kind)
    known[named(kind)] = ", ".join(f"`{key_of(each)}`{'' if each.default is each.default_factory is MISSING else '?'} {named(hints[each.name])}"
                                   for each in fields(kind))
    for hint in hints.values():
        for inner in (hint, *get_args(hint)):
            if is_dataclass(inner) and inner not in FORMS and named(inner) not in known:
                rows(inner, known)
    return known


def table() -> str:
    lines = [f"| {name or 'the file'} | {keys} |" for name, keys in ({"": ""} | rows(Status, {})).items() if keys]
    return "\n".join(["| object | keys |", "| --- | --- |", *lines])


def test_the_readme_shows_the_schema():
    assert table() in README.read_text(), f"README.md is to have:\n{table()}"


@pytest.fixture
def document() -> dict:
    """A status in which every key has a value, as JSON."""
    failing = block(last_error="it does not answer", last_error_age=1.0, errors=errors(1, 2, _2=3))
    upstreams = {"meters": upstream({"1": unit(failing, block(data=None, age=None, every=None))}, unlisted=(7,), gateway_wait=0.9)}
    downstreams = {"victron": downstream(masters={"10.0.0.7": master(asked(1, 0, 1, 9, 0.5), exceptions={2: 1})})}
    process = ProcessStatus(pid=7, config="/etc/a.toml", started=datetime.now(UTC), version="1", python="3")
    found = Status.of(judge(upstreams, downstreams), upstreams, downstreams, 5.0)
    return as_json(found) | {"process": as_json(process), "written": "now", "written_at": 1.0}


def test_what_was_written_is_read_again(document):
    assert as_json(status.from_json(document)) == document
    assert status.from_json(document | {"later": {"version": 2}}) == status.from_json(document), "there may be more"


def test_what_has_a_default_may_be_missing_and_nothing_else(document):
    for key in document:
        short = {name: each for name, each in document.items() if name != key}
        if key in ("format", "written", "age"):
            assert status.from_json(short)
        else:
            with pytest.raises(ValueError, match=re.escape(f"it has no {key}")):
                status.from_json(short)


@pytest.mark.parametrize("kind, value", [
    (int, True), (int, 1.5), (int, 10**16), (float, float("nan")), (float, "1"), (str, None), (bool, 1), (Table, "coil"),
    (Table, []), (Url, "tcp//"), (bytes, "0"), (bytes, "00" * 251), (bytes, 7), (datetime, "today"), (Literal[0, 1], True),
    (Literal["a"], "b"), (dict[int, int], {"x": 1}), (dict[int, int], {"1": "1"}), (dict[int, int], {"9" * 5000: 1}),
    (dict[str, int], [1]), (tuple[int, ...], {"1": 1}), (tuple[int, ...], [None]), (int | None, "1"), (ProcessStatus, None),
])
def test_what_is_not_of_its_kind_is_refused(kind, value):
    with pytest.raises(ValueError):
        from_json(kind, value)
