"""What a real device answered, and a device that answers so again."""

import struct

from softsplit.protocol import adu
from softsplit.protocol.pdu import pack_bits

# Of an Anzen BMS, by function and address, in the order in which its users' client prints it: devices.md, section 2;
# the voltages and temperatures that are abridged there stand in its users' manual.
ANZEN = {
    (3, 40000): [4974, 0, 244, 38],
    (3, 41000): [74, 66, 72, 74, 103],
    (3, 43000): [16000, 16000, 16000],
    (3, 42000): [0, 7, 5, 61782, 17016, 16000, 16616, 32, 61, 2021, 6, 15, 14, 47, 41],
    (3, 40004): [13141, 13128, 13126, 13151, 13134, 13129, 13132, 13128, 13096, 13107, 13110, 13118, 13112, 13122,
                 12894, 13092, 13137, 13106, 13111, 13103, 13121, 13125, 13121, 13116, 13109, 13026, 13067, 13111,
                 13089, 13120, 13118, 12460, 13104, 13126, 13129, 13119, 13128, 13130],
    (3, 41005): [72, 72, 74, 70, 72, 72, 74, 71, 73, 73, 74, 71, 74, 75, 74, 71, 73, 74, 73, 73, 73, 72, 74, 73, 74,
                 87, 75, 75, 73, 72, 73, 73, 72, 75, 73, 73, 73, 71],
    (1, 40): [1, 0, 1, 0],
    (1, 1): [0] * 25,
}


def encoded(function: int, items: list[int]) -> bytes:
    """The data of an answer."""
    return pack_bits(items) if function < 3 else struct.pack(f">{len(items)}H", *items)


class Device:
    """Answers the reads of a poll, as a unit of any id behind a gateway; refuses all others, and is as mute as told."""

    def __init__(self, poll: dict):
        self.poll = dict(poll)
        self.mute: set[int] = set()  # addresses

    def reply(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        function, address, count = struct.unpack(">BHH", pdu)
        if address in self.mute:
            return b""
        items = self.poll.get((function, address), [])
        if len(items) != count:
            return adu.tcp_frame(transaction, unit, bytes((function | 0x80, 2)))
        data = encoded(function, items)
        return adu.tcp_frame(transaction, unit, bytes((function, len(data))) + data)
