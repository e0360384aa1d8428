"""Write output files, rotated or replaced whole, without ever overwriting files of others."""

import errno
import os
import select
import stat
from pathlib import Path

from softsplit.daemon.atomicfile import write_atomic
from softsplit.errors import SoftsplitError

OLDER_FILES = 3
STDOUT = "-"
LONGEST_WAIT = 5.0  # s until a device or the reader of a named pipe takes data


def files_of(path: str) -> list[str]:
    """Return the names of a rotated file: FILE, FILE.1, FILE.2, FILE.3."""
    return [path, *(f"{path}.{number}" for number in range(1, OLDER_FILES + 1))]


def require_absent(path: str) -> None:
    """Raise SoftsplitError if FILE has content, or an older part of it exists."""
    for each in files_of(path) if path != STDOUT else ():
        if os.path.isfile(each) and os.path.getsize(each) or each != path and os.path.lexists(each):
            raise SoftsplitError(f"{each} already exists; remove it, or choose another file")


class OutputFile:
    """A file that is rotated before it exceeds `max_size` bytes; each part begins with `head`.

    The three older parts are kept as FILE.1 to FILE.3. Files of others, old or new, are never touched:
    SoftsplitError. A named pipe, or stdout ("-"), is not rotated.
    """

    def __init__(self, path: str, max_size: int, head: bytes = b""):
        self._path = path
        self._max_size = max_size
        self._head = head
        self._own: set[tuple[int, ...]] = set()  # identities of the older files
        require_absent(path)
        self._open()

    def write(self, piece: bytes) -> None:
        """Write a piece whole and at once. Raises BrokenPipeError if nobody reads any more."""
        is_begun = self._size > len(self._head)
        if self._is_regular and is_begun and self._size + len(piece) > self._max_size:
            self._rotate()
        self._put(piece)

    def close(self) -> None:
        self._file.close()

    def _open(self) -> None:
        try:
            is_stdout = self._path == STDOUT
            self._file = open(1 if is_stdout else self._path, "wb", 0, closefd=not is_stdout,
                              opener=_open_empty)
            self._is_regular = not is_stdout and stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        except OSError as error:
            raise _failed(self._path, error) from error
        self._size = 0
        self._put(self._head)

    def _put(self, piece: bytes) -> None:
        self._size += len(piece)
        try:
            while piece:
                piece = piece[self._file.write(piece):]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _failed(self._path, error) from error

    def _rotate(self) -> None:
        names = files_of(self._path)
        try:
            self._own.add(_identity(os.fstat(self._file.fileno())))
            self.close()
            for each in names:
                if os.path.lexists(each) and _identity(os.stat(each)) not in self._own:
                    raise SoftsplitError(f"{each} was replaced by somebody else and is left as it is")
            for newer, older in reversed(list(zip(names, names[1:]))):
                if os.path.lexists(newer):
                    os.replace(newer, older)
            self._own = {_identity(os.stat(each)) for each in names if os.path.lexists(each)}
        except OSError as error:
            raise _failed(self._path, error) from error
        self._open()


def _identity(found: os.stat_result) -> tuple[int, ...]:
    """The identity of a closed file; the time distinguishes it from a later file with the same inode."""
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _open_empty(path: str, flags: int) -> int:
    """Open a file unless it has content."""
    fd = os.open(path, (flags & ~os.O_TRUNC) | os.O_CLOEXEC, 0o666)
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode) and found.st_size:
        os.close(fd)
        raise FileExistsError(errno.EEXIST, "it already exists")
    return fd


def write_whole(path: str, text: str) -> None:
    """Replace a file atomically by a text in UTF-8. Raises SoftsplitError.

    A link is followed; a device or a named pipe is written to.
    """
    place = Path(os.path.realpath(path))
    try:
        if os.path.islink(place):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            _write_through(path, text.encode())
            return
        os.stat(place.parent)  # do not create it
        write_atomic(place, text)
    except OSError as error:
        raise _failed(path, error) from error


def _write_through(path: str, data: bytes) -> None:
    """Write to a device or a named pipe; wait LONGEST_WAIT for it to take data. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        while data:
            if not poll.poll(1000 * LONGEST_WAIT):
                raise TimeoutError(errno.ETIMEDOUT, f"it took nothing for {LONGEST_WAIT:g} s")
            data = data[os.write(fd, data):]
    finally:
        os.close(fd)


def _failed(path: str, error: OSError) -> SoftsplitError:
    why = "nobody reads it" if error.errno == errno.ENXIO else error.strerror
    return SoftsplitError(f"cannot write {path}: {why}")
