"""Remember the requests of other masters on our line, whose answers could be taken for ours. Pure."""

from softsplit.bounded import BoundedDict
from softsplit.protocol.functions import READ_TABLES, describe_pdu
from softsplit.protocol.pdu import Question
from softsplit.protocol.requests import parse_question
from softsplit.upstream.clients import replies

QUIET_FOR = 60.0  # s without a frame of other masters, after which they are gone
MOST_FOREIGN = 100  # foreign frames kept until somebody takes them
MOST_RECENT = 1000  # answered questions that a newly noticed master can make doubtful
LEAST_ANSWERS = 5  # answers of a shape, after which its pace is known
JITTER = 0.005  # s by which the times of answers vary
LATER = 1.5  # times of the soonest answer, within which the right one comes


class Foreign:
    """The shapes of the answers to other masters, forgotten `lasts` seconds after their last frame."""

    def __init__(self, lasts: float = QUIET_FOR):
        self._lasts = lasts
        self._asked: set[replies.Shape] = set()
        self._heard_at = float("-inf")

    def has_asked(self, shape: replies.Shape, now: float) -> bool:
        """Whether an answer of this shape may be for another master."""
        return shape in self._asked and now - self._heard_at < self._lasts

    def hear(self, unit: int, pdu: bytes, is_request: bool, now: float, doubtful: int | None) -> str | None:
        """Note a frame that is not for us; return what it tells about another master, if anything.

        An answer of the `doubtful` unit may also be a wrong answer to us.
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
        if is_request:
            return f"a request to unit {unit} ({describe_pdu(pdu)})"
        return f"an answer from unit {unit}"


def _shapes(unit: int, pdu: bytes):
    """Yield the shapes of the answers that a frame asks for, and its own shape if it is an answer."""
    if question := parse_question(pdu):
        yield replies.shape(unit, question)
    table = READ_TABLES.get(pdu[0])
    if table and len(pdu) == 2 + pdu[1] and (table.holds_bits or pdu[1] % 2 == 0):
        yield unit, pdu[:2], len(pdu)
    elif pdu[0] >= 0x80 and len(pdu) == 2:
        yield unit, pdu[:1], len(pdu)


class Pace:
    """The soonest answer of each shape so far, in seconds from the request."""

    def __init__(self):
        self._soonest: dict[replies.Shape, tuple[int, float]] = {}  # count of answers, time of the soonest

    def is_too_soon(self, shape: replies.Shape, took: float) -> bool:
        """Whether no answer has ever come so soon, so that this may be one to another master."""
        count, soonest = self._soonest.get(shape, (0, 0.0))
        return count >= LEAST_ANSWERS and took < soonest - JITTER

    def wait(self, shape: replies.Shape) -> float:
        """Return the seconds from the request, within which the right answer of this shape comes."""
        return LATER * self._soonest[shape][1]

    def note(self, shape: replies.Shape, took: float) -> None:
        """Note the time of a right answer."""
        count, soonest = self._soonest.get(shape, (0, took))
        self._soonest[shape] = count + 1, min(soonest, took)


class ForeignTraffic:
    """The other masters that the client of a line has noticed; times are seconds of the clock."""

    def __init__(self):
        self.is_sure = False  # whether a frame proves another master
        self.pace = Pace()
        self._shapes = Foreign()
        self._said: list[str] = []
        self._mistaken: list[tuple[int, Question]] = []
        self._latest: tuple[int, bytes] | None = None  # our latest answer: unit, PDU
        self._recent: BoundedDict[tuple[int, Question], None] = BoundedDict(MOST_RECENT)  # answered questions
        self.has_asked = self._shapes.has_asked

    def accepted(self, unit: int, question: Question, pdu: bytes) -> None:
        """We took this for our answer; another master that is noticed later may make it doubtful."""
        self._latest = unit, pdu
        self._recent[unit, question] = None

    def we_ask(self) -> None:
        """We are about to send a request."""
        self._latest = None

    def is_twice(self, unit: int, pdu: bytes) -> bool:
        """Whether this is our latest answer once more, as some gateways send it."""
        return (unit, pdu) == self._latest

    def hear(self, unit: int, pdu: bytes, is_request: bool, now: float, asked: int | None = None) -> None:
        """Note a frame that is not for us.

        It proves another master, unless it may be a wrong answer of the `asked` unit. All our answers of a
        shape that another master asks for become doubtful: it may have asked before it was noticed.
        """
        said = self._shapes.hear(unit, pdu, is_request, now, asked)
        if said and len(self._said) < MOST_FOREIGN:
            self._said.append(said)
        self.is_sure = self.is_sure or asked is None
        doubtful = [each for each in self._recent if self.has_asked(replies.shape(*each), now)]
        for each in doubtful:
            del self._recent[each]
        self._mistaken += doubtful

    def take_said(self) -> list[str]:
        """Return what other masters have said since the last call."""
        said, self._said = self._said, []
        return said

    def take_mistaken(self) -> list[tuple[int, Question]]:
        """Return which of our answers have become doubtful since the last call, as units and questions."""
        mistaken, self._mistaken = self._mistaken, []
        return mistaken
