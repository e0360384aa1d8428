"""Recordings: the bytes of a line with their times, as text that a person can read and write.

    # softsplit 0.1.0                          a comment
    1790000000.012345 64 03 5b 00 00 01        seconds, and in hex what one read brought
    1790000000.019000 64 03 02 08 fc reply     with two taps, or a control line, also whose it was
"""

import os
from collections.abc import Iterator

from softsplit.errors import SoftsplitError
from softsplit.logs.conditions import show_count
from softsplit.transport.receiver import Heard
from softsplit.transport.tap import SerialTap

ROLES = ("request", "reply")
LONGEST_LINE = 100_000  # characters
LONGEST_SILENCE = 0.6  # s; a longer one is told as such
LATEST = 1e11  # s; the year 5138
PIECE = 4096  # bytes


def show_heard(heard: Heard) -> str:
    """Return a line of a recording."""
    return f"{heard.time:.6f} {heard.data.hex(' ')}{f' {heard.role}' if heard.role else ''}\n"


def parse_heard(line: str) -> Heard | None:
    """Return what a line of a recording says; None for a comment. Raises ValueError when it is damaged."""
    words = line.partition("#")[0].split()
    if not words:
        return None
    role = words.pop() if words[-1] in ROLES else None
    time, *octets = words
    data = bytes.fromhex("".join(octets))
    if not abs(float(time)) < LATEST or not data:
        raise ValueError(line)
    return Heard(float(time), data, role)


class Recording:
    """What was heard earlier; lines that are damaged are skipped.

    Raises SoftsplitError when it cannot be read.
    """

    jitter = SerialTap.jitter

    def __init__(self, path: str):
        self._path = path
        self._damaged = 0
        try:
            self._file = open(path, encoding="utf-8-sig", errors="replace")
        except (OSError, ValueError) as error:
            raise SoftsplitError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error

    @property
    def note(self) -> str:
        """What was wrong with it, if anything."""
        return f"{show_count(self._damaged, 'damaged line')} skipped" if self._damaged else ""

    def hear(self) -> Iterator[Heard]:
        """Give what was heard, also long silences. Raises SoftsplitError when it is no recording."""
        latest = None
        for heard in self._lines():
            if latest is not None and heard.time - latest > LONGEST_SILENCE:
                yield Heard(latest + LONGEST_SILENCE)
            yield heard
            latest = heard.time
        if latest is None and self._damaged:
            raise SoftsplitError(f"{self._path} is no recording; its lines have to be like "
                                 '"1790000000.012 64 03 5b 00 00 01"')

    def _lines(self) -> Iterator[Heard]:
        with self._file:
            while line := self._file.readline(LONGEST_LINE):
                try:
                    if heard := parse_heard(line):
                        yield heard
                except ValueError:
                    self._damaged += 1


class Stdin:
    """Bytes of standard input, which have no times."""

    note, jitter = "", SerialTap.jitter

    def hear(self) -> Iterator[Heard]:
        """Give them as they come, up to the end."""
        while data := os.read(0, PIECE):
            yield Heard(None, data)
