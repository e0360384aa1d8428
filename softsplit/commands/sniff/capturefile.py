"""Recordings: the bytes of a line with their times, as text that people can read and write.

    # softsplit 0.1.0                          a comment
    # line 9600 8N1, times up to 0.016 s late  the settings of the line, and the delay of the times
    1790000000.012345 64 03 5b 00 00 01        seconds, and the bytes of one read in hex
    1790000000.019000 64 03 02 08 fc reply     with two taps, or a control line, also the role

A hex dump, lines of bytes without times, is read too. Tools that measure the line itself may write "times
exact": then times are at most 1 ms late.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

from softsplit.commands.shared.inputfile import bounded_lines
from softsplit.config.line import Line
from softsplit.decoder.requests import between
from softsplit.errors import ConfigError, SoftsplitError
from softsplit.logs.conditions import show_count
from softsplit.protocol.adu import crc
from softsplit.transport.receiver import Heard
from softsplit.transport.tap import SerialTap
from softsplit.version import VERSION

ROLES = ("request", "reply")
HEX = re.compile(r"[0-9A-Fa-f]+")
LONGEST_SECONDS = 10  # digits of a whole number of seconds
LONGEST_LINE = 100_000  # characters
LONGEST_SILENCE = 0.6  # s; a longer one is reported
LATEST_TIME = 1e11  # s; the year 5138
PIECE = 4096  # bytes
EXACT = 0.001  # s
LINE = re.compile(r"#\s*line (\d{1,9}) (\d[A-Za-z]\d)\b")
TIMES = re.compile(r"#.*\btimes (exact|up to (\d{1,3}(?:\.\d{1,6})?) s late)")


def show_head(line: Line, jitter: float) -> str:
    """Return the comment at the start of a recording; its times are up to `jitter` seconds late."""
    times = "exact" if jitter <= EXACT else f"up to {jitter:g} s late"
    return f"# softsplit {VERSION}\n# line {line.baudrate} {line.mode}, times {times}\n"


def show_heard(heard: Heard) -> str:
    """Return a line of a recording."""
    return f"{heard.time:.6f} {heard.data.hex(' ')}{f' {heard.role}' if heard.role else ''}\n"


def is_hex_dump(line: str) -> bool:
    """Whether the first line of bytes begins without a time."""
    words = line.partition("#")[0].split()
    octets = "".join(words)
    if not words or len(words[0]) % 2 or len(octets) < 8 or not HEX.fullmatch(octets):
        return False
    is_byte = len(words[0]) == 2 and all(len(word) == 2 for word in words) or len(words[0]) > LONGEST_SECONDS
    return is_byte and crc(bytes.fromhex("".join(words[1:]) or "00")) != 0  # if 0, the first word is a time


def parse_heard(line: str) -> Heard | None:
    """Parse a line of a recording; None for a comment. Raises ValueError if it is damaged."""
    words = line.partition("#")[0].split()
    if not words:
        return None
    role = words.pop() if words[-1] in ROLES else None
    time, *octets = words
    data = bytes.fromhex("".join(octets))
    if not abs(float(time)) < LATEST_TIME or not data:
        raise ValueError(line)
    return Heard(float(time), data, role)


def parse_dumped(line: str) -> Heard | None:
    """Parse a line of a hex dump; None for a comment. Raises ValueError if it is damaged."""
    data = bytes.fromhex("".join(line.partition("#")[0].split()))
    return Heard(None, data) if data else None


class Recording:
    """A recording of a line; lines of the file that are damaged or too long are skipped.

    `line` has the settings of the line, `jitter` is the delay of its times in seconds, both from its head;
    `is_exact` overrides the latter. Raises SoftsplitError if it cannot be read.
    """

    def __init__(self, path: str, is_exact: bool = False):
        self._path = path
        self._damaged = 0
        self._has_times = True
        self.line = Line()
        self.jitter = SerialTap.jitter
        try:
            self._file = open(path, encoding="utf-8-sig", errors="replace")
        except (OSError, ValueError) as error:
            raise SoftsplitError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
        self._lines = bounded_lines(self._file, LONGEST_LINE)
        self._read_head()
        self.jitter = EXACT if is_exact else self.jitter

    def _read_head(self) -> None:
        """Read the comments before the first bytes."""
        for text in self._lines:
            if text is None or text.strip() and not text.startswith("#"):
                self._has_times = not is_hex_dump(text or "")
                self._lines = chain([text], self._lines)
                return
            if found := LINE.match(text):
                with suppress(ConfigError):  # a comment may say anything
                    self.line = Line(int(found[1]), found[2])
            if found := TIMES.match(text):
                self.jitter = EXACT if found[1] == "exact" else max(float(found[2]), EXACT)

    @property
    def note(self) -> str:
        """What was wrong with the file, or ""."""
        damaged = f"{show_count(self._damaged, 'damaged line')} skipped" if self._damaged else ""
        return "  ".join(filter(None, ("" if self._has_times else "a hex dump without times", damaged)))

    def hear(self) -> Iterator[Heard]:
        """Yield what was heard, also long silences. Raises SoftsplitError if it is no recording."""
        latest: float | None = None
        for heard in self._heard():
            silence = between(latest, heard.time)
            if latest is not None and silence is not None and silence > LONGEST_SILENCE:
                yield Heard(latest + LONGEST_SILENCE)
            yield heard
            latest = heard.time
        if latest is None and self._damaged:
            raise SoftsplitError(f"{self._path} is no recording; its lines have to be like "
                                 '"1790000000.012 64 03 5b 00 00 01"')

    def _heard(self) -> Iterator[Heard]:
        with self._file:
            for line in self._lines:
                try:
                    if line is None:
                        raise ValueError("too long")
                    if heard := parse_heard(line) if self._has_times else parse_dumped(line):
                        yield heard
                except ValueError:
                    self._damaged += 1


class Stdin:
    """Bytes of standard input, which have no times."""

    note, line, jitter = "", Line(), SerialTap.jitter

    def hear(self) -> Iterator[Heard]:
        """Yield bytes as they come, until the end."""
        while data := os.read(0, PIECE):
            yield Heard(None, data)
