"""A serial cable with taps: third pseudo-terminals on which everything it carries, or one direction, is heard."""

import os
import select
import tty
from contextlib import suppress
from pathlib import Path

from softsplit.commands.simulate.pty import Cable


class Tap:
    """A device that hears; `said()` is what came back out of it, which must be nothing."""

    def __init__(self, path: Path):
        self.path = path
        self._ends: tuple[int, ...] = ()
        self.plug_in()

    def plug_in(self) -> None:
        self._ends = os.openpty()
        tty.setraw(self._ends[1])
        os.set_blocking(self._ends[0], False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._ends[1]))

    def pull(self) -> None:
        """Be gone, as an adapter that somebody pulls."""
        self.path.unlink()
        ends, self._ends = self._ends, ()
        for end in ends:
            os.close(end)

    def hear(self, data: bytes) -> None:
        if self._ends:
            with suppress(BlockingIOError):  # nobody listens, and the buffer is full
                os.write(self._ends[0], data)

    def said(self) -> bytes:
        poll = select.poll()
        poll.register(self._ends[0], select.POLLIN)
        return os.read(self._ends[0], 4096) if poll.poll(0) else b""

    @property
    def fd(self) -> int:
        return self._ends[0]


class TappedCable(Cable):
    """A cable between a master at its right and units at its left; `tap` hears both, two others one of them."""

    def __init__(self, directory: Path):
        super().__init__()
        self.tap, self.request_tap, self.reply_tap = (
            Tap(directory / name) for name in ("tap", "request-tap", "reply-tap"))
        self._right = self._ends[1][0]

    def carry(self, sender: int, receiver: int, data: bytes) -> None:
        self.tap.hear(data)
        (self.request_tap if sender == self._right else self.reply_tap).hear(data)
        super().carry(sender, receiver, data)

    @property
    def url(self) -> str:
        return f"rtu://{self.tap.path}"
