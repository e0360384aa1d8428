"""What the tests share: real masters on sockets and serial lines, a gateway that does as it is told, and patience."""

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager

import serial

from softsplit import Downstream, Profile, Splitter, Unit, Upstream
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.simulate import simulated_server
from softsplit.config.topology import Topology
from softsplit.config.url import parse_url
from softsplit.profiles import load_profile
from softsplit.protocol import adu
from softsplit.protocol.blocks import Read
from softsplit.worker import start_all, stop_all

SLOWNESS = float(os.environ.get("SOFTSPLIT_TEST_SLOWNESS", "1"))  # more on a slow machine


SOFTSPLIT = [sys.executable, "-m", "softsplit"]


class Clock:
    """A clock that stands still until the test moves it; takes the place of `softsplit.clock.now`."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def until(predicate, timeout: float = 5.0):
    """Wait until `predicate()` is true, and return what it returned; the only sleep in the tests."""
    deadline = time.monotonic() + timeout * SLOWNESS
    while not (found := predicate()):
        assert time.monotonic() < deadline, f"waited {timeout * SLOWNESS:g} s in vain"
        time.sleep(0.005)
    return found


def brisk_profile(every: float = 0.05) -> Profile:
    """Powers and energies of the ABB meter, polled often."""
    meter = load_profile("abb-b23")
    reads = tuple(Read(read.block, read.name, every) for read in meter.reads[:2])
    registers = tuple(register for register in meter.registers
                      if any(read.block.contains(register.block) for read in reads))
    return Profile("brisk", reads, registers=registers)


@contextmanager
def running(*workers):
    """Run workers, which are open already, for a while."""
    start_all(workers)
    try:
        yield
    finally:
        stop_all(workers)


@contextmanager
def simulated_gateway(profile: Profile, units=(100, 2), port: int = 0, faults: Faults | None = None, baudrate=None):
    """A simulated gateway on loopback; gives its server."""
    server = simulated_server(profile, units, parse_url(f"tcp://127.0.0.1:{port}", ("tcp",), 0), faults, baudrate)
    server.open()
    with running(server):
        yield server


@contextmanager
def splitting(*wiring: Downstream | Topology):
    """A running splitter of downstreams, or of a topology; gives it."""
    splitter = Splitter(wiring[0] if isinstance(wiring[0], Topology) else wiring)
    splitter.start()
    try:
        yield splitter
        assert not [worker.error for worker in splitter.workers if worker.error]
    finally:
        splitter.stop()


def upstream_of(gateway, profile: Profile, units=(100, 2), timeout: float = 0.5) -> Upstream:
    return Upstream(str(gateway.url), [Unit(unit, profile) for unit in units], timeout=timeout, name="meters")


def read_request(address: int, count: int, function: int = 3) -> bytes:
    return struct.pack(">BHH", function, address, count)


class TcpMaster:
    """A Modbus TCP master which sends and returns bare PDUs."""

    def __init__(self, port: int, timeout: float = 5.0):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout * SLOWNESS)
        self.transaction = 0

    def ask(self, unit: int, pdu: bytes) -> bytes:
        """Return the answer PDU, after a look at its header."""
        self.transaction = (self.transaction + 1) & 0xFFFF
        self.sock.sendall(adu.tcp_frame(self.transaction, unit, pdu))
        transaction, protocol, length, answering = struct.unpack(">HHHB", self.receive(7))
        assert (transaction, protocol, answering) == (self.transaction, 0, unit)
        return self.receive(length - 1)

    def receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise ConnectionError("the server hung up")
            data += more
        return data

    def read(self, unit: int, address: int, count: int) -> bytes | None:
        """Return the data of an answer, or None when it was an exception."""
        answer = self.ask(unit, read_request(address, count))
        return answer[2:] if answer[0] == 3 else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def connected(port: int) -> TcpMaster | None:
    """A master of whoever listens at a port of this machine; None while nobody does."""
    try:
        return TcpMaster(port)
    except ConnectionRefusedError:
        return None


def free_port() -> int:
    """A TCP port which nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class RtuMaster:
    """A Modbus RTU master on a pseudo-terminal, or at socket://HOST:PORT."""

    def __init__(self, path: str):
        self.port = serial.serial_for_url(path, 19200, timeout=2 * SLOWNESS)

    def ask(self, unit: int, pdu: bytes) -> bytes:
        """Return the answer PDU, after a look at unit and CRC; empty when there is silence."""
        self.port.write(adu.rtu_frame(unit, pdu))
        return self.answer(unit)

    def answer(self, unit: int) -> bytes:
        frame = self.port.read(3)
        if not frame:
            return b""
        frame += self.port.read(adu.reply_length(frame) - 3)
        assert frame[0] == unit and adu.is_rtu_frame(frame), frame.hex(" ")
        return frame[1:-2]

    def hears_nothing(self, seconds: float = 0.1) -> bool:
        """Whether nobody answers for a while."""
        self.port.timeout, earlier = seconds, self.port.timeout
        heard = self.port.read(1)
        self.port.timeout = earlier
        return not heard

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.port.close()


class ScriptedGateway:
    """A Modbus TCP gateway that does as it is told.

    `reply(transaction, unit, pdu)` returns the bytes to send; None hangs up. Connections and requests are counted.
    """

    def __init__(self, reply):
        self.reply = reply
        self.connections = 0
        self.requests: list[tuple[int, bytes]] = []
        self.open_sockets: list[socket.socket] = []
        self.port = 0
        self.listen()
        self.url = parse_url(f"tcp://127.0.0.1:{self.port}", ("tcp",))

    def listen(self) -> None:
        """Be there, at the port it had before."""
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def close(self) -> None:
        """Be gone, with all connections."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is gone already
        self.listener.close()
        for sock in self.open_sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed by its own thread

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open_sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            while header := sock.recv(7, socket.MSG_WAITALL):
                transaction, _, length, unit = struct.unpack(">HHHB", header)
                pdu = sock.recv(length - 1, socket.MSG_WAITALL)
                self.requests.append((unit, pdu))
                answer = self.reply(transaction, unit, pdu)
                if answer is None:
                    sock.shutdown(socket.SHUT_RDWR)
                    return
                sock.sendall(answer)
        except OSError:
            pass  # the client has hung up, or the test has
        finally:
            sock.close()


def good_answer(transaction: int, unit: int, pdu: bytes, word: int = 7) -> bytes:
    """The answer of a device in which every register holds `word`."""
    count = int.from_bytes(pdu[3:5], "big")
    return adu.tcp_frame(transaction, unit, bytes((pdu[0], 2 * count)) + word.to_bytes(2, "big") * count)


class Child:
    """A program running beside the test, whose output can be looked at; killed in the end, if need be."""

    def __init__(self, command: list[str], **options):
        self._files = [tempfile.TemporaryFile() for _ in range(2)]
        self.process = subprocess.Popen(command, **{"stdin": subprocess.DEVNULL, "stdout": self._files[0],
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
