"""Random and mutated frames against a running server, each followed by a request that must be answered right."""

import random
import socket
import struct

from softsplit.protocol import adu
from tests.support import SLOWNESS, read_request

GOOD = read_request(100, 4)
DATA = bytes.fromhex("0001000200030004")  # what unit 100 of the server under test holds there


def random_pdu(rng: random.Random) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 254))
    if kind == 1:
        return bytes((rng.randrange(256),)) + rng.randbytes(rng.randrange(0, 12))
    if kind == 2:
        return struct.pack(">BHH", rng.choice((1, 2, 3, 4, 5, 6)), rng.choice((0, 99, 100, 103, 0xFFFF)),
                           rng.choice((0, 1, 4, 125, 126, 2000, 0xFFFF)))
    mutated = bytearray(GOOD)
    mutated[rng.randrange(len(mutated))] = rng.randrange(256)
    return bytes(mutated[:rng.randrange(1, 6)])


def check_answer(request: bytes, answer: bytes) -> None:
    """An answer is an exception with a code there is, or the data that is there."""
    if answer[0] & 0x80:
        assert len(answer) == 2 and answer[1] in (1, 2, 3, 0x0A, 0x0B), (request.hex(), answer.hex())
        assert answer[0] == request[0] | 0x80
        return
    function, address, count = struct.unpack(">BHH", request)
    begin = 2 * (address - 100)
    assert function == 3 and answer == bytes((3, 2 * count)) + DATA[begin:begin + 2 * count], answer.hex()


def fuzz_tcp(server, rng: random.Random, rounds: int) -> None:
    """Frames that are well-formed outside and anything inside; now and then broken outside, which may close."""
    sock = None
    for number in range(rounds):
        sock = sock or socket.create_connection(("127.0.0.1", server.url.port), 10 * SLOWNESS)
        pdu, unit = random_pdu(rng), rng.choice((100, 100, 0, 5, 255))
        is_broken = rng.random() < 0.1
        frame = rng.randbytes(rng.randrange(1, 40)) if is_broken else adu.tcp_frame(number % 65536, unit, pdu)
        try:
            sock.sendall(frame + adu.tcp_frame(0xABCD, 100, GOOD))
            while is_good := receive_tcp(sock, number % 65536, pdu if not is_broken else None):
                if is_good == "the last":
                    break
        except ConnectionError:
            assert is_broken, f"round {number}: closed after {frame.hex()}"
        if is_broken:
            sock.close()
            sock = None
    if sock:
        sock.close()


def receive_tcp(sock: socket.socket, transaction: int, pdu: bytes | None) -> str:
    """Take one answer and check it; pdu is None after a broken frame, when bytes may mean anything."""
    if pdu is None:
        sock.settimeout(0.02)
        try:
            data = sock.recv(4096)
        except TimeoutError:
            return "the last"
        at = 0
        while at < len(data):
            _, protocol, length, _ = struct.unpack_from(">HHHB", data, at)
            assert protocol == 0 and 3 <= length <= 254, data.hex()
            at += 6 + length
        assert at == len(data), data.hex()
        return "the last"
    answering, protocol, length, _ = struct.unpack(">HHHB", sock.recv(7, socket.MSG_WAITALL))
    assert protocol == 0 and 3 <= length <= 254
    answer = sock.recv(length - 1, socket.MSG_WAITALL)
    if answering == 0xABCD and answer == b"\x03\x08" + DATA:
        return "the last"
    assert answering == transaction
    check_answer(pdu, answer)
    return "one more"


def fuzz_rtu(server, rng: random.Random, rounds: int) -> None:
    """Any bytes, then a request: it is answered, and what else is answered is well-formed."""
    good, expected = adu.rtu_frame(100, GOOD), adu.rtu_frame(100, b"\x03\x08" + DATA)
    with socket.create_connection(("127.0.0.1", server.url.port), 10 * SLOWNESS) as sock:
        for number in range(rounds):
            pdu = random_pdu(rng)
            frame = adu.rtu_frame(rng.choice((100, 5, 0)), pdu) if rng.random() < 0.5 else pdu
            sock.sendall(frame + good)
            heard = b""
            while not heard.endswith(expected):
                more = sock.recv(4096)
                assert more, f"round {number}: closed after {frame.hex()}"
                heard += more
            assert heard == expected, f"round {number}: {frame.hex()} gave {heard.hex()}"
