"""Detect another master on a line where softsplit has to be the only one."""

from collections import deque

from softsplit import clock
from softsplit.upstream.counters import Counters
from softsplit.upstream.eventlog import EventLog

FOREIGN_FRAMES, FOREIGN_WITHIN = 3, 60.0  # so many foreign frames in so many seconds prove another master


class OtherMaster:
    """Counts the frames on a line that neither we nor a unit that we asked can have sent."""

    def __init__(self, upstream: str, counters: Counters, eventlog: EventLog):
        self._upstream = upstream
        self._counters = counters
        self._eventlog = eventlog
        self._heard_at: deque[float] = deque(maxlen=FOREIGN_FRAMES)
        self._proof = ""  # what was heard first

    def heard(self, what: str, is_sure: bool = False) -> None:
        """Note a foreign frame; report another master when it `is_sure`, or when such frames come often."""
        self._counters.foreign += 1
        self._heard_at.append(clock.now())
        self._proof = self._proof or (
            f"{self._upstream}: another master is on this line: {what}; take it off, softsplit has to be the "
            "only one")
        is_often = len(self._heard_at) == FOREIGN_FRAMES and self._heard_at[-1] - self._heard_at[0] < FOREIGN_WITHIN
        if is_sure or is_often:
            self._eventlog.other_master(self._proof)
            self._counters.foreigner, self._counters.foreigner_at = self._proof, self._heard_at[-1]
