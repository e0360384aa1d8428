"""A Modbus RTU server on a serial device: modbus-tk's, with a loop of its own that outlives the adapter.

modbus-tk's loop spins at full load once the adapter is pulled, and never serves again.
"""

import errno
import os
import selectors
import termios
import time

import serial
from modbus_tk.modbus_rtu import RtuServer as ModbusTkRtuServer

from softsplit.downstream.databank import Databank
from softsplit.downstream.server import TICK, Server
from softsplit.errors import DownstreamError
from softsplit.protocol import frames
from softsplit.protocol.pdus import SILENCE
from softsplit.url import Url
from softsplit.trouble import Condition

OPEN_AGAIN = 1.0  # s between tries to open an adapter that is away
LONGEST_SEGMENT = 4096  # bytes without a silence; more is no traffic but noise
ABSENT = (errno.ENOENT, errno.ENODEV, errno.ENXIO)
CURES = {
    errno.EACCES: 'forbidden; let the user join the group that owns the device ("usermod -aG dialout USER")',
    errno.EAGAIN: "another program uses the device; stop it, or name another device",
    errno.EBUSY: "another program uses the device; stop it, or name another device",
    errno.ENOENT: "there is no such device",
    errno.EISDIR: "this is no serial device",
    errno.ENOTDIR: "this is no serial device",
    errno.ENOTTY: "this is no serial device",
}


class RtuServer(Server, ModbusTkRtuServer):
    """Serves a databank on one serial line, which may have other units besides ours."""

    def __init__(self, name: str, url: Url, baudrate: int, mode: str, databank: Databank):
        port = serial.Serial(baudrate=baudrate, bytesize=int(mode[0]), parity=mode[1], stopbits=int(mode[2]),
                             exclusive=True)
        port.port = url.path
        ModbusTkRtuServer.__init__(self, port, databank=databank)
        Server.__init__(self, name, url, databank)
        self._line = f"{baudrate} {mode}"
        self._silence = frames.frame_silence(baudrate, mode)
        self._adapter = Condition(self.allowance)
        self._open_at = 0.0  # when an adapter that is away is tried again

    def open(self) -> None:
        try:
            self._open()
        except OSError as error:
            if error.errno not in ABSENT:
                raise DownstreamError(f"{self.label}: cannot serve on {self.url}: {_cause(error)}") from error
            self._lose(error)

    def start(self) -> None:
        if self._serial.is_open:
            self._adapter.well(self.announcement)
        super().start()

    def step(self) -> None:
        try:
            if not self._serial.is_open:
                self._reopen()
            elif segment := self._segment():
                self.guarded(self._serve, segment)
        except OSError as error:
            self._lose(error)

    def close(self) -> None:
        self._serial.close()
        super().close()

    def _open(self) -> None:
        """Open and lock the device. Raises OSError, whatever pyserial raises."""
        try:
            self._serial.open()
        except serial.SerialException as error:
            raise OSError(error.errno or errno.ENOTTY, str(error)) from error  # no errno: not even a terminal
        except (termios.error, ValueError) as error:
            raise OSError(f"the device does not take {self._line}; try another baudrate or mode ({error})"
                          ) from error
        self.selector.register(self._serial.fd, selectors.EVENT_READ)

    def _reopen(self) -> None:
        pause = self._open_at - time.monotonic()
        if pause > 0:
            self.selector.select(pause)
        else:
            self._open()
            self._adapter.well(self.announcement)

    def _lose(self, error: OSError) -> None:
        """The adapter is away: let go of it, and try again in a while."""
        if self._serial.is_open:
            self.selector.unregister(self._serial.fd)
            self._serial.close()
        self._open_at = time.monotonic() + OPEN_AGAIN
        self._adapter.trouble(f"{self.label}: {self.url}: {_cause(error)}; it is opened as soon as it can be")

    def _segment(self) -> bytes:
        """Return the bytes up to the next silence, or none when nothing comes for a while."""
        segment = self._receive(TICK)
        while segment and len(segment) < LONGEST_SEGMENT and (more := self._receive(self._silence)):
            segment += more
        return segment

    def _receive(self, timeout: float) -> bytes:
        for key, _ in self.selector.select(timeout):
            if key.fd == self._serial.fd:
                try:
                    data = os.read(self._serial.fd, LONGEST_SEGMENT)
                except BlockingIOError:
                    return b""
                if not data:
                    raise OSError(errno.EIO, "the device is gone")
                return data
        return b""

    def _serve(self, segment: bytes) -> None:
        """Answer a segment that is one whole request for one of our units; nobody is answered otherwise."""
        unit, pdu = segment[0], segment[1:-2]
        answer = self.databank.answer(unit, pdu) if unit and frames.is_rtu_frame(segment) else SILENCE
        if answer and not self.selector.select(0):  # else the next request has begun to arrive
            self._send(frames.rtu_frame(unit, answer))

    def _send(self, frame: bytes) -> None:
        try:
            sent = os.write(self._serial.fd, frame)
        except BlockingIOError:
            sent = 0
        if sent < len(frame):  # the line is stuck; half a frame is of no use to anybody
            try:
                self._serial.reset_output_buffer()
            except termios.error as error:
                raise OSError(errno.EIO, "the device is gone") from error


def _cause(error: OSError) -> str:
    return CURES.get(error.errno) or error.strerror or str(error)
