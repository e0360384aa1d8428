"""Masters of a running splitter whose process is stopped and goes on, beside meters that tell the time."""

import re
import signal
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from softsplit import clock
from softsplit.commands.simulate.pty import Cable
from softsplit.downstream.servers.connection import STOOD_STILL
from softsplit.upstream.forwarding import TOO_OLD
from tests.support import SLOWNESS, SOFTSPLIT, Child, RtuMaster, TcpMaster, read_request, running, until
from tests.support.bus import Bus

MAX_AGE = 0.6  # s
TRAVEL = 0.15  # s from the meter's stamp to our look at it, besides its age
PROFILE = 'functions = [3, 6, 20, 23]\nreadable = [{ address = 0, count = 1000 }]\nblock = [{ address = 0, count = 2, name = "now", every = 0.1 }]\n'
POLLED, OTHER = read_request(0, 2), read_request(500, 2)
BOTH, FILE = struct.pack(">BHHHHBH", 23, 500, 2, 900, 1, 2, 7), struct.pack(">BBBHHH", 20, 7, 6, 1, 0, 2)
STAMP = {3: 2, 20: 4, 23: 2}  # where it is in an answer, by function
LONG = 0.03  # s for an answer to any other request than that for what is polled, so that some is mostly under way


def stamped(unit: int, pdu: bytes) -> bytes:
    """The answer of a meter in which every pair of registers holds the time in milliseconds."""
    if pdu != POLLED:
        time.sleep(LONG)
    begin = bytes((pdu[0], 6, 5, 6) if pdu == FILE else (pdu[0], 2 * int.from_bytes(pdu[3:5], "big")))
    return (begin + struct.pack(">I", int(1000 * clock.now()) & 0xFFFFFFFF) * 250)[:begin[1] + 2]


def age_of(answer: bytes) -> float:
    """Seconds since the meter said so."""
    at = STAMP[answer[0]]
    return (int(1000 * clock.now()) - int.from_bytes(answer[at:at + 4], "big") & 0xFFFFFFFF) / 1000


class Suspended:
    """A splitter of a bus of some kind, and masters that ask it as fast as they can; a context manager.

    `ages` are those of all good answers, by master.
    """

    def __init__(self, kind: str, directory: Path):
        self.ages: dict[str, list[float]] = {"polled": [], "forwarded": [], "both": [], "file": [], "serial": []}
        self._is_over = threading.Event()
        self._stack = ExitStack()
        self._cable = Cable()
        self.bus = Bus(kind, directory, stamped)
        (directory / "stamp.toml").write_text(PROFILE)
        (directory / "softsplit.toml").write_text(
            f'[upstream.meters]\nurl = "{self.bus.url}"\nunits = {{ 1 = "./stamp.toml" }}\ntimeout = 0.3\n'
            + ('mode = "8N1"\n' if kind == "rtu" else "")
            + f'[downstream.tcp]\nurl = "tcp://127.0.0.1:0"\nmax_age = {MAX_AGE}\n'
            'allow_writes = ["meters/1 holding registers 900+1"]\n'
            f'[downstream.serial]\nurl = "rtu://{self._cable.left}"\nmode = "8N1"\nmax_age = {MAX_AGE}\n')
        self._config = directory / "softsplit.toml"

    def __enter__(self) -> "Suspended":
        enter = self._stack.enter_context
        enter(self.bus)
        enter(running(self._cable))
        self.child = enter(Child([*SOFTSPLIT, "run", "-c", str(self._config)]))
        port = int(until(lambda: re.search(r"serving tcp on .*:(\d+)", self.child.log()), timeout=10)[1])
        over_tcp = {"polled": POLLED, "forwarded": OTHER, "both": BOTH, "file": FILE}
        masters = {name: (lambda: TcpMaster(port, 60), request) for name, request in over_tcp.items()}
        masters["serial"] = lambda: RtuMaster(self._cable.right), POLLED
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
            most = MAX_AGE if name in ("polled", "serial") else max(MAX_AGE, TOO_OLD) + STOOD_STILL
            assert ages and max(ages) < most + TRAVEL * SLOWNESS, f"{name}: {max(ages):.3f} s"

    def _ask(self, name: str, connect: Callable[[], TcpMaster | RtuMaster], request: bytes) -> None:
        while not self._is_over.is_set():
            with suppress(ConnectionError), connect() as master:  # as a master does when the server hangs up
                while not self._is_over.is_set():
                    answer = master.ask(1, request)
                    if answer and answer[0] in STAMP:
                        self.ages[name].append(age_of(answer))
