"""A Modbus device that speaks UDP and does as it is told, on a network that does as it is told."""

import random
import socket
import threading
from contextlib import suppress

from softsplit.config.url import parse_url
from softsplit.protocol import adu
from tests.support.bus import good_answer


class DatagramDevice:
    """A device at `url`. `reply(transaction, unit, pdu)` returns the datagrams to send, or one."""

    def __init__(self, reply=lambda transaction, unit, pdu: adu.tcp_frame(transaction, unit, good_answer(unit, pdu)),
                 host: str = "127.0.0.1"):
        self.reply = reply
        self.requests: list[tuple[int, int, bytes]] = []  # transaction, unit, PDU
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.port = self.sock.getsockname()[1]
        self.url = parse_url(f"udp://{f'[{host}]' if ':' in host else host}:{self.port}", ("udp",))
        self.peer: tuple = ()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            request, self.peer = self.sock.recvfrom(300)
            if not request:
                return  # from close()
            transaction, unit = int.from_bytes(request[:2], "big"), request[6]
            self.requests.append((transaction, unit, request[7:]))
            answers = self.reply(transaction, unit, request[7:])
            for answer in [answers] if isinstance(answers, bytes) else answers:
                self.say(answer)

    def say(self, datagram: bytes) -> None:
        with suppress(OSError):
            self.sock.sendto(datagram, self.peer)

    def close(self) -> None:
        """Be gone: nobody listens at the port any more."""
        if self._thread.is_alive():
            with socket.socket(self.sock.family, socket.SOCK_DGRAM) as last:
                last.sendto(b"", self.sock.getsockname())
            self._thread.join()
            self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class BadNetwork:
    """Loses, doubles, swaps and delays a share of the answers of a device; its requests are lost, too.

    Takes the place of a device's `reply`. What is late comes behind up to `longest` later answers.
    """

    def __init__(self, seed: int, share: float = 0.2, longest: int = 50):
        self._dice = random.Random(seed)
        self._share = share
        self._longest = longest
        self._held: list[tuple[int, bytes]] = []  # how many answers later it goes out, and what
        self.harmed = 0

    def __call__(self, transaction: int, unit: int, pdu: bytes) -> list[bytes]:
        answer = adu.tcp_frame(transaction, unit, good_answer(unit, pdu))
        due = [each for left, each in self._held if left <= 0]
        self._held = [(left - 1, each) for left, each in self._held if left > 0]
        if self._dice.random() >= self._share:
            return [*due, answer] if self._dice.random() < 0.5 else [answer, *due]
        self.harmed += 1
        match self._dice.choice(("lose", "double", "swap", "delay")):
            case "double":
                return [answer, answer, *due]
            case "swap":
                self._held.append((0, answer))
            case "delay":
                self._held.append((self._dice.randint(1, self._longest), answer))
        return due
