"""Reads what a process has left in its state directory: whoever reads, root too, gets a bounded file of a trusted user."""

import os
import stat

from softsplit.daemon.directories import Directory
from softsplit.errors import SoftsplitError

LARGEST = 4_000_000  # bytes


class Unreadable(SoftsplitError):
    """A file that is not there, not to be trusted, or not in the shape that we know."""


def read_inside(state: Directory, name: str) -> bytes:
    """Return a bounded regular file of a trusted user. Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    fd = os.open(name, flags, dir_fd=state.fd)
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is no regular file")
        if found.st_uid not in state.trusted:
            raise OSError(0, "it belongs to another user")
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise OSError(0, f"it has more than {LARGEST} bytes")
    return data
