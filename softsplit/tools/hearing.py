"""Hearing a line live, through one tap or two, for days: a tap that is lost is opened again."""

import os
import select
import stat
import time
from collections.abc import Callable, Iterator, Sequence

from softsplit.errors import ConfigError, Unreachable
from softsplit.line import Line
from softsplit.tools.recording import Heard
from softsplit.trouble import show_count
from softsplit.upstream.tap import SerialTap, tap_for
from softsplit.url import Url

TICK = 0.1  # s
RETRY = 1.0  # s
STDOUT = 1


class Clock:
    """Wall time that never jumps: as it was at the start, and the monotonic time since."""

    def __init__(self):
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic()


class Ear:
    """A tap that is opened again when it is lost, and whose bytes it hears.

    `role` is "request" or "reply", None when it hears both; `by_line` has a control line of the device tell.
    `tell` is told when the tap is lost, and when it is back. Raises ConfigError.
    """

    def __init__(self, url: Url, line: Line, tell: Callable[[str], None], role: str | None = None,
                 by_line: bool = False):
        self.tap = tap_for(url, line)
        self._url = url
        self._tell = tell
        self._role = role
        self._by_line = by_line
        self._retry_at: float | None = None  # monotonic; None while it is open
        if by_line and not isinstance(self.tap, SerialTap):
            raise ConfigError(f"{url} has no control lines; give a serial device, or another --pairing")

    @property
    def is_open(self) -> bool:
        return self._retry_at is None

    def open(self) -> None:
        """Raises Unreachable."""
        try:
            self.tap.open()
        except OSError as error:
            raise Unreachable(f"cannot listen at {self._url}: {error.strerror or error}") from error

    def hear(self, now: float) -> Heard | None:
        """Return what has come, or None when the tap is lost."""
        try:
            role = self._role
            if self._by_line:
                role = "request" if self.tap.input_is_up() else "reply"
            return Heard(now, self.tap.receive(), role)
        except OSError as error:
            self._lose(error)
            return None

    def come_back(self) -> None:
        """Open a lost tap when it is time to try."""
        if self._retry_at is None or time.monotonic() < self._retry_at:
            return
        try:
            self.tap.open()
        except OSError as error:
            self._lose(error)
        else:
            self._retry_at = None
            self._tell(f"{self._url} is back")

    def _lose(self, error: OSError) -> None:
        self.tap.close()
        if self._retry_at is None:
            self._tell(f"{self._url}: {error.strerror or error}; waiting for it")
        self._retry_at = time.monotonic() + RETRY


class Ears:
    """One tap or two, heard together."""

    def __init__(self, *ears: Ear):
        self._ears = ears

    @property
    def note(self) -> str:
        """What was wrong with the bytes, if anything."""
        errors = sum(ear.tap.errors for ear in self._ears)
        return f"{show_count(errors, 'byte')} with a wrong parity or stop bit" if errors else ""

    def hear(self) -> Iterator[Heard]:
        """Give what is heard, also that there is nothing, without an end.

        Raises Unreachable when a tap cannot be opened at first, BrokenPipeError when nobody reads stdout.
        """
        clock = Clock()
        try:
            for ear in self._ears:
                ear.open()
            while True:
                for ear in self._ears:
                    ear.come_back()
                ready = _wait([ear for ear in self._ears if ear.is_open])
                yield from filter(None, [ear.hear(clock.now()) for ear in ready] or [Heard(clock.now())])
        finally:
            for ear in self._ears:
                ear.tap.close()


def _wait(ears: Sequence[Ear]) -> list[Ear]:
    """Return those that have something to say, none after a while. Raises BrokenPipeError."""
    poll = select.poll()
    by_fd = {ear.tap.fileno(): ear for ear in ears}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    if stat.S_ISFIFO(os.fstat(STDOUT).st_mode):
        poll.register(STDOUT, 0)  # tells when the other end is closed
    ready = [fd for fd, _ in poll.poll(1000 * TICK)]
    if STDOUT in ready:
        raise BrokenPipeError
    return [ear for fd, ear in by_fd.items() if fd in ready]
