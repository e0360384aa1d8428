"""Match answers to the requests of one Modbus TCP connection by transaction id. Pure."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from random import randint

from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import Question

MOST_OPEN = 32  # unanswered requests whose late answers are recognised
MOST_IDS = 1000  # ids whose owner is known to be us


@dataclass(frozen=True, slots=True)
class Sent:
    """A request: to which unit, what, and when."""

    unit: int
    question: Question
    asked_at: float

    def outcome(self, answer: bytes, now: float, stood_still: bool) -> Outcome:
        """What came of it, when this PDU has come just now."""
        return Outcome.of_reply(self.unit, self.question, self.asked_at, now - self.asked_at, answer, stood_still)


class SentRequests:
    """The unanswered requests of one connection by transaction id, in their order.

    A gateway works off one after another, so that an answer says of all requests before it that it is done
    with them; and of those after it that it is not, even if nobody believed them to be inside any more.
    """

    def __init__(self, ids: Iterable[bytes] = ()):
        self._open: dict[bytes, Sent] = {}
        self._inside: set[bytes] = set()  # requests of which no later answer has shown that they are done
        self._ids: deque[bytes] = deque(ids, maxlen=MOST_IDS)
        self.are_late = False  # whether answers are sure to come that nobody waits for

    def anew(self) -> "SentRequests":
        """Return those of the next connection, on which answers to these may come, but are of no use."""
        return SentRequests(self._ids)

    def new_id(self) -> int:
        """Return an id that no recent request has; 0 is what a gateway may say that knows of none."""
        while True:
            transaction = randint(1, 0xFFFF)
            if transaction.to_bytes(2, "big") not in self._ids:
                return transaction

    def add(self, transaction: bytes, sent: Sent) -> None:
        self._open[transaction] = sent
        self._inside.add(transaction)
        self._ids.append(transaction)
        if len(self._open) > MOST_OPEN:
            self._forget(next(iter(self._open)))

    def answered(self, transaction: bytes, is_late: bool) -> tuple[Sent, list[float]] | None:
        """Return the request to which an answer belongs, and when those were sent that it shows to be silent.

        None when there is no such request.
        """
        sent = self._open.get(transaction)
        if sent is None:
            return None
        ids = list(self._open)
        earlier = [each for each in ids[:ids.index(transaction)] if each in self._inside]
        self._inside.difference_update(earlier, (transaction,))
        self.are_late = is_late and bool(self._inside)
        del self._open[transaction]
        return sent, [self._open[each].asked_at for each in earlier]

    @property
    def may_come(self) -> bool:
        """Whether there is a request that may still be answered."""
        return bool(self._inside)

    def give_up(self) -> None:
        """Nothing that was sent so far is inside the gateway any more."""
        self._inside.clear()
        self.are_late = False

    def is_known(self, transaction: bytes) -> bool:
        """Whether a request had this id, be it answered or not."""
        return transaction in self._ids

    def is_ambiguous(self, sent: Sent) -> bool:
        """Whether an answer to this may as well belong to another request, if ids mean nothing."""
        def shape(each: Sent) -> tuple[int, bytes, int]:
            return each.unit, each.question.answer, each.question.size
        return any(shape(each) == shape(sent) for each in self._open.values())

    def _forget(self, transaction: bytes) -> None:
        del self._open[transaction]
        self._inside.discard(transaction)
