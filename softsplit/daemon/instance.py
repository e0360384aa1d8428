"""The one process that runs a configuration: its lock, its heartbeat, its status file."""

import errno
import fcntl
import json
import os
import platform
import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from softsplit.daemon.atomicfile import write_atomic
from softsplit.daemon.presence import Presence, key_of
from softsplit.errors import AlreadyRunning, SoftsplitError
from softsplit.logs.conditions import Allowance, Condition
from softsplit.worker import stop_all

FORMAT = 1  # of status.json


def state_directories(config: Path) -> list[Path]:
    """Where the lock and the status file of a configuration may lie, the best place first.

    systemd's $RUNTIME_DIRECTORY, /run/softsplit for root, the user's own runtime directory, or /tmp.
    """
    user = os.getuid()
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    own = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{user}"
    roots = [given] if given else []
    roots.append("/run/softsplit")
    if user != 0:
        roots += [f"{own}/softsplit", f"/tmp/softsplit-{user}"]
    return [Path(root, key_of(config)) for root in roots]


class Instance:
    """Holds the lock of `config` (flock on a file in a state directory) and the presence of its process.

    A state directory that is deleted, full or read-only costs the status file, until it is well again, and
    nothing else. Raises AlreadyRunning.
    """

    def __init__(self, config: Path):
        self._config = Path(os.path.realpath(config))
        self._directories = state_directories(config)
        self._lock: int | None = None  # descriptor
        self._directory: Path | None = None  # where it lies
        self._started = _now()
        self._files = Condition(Allowance(), well_at_first=True)
        self._presence = Presence(self._config)
        try:
            self._settle()
        except AlreadyRunning:
            self._presence.close()
            raise

    def attend(self, status: dict) -> None:
        """Beat, see that the lock still lies where it lay, and write `status.json`. For the main thread."""
        try:
            self._settle()
            if self._directory is None:
                raise OSError(errno.ENOENT, "no state directory can be had")
            write_atomic(self._directory / "status.json", self._document(status))
        except OSError as error:
            self._files.trouble(f"status.json cannot be written: {error.strerror}", "; all else goes on")
        else:
            self._files.well("status.json is written again")
        self._presence.beats(self._directory and self._directory / "status.json")
        if self._presence.join(0):
            raise SoftsplitError("presence has failed; please report the traceback above")

    def close(self) -> None:
        """Let go of everything; no status is left that could be taken for a present one."""
        if self._directory is not None:
            with suppress(OSError):
                (self._directory / "status.json").unlink()
        if self._lock is not None:
            os.close(self._lock)
        stop_all([self._presence])
        self._presence.close()

    def _document(self, status: dict) -> str:
        document = {
            "format": FORMAT,
            "written": _now(),
            "written_at": round(time.time(), 3),
            "process": {"pid": os.getpid(), "config": str(self._config), "started": self._started,
                        "version": version("softsplit"), "python": platform.python_version()},
            **status,
        }
        return json.dumps(document, ensure_ascii=False) + "\n"

    def _settle(self) -> None:
        """Hold a lock in the first directory that can be had. Raises AlreadyRunning when another holds it."""
        if self._directory is not None and self._is_in_place(self._directory / "lock"):
            return
        for directory in self._directories:
            try:
                lock = _locked(directory)
            except BlockingIOError as error:
                raise AlreadyRunning(self._config, _pid_in(directory / "lock")) from error
            except OSError:
                continue
            if self._lock is not None:
                os.close(self._lock)
            self._lock, self._directory = lock, directory
            return

    def _is_in_place(self, path: Path) -> bool:
        try:
            return os.path.samestat(os.stat(path), os.fstat(self._lock))
        except OSError:
            return False

    def __enter__(self) -> "Instance":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _locked(directory: Path) -> int:
    """Return the descriptor of the locked file in a directory.

    Raises BlockingIOError when another process has it, another OSError when it cannot be had at all.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for each in (directory.parent, directory):  # /tmp is everybody's
        if os.lstat(each).st_uid not in (0, os.getuid()) and os.getuid() != 0:
            raise PermissionError(errno.EPERM, "it belongs to another user")
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    with suppress(OSError):  # a full disk takes it away that people see who holds the lock
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _pid_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
