"""The schema of `status.json` is what the dataclasses say, and what was written can be read again."""

import re
from datetime import UTC, datetime
from typing import Literal

import pytest

from softsplit.config.url import Url
from softsplit.daemon import status
from softsplit.daemon.health import judge
from softsplit.daemon.jsonform import as_json, from_json
from softsplit.daemon.schema import schema
from softsplit.daemon.status import ProcessStatus, Status
from softsplit.protocol.functions import Table
from tests.support.statuses import asked, block, downstream, errors, master, unit, upstream

def test_the_schema_names_every_object_and_key():
    said = {line.split()[0]: line for line in schema().splitlines()}
    assert {"the", "process", "health", "trouble", "upstream", "unit", "block", "downstream", "master", "served"} <= set(said)
    assert "written_at number" in said["the"] and "last_error text or null" in said["block"] and "age? number" in said["the"]


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
