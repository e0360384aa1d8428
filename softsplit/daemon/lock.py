"""The lock of a runtime directory, held while something is created or removed there."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager

from softsplit import clock
from softsplit.daemon.directories import Directory

LOCK = "lock"  # in a runtime directory; other users cannot open it, and so cannot lock it
LONGEST_WAIT = 5.0  # s
LOOK_AGAIN = 0.02  # s


@contextmanager
def locked(place: Directory) -> Iterator[None]:
    """Hold the lock of a runtime directory. Raises OSError."""
    deadline = clock.now() + LONGEST_WAIT
    while (lock := _try_to_lock(place)) is None:
        if clock.now() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, "another process holds it", str(place.path / LOCK))
        time.sleep(LOOK_AGAIN)
    try:
        yield
    finally:
        os.close(lock)


def _try_to_lock(place: Directory) -> int | None:
    """Return the descriptor of the lock, or None while another process has it. Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    lock = os.open(LOCK, flags, 0o600, dir_fd=place.fd)
    try:
        found = os.fstat(lock)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it is no file of our own", str(place.path / LOCK))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.stat(LOCK, dir_fd=place.fd, follow_symlinks=False), found):
            return lock
    except (BlockingIOError, FileNotFoundError):  # another process has it, or has just removed it
        pass
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None
