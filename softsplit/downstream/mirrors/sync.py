"""The sync thread: the only writer of mirrors."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Protocol

from softsplit.protocol.blocks import Block
from softsplit.protocol.outcome import Barrier, Invalidation, Location, News, Reading
from softsplit.worker import Worker

QUEUE_SIZE = 1000  # readings
PAUSE = 1.0  # s without a reading


class Taker(Protocol):
    """Takes the readings of one unit: a mirror, or a derived unit."""

    def update(self, reading: Reading) -> None:
        """Take a reading."""

    def locate(self, location: Location) -> None:
        """Take the address where the registers of the unit begin, or that they are not there any more."""

    def doubt(self, blocks: Sequence[Block], until: float) -> None:
        """Doubt these blocks, which a write changes; see `Invalidation`."""


class Sync(Worker):
    """Hands each reading, in their order, to the `takers` of its upstream and unit."""

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
        elif isinstance(news, Location):
            for taker in self._takers[news.upstream, news.unit]:
                taker.locate(news)
        elif news:
            for taker in self._takers[news.upstream, news.outcome.unit]:
                taker.update(news)

    def wake(self) -> None:  # any thread
        with suppress(Full):  # then the thread is not waiting
            self._readings.put_nowait(None)
