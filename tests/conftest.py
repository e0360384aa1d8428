"""Tests run side by side: most of them wait most of the time, so several processes take turns on the cores.

After collection the process forks workers. Each takes pieces (a few tests of one module, or all that share a fixture
of it, in their order) from a pipe and sends its reports back, so that what pytest prints and its exit code are the usual
ones. Those that wait longest come first; as many workers as there are cores begin at the other end, so that the cores
have something to do meanwhile, and what is left in the end is short. Tests run in one process when they are few, or
when somebody wants to watch (-s, --pdb, -x).

`--shuffle SEED` runs pieces and tests in another order, to show that none needs another.

Every splitter of root's can be found below /run. Each process that runs tests has a /run of its own, where that is
possible, so that no test finds the splitter of another test, of another user, or of this machine.
"""

import ctypes
import gc
import os
import pickle
import random
import selectors
import signal
import struct
import sys
from collections import deque
from pathlib import Path

import pytest

CORES = os.cpu_count() or 1
WORKERS = int(os.environ.get("SOFTSPLIT_TEST_WORKERS", 4 * CORES))  # most of them wait
PIECE, LONG_PIECE = 12, 3  # tests that a worker takes at a time
LONG = ("troubles", "unattended", "top", "heard_writes", "gateways", "cli", "presence", "page", "missing_at_start", "poller",
        "scan", "status", "doctor", "troubles_at_start", "troubles_downstream", "read", "forwarding", "nonsense", "listener",
        "odd_gateways", "rtu_client", "fairness", "host_names", "echo", "connections", "record", "example", "locales",
        "other_master", "suspend")  # modules whose tests wait or work long, the longest first
FEW = 12  # tests that are not worth a second process
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000  # <linux/sched.h>, <linux/mount.h>
BYTECODE = Path(__file__).parent.parent / ".pytest_cache" / "bytecode"
LENGTH = struct.Struct(">I")  # before each report on its pipe

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; programs would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.dont_write_bytecode:  # beside the sources; but without any, each program that a test starts compiles all of softsplit
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(BYTECODE)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix


def pytest_addoption(parser):
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run the tests in another order")


def pytest_collection_modifyitems(config, items):
    seed = config.getoption("--shuffle")
    if seed is not None:
        pieces = pieces_of(items)
        dice = random.Random(seed)
        dice.shuffle(pieces)
        for piece in pieces:
            dice.shuffle(piece)
        items[:] = [item for piece in pieces for item in piece]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    config = session.config
    watched = config.option.usepdb or config.option.capture == "no" or config.option.maxfail
    if config.option.collectonly or session.testsfailed or watched or len(session.items) <= FEW or WORKERS < 2:
        leave_run()
        return None  # pytest's own loop
    SideBySide(session).run()
    if session.testsfailed:
        raise session.Failed(f"{session.testsfailed} failed")
    return True


def leave_run() -> None:
    """Have an empty /run of this process and its children; only root can, where it may: others stay as they are."""
    libc = ctypes.CDLL(None)
    if os.geteuid() == 0 and libc.unshare(CLONE_NEWNS) == 0 and libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0:
        libc.mount(b"tmpfs", b"/run", b"tmpfs", 0, b"mode=755")


def shared_by(item) -> frozenset[str]:
    """The fixtures of its module that a test shares with others: each piece that needs one makes it anew."""
    return frozenset(name for name, made in item._fixtureinfo.name2fixturedefs.items()
                     if made[-1].scope == "module" and made[-1].baseid == item.parent.nodeid)


def pieces_of(items: list) -> list[list]:
    """Cut tests into pieces, of one module each; all that share a fixture of it are one piece."""
    groups: dict[tuple, list] = {}
    for item in items:
        groups.setdefault((item.path, shared_by(item)), []).append(item)
    return [tests[at:at + size] for (path, shared), tests in groups.items()
            for size in [len(tests) if shared else PIECE if rank(path) == len(LONG) else LONG_PIECE]
            for at in range(0, len(tests), size)]


def rank(path: Path) -> int:
    """When a module's turn is: the longest ones are first."""
    name = path.stem.removeprefix("test_")
    return LONG.index(name) if name in LONG else len(LONG)


