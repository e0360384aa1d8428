"""Frames: what stands around a PDU on a TCP connection and on a serial line.

`size` is the size of the unit address in a serial frame, in bytes: 1, or 4 on some devices (addresses.py).
MAP is the MODBUS Application Protocol Specification V1.1b3, MTI the Messaging on TCP/IP Implementation Guide
V1.0b, MSL the MODBUS over Serial Line Specification V1.02.
"""

import struct
from collections.abc import Iterable

from softsplit.protocol.addresses import unit_bytes, unit_of
from softsplit.protocol.functions import FUNCTIONS, Length

HEADER = struct.Struct(">HHHB")  # transaction id, protocol id, length, unit id; MTI 3.1.3
MIN_LENGTH, MAX_LENGTH = 2, 254  # of the length field: unit id and a PDU of 1 to 253 bytes; MAP 4.1
Bytes = bytes | bytearray | memoryview
MAX_RTU_FRAME = 256  # bytes, with a unit address of 1 byte; MSL 2.5.1


def tcp_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Header (7, MTI 3.1.3) and PDU."""
    return HEADER.pack(transaction, 0, len(pdu) + 1, unit) + pdu


def tcp_frame_length(buffer: Bytes) -> int | None:
    """Length of the frame at the start of `buffer`, in bytes; None while its header is incomplete.

    Raises ValueError when its length field cannot be Modbus (MAP 4.1).
    """
    if len(buffer) < 6:
        return None
    length = int.from_bytes(buffer[4:6], "big")
    if not MIN_LENGTH <= length <= MAX_LENGTH:
        raise ValueError(f"length {length}; allowed are {MIN_LENGTH} to {MAX_LENGTH}")
    return 6 + length


def is_tcp_frame(data: bytes) -> bool:
    """Whether this is one whole frame of Modbus TCP (MTI 3.1.3), and nothing else."""
    try:
        return len(data) > HEADER.size and data[2:4] == b"\0\0" and tcp_frame_length(data) == len(data)
    except ValueError:
        return False


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc(data: Iterable[int]) -> int:
    """The CRC-16 of a serial frame (MSL 6.2.2); 0 for a whole frame with its correct CRC."""
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ CRC_TABLE[(value ^ byte) & 0xFF]
    return value


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    """Unit (1, or 4 when it is a LongUnit), PDU, CRC (2, low byte first; MSL 2.5.1)."""
    body = unit_bytes(unit) + pdu
    return body + crc(body).to_bytes(2, "little")


def take_apart(frame: bytes, size: int = 1) -> tuple[int, bytes]:
    """Return the unit and the PDU of a serial frame."""
    return unit_of(frame, size), frame[size:-2]


def is_rtu_frame(frame: Bytes, size: int = 1) -> bool:
    """Whether `frame` has a legal length and a correct CRC."""
    return 3 + size <= len(frame) <= MAX_RTU_FRAME - 1 + size and crc(frame) == 0


def character_time(baudrate: int, mode: str) -> float:
    """Seconds for one character: a start bit, and the bits of `mode`, such as "8E1"."""
    return (1 + int(mode[0]) + (mode[1] != "N") + int(mode[2])) / baudrate


def wire_time(size: int, baudrate: int, mode: str) -> float:
    """Seconds for a frame of `size` bytes and the silence that ends it."""
    return size * character_time(baudrate, mode) + frame_silence(baudrate, mode)


def frame_silence(baudrate: int, mode: str) -> float:
    """Seconds of silence that end a frame: 3.5 characters; 1.75 ms above 19200 baud (MSL 2.5.1.1)."""
    return 3.5 * character_time(baudrate, mode) if baudrate <= 19200 else 0.00175


REQUEST_LENGTHS = {code: row.request for code, row in FUNCTIONS.items()}
REPLY_LENGTHS = {code: row.reply for code, row in FUNCTIONS.items() if row.reply}
EXCEPTION_LENGTH = 5  # bytes
JOIN = 0.025  # s, the longest gap inside a frame: USB adapters deliver in lumps up to 20 ms apart
STREAM_JOIN = 0.25  # s, the same on a TCP connection, where a delayed acknowledgement holds up a piece


def _length(frame: Bytes, lengths: dict[int, Length], size: int) -> int:
    """Length in bytes of the frame at the start, or its minimum while incomplete; 0 when unknown."""
    length = _short_length(frame[size - 1:], lengths)
    return length and length + size - 1


def _short_length(frame: Bytes, lengths: dict[int, Length]) -> int:
    """The same for a frame with only the last byte of its unit address."""
    if len(frame) < 2:
        return 4
    rule = EXCEPTION_LENGTH if frame[1] >= 0x80 else lengths.get(frame[1], 0)
    if isinstance(rule, int):
        return rule
    position, around = rule
    if len(frame) <= position:
        return around
    return frame[position] + around if frame[position] else 0  # these frames always have data


def request_length(frame: Bytes, size: int = 1) -> int:
    """Length of the request at the start, or its minimum while incomplete; 0 when its function has none."""
    return _length(frame, REQUEST_LENGTHS, size) if len(frame) <= size or frame[size] < 0x80 else 0


def reply_length(frame: Bytes, size: int = 1) -> int:
    """Length of the reply at the start, or its minimum while incomplete; 0 when its function has none."""
    return _length(frame, REPLY_LENGTHS, size)


def known_length(data: Bytes, size: int = 1) -> int:
    """Length of the whole request or reply at the start, with a correct CRC; 0 when there is none."""
    return next((length for length in (request_length(data, size), reply_length(data, size))
                 if 3 + size <= length <= len(data) and crc(data[:length]) == 0), 0)


def split(data: bytes, size: int = 1) -> tuple[list[bytes], int]:
    """Return the whole requests and replies in `data`, and the number of bytes outside them."""
    found, loose, at = [], 0, 0
    while at < len(data):
        length = known_length(data[at:at + MAX_RTU_FRAME - 1 + size], size)
        if length:
            found.append(data[at:at + length])
        loose += not length
        at += length or 1
    return found, loose
