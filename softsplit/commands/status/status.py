"""Read the status file of a running splitter."""

from dataclasses import replace
from pathlib import Path

from softsplit.commands.shared.configuration import how_to_start, running
from softsplit.commands.shared.output import to_json
from softsplit.daemon.health import DEGRADED, NOT_RUNNING, NOTHING_SERVED, Code, Health
from softsplit.daemon.jsonform import as_json
from softsplit.daemon.process import Gone, Hung, OtherVersion, Process
from softsplit.daemon.statefile import OfOtherVersion
from softsplit.daemon.status import Status, Unreadable
from softsplit.daemon.troubles.trouble import Trouble
from softsplit.logs.conditions import show_duration

WAIT_FOR_STATUS = 5.0  # s until a process has written one, which takes less than 1 s
OLDEST = 10.0  # s; a status file gets older only if it cannot be written


def read_status(config: Path) -> Status:
    """Return the status of the process that runs `config`.

    Without a process or its status file, the status has only its health, and its `process` is None.
    """
    process = Process.that_runs(config)
    if process is None:
        return _only(NOT_RUNNING, f"nothing runs {config}", f"start it with {how_to_start(config)}; "
                     f'"softsplit doctor" says what keeps it from starting{_besides(config)}')
    with process:
        return _read_status_of(process, how_to_start(config))


def _besides(config: Path) -> str:
    """Say which other configurations run here, which may be the one that was meant."""
    others = sorted(map(str, running() - {config.absolute()}))
    return f"; {', '.join(others)} runs, which -c chooses" if len(others) == 1 else \
        f"; others run, of which -c chooses one: {', '.join(others)}" if others else ""


def _read_status_of(process: Process, start: str) -> Status:
    try:
        if process.is_certain and not process.ask(WAIT_FOR_STATUS):
            return _only(DEGRADED, f"{process} runs, but cannot write its status", "see its log")
        status = process.status()
    except Hung as error:
        return _only(NOTHING_SERVED, str(error), '"softsplit run --if-needed" replaces it')
    except Gone as error:
        return _only(NOT_RUNNING, str(error), f"start it with {start}")
    except OtherVersion as error:
        return _only(DEGRADED, f"{process} runs, but cannot be asked", str(error))
    except OfOtherVersion as error:
        return _only(DEGRADED, f"{process} runs, but {error}", "restart the process")
    except Unreadable as error:
        if process.is_certain:
            return _only(DEGRADED, f"{process} runs, but {error}", "see its log")
        return _only(DEGRADED, f"{process} may run, but {error}",
                     '"sudo softsplit status" says whether it does')
    return status if status.age <= OLDEST else _with_age(status, process)


def _with_age(status: Status, process: Process) -> Status:
    """Add the trouble that the status is old."""
    why = ("because it cannot be written; see the log" if process.is_certain else
           'and only root and its own user can see whether the process runs: "sudo softsplit status"')
    what = f"{process.state.path / 'status.json'} is {show_duration(status.age)} old, {why}"
    return replace(status, health=status.health.with_first(Trouble(cause=what)))


def to_json_text(status: Status) -> str:
    """Return the status as JSON; only its `verdict` if nothing runs."""
    content = as_json(status)
    return to_json(content if status.process else {"verdict": content["verdict"]}, indent=2) + "\n"


def _only(code: Code, what: str, cure: str) -> Status:
    return Status.of(Health.of(code, [Trouble(cause=f"{what}; {cure}")]))
