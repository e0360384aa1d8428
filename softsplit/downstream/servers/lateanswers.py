"""Keep the answer to a write that came too late for its master, for the master's retry."""

from concurrent.futures import Future

from softsplit import clock
from softsplit.protocol.functions import PLAIN_READS, PLAIN_WRITES

ANSWER_WITHIN = 0.4  # s after a request: the shortest time-out of a known master is 0.5 s
KEEP = 1.0  # s in which the retry comes; the same write after that is another one


class LateAnswers:
    """The undelivered answer to the latest write of a master: the retry gets it, and is not written again.

    Reads are not kept: their data is in the mirror. The answer to a write that also reads (MAP 6.17) or to
    any other function is shared while it is on its way, but not kept, because it would grow too old.
    """

    def __init__(self):
        self._frame = b""
        self._answer: Future | None = None
        self._kept_at = 0.0

    def keep(self, frame: bytes, answer: Future) -> None:
        """Keep the answer to this request, or its future, because it will not be delivered."""
        if frame[1] not in PLAIN_READS:
            self._frame, self._answer, self._kept_at = frame, answer, clock.now()

    def take(self, frame: bytes) -> Future | None:
        """Return the answer, if `frame` is the retry of a request whose answer was not delivered."""
        answer, self._answer = self._answer, None
        if answer is None or frame != self._frame:
            return None
        is_good = frame[1] in PLAIN_WRITES and clock.now() - self._kept_at <= KEEP
        return answer if is_good or not answer.done() else None

    def withdraw(self) -> None:
        """Cancel a write that was not sent yet, because the master has hung up."""
        if self._answer and self._answer.cancel():
            self._answer = None
