"""A simulated serial cable: two pseudo-terminals, connected with each other."""

import os
import selectors
import socket
import termios
import tty
from contextlib import suppress

from softsplit.errors import DownstreamError
from softsplit.worker import Worker

TICK = 0.5  # s
PIECE = 4096  # bytes
GARBAGE = bytes(byte * 7 + 3 & 0xFF for byte in range(256))  # what each byte becomes at a wrong speed


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
        self._wake_socket, self._wake = socket.socketpair()  # `wake` sends, the selector receives
        self._selector.register(self._wake_socket, selectors.EVENT_READ)
        self._selector.register(one, selectors.EVENT_READ, other)
        self._selector.register(other, selectors.EVENT_READ, one)

    def step(self) -> None:
        for key, _ in self._selector.select(TICK):
            if key.data is not None:
                self.carry(key.fd, key.data, os.read(key.fd, PIECE))

    def carry(self, sender: int, receiver: int, data: bytes) -> None:
        """Carry bytes from one end to the other; both are file descriptors."""
        with suppress(BlockingIOError):  # nobody reads and the buffer is full: they are lost, as on a wire
            os.write(receiver, data)

    def wake(self) -> None:  # any thread
        with suppress(OSError):  # the thread has already ended
            self._wake.send(b"!")

    def close(self) -> None:
        self._selector.close()
        self._wake_socket.close()
        for fd in (fd for pair in self._ends for fd in pair):
            os.close(fd)


class SimulatedLine(Cable):
    """A cable whose right end is at `path`; a simulated device is at its left end.

    The right end receives garbage while its termios are not set to `baudrate`.
    """

    def __init__(self, path: str, baudrate: int | None = None):
        super().__init__()
        self._path = path
        self._speed = getattr(termios, f"B{baudrate}", None)  # without one, any will do

    def open(self) -> None:
        """Create the link `path` to the pseudo-terminal. Raises DownstreamError."""
        try:
            os.symlink(self.right, self._path)
        except OSError as error:
            raise DownstreamError(f"cannot make a pseudo-terminal at {self._path}: {error.strerror}; choose "
                                  "a path that does not exist") from error

    def carry(self, sender: int, receiver: int, data: bytes) -> None:
        other, device = self._ends[1]
        if receiver == other and self._speed not in (None, termios.tcgetattr(device)[5]):
            data = data.translate(GARBAGE)
        super().carry(sender, receiver, data)

    def close(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        super().close()
