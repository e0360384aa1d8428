"""Remember the requests of other masters on our line whose answers could be mistaken for ours. Pure."""

from softsplit.protocol import pdu as pdus
from softsplit.protocol.blocks import READ_TABLES
from softsplit.protocol.requests import parse_question
from softsplit.upstream import replies

QUIET_FOR = 60.0  # s without a word of other masters, after which they are gone


class Foreign:
    """The shapes of the answers that other masters may cause; forgotten `lasts` seconds after their last word."""

    def __init__(self, lasts: float = QUIET_FOR):
        self._lasts = lasts
        self._asked: set[replies.Shape] = set()
        self._heard_at = float("-inf")

    def has_asked(self, shape: replies.Shape, now: float) -> bool:
        """Whether an answer of this shape may be meant for another master."""
        return shape in self._asked and now - self._heard_at < self._lasts

    def hear(self, unit: int, pdu: bytes, is_request: bool, now: float, doubtful: int | None) -> str | None:
        """Take note of what is not for us; return what it tells of another master, if anything.

        What the `doubtful` unit seems to answer may also just be a wrong answer to us.
        """
        question = parse_question(pdu)
        is_doubted = unit == doubtful and (not question or question.answer == pdu)
        if question or not is_doubted:
            if now - self._heard_at >= self._lasts:
                self._asked.clear()
            self._heard_at = now
            self._asked.update(_shapes(unit, pdu))
        if is_doubted:
            return None
        what = f"asks for {pdus.describe_request(pdu)}" if is_request else "is made to answer"
        return f"unit {unit} {what}"


def _shapes(unit: int, pdu: bytes):
    """The shapes of the answers to which a frame belongs: as a request for them, or as one of them."""
    if question := parse_question(pdu):
        yield replies.shape(unit, question)
    table = READ_TABLES.get(pdu[0])
    if table and len(pdu) == 2 + pdu[1] and (table.holds_bits or pdu[1] % 2 == 0):
        yield unit, pdu[:2], len(pdu)
    elif pdu[0] >= 0x80 and len(pdu) == 2:
        yield unit, pdu[:1], len(pdu)
