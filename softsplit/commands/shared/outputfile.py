"""A file that grows for days, or stdout: bounded, flushed after every piece, and anew when it is long."""

import os
import stat

from softsplit.errors import SoftsplitError

OLDER_FILES = 3
STDOUT = "-"


class LongFile:
    """Takes pieces of bytes; each file begins with `head`.

    One that would become longer than `max_size` bytes is begun anew, and the three before it are kept as
    FILE.1 to FILE.3. What is no regular file, such as a named pipe or stdout ("-"), is never begun anew.
    """

    def __init__(self, path: str, max_size: int, head: bytes = b""):
        self._path = path
        self._max_size = max_size
        self._head = head
        self._open()

    def write(self, piece: bytes) -> None:
        """Write a piece whole, and at once. Raises BrokenPipeError when nobody reads any more."""
        is_begun = self._size > len(self._head)
        if self._is_regular and is_begun and self._size + len(piece) > self._max_size:
            self._begin_anew()
        self._put(piece)

    def close(self) -> None:
        self._file.close()

    def _open(self) -> None:
        try:
            is_stdout = self._path == STDOUT
            self._file = open(1 if is_stdout else self._path, "wb", 0, closefd=not is_stdout)
            self._is_regular = not is_stdout and stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        except OSError as error:
            raise self._failed(error) from error
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
            raise self._failed(error) from error

    def _begin_anew(self) -> None:
        self.close()
        names = [self._path, *(f"{self._path}.{number}" for number in range(1, OLDER_FILES + 1))]
        try:
            for newer, older in reversed(list(zip(names, names[1:]))):
                if os.path.exists(newer):
                    os.replace(newer, older)
        except OSError as error:
            raise self._failed(error) from error
        self._open()

    def _failed(self, error: OSError) -> SoftsplitError:
        return SoftsplitError(f"cannot write {self._path}: {error.strerror}")
