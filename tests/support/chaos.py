"""Masters that write and read the same registers of a running splitter, while answers are lost, late, or refused.

Each register has one writer, whose numbers only grow; what a master reads is never less than what had been
acknowledged before it asked.
"""

import random
import re
import struct
import threading
from contextlib import ExitStack
from pathlib import Path

from softsplit import clock
from tests.support import SOFTSPLIT, Child, TcpMaster, read_request, until
from tests.support.bus import Bus

TIMEOUT = 0.1  # s
REGISTERS = (0, 1, 7, 19, 20, 33, 500, 501)  # polled in two blocks that touch, and not polled
READS = ((0, 1), (0, 20), (10, 20), (19, 2), (20, 20), (33, 1), (500, 2), (501, 1), (500, 8))  # address, count
PROFILE = ('readable = [{ address = 0, count = 1000 }]\nfunctions = [3, 6, 16]\n'
           'block = [{ address = 0, count = 20, every = 0.1 }, { address = 20, count = 20, every = 5.0 }]\n')


class Meter:
    """Registers that are written; an answer may be lost, and a write done later, but none after a newer one."""

    def __init__(self, seed: int):
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self.registers: dict[int, int] = {}
        self.lost = self.late = 0

    def fault(self, say, frame, unit: int, pdu: bytes) -> None:
        """Answer a request of the bus, as a rule."""
        chance = self._rng.random()
        if pdu[0] == 3:
            if chance > 0.02:
                say(frame(unit, self._read(pdu)))
            return
        if chance < 0.04:
            self.late += 1
            threading.Timer(self._rng.uniform(0.5, 2.5) * TIMEOUT, self._write, (pdu,)).start()
        elif chance < 0.06:
            say(frame(unit, bytes((pdu[0] | 0x80, 4))))
        else:
            self._write(pdu)
            if chance < 0.1:
                self.lost += 1
            else:
                say(frame(unit, pdu[:5]))

    def _read(self, pdu: bytes) -> bytes:
        address, count = struct.unpack(">HH", pdu[1:5])
        with self._lock:
            words = [self.registers.get(address + number, 0) for number in range(count)]
        return struct.pack(f">BB{count}H", 3, 2 * count, *words)

    def _write(self, pdu: bytes) -> None:
        address = int.from_bytes(pdu[1:3], "big")
        words = [int.from_bytes(pdu[3:5], "big")] if pdu[0] == 6 else [word for word, in struct.iter_unpack(">H", pdu[6:])]
        with self._lock:
            for number, word in enumerate(words):
                self.registers[address + number] = max(word, self.registers.get(address + number, 0))


class Chaos:
    """The masters and the splitter between them and a bus of some kind, for so many seconds.

    `wrong` tells what was older than its acknowledgement; `served` and `acknowledged` count.
    """

    def __init__(self, kind: str, directory: Path, seconds: float, seed: int = 1):
        self.wrong: list[str] = []
        self.served = self.refused = self.acknowledged = 0
        self.meter = Meter(seed)
        self._rng = random.Random(seed)
        self._known = dict.fromkeys(REGISTERS, 0)  # acknowledged
        with ExitStack() as stack:
            bus = stack.enter_context(Bus(kind, directory))
            bus.fault = self.meter.fault
            port = self._start(stack, bus, directory)
            self._until = clock.now() + seconds
            threads = [threading.Thread(target=self._write, args=(port, REGISTERS[number::2])) for number in range(2)]
            threads += [threading.Thread(target=self._read, args=(port,)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    @staticmethod
    def _start(stack: ExitStack, bus: Bus, directory: Path) -> int:
        (directory / "chaos.toml").write_text(PROFILE)
        (directory / "softsplit.toml").write_text(
            f'[upstream.meters]\nurl = "{bus.url}"\nunits = {{ 1 = "./chaos.toml" }}\ntimeout = {TIMEOUT}\n'
            + ('mode = "8N1"\n' if bus.kind == "rtu" else "") +
            '[downstream.tcp]\nurl = "tcp://127.0.0.1:0"\nallow_writes = ["meters/1 holding registers 0+1000"]\n')
        child = stack.enter_context(Child([*SOFTSPLIT, "run", "-c", str(directory / "softsplit.toml")]))
        return int(until(lambda: re.search(r"serving tcp on .*:(\d+)", child.log()), timeout=10)[1])

    def _write(self, port: int, registers: tuple[int, ...]) -> None:
        with TcpMaster(port) as master:
            for value in range(1, 0x10000):
                register = self._rng.choice(registers)
                request = struct.pack(">BHH", 6, register, value)
                if self._rng.random() < 0.5:
                    request = struct.pack(">BHHBH", 16, register, 1, 2, value)
                if master.ask(1, request)[0] == request[0]:
                    self._known[register] = value
                    self.acknowledged += 1
                if clock.now() > self._until:
                    return

    def _read(self, port: int) -> None:
        with TcpMaster(port) as master:
            while clock.now() < self._until:
                address, count = self._rng.choice(READS)
                known = dict(self._known)
                answer = master.ask(1, read_request(address, count))
                if answer[0] != 3:
                    self.refused += 1
                    continue
                self.served += 1
                for register, least in known.items():
                    if address <= register < address + count:
                        at = 2 + 2 * (register - address)
                        found = int.from_bytes(answer[at:at + 2], "big")
                        if found < least:
                            self.wrong.append(f"register {register} of {address}+{count}: {found}, though {least} was acknowledged")
