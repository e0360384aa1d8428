"""Frames: what is put around a PDU on a TCP connection and on a serial line.

MAP is the MODBUS Application Protocol Specification V1.1b3, MTI the Messaging on TCP/IP Implementation Guide
V1.0b, MSL the MODBUS over Serial Line Specification V1.02.
"""

import struct

HEADER = struct.Struct(">HHHB")  # transaction id, protocol id, length, unit id; MTI 3.1.3
MIN_LENGTH, MAX_LENGTH = 2, 254  # of the length field: unit id and a PDU of 1 to 253 bytes; MAP 4.1
MAX_RTU_FRAME = 256  # bytes; MSL 2.5.1


def tcp_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Header (7, MTI 3.1.3) and PDU."""
    return HEADER.pack(transaction, 0, len(pdu) + 1, unit) + pdu


def tcp_frame_length(buffer) -> int | None:
    """Length of the frame at the head of `buffer`, in bytes, or None while its header is incomplete.

    Raises ValueError when the length field says that this is not Modbus (MAP 4.1).
    """
    if len(buffer) < 6:
        return None
    length = int.from_bytes(buffer[4:6], "big")
    if not MIN_LENGTH <= length <= MAX_LENGTH:
        raise ValueError(f"length {length}; allowed are {MIN_LENGTH} to {MAX_LENGTH}")
    return 6 + length


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc(data) -> int:
    """The CRC-16 of a serial frame (MSL 6.2.2); 0 over a whole frame which ends in its own CRC."""
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ CRC_TABLE[(value ^ byte) & 0xFF]
    return value


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    """Unit (1), PDU, CRC (2, low byte first; MSL 2.5.1)."""
    body = bytes((unit,)) + pdu
    return body + crc(body).to_bytes(2, "little")


def is_rtu_frame(frame) -> bool:
    """Whether `frame` has a legal length and ends in its own CRC."""
    return 4 <= len(frame) <= MAX_RTU_FRAME and crc(frame) == 0


def character_time(baudrate: int, mode: str) -> float:
    """Seconds for one character: a start bit, then what `mode` ("8E1") says."""
    return (1 + int(mode[0]) + (mode[1] != "N") + int(mode[2])) / baudrate


def frame_silence(baudrate: int, mode: str) -> float:
    """Seconds of silence that end a frame: 3.5 characters, 1.75 ms above 19200 baud (MSL 2.5.1.1)."""
    return 3.5 * character_time(baudrate, mode) if baudrate <= 19200 else 0.00175
