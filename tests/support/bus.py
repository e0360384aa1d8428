"""A bus that does as it is told, on every kind of wire an upstream can have.

What its devices hold tells unit, table and address, so that a value in the wrong place is found out.
"""

import os
import select
import socket
import struct
import threading
import tty
from contextlib import suppress
from pathlib import Path

from softsplit import clock
from softsplit.protocol import adu
from softsplit.protocol import pdu as pdus
from softsplit.protocol.functions import READ_TABLES

KINDS = ("tcp", "rtuovertcp", "rtu")


def good_answer(unit: int, pdu: bytes) -> bytes:
    """What a device of this bus answers to a read."""
    function, address, count = struct.unpack(">BHH", pdu)
    items = [unit * 4096 + function * 512 + address + number & 0xFFFF for number in range(count)]
    if READ_TABLES[function].holds_bits:
        data = pdus.pack_bits([item * item // 3 & 1 for item in items])
    else:
        data = struct.pack(f">{count}H", *items)
    return bytes((function, len(data))) + data


class HangUp(Exception):
    """What a fault raises to break the connection, or to pull the adapter."""


class Bus:
    """A bus at `url`, whose devices answer `device(unit, pdu)`.

    While it is set, `fault(say, frame, unit, pdu)` answers in their place: `say(data)` puts bytes on the wire,
    `frame(unit, pdu)` makes an answer of this wire's kind. `requests` are those heard, with unit and monotonic time.
    On a serial line, a unit address takes `unit_bytes`.
    """

    def __init__(self, kind: str, directory: Path, device=good_answer, unit_bytes: int = 1):
        self.kind = kind
        self.unit_bytes = unit_bytes
        self.device = device
        self.fault = None
        self.requests: list[tuple[int, bytes, float]] = []
        self.connections = 0
        self._path = directory / f"bus-{id(self)}"
        self._port = 0
        self._ends: list[socket.socket | int] = []
        self.come_back()

    @property
    def url(self) -> str:
        return f"rtu://{self._path}" if self.kind == "rtu" else f"{self.kind}://127.0.0.1:{self._port}"

    def come_back(self) -> None:
        """Be there, where it was before."""
        if self.kind == "rtu":
            ours, device = os.openpty()
            tty.setraw(device)
            self._path.unlink(missing_ok=True)
            self._path.symlink_to(os.ttyname(device))
            self._ends = [ours]
            self._thread = threading.Thread(target=self._attend, args=(ours, device), daemon=True)
            self._thread.start()
        else:
            listener = socket.create_server(("127.0.0.1", self._port))
            self._port = listener.getsockname()[1]
            self._ends = [listener]
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def vanish(self) -> None:
        """Be gone: no listener and no connection, or no adapter."""
        ends, self._ends = self._ends, []
        self._path.unlink(missing_ok=True)
        if self.kind == "rtu":
            self._thread.join()
            return
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
                end.close()

    def reset(self) -> None:
        """Break every connection, or pull the adapter, and be there again at once."""
        if self.kind == "rtu":
            self.vanish()
            self.come_back()
        else:
            for sock in self._ends[1:]:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.shutdown(socket.SHUT_RDWR)
            del self._ends[1:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.vanish()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                sock, _ = listener.accept()
                self.connections += 1
                self._ends.append(sock)
                threading.Thread(target=self._listen, args=(sock,), daemon=True).start()

    def _listen(self, sock: socket.socket) -> None:
        """Answer what comes over one connection, until it breaks."""
        def say(data: bytes) -> None:
            with suppress(OSError):
                sock.sendall(data)

        heard = b""
        with sock, suppress(OSError, HangUp):
            while data := sock.recv(4096):
                heard = self._answer(heard + data, say)

    def _attend(self, ours: int, device: int) -> None:
        """Answer what comes over the pseudo-terminal, until it is gone."""
        def say(data: bytes) -> None:
            if ours in self._ends:  # or it is a late word, after the end
                os.write(ours, data)

        heard, poll, is_pulled = b"", select.poll(), False
        poll.register(ours, select.POLLIN)
        try:
            while ours in self._ends:
                if poll.poll(10):
                    heard = self._answer(heard + os.read(ours, 4096), say)
        except HangUp:
            is_pulled = True
            self._ends = []
        os.close(ours)
        os.close(device)
        if is_pulled:
            self.come_back()

    def _answer(self, heard: bytes, say) -> bytes:
        """Answer all requests in what was heard; return the rest."""
        while len(heard) >= 7 and len(heard) >= (size := self._size(heard)):
            request, heard = heard[:size], heard[size:]
            if self.kind == "tcp":
                unit, pdu, head = request[6], request[7:], request[:2]
                self._reply(unit, pdu, say, lambda unit, pdu, head=head: adu.tcp_frame(
                    int.from_bytes(head, "big"), unit, pdu))
            elif not adu.is_rtu_frame(request, self.unit_bytes):
                return b""  # no device answers that; after a pause they listen anew
            else:
                self._reply(*adu.take_apart(request, self.unit_bytes), say, adu.rtu_frame)
        return heard

    def _size(self, heard: bytes) -> int:
        """Bytes of the request at the head."""
        if self.kind == "tcp":
            return 6 + int.from_bytes(heard[4:6], "big")
        return adu.request_length(heard, self.unit_bytes)

    def _reply(self, unit: int, pdu: bytes, say, frame) -> None:
        self.requests.append((unit, pdu, clock.now()))
        if self.fault:
            self.fault(say, frame, unit, pdu)
        else:
            say(frame(unit, self.device(unit, pdu)))
