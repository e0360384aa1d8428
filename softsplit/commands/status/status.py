"""How a running splitter is, as its status file tells."""

import json
import os
import time
from pathlib import Path

from softsplit.commands.shared.output import to_json
from softsplit.config.loader import load_config
from softsplit.daemon.atomicfile import write_atomic
from softsplit.daemon.health import DEGRADED, NOT_RUNNING, NOTHING_SERVED
from softsplit.daemon.instance import FORMAT
from softsplit.daemon.presence import NO_STATUS, Gone, Hung, Process
from softsplit.errors import ConfigError, SoftsplitError
from softsplit.logs.conditions import show_duration

PATIENCE = 5.0  # s for an answer, which comes within one
OLD = 10.0  # s, an age that a status file reaches only when it cannot be written


def read_status(config: Path) -> dict:
    """Return what `status.json` says of the process that runs `config`, with an `age` in seconds.

    Without such a process, or such a file, there is only a `verdict`. Raises ConfigError when nothing runs
    `config` and there is no such file.
    """
    process = Process.that_runs(config)
    if process is None:
        return _not_running(config)
    return read_status_of(process)


def read_status_of(process: Process) -> dict:
    """Return the same of a process, and close that."""
    try:
        with process:
            place = process.status_file(PATIENCE)
    except Hung as error:
        return _only(NOTHING_SERVED, str(error), '"softsplit run --if-needed" replaces it')
    except Gone as error:
        return _only(NOT_RUNNING, str(error), 'start it with "softsplit run"')
    if place == NO_STATUS:
        return _only(DEGRADED, f"process {process.pid} runs, but can write no status", "see its log")
    try:
        document = json.loads(Path(place).read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            return _only(DEGRADED, f"process {process.pid} is of another version of softsplit", "restart it")
        document["age"] = round(max(0.0, time.time() - document["written_at"]), 3)
    except (OSError, ValueError, TypeError, KeyError) as error:  # not there, or not ours
        return _only(DEGRADED, f"process {process.pid} runs, but {place} cannot be read", repr(error))
    if document["age"] > OLD:
        what = f"{place} is {show_duration(document['age'])} old, because it cannot be written; see the log"
        verdict = document["verdict"]
        verdict.update(code=max(verdict["code"], DEGRADED), troubles=[what, *verdict["troubles"]])
    return document


def as_json(document: dict) -> str:
    """Return the status for programs."""
    return to_json(document, indent=2) + "\n"


def save(path: Path, text: str) -> None:
    """Write what was asked for. Raises SoftsplitError when that cannot be done."""
    try:
        write_atomic(path, text)
    except OSError as error:
        raise SoftsplitError(f"cannot write {path}: {error.strerror}") from error


def _not_running(config: Path) -> dict:
    """Say that nothing runs a configuration; and why, when it cannot be run as it is."""
    try:
        load_config(config)
    except ConfigError as error:
        if not os.path.lexists(config):
            raise
        return _only(NOT_RUNNING, f"nothing runs {config}, which is wrong", f"{error}; put it right, then start it")
    return _only(NOT_RUNNING, f"nothing runs {config}", 'start it with "softsplit run"')


def _only(code: int, what: str, cure: str) -> dict:
    return {"verdict": {"code": code, "summary": what, "troubles": [f"{what}; {cure}"], "notes": []}}
