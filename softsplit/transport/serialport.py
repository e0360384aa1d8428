"""A serial device, such as a USB RS-485 adapter, opened exclusively."""

import errno
import fcntl
import os
import termios
from contextlib import suppress

import serial
from serial.rs485 import RS485Settings

from softsplit.config.line import Line
from softsplit.config.url import Url

TIOCGEXCL = 0x80045440  # whether another program has the terminal exclusively; ioctl_tty(2)
PIECE = 4096  # bytes of one read
CURES = {
    errno.EACCES: 'forbidden; let the user join the group that owns the device ("usermod -aG dialout USER")',
    errno.EAGAIN: "another program uses the device; stop it, or name another device",
    errno.EBUSY: "another program uses the device; stop it, or name another device",
    errno.ENOENT: "there is no such device",
    errno.EISDIR: "this is no serial device",
    errno.ENOTDIR: "this is no serial device",
    errno.ENOTTY: "this is no serial device",
}


class Adapter(serial.Serial):
    """A serial device that is read and written without waiting. Every error it raises is an OSError."""

    def __init__(self, url: Url, line: Line):
        bits, parity, stop = tuple(line.mode)
        super().__init__(baudrate=line.baudrate, bytesize=int(bits), parity=parity, stopbits=int(stop),
                         exclusive=True)
        self.port = url.path
        self.rs485_mode = RS485Settings() if line.rs485 else None
        self._line = line

    def open(self) -> None:
        """Open and lock the device."""
        try:
            super().open()
        except serial.SerialException as error:
            raise OSError(error.errno or errno.ENOTTY, str(error)) from error  # no errno: not even a terminal
        except (termios.error, ValueError) as error:
            what = f"{self._line.baudrate} {self._line.mode}{' with rs485' if self._line.rs485 else ''}"
            raise OSError(f"the device does not take {what}; choose other settings ({error})") from error
        with suppress(ValueError, OSError):  # most drivers have no such mode
            self.set_low_latency_mode(True)

    def _reconfigure_port(self, force_update=False):  # of pyserial, which calls it when a device is opened
        require_free(self.fd)
        with suppress(termios.error):  # no terminal, as pyserial says
            unsettle(self.fd)
        super()._reconfigure_port(force_update)

    def receive(self) -> bytes:
        """Return what has come, after a selector said that something has."""
        return read_device(self.fd)

    def send(self, frame: bytes) -> None:
        """Send a whole frame; when the line is stuck, drop what is left of it."""
        try:
            sent = os.write(self.fd, frame)
        except BlockingIOError:
            sent = 0
        if sent < len(frame):
            try:
                self.reset_output_buffer()
            except termios.error as error:
                raise OSError(errno.EIO, "the device is gone") from error


def read_device(fd: int) -> bytes:
    """Return the bytes that a device has received. Raises OSError when it is gone."""
    try:
        data = os.read(fd, PIECE)
    except BlockingIOError:
        return b""
    if not data:
        raise OSError(errno.EIO, "the device is gone")
    return data


def require_free(fd: int) -> None:
    """Lock a device, before we change its settings. Raises OSError when another program holds it."""
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        is_taken = any(fcntl.ioctl(fd, TIOCGEXCL, bytes(4)))  # the kernel itself does not stop root
    except OSError:  # no terminal
        return
    if is_taken:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def unsettle(fd: int) -> None:
    """Change a setting of a device, so that the next tcsetattr() changes something for its driver, too.

    A pseudo-terminal has no parity. Setting one is an error for the C library if nothing else changes with
    it, so without this a pseudo-terminal could be opened once and never again.
    """
    settings = termios.tcgetattr(fd)
    settings[0] |= termios.IGNBRK
    termios.tcsetattr(fd, termios.TCSANOW, settings)


def cause(error: OSError) -> str:
    """Say what is wrong with a device, and the cure if there is one."""
    return CURES.get(error.errno or 0) or error.strerror or str(error)
