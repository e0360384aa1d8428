"""The socket by which others see which process runs a configuration, and whether it responds.

The process listens on `socket` in the state directory of its configuration:

    /run/softsplit/              runtime directory, 0755: root's, or by systemd the service user's
        lock                     0600: held for the milliseconds in which something is made or removed here
        house-06798fe3/          state directory, 0755, one for each path of a configuration
            socket               0600: who listens here runs the configuration
            status.json          0644: its status, for everybody
            wiring.json          0644: the wiring of a script, which other processes cannot read

**Who runs it.** The process that listens on the socket. After a crash the socket file stays, but the kernel
refuses connections to it at once, and the next process that starts replaces it. `lock` is held between
looking and replacing; it is not held while a process runs. So "already running" always means a connection,
never a file that exists or is locked.

**Who is believed.** The kernel says which user listens (SO_PEERCRED). We believe root, our own user, and the
owner of the runtime directory if root has chosen that owner: below /run, where only root and systemd may
write. Directories are opened without following links, and refused when others may write there. Only its owner
and root may use the socket, or everybody could flood it; all others go by the status file and its age. The
process that is ended is the one at the other end of the connection (SO_PEERPIDFD, or pidfd_open and a check
of its user).

**Whether it is alive.** Whoever connects is told how long ago the main thread called `beats()`. Before the
first call the process is starting, and they wait. A process hangs when it takes, or tells, more than HUNG.

**A check.** A connection from the abstract address (unix(7)) "softsplit check PORT" and some hexadecimal
digits announces a check: "softsplit doctor", which is no master, will ask a server of the process from that
TCP or UDP port of this machine. It is answered when the servers know. Only the owner of the socket and root
can announce one.

**Where.** The first usable one of `own_places`. A service, cron and a person have different ones; so all of
them are searched, before and after one is taken. With systemd, softsplit@NAME has /run/softsplit-NAME; with
DynamicUser= the directory goes with the service. A socket in the file system is found from every network
namespace. Two spellings of a path, links included, are one configuration; two hard links to a file are two,
whose ports will clash.

**When it is lost.** While the directory is deleted, full or read-only, only the status file is missing. Once
a second the main thread checks that the socket is still its own, and if not takes a place anew. If another
process has started meanwhile, only one of them gets the ports, and the log of the other says so.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from softsplit import clock
from softsplit.daemon.atomicfile import is_temporary
from softsplit.daemon.directories import Directory, key_of, make_place, open_place, own_places
from softsplit.daemon.lock import locked
from softsplit.daemon.process import CHECK, HUNG, SOCKET, Process
from softsplit.daemon.status import STATUS
from softsplit.daemon.wiring import WIRING
from softsplit.errors import AlreadyRunning
from softsplit.worker import Worker

OLD_LOCK = "lock"  # in a state directory, of earlier versions
QUEUE = 1000  # connections that wait for an answer
TICK = 1.0  # s
SHORT = 0.02  # s


class Presence(Worker):
    """Listens on the socket of the process that runs `config`. Raises AlreadyRunning when another runs it.

    `state` is its state directory, if it got one; `cause` says why not. `expect_check` gets the port of an
    announced check.
    """

    def __init__(self, config: Path, expect_check: Callable[[int], None] = lambda port: None):
        super().__init__("presence")
        self._expect_check = expect_check
        self._config = Path(os.path.realpath(config))
        self._key = key_of(config)
        self._beat = clock.now(), False  # the latest, and whether there is a status
        self._looked_at = self._awake_since = clock.now()  # of its thread
        self._is_beating = False
        self._listener: socket.socket | None = None
        self._identity: tuple[int, int, int] | None = None  # of the socket file
        self.state: Directory | None = None
        self.cause = ""
        self.settle()

    def settle(self) -> None:  # main thread
        """Take a place, unless the one from before is still ours. Raises AlreadyRunning."""
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
                self._require_alone()  # another process may have taken another place at the same time
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
        """Whether our socket file is still there, in a directory that is still ours."""
        if self.state is None or self._identity is None:
            return False
        return self.state.is_own and _identity(self.state) == self._identity

    def _take(self, place: Directory) -> None:
        """Listen in our state directory in `place`. Raises OSError or AlreadyRunning."""
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
        """Note that the main thread lives, and whether `status.json` is written."""
        self._beat = clock.now(), has_status
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
            peer, name = listener.accept()
        except TimeoutError:
            return
        except OSError:  # no descriptor is left, or the main thread has taken another place
            self.pause(SHORT)
            return
        if isinstance(name, bytes) and (check := CHECK.fullmatch(name)):
            self._expect_check(int(check[1]))
        beat, has_status = self._beat
        age = clock.now() - max(beat, self._awake_since)
        with peer, suppress(OSError):
            peer.setblocking(False)
            peer.send(f"{age:.1f} {'status' if has_status else '-'}\n".encode())

    def _note_sleep(self) -> None:
        """Note when this thread stood still, too: then the machine slept, and the main thread is fine."""
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
        """Remove our files. For the end, when the thread has ended."""
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
    """Remove a state directory unless a process has it."""
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
        if name in (SOCKET, STATUS, WIRING, OLD_LOCK) or any(is_temporary(name, each)
                                                             for each in (STATUS, WIRING)):
            os.unlink(name, dir_fd=state.fd)


def _identity(state: Directory) -> tuple[int, int, int] | None:
    """Return what identifies the socket file in a state directory, None when there is none."""
    with suppress(OSError):
        found = os.lstat(state.path / SOCKET)
        return found.st_dev, found.st_ino, found.st_mtime_ns
    return None
