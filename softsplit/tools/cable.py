"""A simulated serial cable: two pseudo-terminals, of which each hears what is written to the other."""

import os
import selectors
import tty
from contextlib import suppress

from softsplit.worker import Worker

TICK = 0.5  # s
PIECE = 4096  # bytes


class Cable(Worker):
    """Carries bytes between the devices `left` and `right`, which exist until it is stopped."""

    def __init__(self):
        super().__init__("cable")
        self._selector = selectors.DefaultSelector()
        self._ends = [os.openpty(), os.openpty()]
        (one, left), (other, right) = self._ends
        for end, device in self._ends:
            tty.setraw(device)
            os.set_blocking(end, False)
        self.left, self.right = os.ttyname(left), os.ttyname(right)
        self._selector.register(one, selectors.EVENT_READ, other)
        self._selector.register(other, selectors.EVENT_READ, one)

    def step(self) -> None:
        for key, _ in self._selector.select(TICK):
            data = os.read(key.fd, PIECE)
            with suppress(BlockingIOError):  # nobody listens, the buffer is full: as on a wire, it is lost
                os.write(key.data, data)

    def close(self) -> None:
        self._selector.close()
        for fd in (fd for pair in self._ends for fd in pair):
            os.close(fd)
