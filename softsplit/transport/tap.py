"""Taps: receive a line without being able to send on it.

A serial device is opened for reading only, so that the kernel refuses every write. Its output lines RTS and
DTR are lowered at once and stay low; but most drivers raise both for well below a millisecond when the device
is opened. An adapter that drives the line while RTS is up may then disturb one frame; one that switches by
itself does not. Nothing is ever sent on a TCP connection.
"""

import errno
import fcntl
import os
import re
import struct
import termios
from array import array
from contextlib import suppress

from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.transport.serialport import cause, read_device, unsettle
from softsplit.transport.wire import SocketWire

CONNECT = 5.0  # s for a TCP connection
KEEPALIVE = 1  # s; a connection that stalls for longer is lost, so that no old bytes come from it
OUTPUTS = struct.pack("I", termios.TIOCM_RTS | termios.TIOCM_DTR)
INPUTS = termios.TIOCM_CTS | termios.TIOCM_DSR
LOW_LATENCY, FLAGS = 0x2000, 4  # a flag of struct serial_struct, and the index of its flags; linux/serial.h
MARK = re.compile(rb"\xff(?:(\xff)|\x00(.)|(\x00?)\Z)", re.DOTALL)


class Marks:
    """Removes the marks that the kernel inserts (PARMRK in termios(3)), and counts the `errors` they mean.

        ff ff      a byte ff
        ff 00 xx   a byte xx with a wrong parity or stop bit; it is kept, the CRC decides
        ff 00 00   such a byte 00, or a break; dropped
    """

    def __init__(self, errors: int = 0):
        self.errors = errors
        self._held = b""  # a mark of which the rest is still to come

    def strip(self, data: bytes) -> bytes:
        data, self._held = self._held + data, b""
        return MARK.sub(self._meant, data)

    def _meant(self, mark: re.Match) -> bytes:
        if mark[1]:
            return b"\xff"
        if mark[2] is None:
            self._held = mark[0]
            return b""
        self.errors += 1
        return mark[2].strip(b"\0")


class SerialTap:
    """A serial device that is only read. Every error it raises is an OSError.

    `errors` counts the bytes with a wrong parity or stop bit.
    """

    jitter = 0.016  # s that bytes may come late: the latency timer of USB adapters

    def __init__(self, url: Url, line: Line):
        self._url = url
        self._line = line
        self._marks = Marks()
        self._fd = -1

    @property
    def errors(self) -> int:
        return self._marks.errors

    def open(self) -> None:
        """Open and lock the device, and lower its outputs."""
        try:
            self._fd = os.open(self._url.path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._lower_outputs()
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.tune(self._line)
            self._lower_outputs()
        except OSError as error:
            self.close()
            raise OSError(error.errno, cause(error)) from error
        with suppress(OSError):  # most drivers have no such mode
            driver = array("i", bytes(128))
            fcntl.ioctl(self._fd, termios.TIOCGSERIAL, driver)
            driver[FLAGS] |= LOW_LATENCY
            fcntl.ioctl(self._fd, termios.TIOCSSERIAL, driver)

    def tune(self, line: Line) -> None:
        """Set the baud rate and mode of the line; drop the bytes received before."""
        _, parity, stop = tuple(line.mode)
        control = termios.CREAD | termios.CLOCAL | termios.CS8  # no HUPCL: closing moves no output either
        control |= {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}[parity]
        control |= termios.CSTOPB * (stop == "2")
        speed = getattr(termios, f"B{line.baudrate}", None)
        if speed is None:
            raise OSError(errno.EINVAL, f"{line.baudrate} baud cannot be heard; usual are 9600 and 19200")
        self._marks = Marks(self.errors)
        try:
            characters = termios.tcgetattr(self._fd)[6]
            settings = [termios.INPCK | termios.PARMRK, 0, control, 0, speed, speed, characters]
            unsettle(self._fd)
            termios.tcsetattr(self._fd, termios.TCSANOW, settings)
            termios.tcflush(self._fd, termios.TCIFLUSH)
        except termios.error as error:
            raise OSError(*error.args) from error

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def fileno(self) -> int:
        return self._fd

    def receive(self) -> bytes:
        """Return what has come, after a selector said that something has."""
        return self._marks.strip(read_device(self._fd))

    def input_is_up(self) -> bool:
        """Whether CTS or DSR is up; the driver of the master may be wired to them, to show its direction."""
        try:
            lines, = struct.unpack("I", fcntl.ioctl(self._fd, termios.TIOCMGET, bytes(4)))
        except OSError as error:
            raise OSError(error.errno, "the device has neither CTS nor DSR, or is gone") from error
        return bool(lines & INPUTS)

    def _lower_outputs(self) -> None:
        with suppress(OSError):  # a pseudo-terminal has none
            fcntl.ioctl(self._fd, termios.TIOCMBIC, OUTPUTS)


class SocketTap:
    """A TCP connection to a gateway that passes its line on; nothing is ever sent on it."""

    errors = 0
    jitter = 0.1  # s that bytes may come late on a network

    def __init__(self, url: Url):
        self._wire = SocketWire(url, CONNECT, KEEPALIVE)

    def open(self) -> None:
        self._wire.open()

    def close(self) -> None:
        self._wire.close()

    def fileno(self) -> int:
        return self._wire.fileno()

    def receive(self) -> bytes:
        """Return what has come, after a selector said that something has."""
        return self._wire.pending()


def tap_for(url: Url, line: Line) -> SerialTap | SocketTap:
    """Return the tap, not yet open, for a url."""
    return SerialTap(url, line) if url.is_serial else SocketTap(url)
