"""Receive a line through one or two taps; a lost tap is opened again."""

import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from softsplit import clock
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.errors import ConfigError, Unreachable
from softsplit.transport.tap import SerialTap, tap_for

RETRY = 1.0  # s between tries to open a tap that is lost


@dataclass(frozen=True, slots=True)
class Heard:
    """What one read brought: nothing, when there was silence up to `time`, in seconds.

    `time` is None where nobody knows it; `role` is "request", "reply" or None.
    """

    time: float | None
    data: bytes = b""
    role: str | None = None


class TapReader:
    """One tap, which may be lost, or not be there at first.

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
        self.is_open = False
        self._is_missed = False  # which was told
        self._retry_at = 0.0
        if by_line and not isinstance(self.tap, SerialTap):
            raise ConfigError(f"{url} has no control lines; name a serial device, or another mode")

    def open(self) -> None:
        """Raises Unreachable."""
        try:
            self.tap.open()
            self._role_now()
        except OSError as error:
            raise Unreachable(f"cannot listen at {self._url}: {error.strerror or error}") from error
        self.is_open = True

    def close(self) -> None:
        self.tap.close()
        self.is_open = False

    def hear(self, now: float) -> Heard | None:
        """Return what has come, or None when the tap is lost."""
        try:
            return Heard(now, self.tap.receive(), self._role_now())
        except OSError as error:
            self._lose(error)
            return None

    def come_back(self) -> None:
        """Open a tap that is not there, when it is time to try."""
        if self.is_open or clock.now() < self._retry_at:
            return
        try:
            self.tap.open()
        except OSError as error:
            self._lose(error)
            return
        self.is_open = True
        if self._is_missed:
            self._is_missed = False
            self._tell(f"{self._url} is back")

    def _role_now(self) -> str | None:
        """Whose the bytes are that come at this moment."""
        if self._by_line and isinstance(self.tap, SerialTap):
            return "request" if self.tap.input_is_up() else "reply"
        return self._role

    def _lose(self, error: OSError) -> None:
        self.close()
        if not self._is_missed:
            self._is_missed = True
            self._tell(f"{self._url}: {error.strerror or error}; waiting for it")
        self._retry_at = clock.now() + RETRY


class Receiver:
    """One tap or two, heard together; `now()` tells the time of what is heard."""

    def __init__(self, *readers: TapReader, now: Callable[[], float] = clock.now):
        self._ears = readers
        self._now = now

    @property
    def jitter(self) -> float:
        """How much later than on the line bytes may come, in seconds."""
        return max(ear.tap.jitter for ear in self._ears)

    @property
    def errors(self) -> int:
        """How many bytes had a wrong parity or stop bit."""
        return sum(ear.tap.errors for ear in self._ears)

    @property
    def are_open(self) -> bool:
        """Whether no tap is lost."""
        return all(ear.is_open for ear in self._ears)

    def open(self) -> None:
        """Open all taps, for those who do not want to wait for them. Raises Unreachable."""
        for ear in self._ears:
            ear.open()

    def close(self) -> None:
        for ear in self._ears:
            ear.close()

    def hear(self, patience: float) -> list[Heard]:
        """Return what comes next, or that there was silence, after so many seconds at most."""
        for ear in self._ears:
            ear.come_back()
        ready = _wait([ear for ear in self._ears if ear.is_open], patience)
        heard = [ear.hear(self._now()) for ear in ready]
        return [each for each in heard if each] or [Heard(self._now())]


def _wait(readers: Sequence[TapReader], patience: float) -> list[TapReader]:
    """Return those that have something to say, none after a while."""
    poll = select.poll()
    by_fd = {ear.tap.fileno(): ear for ear in readers}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    ready = {fd for fd, _ in poll.poll(1000 * patience)}
    return [ear for fd, ear in by_fd.items() if fd in ready]
