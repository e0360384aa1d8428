"""Real masters, on sockets and serial lines."""

import secrets
import socket
import struct

import serial

from softsplit.protocol import adu
from tests.support.waiting import SLOWNESS

PORTS = range(10_000, 32_768)  # below those of which the kernel chooses (ip_local_port_range)
_names: list[socket.socket] = []  # of the ports that this process has been given


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
    """A port which nobody has, and which no other test gets while this process lives.

    The kernel gives it to nobody who asks for any port; what keeps other tests off is a name that only one can have.
    """
    while True:
        port, name = secrets.choice(PORTS), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(f"\0softsplit test port {port}")
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            name.close()
        else:
            _names.append(name)
            return port


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
