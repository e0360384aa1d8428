"""The status of a running splitter, and `status.json`, to which the main thread writes it once a second.

The dataclasses here, in `health`, `upstream/report` and `downstream/report` are the schema of the file; see
`jsonform` for its form, `schema` for its text in the README. Ages and latencies are in seconds. FORMAT
changes when the meaning of a field changes, or a field goes; new fields do not change it.

Readers, root too, get every value checked; see `statefile`.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from softsplit.daemon import jsonform
from softsplit.daemon.directories import Directory
from softsplit.daemon.health import NOT_RUNNING, Health
from softsplit.daemon.statefile import OfOtherVersion, Unreadable, read_json, write_json
from softsplit.downstream.report import DownstreamStatus
from softsplit.printable import printable
from softsplit.upstream.report import UpstreamStatus
from softsplit.version import VERSION

STATUS = "status.json"  # in a state directory
FORMAT = 1
LONGEST_VERSION = 40  # characters of one that another process states


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

    `process` wrote it at `written_at`, in seconds since 1970, or at `written` in words; `age` is how long ago
    that was when it was read. `process` is None in a status that no process wrote.
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
        """Return a status that no process has written yet."""
        return cls(written_at=0.0, process=None, uptime=uptime, health=health, upstreams=dict(upstreams),
                   downstreams=dict(downstreams))


def write(state: Directory, status: Status) -> None:
    """Write it into a state directory. Raises OSError."""
    write_json(state, STATUS, jsonform.as_json(status))


def read(state: Directory) -> Status:
    """Return it from a state directory, with its `age`. Raises Unreadable."""
    place, content = state.path / STATUS, read_json(state, STATUS)
    if isinstance(content, dict) and content.get("format", FORMAT) != FORMAT:
        raise OfOtherVersion(f"{place} is of another version of softsplit")
    try:
        status = from_json(content)
    except ValueError as error:
        if (version := _version_in(content)) != VERSION:
            raise OfOtherVersion(f"{place} is of softsplit {version}, and this is {VERSION}") from error
        raise Unreadable(f"{place} cannot be read: {error}") from error
    return replace(status, age=round(max(0.0, time.time() - status.written_at), 3))


def _version_in(content: Any) -> str:
    """Return the version that has written a status, as far as that can be told; else our own."""
    process = content.get("process") if isinstance(content, dict) else None
    version = process.get("version") if isinstance(process, dict) else None
    return printable(version)[:LONGEST_VERSION] if isinstance(version, str) else VERSION


def from_json(content: Any) -> Status:
    """Return the status of a process from JSON content. Raises ValueError, which says what is wrong."""
    status = jsonform.from_json(Status, content)
    if status.process is None or status.health.code == NOT_RUNNING:
        raise ValueError("it names no process")
    return status
