"""The sync thread: the only writer of mirrors."""

from queue import Empty, Queue

from softsplit.downstream.mirror import Mirror
from softsplit.worker import Worker

QUEUE_SIZE = 1000  # readings
PAUSE = 0.5  # s, after which an idle thread looks whether it is to stop


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
        for mirror in self._mirrors[reading.upstream, reading.unit]:
            mirror.update(reading)
