"""The one process that runs a configuration: its presence, heartbeat and status file."""

import errno
import os
import platform
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from softsplit.config.topology import Topology
from softsplit.daemon import status, wiring
from softsplit.daemon.directories import Directory
from softsplit.daemon.presence import Presence
from softsplit.daemon.status import ProcessStatus, Status
from softsplit.errors import AlreadyRunning, SoftsplitError
from softsplit.logs.conditions import Condition, TokenBucket
from softsplit.version import VERSION
from softsplit.worker import stop_all


class Instance(AbstractContextManager["Instance"]):
    """Holds the state directory of the process that runs `config`, and writes its status there.

    Where `config` is a script, `topology` is written there, too. When the directory is deleted, full or
    read-only, only the status file is missing until that has ended. Raises AlreadyRunning.
    """

    def __init__(self, config: Path, topology: Topology | None = None,
                 expect_check: Callable[[int], None] = lambda port: None):
        self._config = Path(os.path.realpath(config))
        self.process = this_process(self._config)
        self._files = Condition(TokenBucket(), well_at_first=True)
        self._topology = topology
        self._wiring_in: Directory | None = None  # where the topology was written
        self._status_in: Directory | None = None  # where the status was written
        self._presence = Presence(self._config, expect_check)

    def attend(self, report: Status) -> None:
        """Check our state directory, write `status.json`, and beat. For the main thread."""
        try:
            self._write(report)
        except OSError as error:
            self._files.trouble(f"status.json cannot be written: {error.strerror}", "; all else goes on")
        except AlreadyRunning as error:
            self._files.trouble(f"status.json cannot be written: {error}")
        else:
            self._files.well("status.json is written again")
        self._presence.beats(self._presence.state is not None and self._status_in is self._presence.state)
        if self._presence.join(0):
            raise SoftsplitError("presence has failed; please report the traceback above")

    def _write(self, report: Status) -> None:
        self._presence.settle()
        if self._presence.state is None:
            raise OSError(errno.ENOENT, f"there is no state directory ({self._presence.cause})")
        if self._topology and self._wiring_in is not self._presence.state:
            wiring.write(self._presence.state, self._topology)
            self._wiring_in = self._presence.state
        status.write(self._presence.state, stamped(report, self.process))
        self._status_in = self._presence.state

    def close(self) -> None:
        """End the presence and remove its files, so that nobody takes them for a running process."""
        stop_all([self._presence])
        self._presence.leave()

    def __exit__(self, *_) -> None:
        self.close()


def this_process(config: Path | None) -> ProcessStatus:
    """Describe this process; `config` is its file or script, if it has one."""
    return ProcessStatus(pid=os.getpid(), config=os.fsencode(config or "").decode(errors="replace"),
                         started=_now(),
                         version=VERSION, python=platform.python_version())


def stamped(report: Status, process: ProcessStatus) -> Status:
    """Return a status as `process` writes it now."""
    return replace(report, written=_now().isoformat(), written_at=round(time.time(), 3), process=process)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
