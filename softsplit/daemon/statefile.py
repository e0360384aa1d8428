"""The JSON files of a state directory. Readers, root too, get a bounded regular file of a trusted user."""

import errno
import json
import os
import stat
from typing import Any

from softsplit.daemon.atomicfile import write_inside
from softsplit.daemon.directories import Directory
from softsplit.errors import SoftsplitError

LARGEST = 4_000_000  # bytes


class Unreadable(SoftsplitError):
    """A file is not trusted, or not in the form that we know."""


class OfOtherVersion(Unreadable):
    """A file that a process of another version of softsplit has written."""


class Missing(Unreadable):
    """A file does not exist."""


def write_json(state: Directory, name: str, content: Any) -> None:
    """Write a file; no reader ever sees half of it. Raises OSError."""
    text = json.dumps(content, ensure_ascii=False) + "\n"
    if len(text) > LARGEST:
        raise OSError(errno.EFBIG, f"{name} would have more than {LARGEST} bytes")
    write_inside(state.fd, name, text)


def read_json(state: Directory, name: str) -> Any:
    """Return the content of a file. Raises Unreadable."""
    place = state.path / name
    try:
        return json.loads(_read(state, name), parse_constant=float)
    except FileNotFoundError as error:
        raise Missing(f"{place} cannot be read: {error.strerror}") from error
    except OSError as error:
        raise Unreadable(f"{place} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{place} cannot be read: it is no JSON") from error


def _read(state: Directory, name: str) -> bytes:
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
