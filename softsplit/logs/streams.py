"""Keep stdin, stdout and stderr usable: closed ones are replaced, and any text can be written."""

import codecs
import io
import os
import sys
from typing import TextIO

from softsplit.errors import SoftsplitError

DEGRADED = "softsplit.degraded"  # error handler: characters that an encoding lacks become ASCII or "?"
IN_ASCII = str.maketrans("─━│├└█·…▁▂▃▄▅▆▇▲←↑→↓", "-=|+`#..__.-~=+^<^>v")
POSIX = ("C", "POSIX")  # locales


def _degrade(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start:error.end].translate(IN_ASCII)
    return "".join(each if each.isascii() else "?" for each in lacking), error.end


codecs.register_error(DEGRADED, _degrade)


class ClosedOutput(io.TextIOBase):
    """Replaces a standard output that was closed before the program began."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        raise SoftsplitError("standard output is closed")


class PlainText(io.TextIOBase):
    """A stream on which nobody draws, whatever it goes to."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text)


def prepare_streams() -> None:
    """Hold the descriptors 0 to 2, and make every text writable in the encoding of the locale."""
    hold_descriptors()
    sys.stdout = sys.stdout or ClosedOutput()
    sys.stderr = sys.stderr or open(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="ascii" if _is_posix(stream) else None, errors=DEGRADED)


def is_dumb() -> bool:
    """Whether the terminal, if there is one, only takes text; see term(7)."""
    return os.environ.get("TERM") == "dumb"


def is_screen(stream: TextIO) -> bool:
    """Whether a stream goes to a terminal that can do more than take text, as clear a line."""
    return stream.isatty() and not is_dumb()


def wants_colour() -> bool:
    """Whether a terminal may show colours: not where the user has set NO_COLOR (https://no-color.org)."""
    return not (os.environ.get("NO_COLOR") or is_dumb())


def _is_posix(stream: io.TextIOWrapper) -> bool:
    """Whether only Python chose UTF-8, while somebody has set the locale to C or POSIX."""
    is_chosen = "PYTHONUTF8" not in os.environ and "PYTHONIOENCODING" not in os.environ
    return is_chosen and stream.encoding.lower() == "utf-8" and os.environ.get("LC_ALL") in POSIX


def hold_descriptors() -> None:
    """Open what is closed of descriptors 0 to 2, so that no later file gets one of these numbers.

    A closed stdin then is at its end, a closed stderr takes everything, and writing to a closed stdout fails.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        if fd == 1:
            os.close(fd)
            fd = os.open(os.devnull, os.O_RDONLY)
        os.set_inheritable(fd, True)
    os.close(fd)
