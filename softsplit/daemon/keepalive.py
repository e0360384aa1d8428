"""What cron calls every minute: sees that a healthy process runs, and starts one when there is none."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from softsplit.config.loader import load_config
from softsplit.daemon.presence import HUNG, Gone, Hung, Process
from softsplit.errors import AlreadyRunning, SoftsplitError
from softsplit.logs.setup import Logs, set_up_logging

log = logging.getLogger("softsplit")

GRACE = 3.0  # s that a process which hangs has to end by itself
LOOK_AGAIN = 0.05  # s between looks at a process that starts


def keep_running(config: Path, logs: Logs) -> None:
    """Return when a healthy process runs `config`; start one, detached, if need be.

    A process that has not answered for 30 s is ended and replaced. Raises SoftsplitError.
    """
    set_up_logging(logs)
    if not is_well(config):
        load_config(config)  # what is wrong there is told by this process
        start(config, logs.as_options())


def is_well(config: Path) -> bool:
    """Whether a healthy process runs; one that hangs is ended."""
    while process := Process.that_runs(config):
        with process, suppress(Gone):
            try:
                process.status_file(HUNG)
                return True
            except Hung as error:
                log.warning("%s; it is replaced", error)
                process.end(GRACE)
    return False


def start(config: Path, options: Sequence[str]) -> None:
    """Start a process that outlives this one, and wait until it serves. Raises SoftsplitError."""
    command = [sys.executable, "-m", "softsplit", "run", "-c", os.path.abspath(config), *options]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not is_well(config):
        with suppress(subprocess.TimeoutExpired):
            if child.wait(LOOK_AGAIN) != AlreadyRunning.exit_code:  # or else another was faster
                said = child.stderr.read().strip().removeprefix("softsplit: ")
                raise SoftsplitError(f"cannot start, exit code {child.returncode}: {said}")
