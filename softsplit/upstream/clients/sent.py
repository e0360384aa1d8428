"""Match answers to the requests of one Modbus TCP connection by transaction id. Pure."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from random import randint

from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import Question
from softsplit.upstream.clients.replies import shape

MOST_OPEN = 32  # unanswered requests whose late answers are recognised
MOST_IDS = 1000  # latest ids that were ours


@dataclass(frozen=True, slots=True)
class Sent:
    """A request to a unit, and when it was sent."""

    unit: int
    question: Question
    asked_at: float

    def outcome(self, answer: bytes, now: float, stood_still: bool) -> Outcome:
        """Return the outcome with this answer PDU."""
        return Outcome.of_reply(self.unit, self.question, self.asked_at, now - self.asked_at, answer,
                                stood_still)


class SentRequests:
    """The unanswered requests of one connection by transaction id, in their order.

    A gateway handles one after another. So an answer shows that it is done with all earlier requests, and not
    yet with the later ones.
    """

    def __init__(self, ids: Iterable[bytes] = ()):
        self._open: dict[bytes, Sent] = {}
        self._inside: set[bytes] = set()  # requests that the gateway may not be done with
        self._ids: deque[bytes] = deque(ids, maxlen=MOST_IDS)
        self.are_late = False  # whether late answers are sure to come

    def anew(self) -> "SentRequests":
        """Return the object for the next connection; late answers to these requests may come on it."""
        return SentRequests(self._ids)

    def new_id(self) -> int:
        """Return an id that no recent request has, and not 0, which a gateway without ids may send."""
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
        """Return the request of an answer, and the times of earlier unanswered ones; None if unknown."""
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
        """Whether a request may still be answered."""
        return bool(self._inside)

    def give_up(self) -> None:
        """Note that the gateway is done with all requests."""
        self._inside.clear()
        self.are_late = False

    def is_known(self, transaction: bytes) -> bool:
        """Whether a recent request had this id."""
        return transaction in self._ids

    def is_ambiguous(self, sent: Sent) -> bool:
        """Whether an answer to this request may belong to another one, if ids mean nothing."""
        return shape(sent.unit, sent.question) in {shape(each.unit, each.question)
                                                   for each in self._open.values()}

    def _forget(self, transaction: bytes) -> None:
        del self._open[transaction]
        self._inside.discard(transaction)
