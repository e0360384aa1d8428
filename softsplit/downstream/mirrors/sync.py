"""The sync thread: the only writer of mirrors."""

from contextlib import suppress
from queue import Empty, Full, Queue

from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.protocol.outcome import Barrier, Invalidation, News
from softsplit.worker import Worker

QUEUE_SIZE = 1000  # readings
PAUSE = 1.0  # s without a reading


class Sync(Worker):
    """Copies each reading, in the order they come, into the mirrors of its unit.

    `mirrors` maps (upstream name, unit) to all mirrors of that unit.
    """

    def __init__(self, readings: Queue, mirrors: dict[tuple[str, int], list[Mirror]]):
        super().__init__("sync")
        self._readings = readings
        self._mirrors = mirrors

    def step(self) -> None:
        try:
            self._take(self._readings.get(timeout=PAUSE))
        except Empty:
            pass

    def _take(self, news: News | None) -> None:
        if isinstance(news, Barrier):
            news.done()
        elif isinstance(news, Invalidation):
            for mirror in self._mirrors[news.upstream, news.unit]:
                mirror.doubt(news.blocks, news.until)
        elif news:
            for mirror in self._mirrors[news.upstream, news.outcome.unit]:
                mirror.update(news)

    def wake(self) -> None:  # any thread
        with suppress(Full):  # then it is not in its pause
            self._readings.put_nowait(None)
