"""Modbus over UDP on networks that lose, double, swap and delay datagrams."""

import heapq
import os
import random
import select
import socket
import struct
import tempfile
import threading
from pathlib import Path

from softsplit import clock
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import read_question
from softsplit.upstream.clients.choice import client_for
from tests.support import SOFTSPLIT, Child, free_port, read_request
from tests.support.bus import good_answer
from tests.support.datagramdevice import BadNetwork, DatagramDevice

ANSWERS = 100_000
THROUGH_THE_PROGRAM = 10_000
HARMED = 0.2  # share of the datagrams, in each direction
CONFIG = """
[upstream.meters]
url = "udp://127.0.0.1:{there}"
timeout = 0.02
units = {{ 1 = "any" }}
[downstream.victron]
url = "udp://127.0.0.1:{here}"
"""


class Relay:
    """A network between masters at `port` and a peer; a share of all datagrams is lost, doubled, swapped or late."""

    def __init__(self, peer: tuple[str, int], seed: int):
        self.harmed = 0
        self._peer = peer
        self._dice = random.Random(seed)
        self._front = self._socket()
        self.port = self._front.getsockname()[1]
        self._backs: dict[tuple, socket.socket] = {}  # by master
        self._due: list[tuple[float, int, socket.socket, bytes, tuple]] = []  # what is on its way
        self._numbers = iter(range(1 << 62))
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @staticmethod
    def _socket() -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        return sock

    def _run(self) -> None:
        while not self._is_over.is_set():
            masters = {sock: master for master, sock in self._backs.items()}
            for sock in select.select([self._front, *masters], [], [], self._pause())[0]:
                data, sender = sock.recvfrom(500)
                if sock is self._front:
                    self._harm(self._backs.setdefault(sender, None) or self._open(sender), data, self._peer)
                else:
                    self._harm(self._front, data, masters[sock])
            while self._due and self._due[0][0] <= clock.now():
                _, _, sock, data, whom = heapq.heappop(self._due)
                sock.sendto(data, whom)

    def _open(self, master: tuple) -> socket.socket:
        self._backs[master] = self._socket()
        return self._backs[master]

    def _pause(self) -> float:
        return max(0.0, min(0.05, self._due[0][0] - clock.now())) if self._due else 0.05

    def _harm(self, sock: socket.socket, data: bytes, whom: tuple) -> None:
        delays = [0.0]
        if self._dice.random() < HARMED:
            self.harmed += 1
            delays = self._dice.choice(([], [0.0, 0.0], [0.0, self._dice.random()], [0.003], [self._dice.random()]))
        for delay in delays:
            heapq.heappush(self._due, (clock.now() + delay, next(self._numbers), sock, data, whom))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()
        for sock in (self._front, *self._backs.values()):
            sock.close()


def check_harmed_datagrams():
    """A fifth of the datagrams is lost, doubled, swapped or late: of 100,000 answers none is wrong."""
    network, answered, late = BadNetwork(seed=19, longest=500), 0, 0
    with DatagramDevice(network) as device:
        client = client_for(device.url, 0.002)
        for number in range(ANSWERS):
            block = Block(Table.HOLDING_REGISTERS, number * 7 % 997, 1 + number % 3)
            outcome = client.outcome(1, read_question(block), 0.0)
            for each in client.take_late_answers():
                late += 1
                assert each.answer == good_answer(1, each.question.pdu)
            if outcome.answer is not None:
                answered += 1
                assert outcome.answer == good_answer(1, read_question(block).pdu)
        client.close()
    yield f"{ANSWERS} reads, {network.harmed} answers harmed, {answered} answered, {late} late; none wrong"
    assert answered > 0.8 * ANSWERS


def _ask(sock: socket.socket, transaction: int, request: bytes) -> bytes | None:
    """Ask up to five times, as a master does; return the PDU of the answer."""
    for _ in range(5):
        sock.send(adu.tcp_frame(transaction, 1, request))
        end = clock.now() + 0.1
        while select.select([sock], [], [], max(0.0, end - clock.now()))[0]:
            answer = sock.recv(300)
            if answer[:2] == struct.pack(">H", transaction):
                return answer[7:]
    return None


def check_harmed_datagrams_through_the_program():
    """The same on both sides of the program, with four masters that repeat what is not answered."""
    wrong, counts = [], [0, 0]

    def ask(seed: int, port: int) -> None:
        dice = random.Random(seed)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", port))
            for number in range(THROUGH_THE_PROGRAM // 4):
                request = read_request(dice.randrange(5000), dice.randint(1, 4))
                answer = _ask(sock, number & 0xFFFF, request)
                counts[0] += answer is not None and answer[0] == 3
                counts[1] += answer is None or answer[0] != 3
                if answer is not None and answer[0] == 3 and answer != good_answer(1, request):
                    wrong.append((request, answer))

    with tempfile.TemporaryDirectory() as directory, DatagramDevice() as device, \
            Relay(("127.0.0.1", device.port), 1) as there:
        config, port = Path(directory, "softsplit.toml"), free_port()
        config.write_text(CONFIG.format(there=there.port, here=port))
        with Relay(("127.0.0.1", port), 2) as here, \
                Child([*SOFTSPLIT, "run", "-c", str(config)], env={**os.environ, "XDG_RUNTIME_DIR": directory}) as child:
            threads = [threading.Thread(target=ask, args=(seed, here.port)) for seed in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            child.end()
        yield (f"{counts[0]} answers with data, {counts[1]} without, {there.harmed} and {here.harmed} datagrams harmed; "
               f"{len(wrong)} wrong")
        assert not wrong and counts[0] > 0.9 * THROUGH_THE_PROGRAM
