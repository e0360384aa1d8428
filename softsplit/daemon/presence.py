"""The socket by which others see which process runs a configuration, and whether it responds.

The process listens on `socket` in the state directory of its configuration:

    /run/softsplit/              runtime directory, 0755: root's, or by systemd the service user's
        lock                     0600: held for the milliseconds in which something is made or removed here
        house-06798fe3/          state directory, 0755, one for each path of a configuration
            socket               0600: who listens here runs the configuration
            status.json          0644: how it is, for everybody
            wiring.json          0644: what a script serves, which no configuration file tells

**Who runs it.** Whoever listens on the socket, and nobody else. On a socket that a crash has left nobody
listens: the kernel refuses the connection at once, and the next process that starts takes its place. Between
looking and taking nobody else may come, hence `lock`; it is not held while a process runs, so that nothing
but the socket says that one does. "Already running" means a connection, never a file that is there or locked.

**Who is believed.** The kernel says whose process listens (SO_PEERCRED). Root counts, our own user, and the
owner of the runtime directory, where root has chosen that owner: below /run, which only root and systemd may
write to. Directories are opened without following links, and are of no use when others may write there. Only
its owner and root may use the socket, or everybody could flood it; all others go by the status file and its
age. What is ended is the process at the other end of the connection (SO_PEERPIDFD, or pidfd_open and a look
at its user), or none.

**Whether it is alive.** Whoever connects is told how long ago the main thread has called `beats()`, from the
first time on; until then it starts, and they wait. Who waits for longer than HUNG, or is told of longer, has
found a process that hangs.

**Where.** The first of these that can be had: $RUNTIME_DIRECTORY (from systemd /run/softsplit, or
/run/softsplit-NAME for softsplit@NAME; with DynamicUser= it is that user's, and goes with the service). Root:
/run/softsplit, or /run/softsplit-root while a service has that. Users: $XDG_RUNTIME_DIR/softsplit,
/run/user/UID/softsplit, /tmp/softsplit-UID, or ~/.softsplit where somebody else has made that one before
(each 0700). A service, cron and a person have different ones, so that all are looked at, before and after one
is taken. A socket in the file system is found from every network namespace. Two spellings of a path, links
included, are one configuration; two hard links to a file are two, whose ports will clash.

**When it is lost.** A directory that is deleted, full or read-only costs the status, until it is well again,
and nothing else. Once a second the main thread sees whether the socket is still its own, and if not takes a
place anew. Should another process have come meanwhile, the ports decide, which only one can have; the log
tells.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path

from softsplit import clock
from softsplit.daemon.atomicfile import is_temporary
from softsplit.daemon.directories import (
    Directory,
    key_of,
    make_place,
    open_place,
    own_places,
)
from softsplit.daemon.lock import locked
from softsplit.daemon.process import HUNG, SOCKET, Process
from softsplit.daemon.status import STATUS
from softsplit.daemon.wiring import WIRING
from softsplit.errors import AlreadyRunning
from softsplit.worker import Worker

OLD_LOCK = "lock"  # in a state directory, of earlier versions
QUEUE = 1000  # of those who ask between two answers
TICK = 1.0  # s
SHORT = 0.02  # s


class Presence(Worker):
    """The place of the process that runs `config`. Raises AlreadyRunning when another runs it.

    `state` is the directory that it has, if any; `cause` is why there is none.
    """

    def __init__(self, config: Path):
        super().__init__("presence")
        self._config = Path(os.path.realpath(config))
        self._key = key_of(config)
        self._told = clock.now(), False
        self._looked_at = self._awake_since = clock.now()  # of its thread
        self._is_beating = False
        self._listener: socket.socket | None = None
        self._identity: tuple[int, int, int] | None = None  # of the socket in the file system
        self.state: Directory | None = None
        self.cause = ""
        self.settle()

    def settle(self) -> None:  # main thread
        """Have a place, the same as before if that is still there. Raises AlreadyRunning."""
        if self._is_in_place():
            return
        self._let_go()
        self._require_alone()
        for path, mode in own_places():
            try:
                with make_place(path, mode) as place, locked(place):
                    self._take(place)
                    break
            except OSError as error:
                self.cause = self.cause or f"{error.filename or path}: {error.strerror}"
        if self.state:
            self.cause = ""
            try:
                self._require_alone()  # who was as fast as we were in another place
            except AlreadyRunning:
                self.leave()
                raise

    def _require_alone(self) -> None:
        """Raise AlreadyRunning when another process has a place."""
        if process := Process.that_runs(self._config, self.state):
            with process:
                if process.is_certain or process.runs():
                    raise AlreadyRunning(self._config, process.pid)

    def _is_in_place(self) -> bool:
        """Whether our socket is where it was, in a directory that is still ours."""
        if self.state is None or self._identity is None:
            return False
        return self.state.is_own and _identity(self.state) == self._identity

    def _take(self, place: Directory) -> None:
        """Listen in a state directory, which nobody else does. Raises OSError or AlreadyRunning."""
        for key in place.keys():
            if key != self._key:
                clear(place, key)
        self._require_alone()
        state = place.make(self._key)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            empty(state)
            listener.bind(state.address(SOCKET))
            os.chmod(SOCKET, 0o600, dir_fd=state.fd)
            listener.listen(QUEUE)
            listener.settimeout(TICK)
        except BaseException:
            listener.close()
            state.close()
            raise
        self._identity = _identity(state)
        self.state, self._listener = state, listener

    def beats(self, has_status: bool) -> None:  # main thread
        self._told = clock.now(), has_status
        if not self._is_beating:
            self._is_beating = True
            self.start()

    def step(self) -> None:
        self._note_sleep()
        listener = self._listener
        if listener is None:
            self.pause(TICK)
            return
        try:
            peer, _ = listener.accept()
        except TimeoutError:
            return
        except OSError:  # no descriptor left, or another place has been taken
            self.pause(SHORT)
            return
        beat, has_status = self._told
        age = clock.now() - max(beat, self._awake_since)
        with peer, suppress(OSError):
            peer.setblocking(False)
            peer.send(f"{age:.1f} {'status' if has_status else '-'}\n".encode())

    def _note_sleep(self) -> None:
        """Note when the whole process stood still, as the machine slept: the main thread did not hang."""
        now = clock.now()
        if now - self._looked_at > HUNG / 2:
            self._awake_since = now
        self._looked_at = now

    def wake(self) -> None:  # any thread
        if state := self.state:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock, suppress(OSError):
                sock.setblocking(False)
                sock.connect(state.address(SOCKET))

    def leave(self) -> None:  # main thread
        """Leave nothing in the place; for the end, when the thread has ended."""
        if self.state and self._is_in_place():
            with suppress(OSError), open_place(self.state.path.parent) as place, locked(place):
                self._let_go()
                clear(place, self._key)
        self._let_go()

    def _let_go(self) -> None:
        listener, state = self._listener, self.state
        self._listener = self.state = self._identity = None
        if listener:
            listener.close()
        if state:
            state.close()


def clear(place: Directory, key: str) -> None:
    """Remove a state directory that no process has."""
    with suppress(OSError):
        if process := Process.in_place(place, key):
            process.close()
            return
        with place.inside(key) as state:
            empty(state)
        os.rmdir(key, dir_fd=place.fd)


def empty(state: Directory) -> None:
    """Remove what a process has left in its state directory. Raises OSError."""
    for name in os.listdir(state.fd):
        if name in (SOCKET, STATUS, WIRING, OLD_LOCK) or any(is_temporary(name, each) for each in (STATUS, WIRING)):
            os.unlink(name, dir_fd=state.fd)


def _identity(state: Directory) -> tuple[int, int, int] | None:
    """What tells the socket at the path of a state directory from any other, if there is one."""
    with suppress(OSError):
        found = os.lstat(state.path / SOCKET)
        return found.st_dev, found.st_ino, found.st_mtime_ns
    return None
