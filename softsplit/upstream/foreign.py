"""What other masters say on a line that should be ours alone, as far as it can be mistaken. Pure."""

from softsplit.protocol import pdu as pdus
from softsplit.protocol.requests import parse_question
from softsplit.upstream import replies


class Foreign:
    """What other masters have asked within the last `lasts` seconds."""

    def __init__(self, lasts: float):
        self._lasts = lasts
        self._asked: dict[replies.Shape, float] = {}  # when it was heard

    def has_asked(self, shape: replies.Shape, now: float) -> bool:
        """Whether an answer of this shape may be meant for another master."""
        return shape in self._asked and now - self._asked[shape] < self._lasts

    def hear(self, unit: int, pdu: bytes, is_request: bool, now: float, doubtful: int) -> str | None:
        """Take note of what is not for us; return what it tells of another master, if anything.

        What the `doubtful` unit seems to answer may also just be a wrong answer to us.
        """
        question = parse_question(pdu)
        if question:
            self._asked = {shape: at for shape, at in self._asked.items() if now - at < self._lasts}
            self._asked[replies.shape(unit, question)] = now
        if unit == doubtful and (not question or question.answer == pdu):
            return None
        what = f"asks for {pdus.describe_request(pdu)}" if is_request else "is made to answer"
        return f"unit {unit} {what}"
