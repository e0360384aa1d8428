"""Masters of a running splitter whose process is stopped and goes on, beside meters that tell the time."""

import re
import signal
import struct
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from softsplit import clock
from softsplit.commands.simulate.pty import Cable
from softsplit.upstream.queue import LONGEST_WAIT, STOOD_STILL
from tests.support import SLOWNESS, SOFTSPLIT, Child, RtuMaster, TcpMaster, read_request, running, until
from tests.support.bus import Bus

MAX_AGE = 0.6  # s
TRAVEL = 0.15  # s from the meter's stamp to our look at it, besides its age
PROFILE = 'readable = [{ address = 0, count = 1000 }]\nblock = [{ address = 0, count = 2, name = "now", every = 0.1 }]\n'
POLLED, OTHER = read_request(0, 2), read_request(500, 2)


def stamped(unit: int, pdu: bytes) -> bytes:
    """The answer of a meter in which every pair of registers holds the time in milliseconds."""
    count = int.from_bytes(pdu[3:5], "big")
    return bytes((3, 2 * count)) + (struct.pack(">I", int(1000 * clock.now()) & 0xFFFFFFFF) * count)[:2 * count]


def age_of(answer: bytes) -> float:
    """Seconds since the meter said so."""
    return (int(1000 * clock.now()) - int.from_bytes(answer[2:6], "big") & 0xFFFFFFFF) / 1000


class Suspended:
    """A splitter of a bus of some kind, and three masters that ask it as fast as they can; a context manager.

    `ages` are those of all good answers, by master.
    """

    def __init__(self, kind: str, directory: Path):
        self.ages: dict[str, list[float]] = {"polled": [], "forwarded": [], "serial": []}
        self._is_over = threading.Event()
        self._stack = ExitStack()
        self._cable = Cable()
        self.bus = Bus(kind, directory, stamped)
        (directory / "stamp.toml").write_text(PROFILE)
        (directory / "softsplit.toml").write_text(
            f'[upstream.meters]\nurl = "{self.bus.url}"\nunits = {{ 1 = "./stamp.toml" }}\ntimeout = 0.3\n'
            + ('mode = "8N1"\n' if kind == "rtu" else "")
            + f'[downstream.tcp]\nurl = "tcp://127.0.0.1:0"\nmax_age = {MAX_AGE}\n'
            f'[downstream.serial]\nurl = "rtu://{self._cable.left}"\nmode = "8N1"\nmax_age = {MAX_AGE}\n')
        self._config = directory / "softsplit.toml"

    def __enter__(self) -> "Suspended":
        enter = self._stack.enter_context
        enter(self.bus)
        enter(running(self._cable))
        self.child = enter(Child([*SOFTSPLIT, "run", "-c", str(self._config)]))
        port = int(until(lambda: re.search(r"serving tcp on .*:(\d+)", self.child.log()), timeout=10)[1])
        masters = {"polled": (lambda: TcpMaster(port, 60), POLLED), "forwarded": (lambda: TcpMaster(port, 60), OTHER),
                   "serial": (lambda: RtuMaster(self._cable.right), POLLED)}
        threads = [threading.Thread(target=self._ask, args=(name, *each)) for name, each in masters.items()]
        self._stack.callback(lambda: [thread.join() for thread in threads])
        self._stack.callback(self._is_over.set)
        for thread in threads:
            thread.start()
        self.answers_come()
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()

    def answers_come(self) -> None:
        """Wait until every master had good answers from now on."""
        before = {name: len(ages) for name, ages in self.ages.items()}
        until(lambda: all(len(ages) > before[name] + 3 for name, ages in self.ages.items()), timeout=15)

    def stop(self, seconds: float) -> None:
        """Stop the process for a while."""
        self.child.process.send_signal(signal.SIGSTOP)
        stopped_at = clock.now()
        until(lambda: clock.now() > stopped_at + seconds, timeout=seconds + 5)
        self.child.process.send_signal(signal.SIGCONT)

    def check(self) -> None:
        """No value was older than it may be."""
        for name, ages in self.ages.items():
            most = LONGEST_WAIT + STOOD_STILL if name == "forwarded" else MAX_AGE
            assert ages and max(ages) < most + TRAVEL * SLOWNESS, f"{name}: {max(ages):.3f} s"

    def _ask(self, name: str, connect: Callable[[], TcpMaster | RtuMaster], request: bytes) -> None:
        while not self._is_over.is_set():
            with suppress(ConnectionError), connect() as master:  # as a master does when the server hangs up
                while not self._is_over.is_set():
                    answer = master.ask(1, request)
                    if answer[:1] == b"\x03":
                        self.ages[name].append(age_of(answer))
