"""The sync thread: the only writer of mirrors."""

from contextlib import suppress
from queue import Empty, Full, Queue

from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.protocol.blocks import Barrier, Invalidation
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
            reading = self._readings.get(timeout=PAUSE)
        except Empty:
            return
        if reading is None:
            return
        if isinstance(reading, Barrier):
            reading.done()
            return
        for mirror in self._mirrors[reading.upstream, reading.unit]:
            if isinstance(reading, Invalidation):
                mirror.doubt(reading.blocks, reading.until)
            else:
                mirror.update(reading)
        if isinstance(reading, Invalidation):
            reading.done()

    def wake(self) -> None:  # any thread
        with suppress(Full):  # then it is not in its pause
            self._readings.put_nowait(None)
