"""The one process that runs a configuration: its presence, heartbeat and status file."""

import errno
import os
import platform
import time
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


class Instance:
    """Holds the place of the process that runs `config`, and tells there how it is.

    Where `config` is no file that tells its wiring, as that of a script, `topology` is told there, too.
    A state directory that is deleted, full or read-only costs the status file, until it is well again, and
    nothing else. Raises AlreadyRunning.
    """

    def __init__(self, config: Path, topology: Topology | None = None):
        self._config = Path(os.path.realpath(config))
        self.process = this_process(self._config)
        self._files = Condition(TokenBucket(), well_at_first=True)
        self._topology = topology
        self._told_in: Directory | None = None  # where the topology was written
        self._written_in: Directory | None = None  # where the status was written
        self._presence = Presence(self._config)

    def attend(self, report: Status) -> None:
        """Beat, see that our place is still ours, and write `status.json`. For the main thread."""
        try:
            self._write(report)
        except OSError as error:
            self._files.trouble(f"status.json cannot be written: {error.strerror}", "; all else goes on")
        except AlreadyRunning as error:
            self._files.trouble(f"status.json cannot be written, as its place was lost: {error}")
        else:
            self._files.well("status.json is written again")
        self._presence.beats(self._presence.state is not None and self._written_in is self._presence.state)
        if self._presence.join(0):
            raise SoftsplitError("presence has failed; please report the traceback above")

    def _write(self, report: Status) -> None:
        self._presence.settle()
        if self._presence.state is None:
            raise OSError(errno.ENOENT, f"no state directory can be had ({self._presence.cause})")
        if self._topology and self._told_in is not self._presence.state:
            wiring.write(self._presence.state, self._topology)
            self._told_in = self._presence.state
        status.write(self._presence.state, stamped(report, self.process))
        self._written_in = self._presence.state

    def close(self) -> None:
        """Let go of everything; nothing is left that could be taken for a present process."""
        stop_all([self._presence])
        self._presence.leave()

    def __enter__(self) -> "Instance":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def this_process(config: Path | None) -> ProcessStatus:
    """This process, which runs a configuration, if it is one of a file or a script."""
    return ProcessStatus(pid=os.getpid(), config=os.fsencode(config or "").decode(errors="replace"), started=_now(),
                         version=VERSION, python=platform.python_version())


def stamped(report: Status, process: ProcessStatus) -> Status:
    """The status of a process, as it is written now."""
    return replace(report, written=_now().isoformat(), written_at=round(time.time(), 3), process=process)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
