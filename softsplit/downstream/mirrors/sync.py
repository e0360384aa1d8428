"""The sync thread: the only writer of mirrors."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Protocol

from softsplit.protocol.blocks import Block
from softsplit.protocol.outcome import Barrier, Invalidation, News, Reading
from softsplit.worker import Worker

QUEUE_SIZE = 1000  # readings
PAUSE = 1.0  # s without a reading


class Taker(Protocol):
    """What takes over the readings of one unit: a mirror, or a derived unit."""

    def update(self, reading: Reading) -> None:
        """Take over what came of a request."""

    def doubt(self, blocks: Sequence[Block], until: float) -> None:
        """A write changes these blocks; see `Invalidation`."""


class Sync(Worker):
    """Copies each reading, in the order they come, to those that want it.

    `takers` maps (upstream name, unit) to all who want the readings of that unit.
    """

    def __init__(self, readings: Queue, takers: Mapping[tuple[str, int], Sequence[Taker]]):
        super().__init__("sync")
        self._readings = readings
        self._takers = takers

    def step(self) -> None:
        try:
            self._take(self._readings.get(timeout=PAUSE))
        except Empty:
            pass

    def _take(self, news: News | None) -> None:
        if isinstance(news, Barrier):
            news.done()
        elif isinstance(news, Invalidation):
            for taker in self._takers[news.upstream, news.unit]:
                taker.doubt(news.blocks, news.until)
        elif news:
            for taker in self._takers[news.upstream, news.outcome.unit]:
                taker.update(news)

    def wake(self) -> None:  # any thread
        with suppress(Full):  # then it is not in its pause
            self._readings.put_nowait(None)
