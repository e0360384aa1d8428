"""The process that runs a configuration, for other processes: find it, ask it, end it."""

import os
import re
import select
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from softsplit import clock
from softsplit.config.topology import Topology
from softsplit.daemon import status, wiring
from softsplit.daemon.directories import Directory, all_places, key_of
from softsplit.daemon.status import Status
from softsplit.errors import SoftsplitError

SOCKET = "socket"  # in a state directory
HUNG = 30.0  # s without an answer, after which a process has hung
ANSWER = re.compile(rb"(\d{1,9}\.\d) (status|-)\n")
LONGEST_ANSWER = 64  # bytes
CHECK = re.compile(rb"\0softsplit check (\d{1,5}) [0-9a-f]{16}")  # address of a check; see `presence`
PEER = struct.Struct("3i")  # process, user, group: struct ucred of unix(7)
SO_PEERPIDFD = 77  # Linux 6.5; <asm-generic/socket.h>


class Hung(SoftsplitError):
    """A process exists, but does not respond."""


class Gone(SoftsplitError):
    """A process has ended while it was asked."""


class OtherVersion(SoftsplitError):
    """A process answers in a form that we do not know."""


class Process(AbstractContextManager["Process"]):
    """A process that runs a configuration; `state` is its state directory. Its finder closes it.

    `pid` is None when it is unknown: the queue of the socket is full, the socket belongs to another user, or
    the process is in another container. `is_certain` is false when only `state` says that there is a process,
    because we may not use the socket.
    """

    def __init__(self, state: Directory, sock: socket.socket | None, is_certain: bool = True):
        self.state = state
        self.is_certain = is_certain
        self._sock = sock
        self._pidfd: int | None = None
        self.pid: int | None = None
        if sock:
            self.pid = _peer(sock)[0] or None
            self._pidfd = _open_pidfd(sock)

    @classmethod
    def that_runs(cls, config: Path, unlike: Directory | None = None) -> "Process | None":
        """Return the process that runs a configuration, other than the one in `unlike`, or None."""
        key = key_of(config)
        with all_places() as places:
            for place in places:
                if process := cls.in_place(place, key):
                    if not (unlike and os.path.sameopenfile(unlike.fd, process.state.fd)):
                        return process
                    process.close()
        return None

    @classmethod
    def all_that_run(cls) -> Iterator["Process"]:
        """Yield every process on this machine that runs some configuration."""
        with all_places() as places:
            for place in places:
                yield from filter(None, (cls.in_place(place, key) for key in place.keys()))

    @classmethod
    def in_place(cls, place: Directory, key: str) -> "Process | None":
        """Return the process that has a state directory in a runtime directory, or None."""
        try:
            state = place.inside(key)
        except OSError:
            return None
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.connect(state.address(SOCKET))
            if _peer(sock)[1] in state.trusted:
                return cls(state, sock)
        except (BlockingIOError, PermissionError) as error:  # the queue is full, or we may not connect
            sock.close()
            return cls(state, None, isinstance(error, BlockingIOError))
        except OSError:
            pass
        sock.close()
        state.close()
        return None

    def __str__(self) -> str:
        return f"process {self.pid}" if self.pid else f"the process of {self.state.path}"

    def runs(self, patience: float = HUNG) -> bool:
        """Whether it answers or, where we may not ask, its status is young. Raises as `ask` does."""
        if self.is_certain:
            self.ask(patience)
            return True
        try:
            return self.status().age < HUNG
        except SoftsplitError:
            return False

    def ask(self, patience: float = HUNG) -> bool:
        """Return whether it writes a status.

        Raises Hung when it has not moved for HUNG seconds or does not answer within `patience`, Gone when it
        has ended meanwhile, OtherVersion.
        """
        if self._sock is None:
            raise Hung(f"{self} does not accept connections any more")
        answer = ANSWER.fullmatch(self._receive(self._sock, patience))
        if not answer:
            raise OtherVersion(f"{self} is of another version of softsplit; restart it")
        if float(answer[1]) > HUNG:
            raise Hung(f"{self} has not moved for {float(answer[1]):.0f} s")
        return answer[2] == b"status"

    def _receive(self, sock: socket.socket, patience: float) -> bytes:
        """Return the answer, or more bytes than an answer has."""
        data, deadline = b"", clock.now() + patience
        while not data.endswith(b"\n") and len(data) <= LONGEST_ANSWER:
            sock.settimeout(max(0.001, deadline - clock.now()))
            try:
                more = sock.recv(LONGEST_ANSWER)
            except TimeoutError as error:
                raise Hung(f"{self} has not answered for {patience:.0f} s") from error
            except OSError as error:
                raise Gone(f"{self} has ended") from error
            if not more:
                raise Gone(f"{self} has ended")
            data += more
        return data

    def expects_check(self, port: int, patience: float) -> bool:
        """Announce a check from a port of this machine; see `presence`.

        Return whether it expects the check: not if we may not use its socket, or it is of an earlier version.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            try:
                sock.bind(b"\0softsplit check %d %s" % (port, os.urandom(8).hex().encode()))
                sock.setblocking(False)
                sock.connect(self.state.address(SOCKET))
                return bool(ANSWER.fullmatch(self._receive(sock, patience)))
            except (OSError, SoftsplitError):
                return False

    def status(self) -> Status:
        """Return its status. Raises Unreadable."""
        found = status.read(self.state)
        if found.process:
            self.pid = self.pid or found.process.pid  # for messages
        return found

    def topology(self) -> Topology | None:
        """Return its wiring if its configuration is a script. Raises Unreadable."""
        return wiring.read(self.state)

    def end(self, patience: float) -> None:
        """End it, by SIGKILL if it takes longer than `patience` seconds. Raises SoftsplitError."""
        if self._pidfd is None:
            raise SoftsplitError(f"{self} cannot be ended from here, because its process id is not certain; end it "
                                 "yourself")
        try:
            for how, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, HUNG)):
                signal.pidfd_send_signal(self._pidfd, how)
                if self._has_ended(self._pidfd, wait):
                    return
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise SoftsplitError(f"{self} belongs to another user, who has to end it") from error

    @staticmethod
    def _has_ended(pidfd: int, patience: float) -> bool:
        ending = select.poll()
        ending.register(pidfd, select.POLLIN)
        return bool(ending.poll(1000 * patience))

    def close(self) -> None:
        self.state.close()
        if self._sock:
            self._sock.close()
        if self._pidfd is not None:
            os.close(self._pidfd)

    def __exit__(self, *_) -> None:
        self.close()


def _peer(sock: socket.socket) -> tuple[int, int]:
    """Return process and user that listen at the other end; the process is 0 in another PID namespace."""
    return PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[:2]


def _open_pidfd(sock: socket.socket) -> int | None:
    """Open the process at the other end; a descriptor, unlike a number, never means a later process."""
    with suppress(OSError):
        return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD, 4), sys.byteorder)
    pid, user = _peer(sock)
    with suppress(OSError, ValueError):
        found = os.pidfd_open(pid)
        if _user_of(pid) == user:
            return found
        os.close(found)
    return None


def _user_of(pid: int) -> int:
    """Return the user of a process. Raises OSError or ValueError."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return int(next(line for line in file if line.startswith("Uid:")).split()[1])
