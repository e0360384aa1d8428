"""Detect another master on a line where softsplit has to be the only one."""

from collections import deque

from softsplit import clock
from softsplit.upstream.counters import Counters
from softsplit.upstream.eventlog import EventLog

FOREIGN_FRAMES, FOREIGN_WITHIN = 3, 60.0  # so many foreign frames within so many seconds are another master


class OtherMaster:
    """Counts what was said on a line that neither we nor a unit that we asked can have said."""

    def __init__(self, upstream: str, counters: Counters, words: EventLog):
        self._upstream = upstream
        self._tally = counters
        self._eventlog = words
        self._heard_at: deque[float] = deque(maxlen=FOREIGN_FRAMES)
        self._proof = ""  # what was heard first

    def heard(self, what: str, is_sure: bool = False) -> None:
        """Take note of it; often enough, or when it can be nothing else, it is another master."""
        self._tally.foreign += 1
        self._heard_at.append(clock.now())
        self._proof = self._proof or (
            f"{self._upstream}: another master is on this line: {what}; take it off, softsplit has to be the "
            "only one")
        is_often = len(self._heard_at) == FOREIGN_FRAMES and self._heard_at[-1] - self._heard_at[0] < FOREIGN_WITHIN
        if is_sure or is_often:
            self._eventlog.is_not_alone(self._proof)
            self._tally.foreigner, self._tally.foreigner_at = self._proof, self._heard_at[-1]
