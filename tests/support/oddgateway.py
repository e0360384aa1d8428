"""A Modbus TCP gateway that does all that is reported of such gateways, at random; and a check of what a client takes.

Its devices answer with the number of the request, as the gateway has counted it, and with what their registers hold:
so an answer to another request, or to an earlier one, is found out.
"""

import random
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from softsplit.config.line import Answers
from softsplit.config.url import parse_url
from softsplit.errors import BadAnswer, NoAnswer, Refused, Unreachable
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import read_question
from softsplit.upstream.clients.client import Client

MISSING = Block(Table.HOLDING_REGISTERS, 900, 5)  # which no device has
BLOCKS = (*(Block(Table.HOLDING_REGISTERS, address, 5) for address in (0, 100, 200)),
          *(Block(Table.HOLDING_REGISTERS, address, 8) for address in (300, 400)),
          Block(Table.INPUT_REGISTERS, 0, 5), MISSING)
UNITS = 1, 2
BUSY = 6
IDS = {
    "echoed": lambda transaction, number: transaction,
    "own": lambda transaction, number: number & 0xFFFF,
    "zero": lambda transaction, number: 0,
    "swapped": lambda transaction, number: transaction >> 8 | (transaction & 0xFF) << 8,
}
EXCEPTIONS = (  # length, and what follows the unit: as devices send exception 0x02
    (3, b"\x83\x02"), (4, b"\x83\x02"), (2, b"\x83\x02"), (2, b"\x83"), (4, b"\x83\x02\0"), (3, b"\x83\x02\0"))
FAULTS = ("silence", "late", "last byte late", "hang up", "hang up in the middle", "hang up after", "pieces", "twice",
          "length", "short", "long", "another unit", "busy", "another id", "another function")


def words(unit: int, block: Block, number: int) -> bytes:
    """What a unit answers to the request of this number: two registers with that, then what the others hold."""
    rest = (unit << 12 ^ block.table.function << 10 ^ block.address + item for item in range(2, block.count))
    return (number.to_bytes(4, "big") + b"".join((word & 0xFFFF).to_bytes(2, "big") for word in rest))[:block.byte_count]


