"""Whether a configuration is run by a process, by which one, and whether that is alive.

The process holds a name in the kernel (an abstract address, unix(7)) for as long as it lives: no deletion,
full disk or other user's directory takes it away. Whoever connects there is told whether its main thread is
alive.
"""

import hashlib
import os
import select
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from softsplit import clock
from softsplit.errors import AlreadyRunning, SoftsplitError
from softsplit.worker import Worker

HUNG = 30.0  # s without an answer, after which a process has hung
NO_STATUS = "-"  # the answer of a process that can write no status file
QUEUE = 1000  # of those who ask between two answers
OURS = "\0softsplit/"  # how the names begin
SOCKETS = Path("/proc/net/unix")  # where the kernel lists all names; the zero byte shows as @
PEER = struct.Struct("3i")  # process, user, group: struct ucred of unix(7)


def key_of(config: Path) -> str:
    """Return a short name for a configuration file, which no other has."""
    path = os.path.realpath(config)
    return f"{Path(path).stem}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"


def _address(config: Path) -> str:
    return f"{OURS}{key_of(config)}"


class Hung(SoftsplitError):
    """A process is there, but does nothing any more."""


class Gone(SoftsplitError):
    """A process has ended while it was asked."""


class Presence(Worker):
    """The name of the process that runs `config`. Raises AlreadyRunning when another has it.

    Whoever asks is told how long ago the main thread has called `beats()`, and where the status file is; from
    the first beat on, until which they wait.
    """

    def __init__(self, config: Path):
        super().__init__("presence")
        self._told = clock.now(), NO_STATUS
        self._is_beating = False
        self._address = _address(config)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(self._address)
        except OSError as error:
            self._listener.close()
            holder = Process.that_runs(config)
            raise AlreadyRunning(config, holder.pid if holder else None) from error
        self._listener.listen(QUEUE)
        self._listener.settimeout(1.0)

    def beats(self, status: Path | None) -> None:  # main thread
        self._told = clock.now(), str(status or NO_STATUS)
        if not self._is_beating:
            self._is_beating = True
            self.start()

    def step(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except TimeoutError:
            return
        except OSError:  # no descriptor left
            self.pause(0.1)
            return
        beat, status = self._told
        with peer, suppress(OSError):
            peer.setblocking(False)
            peer.send(f"{clock.now() - beat:.1f} {status}\n".encode())

    def wake(self) -> None:  # any thread
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock, suppress(OSError):
            sock.setblocking(False)
            sock.connect(self._address)

    def close(self) -> None:
        self._listener.close()


class Process:
    """A process that runs a configuration."""

    def __init__(self, sock: socket.socket):
        self._sock = sock
        self.pid = PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[0]

    @classmethod
    def that_runs(cls, config: Path) -> "Process | None":
        """Return the process that runs a configuration, or None. The caller closes it."""
        return cls._at(_address(config))

    @classmethod
    def all_that_run(cls) -> Iterator["Process"]:
        """Give every process on this machine that runs some configuration. The caller closes each."""
        lines = os.fsdecode(SOCKETS.read_bytes()).splitlines()
        for name in sorted({line.partition(f" @{OURS[1:]}")[2] for line in lines} - {""}):
            if process := cls._at(f"{OURS}{name}"):
                yield process

    @classmethod
    def _at(cls, address: str) -> "Process | None":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(HUNG)
            sock.connect(address)
        except OSError:
            sock.close()
            return None
        return cls(sock)

    def status_file(self, patience: float = HUNG) -> str:
        """Return where its status file is, or NO_STATUS.

        Raises Hung when it has not moved for HUNG seconds, or does not answer within `patience`, and Gone
        when it has ended meanwhile.
        """
        self._sock.settimeout(patience)
        try:
            beat, _, place = self._sock.makefile(encoding="utf-8").readline().rstrip("\n").partition(" ")
        except TimeoutError as error:
            raise Hung(f"process {self.pid} has not answered for {patience:.0f} s") from error
        except OSError as error:
            raise Gone(f"process {self.pid} has ended") from error
        if not place:
            raise Gone(f"process {self.pid} has ended")
        if float(beat) > HUNG:
            raise Hung(f"process {self.pid} has not moved for {float(beat):.0f} s")
        return place

    def end(self, patience: float) -> None:
        """End it, by force if it takes longer than `patience` seconds. Raises SoftsplitError."""
        try:
            process = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            for how, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, HUNG)):
                signal.pidfd_send_signal(process, how)
                if select.select([process], [], [], wait)[0]:
                    return
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise SoftsplitError(f"process {self.pid} belongs to another user, who has to end it") from error
        finally:
            os.close(process)

    def close(self) -> None:
        self._sock.close()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_) -> None:
        self.close()
