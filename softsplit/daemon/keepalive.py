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

GRACE = 3.0  # s that a process which hangs has to end by itself
LOOK_AGAIN = 0.1  # s between looks at a process that starts
START_TIME = 60.0  # s that it has to be seen
LONGEST_ERROR = 4096  # characters of what it says when it cannot start


def keep_running(config: Path, logs: Logs) -> None:
    """Return when a healthy process runs `config`; start one, detached, if need be.

    A process that has not answered for 30 s is ended and replaced. Raises SoftsplitError.
    """
    set_up_logging(logs)
    if not is_well(config):
        tell_of_log_file(logs)
        load_config(config)  # what is wrong there is told by this process
        start(config, logs.as_options())


def is_well(config: Path) -> bool:
    """Whether a healthy process runs; one that hangs is ended. Raises SoftsplitError."""
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
    """Start a process that outlives this one, once, and wait until it serves. Raises SoftsplitError.

    When it cannot start, the error has its words and its exit code.
    """
    command = [sys.executable, "-m", "softsplit", "run", "-c", os.path.abspath(config), *options]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = clock.now() + START_TIME
    while clock.now() < deadline:
        with suppress(subprocess.TimeoutExpired):
            code = child.wait(LOOK_AGAIN)
            if code == AlreadyRunning.exit_code and is_well(config):
                return  # another was faster
            raise _failed(code, child.stderr.read(LONGEST_ERROR) if child.stderr else "")
        if is_well(config):
            return
    raise SoftsplitError(f"process {child.pid} was started, but cannot be seen: it has no state directory; "
                         "see its log")


def _failed(code: int, said: str) -> SoftsplitError:
    error = SoftsplitError(f"cannot start, exit code {code}: {said.strip().removeprefix('softsplit: ')}")
    error.exit_code = max(code, SoftsplitError.exit_code)  # less than 0 is a signal, and 0 is no success
    return error