class OddGateway:
    """A gateway with one queue for each connection. One of `odd` requests meets a fault; `timeout` is its client's.

    `ids` says which transaction ids its answers have. `requests` are those heard, each a unit and a PDU.
    """

    def __init__(self, seed: int, timeout: float, ids: str = "echoed", odd: float = 0.4):
        self._dice = random.Random(seed)
        self._timeout = timeout
        self._ids = IDS[ids]
        self._odd = odd
        self._lock = threading.Lock()
        self._undelivered: list[bytes] = []  # answers that no connection took
        self._is_over = threading.Event()
        self.requests: list[tuple[int, bytes]] = []
        self.faults: Counter[str] = Counter()
        self.belated = -1  # the number of the request at which a greeting came too late to be one
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = parse_url(f"tcp://127.0.0.1:{self._server.getsockname()[1]}", ("tcp",))
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._is_over.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._server.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._attend, args=(sock,), daemon=True).start()

    def _attend(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            if self._dice.random() < 0.3 and not _is_asked(sock):
                self.faults["greeting"] += 1
                self._greet(sock)
            loses_first = self._dice.random() < 0.2
            while header := sock.recv(7, socket.MSG_WAITALL):
                pdu = sock.recv(header[5] - 1, socket.MSG_WAITALL)
                with self._lock:
                    number = len(self.requests)
                    self.requests.append((header[6], pdu))
                if loses_first:
                    loses_first = False
                    continue
                self._answer(sock, int.from_bytes(header[:2], "big"), header[6], pdu, number)

    def _greet(self, sock: socket.socket) -> None:
        """Say what nobody has asked for, or not on this connection."""
        frames, self._undelivered = self._undelivered[-3:], []
        sock.sendall(b"".join(frames) or self._good(1, BLOCKS[0], 0, 0))
        if _is_asked(sock):  # this machine is so busy that it comes in the place of an answer
            self.belated = len(self.requests)

    def _good(self, unit: int, block: Block, transaction: int, number: int) -> bytes:
        data = words(unit, block, number)
        return adu.tcp_frame(transaction, unit, bytes((block.table.function, len(data))) + data)

    def _answer(self, sock: socket.socket, transaction: int, unit: int, pdu: bytes, number: int) -> None:
        address, count = struct.unpack(">HH", pdu[1:5])
        block = Block(next(table for table in Table if table.function == pdu[0]), address, count)
        own = self._ids(transaction, number)
        if address == MISSING.address:
            length, said = self._dice.choice(EXCEPTIONS)
            said = bytes((pdu[0] | 0x80,)) + said[1:]
            frame = adu.HEADER.pack(own, 0, length, unit) + said
        else:
            frame = self._good(unit, block, own, number)
        fault = self._dice.choice(FAULTS) if self._dice.random() < self._odd else ""
        self.faults[fault] += 1
        self._send(sock, self._spoil(frame, fault), fault)

    def _spoil(self, frame: bytes, fault: str) -> bytes:
        pdu = frame[7:]
        if fault == "length" and pdu[0] < 0x80:  # of the header, which says what there is not
            return frame[:4] + (len(pdu) + 1 + self._dice.choice((-2, -1, 1, 2))).to_bytes(2, "big") + frame[6:]
        if pdu[0] >= 0x80:
            return frame
        number, unit = int.from_bytes(frame[:2], "big"), frame[6]
        spoilt = {
            "short": (number, unit, pdu[:-1]),
            "long": (number, unit, pdu[:1] + bytes((pdu[1] + 2,)) + pdu[2:] + b"\0\0"),
            "another unit": (number, self._dice.choice((0, 7, 255)), pdu),
            "busy": (number, unit, bytes((pdu[0] | 0x80, BUSY))),
            "another id": (number + self._dice.choice((1, 256, 7777)) & 0xFFFF, unit, pdu),
            "another function": (number, unit, bytes((pdu[0] ^ 0x40,)) + pdu[1:]),  # which nobody asks for
        }
        return adu.tcp_frame(*spoilt[fault]) if fault in spoilt else frame

    def _send(self, sock: socket.socket, frame: bytes, fault: str) -> None:
        """Send it in the way of the fault. Raises OSError when the connection is to end."""
        pause = self._is_over.wait
        if fault == "silence":
            return
        if fault == "hang up":
            raise ConnectionResetError
        if fault == "hang up in the middle":
            sock.sendall(frame[:self._dice.randrange(1, len(frame))])
            raise ConnectionResetError
        if fault == "late":
            self._undelivered.append(frame)
            pause(self._timeout * self._dice.uniform(0.8, 2.5))
        if fault == "pieces":
            for at in range(0, len(frame), 3):
                sock.sendall(frame[at:at + 3])
                pause(0.0005)
            return
        if fault == "last byte late":
            sock.sendall(frame[:-1])
            pause(self._timeout * self._dice.uniform(0.8, 1.6))
            frame = frame[-1:]
        sock.sendall(2 * frame if fault == "twice" else frame)
        if fault == "hang up after":
            raise ConnectionResetError


def _is_asked(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])


def read_at_random(client: Client, gateway: OddGateway, seed: int, count: int, timeout: float,
                   units: Sequence[int] = UNITS) -> Counter[str]:
    """Read so often at random; return what came of it. Raises AssertionError at the first wrong answer."""
    dice, came = random.Random(seed), Counter()
    for _ in range(count):
        unit, block = dice.choice(units), dice.choice(BLOCKS)
        before = len(gateway.requests)
        try:
            answer = client.ask(unit, read_question(block), timeout)
        except Refused as error:
            is_missing = error.exception_code in (2, 4) and block is MISSING
            assert is_missing or error.exception_code == BUSY, f"exception {error.exception_code} of {block}"
            came["refused"] += 1
        except (NoAnswer, BadAnswer, Unreachable) as error:
            came[type(error).__name__] += 1
        else:
            number = int.from_bytes(answer[2:6], "big")
            if gateway.belated >= before and not client.tells_late:
                came["not to be judged"] += 1
                continue
            assert before <= number < len(gateway.requests), \
                f"{block} of unit {unit}: an answer to an earlier request, {number} of {gateway.requests[number - 1:][-9:]}"
            assert answer[2:] == words(unit, block, number), f"{block} of unit {unit}: {answer.hex(' ')}"
            came["answered"] += 1
        _check_late(client)
    return came


def _check_late(client: Client) -> None:
    """What comes late must be right, too."""
    client.take_late()
    for late in client.take_late_answers():
        if late.data is not None:
            assert late.data == words(late.unit, late.block, int.from_bytes(late.data[:4], "big")), late


KINDS = [  # transaction ids, settings, and the units that are asked
    ("echoed", Answers(), UNITS), ("echoed", Answers(answers_as="any"), UNITS[:1]), ("own", Answers("ignore"), UNITS),
    ("zero", Answers("ignore"), UNITS), ("swapped", Answers("ignore", "any"), UNITS[:1]), ("echoed", Answers("ignore"), UNITS)]
