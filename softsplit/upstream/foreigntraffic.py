"""What other masters do on a line that should be ours alone, and what that makes of our own answers. Pure."""

from softsplit.protocol.pdu import Question
from softsplit.upstream import replies
from softsplit.upstream.foreign import Foreign
from softsplit.upstream.pace import Pace

MOST_FOREIGN = 100  # foreign frames kept until somebody takes them


class ForeignTraffic:
    """Other masters on one line, as far as its client has noticed them; times are seconds of the clock."""

    def __init__(self):
        self.is_sure = False  # whether something was heard that can be nothing else
        self.pace = Pace()
        self._shapes = Foreign()
        self._said: list[str] = []
        self._mistaken: list[tuple[int, Question]] = []
        self._accepted: tuple[int, Question, bytes] | None = None  # our latest answer: unit, to what, PDU

    def has_asked(self, shape: replies.Shape, now: float) -> bool:
        """Whether an answer of this shape may be meant for another master."""
        return self._shapes.has_asked(shape, now)

    def accepted(self, unit: int, question: Question, pdu: bytes) -> None:
        """This was taken for our answer; what comes before the next request may show that it was not."""
        self._accepted = unit, question, pdu

    def we_ask(self) -> None:
        """The next request goes out."""
        self._accepted = None

    def is_twice(self, unit: int, pdu: bytes) -> bool:
        """Whether this is our latest answer once more, as some gateways send it."""
        return self._accepted is not None and (unit, pdu) == (self._accepted[0], self._accepted[2])

    def hear(self, unit: int, pdu: bytes, is_request: bool, now: float, asked: int | None = None) -> None:
        """Take note of a frame that is not for us.

        It proves another master, unless a unit that is `asked` now may have answered wrongly. What then has
        the shape of our latest answer makes that doubtful.
        """
        said = self._shapes.hear(unit, pdu, is_request, now, asked)
        if said and len(self._said) < MOST_FOREIGN:
            self._said.append(said)
        if asked is None:
            self.is_sure = True
            if self._accepted and replies.has_shape(unit, pdu, replies.shape(*self._accepted[:2])):
                self._mistaken.append(self._accepted[:2])

    def take_said(self) -> list[str]:
        """Return what was heard since the last call."""
        said, self._said = self._said, []
        return said

    def take_mistaken(self) -> list[tuple[int, Question]]:
        """Return which of our answers since the last call have become doubtful."""
        mistaken, self._mistaken = self._mistaken, []
        return mistaken
