"""Hand what comes of requests to the mirrors, through the queue of the sync thread."""

import threading
from collections.abc import Callable, Sequence
from queue import Queue

from softsplit.protocol.blocks import Block
from softsplit.protocol.outcome import NOT_SENT, UNDER_WAY, Barrier, Invalidation, News, Outcome, Reading

LONGEST_HANDOVER = 5.0  # s; a sync thread that is slower has failed
LOOK_AGAIN = 0.1  # s


class HandOver:
    """Puts what comes of requests to one upstream into `readings` until all `is_stopping()`."""

    def __init__(self, upstream: str, readings: Queue, is_stopping: Callable[[], bool]):
        self._upstream = upstream
        self._readings = readings
        self._is_stopping = is_stopping

    def reading(self, outcome: Outcome, every: float = 0.0, beat: float = 0.0, slack: float = 0.0) -> None:
        """Tell what came of a request; see `Reading`."""
        self._put(Reading(self._upstream, outcome, every, beat, slack))

    def is_about_to_write(self, unit: int, blocks: Sequence[Block]) -> bool:
        """See that no master gets what is about to be changed; return false when all is to stop."""
        self.has_written(unit, blocks, UNDER_WAY)
        return self.wait()

    def has_written(self, unit: int, blocks: Sequence[Block], until: float) -> None:
        """A write was acknowledged, or is executed up to `until` or not at all: what is read then counts."""
        self._put(Invalidation(self._upstream, unit, tuple(blocks), until))

    def has_not_written(self, unit: int, blocks: Sequence[Block]) -> None:
        """The write was not sent after all."""
        self.has_written(unit, blocks, NOT_SENT)

    def wait(self) -> bool:
        """Wait until every mirror knows all that was told before; return false when all is to stop."""
        are_told = threading.Event()
        self._put(Barrier(are_told.set))
        while not are_told.wait(LOOK_AGAIN):
            if self._is_stopping():
                return False
        return True

    def _put(self, news: News) -> None:
        self._readings.put(news, timeout=LONGEST_HANDOVER)