class Worker:
    """A forked process that runs pieces: their numbers go in, their reports come out."""

    def __init__(self, session, pieces: list[list], others: list["Worker"]):
        orders, self.orders = os.pipe()
        self.reports, reports = os.pipe()
        self.piece: int | None = None
        self.takes_short = len(others) < CORES
        self._buffer = b""
        self.process = os.fork()
        if not self.process:
            os.close(self.orders)
            os.close(self.reports)
            for each in others:
                os.close(each.reports)
                if each.piece is not None:
                    os.close(each.orders)
            status = 1
            try:
                work(session, pieces, orders, reports)
                status = 0
            finally:
                os._exit(status)  # nothing of the parent's ends here
        os.close(orders)
        os.close(reports)

    def give(self, piece: int | None) -> None:
        """Order a piece; None ends the worker."""
        self.piece = piece
        if piece is None:
            os.close(self.orders)
        else:
            os.write(self.orders, LENGTH.pack(piece))

    def receive(self) -> list[tuple[str, dict]] | None:
        """Return the reports that have arrived, or None when the worker has ended."""
        more = os.read(self.reports, 1 << 16)
        if not more:
            return None
        self._buffer += more
        found = []
        while len(self._buffer) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            found.append(pickle.loads(self._buffer[LENGTH.size:end]))
            self._buffer = self._buffer[end:]
        return found


class SideBySide:
    """The loop that hands out pieces and shows what comes back."""

    def __init__(self, session):
        self._session = session
        self._hook = session.config.hook
        self._pieces = pieces_of(session.items)
        if session.config.getoption("--shuffle") is None:
            self._pieces.sort(key=lambda piece: (rank(piece[0].path), not shared_by(piece[0])))
        self._left = deque(range(len(self._pieces)))
        self._started: dict[int, list[str]] = {}  # node ids, by piece
        self._selector = selectors.DefaultSelector()
        self._workers: list[Worker] = []

    def run(self) -> None:
        self._session.config._tmp_path_factory.getbasetemp()  # one for all, and removed by this process
        gc.collect()
        gc.freeze()  # what all workers share is neither looked through nor copied by each
        for _ in range(min(WORKERS, len(self._pieces))):
            self._employ()
        while self._workers:
            for key, _ in self._selector.select():
                self._attend(key.data)

    def _employ(self) -> None:
        worker = Worker(self._session, self._pieces, self._workers)
        self._workers.append(worker)
        self._selector.register(worker.reports, selectors.EVENT_READ, worker)
        worker.give(self._next(worker))

    def _next(self, worker: Worker) -> int | None:
        """The piece that a worker is to do next, if any."""
        if not self._left:
            return None
        return self._left.pop() if worker.takes_short else self._left.popleft()

    def _attend(self, worker: Worker) -> None:
        """Take in what a worker has to say; it may be that it has ended."""
        messages = worker.receive()
        if messages is None:
            self._selector.unregister(worker.reports)
            self._workers.remove(worker)
            os.close(worker.reports)
            os.waitpid(worker.process, 0)
            if worker.piece is not None:
                self._crashed(worker)
            return
        for kind, what in messages:
            if kind == "done":
                worker.give(self._next(worker))
            elif kind == "started":
                self._started.setdefault(worker.piece, []).append(what["nodeid"])
                self._hook.pytest_runtest_logstart(**what)
            else:
                self._hook.pytest_runtest_logreport(
                    report=self._hook.pytest_report_from_serializable(config=self._session.config, data=what))

    def _crashed(self, worker: Worker) -> None:
        """A worker ended in the middle of a piece: its latest test did that, the rest of the piece was not run."""
        started = self._started.get(worker.piece, [])
        for item in self._pieces[worker.piece]:
            if item.nodeid not in started[:-1]:
                why = "ended its process" if item.nodeid in started else "not run: the test before ended the process"
                self._hook.pytest_runtest_logreport(
                    report=pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call"))
        os.close(worker.orders)
        if self._left:
            self._employ()


def work(session, pieces: list[list], orders: int, reports: int) -> None:
    """Run pieces as they are ordered, in a forked process."""
    leave_run()
    config = session.config
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()  # its files are the parent's, too
    capture.start_global_capturing()
    config.pluginmanager.unregister(name="terminalreporter")
    config.pluginmanager.register(Messenger(config, reports))
    while order := os.read(orders, LENGTH.size):
        piece = pieces[LENGTH.unpack(order)[0]]
        for item, following in zip(piece, [*piece[1:], None], strict=True):
            config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        send(reports, "done", None)


class Messenger:
    """Sends what pytest reports to the parent process."""

    def __init__(self, config, reports: int):
        self._config = config
        self._reports = reports

    def pytest_runtest_logstart(self, nodeid, location):
        send(self._reports, "started", {"nodeid": nodeid, "location": location})

    def pytest_runtest_logreport(self, report):
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        send(self._reports, "report", data)


def send(reports: int, kind: str, what) -> None:
    packed = pickle.dumps((kind, what))
    message = memoryview(LENGTH.pack(len(packed)) + packed)
    while message:
        message = message[os.write(reports, message):]


@pytest.fixture(scope="module", autouse=True)
def runtime_directory(tmp_path_factory):
    """What the programs of one module of tests run is not seen by those of another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNTIME_DIRECTORY", str(tmp_path_factory.mktemp("run")))
        yield
