"""How a running splitter is, as its status file tells."""

from pathlib import Path

from softsplit.commands.shared.output import to_json
from softsplit.daemon.health import DEGRADED, NOT_RUNNING, NOTHING_SERVED
from softsplit.daemon.process import Gone, Hung, OtherVersion, Process
from softsplit.daemon.status import Unreadable
from softsplit.logs.conditions import show_duration

PATIENCE = 5.0  # s for an answer, which comes within one
OLD = 10.0  # s, an age that a status file reaches only when it cannot be written


def read_status(config: Path) -> dict:
    """Return what `status.json` says of the process that runs `config`, with an `age` in seconds.

    Without such a process, or such a file, there is only a `verdict`.
    """
    process = Process.that_runs(config)
    if process is None:
        return _only(NOT_RUNNING, f"nothing runs {config}", 'start it with "softsplit run"')
    with process:
        return _read_status_of(process)


def _read_status_of(process: Process) -> dict:
    try:
        if process.is_certain and not process.ask(PATIENCE):
            return _only(DEGRADED, f"{process} runs, but can write no status", "see its log")
        document = process.status()
    except Hung as error:
        return _only(NOTHING_SERVED, str(error), '"softsplit run --if-needed" replaces it')
    except Gone as error:
        return _only(NOT_RUNNING, str(error), 'start it with "softsplit run"')
    except OtherVersion as error:
        return _only(DEGRADED, f"{process} runs, but cannot be asked", str(error))
    except Unreadable as error:
        if process.is_certain:
            return _only(DEGRADED, f"{process} runs, but {error}", "see its log")
        return _only(DEGRADED, f"{process} may run, but {error}", '"sudo softsplit status" says whether it does')
    if document["age"] > OLD:
        _note_age(document, process)
    return document


def _note_age(document: dict, process: Process) -> None:
    """Add that the status is old to what is wrong."""
    why = ("because it cannot be written; see the log" if process.is_certain else
           'and only root and its own user can see whether the process runs: "sudo softsplit status"')
    what = f"{process.state.path / 'status.json'} is {show_duration(document['age'])} old, {why}"
    verdict = document["verdict"]
    verdict.update(code=max(verdict["code"], DEGRADED), troubles=[what, *verdict["troubles"]])


def as_json(document: dict) -> str:
    """Return the status for programs."""
    return to_json(document, indent=2) + "\n"


def _only(code: int, what: str, cure: str) -> dict:
    return {"verdict": {"code": code, "summary": what, "troubles": [f"{what}; {cure}"], "notes": []}}
