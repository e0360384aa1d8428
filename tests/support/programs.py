"""Programs that run beside a test. Those of softsplit and scripts of Python are forked off a prepared process."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Lock

from tests.support import prepared
from tests.support.waiting import SLOWNESS

SOFTSPLIT = [sys.executable, "-m", "softsplit"]
ROOT = Path(__file__).parent.parent.parent
OF_PYTHON = ("PYTHONPATH", "PYTHONIOENCODING", "PYTHONUTF8", "LC_", "LANG")  # what Python itself looks at when it starts
of_all_threads = Lock()  # the umask, which is only read by setting it; and the prepared process
ORDERED = {"stdin", "stdout", "stderr", "cwd", "env", "limits"}  # the options of Popen that a prepared process follows


class Prepared:
    """The prepared process of this process; started when it is first needed."""

    _latest: "Prepared | None" = None

    def __init__(self):
        self.owner = os.getpid()
        self.orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen([sys.executable, prepared.__file__, str(theirs.fileno())], cwd=ROOT,
                                            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    @classmethod
    def of_this_process(cls) -> "Prepared":
        if cls._latest is None or cls._latest.owner != os.getpid():
            cls._latest = cls()
        return cls._latest

    @staticmethod
    def does(command: list[str], options: dict) -> bool:
        """Whether a command can be forked, because nothing about it depends on how Python starts."""
        def settings(environment) -> dict:
            return {key: value for key, value in environment.items() if key.startswith(OF_PYTHON)}

        is_python = command[0] == sys.executable and (command[1:3] == SOFTSPLIT[1:] or command[1].endswith(".py"))
        return is_python and options.keys() <= ORDERED and \
            settings(options.get("env") or os.environ) == settings(os.environ)


class Forked:
    """A program that the prepared process has forked: what tests use of subprocess.Popen.

    `limits` is how much it may have of what, as resource.setrlimit has it; of memory, all that was imported included.
    As it imports nothing any more, no limit leaves half a file of bytecode to others.
    """

    def __init__(self, command: list[str], stdin=None, stdout=None, stderr=None, cwd=None, env=None,
            limits: dict[int, int] | None = None):
        self.args = command
        self.returncode: int | None = None
        with of_all_threads:
            umask = os.umask(0)
            os.umask(umask)
            prepared_process = Prepared.of_this_process()
        order = {"words": list(map(os.fsdecode, command[1:])), "cwd": os.path.abspath(cwd or "."), "umask": umask,
                 "limits": list((limits or {}).items()), "env": dict(os.environ if env is None else env)}
        self._status, status = os.pipe()
        nowhere = os.open(os.devnull, os.O_RDWR)
        fds = [_fd(stdin, 0, nowhere), _fd(stdout, 1, nowhere), _fd(stderr, 2, nowhere)]
        if stderr == subprocess.STDOUT:
            fds[2] = fds[1]
        socket.send_fds(prepared_process.orders, [json.dumps(order).encode()], [*fds, status])
        os.close(status)
        os.close(nowhere)
        self.pid = self._next()

    def _next(self) -> int:
        said = os.read(self._status, prepared.STATUS.size)
        assert said, "the prepared process has ended"
        return prepared.STATUS.unpack(said)[0]

    def poll(self) -> int | None:
        return self._end(0)

    def wait(self, timeout: float | None = None) -> int:
        if self._end(timeout) is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def _end(self, timeout: float | None) -> int | None:
        """Return its exit code, when it ends in time."""
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            self.returncode = self._next()
            os.close(self._status)
        return self.returncode

    def send_signal(self, how: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # its end is on its way to us
                os.kill(self.pid, how)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _fd(stream, ours: int, nowhere: int) -> int:
    if stream is None:
        return ours
    if stream in (subprocess.DEVNULL, subprocess.STDOUT):
        return nowhere
    return stream if isinstance(stream, int) else stream.fileno()


def start_program(command: list[str], **options):
    """Start a program, as subprocess.Popen does."""
    return Forked(command, **options) if Prepared.does(command, options) else subprocess.Popen(command, **options)


def run_program(command: list[str], capture_output: bool = False, text: bool = False, timeout: float | None = None,
        input: str | bytes | None = None, **options) -> subprocess.CompletedProcess:
    """Run a program to its end, as subprocess.run does."""
    if not Prepared.does(command, options):
        return subprocess.run(command, capture_output=capture_output, text=text, timeout=timeout, input=input, **options)
    mode = "w+" if text else "w+b"
    with tempfile.TemporaryFile(mode) as given, tempfile.TemporaryFile(mode) as out, tempfile.TemporaryFile(mode) as error:
        captured = {"stdin": given} if input is not None else {}
        if input:
            given.write(input)
            given.seek(0)
        files = {"stdout": out, "stderr": error}
        captured |= {name: file for name, file in files.items()
                     if capture_output or options.get(name) == subprocess.PIPE}
        process = start_program(command, **options | captured)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        said = [_read(file) if name in captured else None for name, file in files.items()]
        return subprocess.CompletedProcess(command, process.returncode, *said)


def _read(file) -> str | bytes:
    file.seek(0)
    return file.read()


class Child:
    """A program running beside the test, whose output can be looked at; killed in the end, if need be."""

    def __init__(self, command: list[str], **options):
        self._files = [tempfile.TemporaryFile() for _ in range(2)]
        self.process = start_program(command, **{"stdin": subprocess.DEVNULL, "stdout": self._files[0],
                                         "stderr": self._files[1], **options})

    def text(self) -> str:
        """What it has written to stdout."""
        return self._written(self._files[0])

    def log(self) -> str:
        """What it has written to stderr."""
        return self._written(self._files[1])

    @staticmethod
    def _written(file) -> str:
        return os.pread(file.fileno(), 1 << 20, 0).decode()  # the child's own position must not move

    def end(self, how: int = signal.SIGINT) -> int:
        """Signal it to end, and return its exit code."""
        self.process.send_signal(how)
        return self.process.wait(10 * SLOWNESS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
