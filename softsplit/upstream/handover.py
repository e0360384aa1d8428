"""Hand the outcomes of requests to the mirrors, through the queue of the sync thread."""

import threading
from collections.abc import Callable, Iterable, Sequence
from queue import Queue

from softsplit.config.upstream import Unit
from softsplit.profiles import Register
from softsplit.profiles.joining import touched
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.outcome import NOT_SENT, UNDER_WAY, Barrier, Invalidation, Location, News, Outcome, Reading

LONGEST_HANDOVER = 5.0  # s; a sync thread that is slower has failed
LOOK_AGAIN = 0.1  # s


class HandOver:
    """Puts the outcomes of requests to one upstream into `readings`, until the thread `is_stopping()`.

    `registers_of` returns the registers of the profile of a unit.
    """

    def __init__(self, upstream: str, readings: Queue, is_stopping: Callable[[], bool],
                 registers_of: Callable[[int], Iterable[Register]] = lambda unit: ()):
        self._upstream = upstream
        self._readings = readings
        self._is_stopping = is_stopping
        self._registers_of = registers_of

    def reading(self, outcome: Outcome, every: float = 0.0, beat: float = 0.0, slack: float = 0.0) -> None:
        """Hand over an outcome; see `Reading`."""
        self._put(Reading(self._upstream, outcome, every, beat, slack))

    def announce_write(self, unit: int, blocks: Sequence[Block]) -> bool:
        """Let no master get these blocks, which a write will change; return false when the thread is to stop."""
        self.doubt(unit, blocks, UNDER_WAY)
        return self.wait()

    def doubt(self, unit: int, blocks: Sequence[Block], until: float) -> None:
        """Let no master get these blocks, nor what they scale, until a request after `until` has read them."""
        self._put(Invalidation(self._upstream, unit, tuple(self.touched(unit, blocks)), until))

    def touched(self, unit: int, blocks: Sequence[Block]) -> list[Block]:
        """Return the blocks that a write to these blocks makes doubtful; see `joining.touched`."""
        return touched(self._registers_of(unit), blocks)

    def located(self, unit: Unit, at: int | None, reads: tuple[Read, ...]) -> None:
        """Hand over the address of a unit's SunSpec model, or that it is unknown; and what is polled now."""
        profile = unit.profile.located(at)
        self._put(Location(self._upstream, unit.unit, at, reads, profile.spans))

    def withdraw_write(self, unit: int, blocks: Sequence[Block]) -> None:
        """Take back `announce_write`: the write was not sent."""
        self.doubt(unit, blocks, NOT_SENT)

    def wait(self) -> bool:
        """Wait until the mirrors have all that was handed over; return false when the thread is to stop."""
        are_told = threading.Event()
        self._put(Barrier(are_told.set))
        while not are_told.wait(LOOK_AGAIN):
            if self._is_stopping():
                return False
        return True

    def _put(self, news: News) -> None:
        self._readings.put(news, timeout=LONGEST_HANDOVER)
