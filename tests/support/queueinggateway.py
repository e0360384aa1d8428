"""A Modbus TCP gateway as most are: one queue for all that it is asked, worked off one after another."""

import socket
import threading
import time
from contextlib import suppress
from queue import Queue

from softsplit.config.url import parse_url
from softsplit.protocol import adu
from softsplit.protocol.functions import READ_TABLES
from tests.support.bus import good_answer


class QueueingGateway:
    """Answers for the units `there` within `takes` seconds; for all others it waits `wait` seconds.

    Then it says 0x0B, or nothing if it is `silent`. What it has taken in is worked off, whatever becomes of the
    connection. `inside` tells of each request how many were inside when it came, itself included.
    """

    def __init__(self, wait: float, there=(1,), takes: float = 0.005, silent: bool = False):
        self.wait, self.there, self.takes, self.silent = wait, set(there), takes, silent
        self.special: dict[bytes, bytes] = {}  # other answers, by request
        self.inside: list[int] = []
        self.connections = 0  # so far
        self.requests: list[tuple[int, bytes, float]] = []  # unit, PDU, when it came
        self._queue: Queue = Queue()
        self._count = 0
        self._is_over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = parse_url(f"tcp://127.0.0.1:{self._listener.getsockname()[1]}", ("tcp",))
        for work in (self._accept, self._work_off):
            threading.Thread(target=work, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._queue.put(None)
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def asked(self, unit: int) -> int:
        return sum(whom == unit for whom, _, _ in self.requests)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._listen, args=(sock,), daemon=True).start()

    def _listen(self, sock: socket.socket) -> None:
        with suppress(OSError):
            while header := sock.recv(7, socket.MSG_WAITALL):
                length = int.from_bytes(header[4:6], "big")
                if header[2:4] != b"\0\0" or length < 2:
                    break  # no Modbus TCP
                pdu = sock.recv(length - 1, socket.MSG_WAITALL)
                self._count += 1
                self.inside.append(self._count)
                self.requests.append((header[6], pdu, time.monotonic()))
                self._queue.put((sock, header, pdu))

    def _work_off(self) -> None:
        while job := self._queue.get():
            sock, header, pdu = job
            unit, transaction = header[6], int.from_bytes(header[:2], "big")
            is_there = unit in self.there
            self._is_over.wait(self.takes if is_there else self.wait)
            self._count -= 1
            if is_there or not self.silent:
                code = 0x0B if not is_there else 1 if pdu[0] not in READ_TABLES else 0
                usual = bytes((pdu[0] | 0x80, code)) if code else good_answer(unit, pdu)
                answer = self.special.get(pdu, usual) if is_there else usual
                with suppress(OSError):
                    sock.sendall(adu.tcp_frame(transaction, unit, answer))
