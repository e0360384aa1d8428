"""The identification of a device, and its answers to functions 17 and 43/14. Pure.

MAP is the MODBUS Application Protocol Specification V1.1b3.
"""

from dataclasses import dataclass

from softsplit.protocol.functions import READ_DEVICE, REPORT_SERVER
from softsplit.protocol.pdu import (ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, MEI_IDENTIFICATION,
                                    exception_pdu)

CONFORMITY = 0x81  # basic identification, as a stream or one object; MAP 6.21
STREAMS, ONE_OBJECT = (1, 2, 3), 4  # what a request may ask for; MAP 6.21
RUNNING = 0xFF  # MAP 6.13
LONGEST = 60  # bytes of a text; three of them fit into an answer


@dataclass(frozen=True, slots=True)
class Nameplate:
    """Vendor, product and revision of a device, each of up to LONGEST bytes."""

    vendor: str
    product: str
    revision: str

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        """Return the answer PDU to a request for identification; None for any other request."""
        if pdu[0] == REPORT_SERVER:
            return self._server_id(unit) if len(pdu) == 1 else exception_pdu(pdu[0], ILLEGAL_VALUE)
        if pdu[0] != READ_DEVICE:
            return None
        if len(pdu) < 2 or pdu[1] != MEI_IDENTIFICATION:
            return exception_pdu(pdu[0], ILLEGAL_FUNCTION)
        return self._objects(pdu)

    def _server_id(self, unit: int) -> bytes:
        """Function (1), byte count (1), server id (1, here the unit), run indicator (1), text (MAP 6.13)."""
        text = " ".join((self.vendor, self.product, self.revision)).encode()
        return bytes((REPORT_SERVER, 2 + len(text), unit, RUNNING)) + text

    def _objects(self, pdu: bytes) -> bytes:
        """Function (1), kind (1), code (1), conformity (1), more follows (1), next object (1), count (1), objects."""
        if len(pdu) != 4 or not (pdu[2] in STREAMS or pdu[2] == ONE_OBJECT):
            return exception_pdu(pdu[0], ILLEGAL_VALUE)
        texts, wanted = [text.encode() for text in (self.vendor, self.product, self.revision)], pdu[3]
        if pdu[2] == ONE_OBJECT and wanted >= len(texts):
            return exception_pdu(pdu[0], ILLEGAL_ADDRESS)
        first = wanted if wanted < len(texts) else 0  # a stream restarts if the object does not exist
        last = first + 1 if pdu[2] == ONE_OBJECT else len(texts)
        objects = b"".join(bytes((number, len(texts[number]))) + texts[number]
                           for number in range(first, last))
        return pdu[:3] + bytes((CONFORMITY, 0, 0, last - first)) + objects
