"""Tell requests that nobody answers from requests to other devices on the same line."""

from softsplit.downstream.unserved import SURE, Unserved
from softsplit.protocol import adu
from softsplit.protocol.addresses import size_of, unit_of
from softsplit.protocol.functions import ECHOING, READ_TABLES
from softsplit.protocol.pdu import asked_block, read_question, reply_fault

BROADCAST = 0  # a unit id that nobody answers


class OtherTraffic:
    """The other traffic of one line; requests that nobody answers go to `unserved`."""

    def __init__(self, unserved: Unserved):
        self._unserved = unserved
        self._size = size_of(unserved.units)
        self._asked = b""  # the latest request for a unit that is not ours, until somebody answers

    def frame(self, frame: bytes) -> None:
        """Note a whole frame with a right CRC."""
        self._unserved.frame()
        asked, self._asked = self._asked, b""
        unit = unit_of(frame, self._size)
        is_request = adu.request_length(frame, self._size) == len(frame)
        if asked and self._answers(frame, asked, is_request):
            if frame != asked:  # the same frame may also be the request again
                self._unserved.answers_elsewhere(unit)
            return
        if asked:
            self._unserved.ask(unit_of(asked, self._size), SURE)
        if unit in self._unserved.units or unit == BROADCAST:
            return
        if is_request:
            self._asked = frame
        elif adu.reply_length(frame, self._size) == len(frame):
            self._unserved.answers_elsewhere(unit)

    def end(self) -> None:
        """Note that no answer can come any more."""
        if self._asked:
            self._unserved.ask(unit_of(self._asked, self._size), SURE)

    def stray(self, count: int) -> None:
        """Note bytes that are no frame; they may have been an answer."""
        self._asked = b""
        self._unserved.stray(count)

    def _answers(self, frame: bytes, asked: bytes, is_request: bool) -> bool:
        """Whether a frame can be the answer to a request."""
        (unit, pdu), (asked_unit, request) = adu.take_apart(frame, self._size), adu.take_apart(asked, self._size)
        if unit != asked_unit or pdu[0] & 0x7F != request[0]:
            return False
        if frame == asked:
            return pdu[0] in ECHOING
        if not is_request:
            return True
        block = asked_block(request, READ_TABLES.values())  # a reply of 3 bytes of bits looks like a request
        if isinstance(block, int):
            return adu.reply_length(frame, self._size) == len(frame)
        return reply_fault(read_question(block), pdu) is None
