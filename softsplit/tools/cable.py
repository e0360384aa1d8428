"""A simulated serial cable: two pseudo-terminals, of which each hears what is written to the other."""

import os
import selectors
import socket
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
        self._alarm, self._bell = socket.socketpair()  # wake() rings, the selector hears
        self._selector.register(self._alarm, selectors.EVENT_READ)
        self._selector.register(one, selectors.EVENT_READ, other)
        self._selector.register(other, selectors.EVENT_READ, one)

    def step(self) -> None:
        for key, _ in self._selector.select(TICK):
            if key.data is not None:
                self.carry(key.fd, key.data, os.read(key.fd, PIECE))

    def carry(self, sender: int, receiver: int, data: bytes) -> None:
        """Bring what one end sent to the other; both are given by their descriptors."""
        with suppress(BlockingIOError):  # nobody listens, the buffer is full: as on a wire, it is lost
            os.write(receiver, data)

    def wake(self) -> None:  # any thread
        with suppress(OSError):  # the thread has ended already
            self._bell.send(b"!")

    def close(self) -> None:
        self._selector.close()
        self._alarm.close()
        for fd in (fd for pair in self._ends for fd in pair):
            os.close(fd)
