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
    """Bytes, or silence, up to `time` in s, None if unknown; `role` is "request", "reply" or None."""

    time: float | None
    data: bytes = b""
    role: str | None = None


class TapReader:
    """One tap; it is opened again while it is lost.

    `role` is "request" or "reply", None when the tap hears both; with `by_line` a control line of the device
    tells the role. `tell` gets a line when the tap is lost, and when it is back. Raises ConfigError.
    """

    def __init__(self, url: Url, line: Line, tell: Callable[[str], None], role: str | None = None,
                 by_line: bool = False):
        self.tap = tap_for(url, line)
        self._url = url
        self._tell = tell
        self._role = role
        self._by_line = by_line
        self.is_open = False
        self._is_missed = False  # and that was told
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
        """Open a lost tap, when it is time to try again."""
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
        """Return whether the bytes that come now are of a request or a reply, None if unknown."""
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
    """Receives through one tap or two; `now()` gives the time."""

    def __init__(self, *readers: TapReader, now: Callable[[], float] = clock.now):
        self._readers = readers
        self._now = now

    @property
    def jitter(self) -> float:
        """The seconds by which bytes may come later than they were on the line."""
        return max(each.tap.jitter for each in self._readers)

    @property
    def errors(self) -> int:
        """How many bytes had a wrong parity or stop bit."""
        return sum(each.tap.errors for each in self._readers)

    @property
    def are_open(self) -> bool:
        """Whether no tap is lost."""
        return all(each.is_open for each in self._readers)

    def open(self) -> None:
        """Open all taps now, instead of in `hear()`. Raises Unreachable."""
        for each in self._readers:
            each.open()

    def close(self) -> None:
        for each in self._readers:
            each.close()

    def hear(self, timeout: float) -> list[Heard]:
        """Return what comes next, or silence after `timeout` seconds."""
        for each in self._readers:
            each.come_back()
        ready = _wait([each for each in self._readers if each.is_open], timeout)
        heard = [each.hear(self._now()) for each in ready]
        return [each for each in heard if each] or [Heard(self._now())]


def _wait(readers: Sequence[TapReader], timeout: float) -> list[TapReader]:
    """Return the readers whose taps have received something, none after `timeout` seconds."""
    poll = select.poll()
    by_fd = {each.tap.fileno(): each for each in readers}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    ready = {fd for fd, _ in poll.poll(1000 * timeout)}
    return [each for fd, each in by_fd.items() if fd in ready]
