"""`softsplit run --if-needed`, for cron: start a process unless a healthy one runs."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from softsplit import clock
from softsplit.config.loader import load_config
from softsplit.daemon.process import HUNG, Gone, Hung, Process
from softsplit.errors import AlreadyRunning, SoftsplitError
from softsplit.logs.setup import Logs, set_up_logging, tell_of_log_file

log = logging.getLogger("softsplit")

GRACE = 3.0  # s from SIGTERM to SIGKILL for a process that hangs
LOOK_AGAIN = 0.1  # s between looks at a process that starts
START_TIME = 60.0  # s until a process that was started has to be seen
LONGEST_ERROR = 4096  # characters of its error output that are shown


def keep_running(config: Path, logs: Logs) -> None:
    """Return when a healthy process runs `config`; start one, detached, if need be. Raises SoftsplitError."""
    set_up_logging(logs)
    if not is_well(config):
        tell_of_log_file(logs)
        load_config(config)  # so that this process reports what is wrong in it
        start(config, logs.as_options())


def is_well(config: Path) -> bool:
    """Whether a healthy process runs. One that hangs is ended. Raises SoftsplitError."""
    process = Process.that_runs(config)
    if process is None:
        return False
    with process, suppress(Gone):
        try:
            return process.runs(HUNG)
        except Hung as error:
            log.warning("%s; it is replaced", error)
            process.end(GRACE)
    return False


def start(config: Path, options: Sequence[str]) -> None:
    """Start a process that outlives this one, and wait until it serves.

    Raises SoftsplitError; when the process cannot start, with its error output and its exit code.
    """
    command = [sys.executable, "-m", "softsplit", "run", "-c", os.path.abspath(config), *options]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = clock.now() + START_TIME
    while clock.now() < deadline:
        with suppress(subprocess.TimeoutExpired):
            code = child.wait(LOOK_AGAIN)
            if code == AlreadyRunning.exit_code and is_well(config):
                return  # somebody else started one at the same time
            raise _failed(code, child.stderr.read(LONGEST_ERROR) if child.stderr else "")
        if is_well(config):
            return
    raise SoftsplitError(f"process {child.pid} was started, but cannot be seen: it has no state directory; "
                         "see its log")


def _failed(code: int, said: str) -> SoftsplitError:
    error = SoftsplitError(f"cannot start, exit code {code}: {said.strip().removeprefix('softsplit: ')}")
    error.exit_code = max(code, SoftsplitError.exit_code)  # a signal is negative; 0 would look like success
    return error
