"""The thread that fails requests of masters at their deadline, even if a poller is stuck."""

from collections.abc import Sequence

from softsplit import clock, standstill
from softsplit.upstream.poller import Poller
from softsplit.worker import Worker

LOOK_AGAIN = 0.1  # s


class Deadlines(Worker):
    """Fails requests that have waited long enough; a poller may itself be waiting for an answer.

    It also beats, so that pollers know when the whole process stood still.
    """

    def __init__(self, pollers: Sequence[Poller]):
        super().__init__("deadlines")
        self._pollers = pollers

    def step(self) -> None:
        standstill.beat()
        for poller in self._pollers:
            poller.give_up_late(clock.now())
        self.pause(LOOK_AGAIN)

    def close(self) -> None:
        standstill.end()
