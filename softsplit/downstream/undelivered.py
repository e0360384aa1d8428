"""Answers that come too late for a master which knows a late one by nothing but the time."""

import time
from concurrent.futures import Future

from softsplit.protocol.requests import WRITE_FUNCTIONS

ANSWER_WITHIN = 0.4  # s after its request, or not at all: the shortest patience of a known master is 0.5 s
KEEP = 10.0  # s


class Undelivered:
    """The answer to the latest write that came too late: its retry gets it, and is not written once more.

    What was read late needs no keeping: it is in the mirror.
    """

    def __init__(self):
        self._frame = b""
        self._answer: Future | None = None
        self._kept_at = 0.0

    def keep(self, frame: bytes, answer: Future) -> None:
        """The answer to this request will not be delivered."""
        if frame[1] in WRITE_FUNCTIONS:
            self._frame, self._answer, self._kept_at = frame, answer, time.monotonic()

    def take(self, frame: bytes) -> Future | None:
        """Return the answer, if `frame` is the retry of a request whose answer was not delivered."""
        answer, self._answer = self._answer, None
        is_retry = frame == self._frame and time.monotonic() - self._kept_at <= KEEP
        return answer if is_retry else None
