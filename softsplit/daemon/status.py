"""The status of a running splitter, and `status.json`, in which it stands; once a second it is written.

The dataclasses here, in `health`, `upstream/report` and `downstream/report` are the schema of the file, which
the README shows: a field is a key, a type hint what its value may be. A table is its name, a url as in a
configuration, a time as ISO 8601 has it, data in hex, a tuple a list; ages and latencies are in seconds.
Fields with a default may be missing, and there may be more than these; a change of FORMAT, now 1, says that
what a field means has changed, or that one is gone.

Whoever reads the file, root too, gets a bounded one of a trusted user, of which every value has been checked.
"""

import errno
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from softsplit.daemon import jsonform
from softsplit.daemon.atomicfile import write_inside
from softsplit.daemon.directories import Directory
from softsplit.daemon.health import NOT_RUNNING, Health
from softsplit.daemon.statefile import LARGEST, Unreadable, read_inside
from softsplit.downstream.report import DownstreamStatus
from softsplit.upstream.report import UpstreamStatus

STATUS = "status.json"  # in a state directory
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """The process that runs a configuration, and since when."""

    pid: int
    config: str
    started: datetime
    version: str
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A splitter: its health, its upstreams and downstreams by name, how long it has run.

    `process` is None unless one runs a configuration file; it was `written` then, at `written_at` in seconds
    since 1970, and its `age` is how long ago that was when it was read.
    """

    format: int = FORMAT
    written: str = ""
    written_at: float
    process: ProcessStatus | None
    uptime: float
    health: Health = field(metadata={"key": "verdict"})
    upstreams: dict[str, UpstreamStatus]
    downstreams: dict[str, DownstreamStatus]
    age: float = 0.0

    @classmethod
    def of(cls, health: Health, upstreams: Mapping[str, UpstreamStatus] = {},
           downstreams: Mapping[str, DownstreamStatus] = {}, uptime: float = 0.0) -> "Status":
        """What is not, or not yet, the status of a process."""
        return cls(written_at=0.0, process=None, uptime=uptime, health=health, upstreams=dict(upstreams),
                   downstreams=dict(downstreams))


def write(state: Directory, status: Status) -> None:
    """Write it into a state directory, never seen half. Raises OSError."""
    text = json.dumps(jsonform.as_json(status), ensure_ascii=False) + "\n"
    if len(text) > LARGEST:
        raise OSError(errno.EFBIG, f"it would have more than {LARGEST} bytes")
    write_inside(state.fd, STATUS, text)


def read(state: Directory) -> Status:
    """Return it from a state directory, with its `age`. Raises Unreadable."""
    place = state.path / STATUS
    try:
        content = json.loads(read_inside(state, STATUS), parse_constant=float)
    except OSError as error:
        raise Unreadable(f"{place} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{place} cannot be read: it is no JSON") from error
    if isinstance(content, dict) and content.get("format", FORMAT) != FORMAT:
        raise Unreadable(f"{place} is of another version of softsplit, which has to be restarted")
    try:
        status = from_json(content)
    except ValueError as error:
        raise Unreadable(f"{place} cannot be read: {error}") from error
    return replace(status, age=round(max(0.0, time.time() - status.written_at), 3))


def from_json(content: Any) -> Status:
    """Return the status of a process that JSON states. Raises ValueError, which says what is wrong there."""
    status = jsonform.from_json(Status, content)
    if status.process is None or status.health.code == NOT_RUNNING:
        raise ValueError("it is of no process")
    return status
