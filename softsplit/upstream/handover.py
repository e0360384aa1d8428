"""Hand readings of a wire to the mirrors of its units, through the queue of the sync thread."""

import threading
from collections.abc import Callable, Sequence
from queue import Queue

from softsplit.protocol.blocks import (
    NOT_SENT,
    UNDER_WAY,
    Barrier,
    Block,
    Invalidation,
    Reading,
)

LONGEST_HANDOVER = 5.0  # s; a sync thread that is slower has failed
LOOK_AGAIN = 0.1  # s


class HandOver:
    """Puts what comes of requests to one upstream into `readings` until all `is_stopping()`."""

    def __init__(self, upstream: str, readings: Queue, is_stopping: Callable[[], bool]):
        self._upstream = upstream
        self._readings = readings
        self._is_stopping = is_stopping

    def reading(self, unit: int, block: Block | None, taken_at: float, data: bytes | None = None,
                exception: int | None = None) -> None:
        """Tell what a read brought home; see `Reading`."""
        self.put(Reading(self._upstream, unit, block, taken_at, data, exception))

    def is_about_to_write(self, unit: int, blocks: Sequence[Block]) -> bool:
        """See that no master gets what is about to be changed; return false when all is to stop."""
        return self._put_and_wait(
            lambda done: Invalidation(self._upstream, unit, tuple(blocks), done, UNDER_WAY))

    def has_written(self, unit: int, blocks: Sequence[Block], until: float) -> None:
        """A write was acknowledged, or is executed up to `until` or not at all: what is read then counts."""
        self.put(Invalidation(self._upstream, unit, tuple(blocks), lambda: None, until))

    def has_not_written(self, unit: int, blocks: Sequence[Block]) -> None:
        """The write was not sent after all."""
        self.has_written(unit, blocks, NOT_SENT)

    def wait(self) -> bool:
        """Wait until every mirror knows all that was told before; return false when all is to stop."""
        return self._put_and_wait(Barrier)

    def put(self, news: Reading | Invalidation | Barrier) -> None:
        """Hand over what there is to tell; a Reading may be made elsewhere."""
        self._readings.put(news, timeout=LONGEST_HANDOVER)

    def _put_and_wait(self, news: Callable[[Callable[[], None]], Invalidation | Barrier]) -> bool:
        is_done = threading.Event()
        self.put(news(is_done.set))
        while not is_done.wait(LOOK_AGAIN):
            if self._is_stopping():
                return False
        return True
