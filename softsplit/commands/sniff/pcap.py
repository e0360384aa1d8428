"""Write captures that Wireshark opens without settings.

Either RTU frames as on the line (link type 252: the name of the dissector precedes each packet), or Modbus TCP
(link type 101: raw IPv4), in which Wireshark also pairs writes of one register or coil, but which has no CRCs
and no damaged frames.

    252: tags (2 kind, 2 length, content), then the frame   wireshark: epan/exported_pdu.h
    101: IPv4 (20), TCP (20), header (7), PDU               RFC 791, RFC 9293, MTI 3.1.3
"""

import struct
from collections.abc import Iterator

from softsplit.bounded import BoundedDict
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.protocol import adu

UPPER_PDU, RAW_IP = 252, 101  # https://www.tcpdump.org/linktypes.html
HEAD = struct.Struct("<IHHiIII")  # magic, version (2), zone, accuracy, longest packet, link type
PACKET = struct.Struct("<IIII")  # s, us, length, length on the wire
MASTER, UNITS = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))  # addresses for documentation; RFC 5737
MASTER_PORT = 49152  # the first dynamic port; RFC 6335
RTU_PORT, TCP_PORT = 5020, 502
DISSECTOR, SOURCE, DESTINATION, PORT_TYPE, SOURCE_PORT, DESTINATION_PORT = 12, 20, 21, 24, 25, 26
PORT_IS_TCP = 2
PUSH_ACK = 0x18
MOST_GIVEN_UP = 8  # requests that may still get a late reply


def packets(transaction: Transaction) -> Iterator[tuple[float, bytes, bool]]:
    """Yield time, frame, and whether it is a request."""
    at = transaction.time or 0.0
    if transaction.request and transaction.kind is not Kind.LATE:  # its request came before
        yield at, transaction.request, True
    if transaction.reply:
        yield at + (transaction.latency or 0.0), transaction.reply, False


class RtuCapture:
    """Frames as on the line, also damaged ones."""

    head = HEAD.pack(0xA1B2C3D4, 2, 4, 0, 0, 65535, UPPER_PDU)

    def packets(self, transaction: Transaction) -> bytes:
        return b"".join(_packet(at, _tags(is_request) + frame)
                        for at, frame, is_request in packets(transaction))


class TcpCapture:
    """One TCP connection with every good frame as Modbus TCP."""

    head = HEAD.pack(0xA1B2C3D4, 2, 4, 0, 0, 65535, RAW_IP)

    def __init__(self):
        self._number = 0  # of the transaction
        self._given_up: BoundedDict[tuple, int] = BoundedDict(MOST_GIVEN_UP)  # numbers of unanswered requests
        self._sent = {True: 1, False: 1}  # sequence numbers of master and units

    def packets(self, transaction: Transaction) -> bytes:
        number = self._number_for(transaction)
        return b"".join(_packet(at, self._segment(number, *adu.take_apart(frame), is_request))
                        for at, frame, is_request in packets(transaction) if adu.is_rtu_frame(frame))

    def _number_for(self, transaction: Transaction) -> int:
        """Return a new number; for a late reply that of its request."""
        key = transaction.time, transaction.request
        if transaction.kind is Kind.LATE and key in self._given_up:
            return self._given_up.pop(key)
        self._number = (self._number + 1) & 0xFFFF
        if transaction.kind in (Kind.NO_REPLY, Kind.DAMAGED):
            self._given_up[key] = self._number
        return self._number

    def _segment(self, number: int, unit: int, pdu: bytes, is_request: bool) -> bytes:
        data = adu.tcp_frame(number, unit, pdu)
        ports = (MASTER_PORT, TCP_PORT) if is_request else (TCP_PORT, MASTER_PORT)
        hosts = MASTER + UNITS if is_request else UNITS + MASTER
        tcp = struct.pack(">HHIIBBHHH", *ports, self._sent[is_request], self._sent[not is_request], 5 << 4,
                          PUSH_ACK, 65535, 0, 0)
        self._sent[is_request] = (self._sent[is_request] + len(data)) & 0xFFFFFFFF
        tcp = _with_checksum(tcp + data, 16, hosts + struct.pack(">HH", 6, len(tcp) + len(data)))
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + hosts
        return _with_checksum(ip, 10) + tcp


def _packet(at: float, data: bytes) -> bytes:
    seconds, micros = divmod(round(at * 1_000_000), 1_000_000)
    return PACKET.pack(seconds & 0xFFFFFFFF, micros, len(data), len(data)) + data


def _tags(is_request: bool) -> bytes:
    ports, hosts = [MASTER_PORT, RTU_PORT], [MASTER, UNITS]
    if not is_request:
        ports.reverse()
        hosts.reverse()
    contents = {DISSECTOR: b"mbrtu\0\0\0", SOURCE: hosts[0], DESTINATION: hosts[1],
                PORT_TYPE: PORT_IS_TCP.to_bytes(4, "big"), SOURCE_PORT: ports[0].to_bytes(4, "big"),
                DESTINATION_PORT: ports[1].to_bytes(4, "big")}
    tags = b"".join(struct.pack(">HH", kind, len(content)) + content for kind, content in contents.items())
    return tags + bytes(4)  # the end


def _with_checksum(data: bytes, at: int, pseudo: bytes = b"") -> bytes:
    """Put the Internet checksum (RFC 1071) at its place."""
    summed = pseudo + data + bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(summed) // 2}H", summed))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return data[:at] + (total ^ 0xFFFF).to_bytes(2, "big") + data[at + 2:]
