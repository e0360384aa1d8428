"""Which read of a wire is due next. Pure: time is an argument."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from softsplit.protocol.blocks import Read

MUTE_AFTER = 2  # unanswered reads in a row
RETRIES = (1.0, 2.0, 4.0, 5.0)  # s between the tries of a mute unit; the last one stays
LONGEST_RETRY = 60.0  # s between the tries of a block that a unit leaves unanswered while it answers others
SHORTEST_TRY, LONGEST_TRY = 0.1, 0.5  # s a mute unit gets for its answer
LONG_TRY_SHARE = 10  # of so many time-outs one may be spent on a mute unit that answers too late
FIRST_DEADLINE = 5.0  # s after which a block never read comes before shorter periods


@dataclass(slots=True)
class _Due:
    unit: int
    read: Read
    at: float  # when it is due
    is_known: bool = False  # it was answered before
    unanswered: int = 0  # in a row, while the unit was not mute

    @property
    def deadline(self) -> float:
        return self.at + (self.read.every if self.is_known else min(self.read.every, FIRST_DEADLINE))


@dataclass(slots=True)
class _Patience:
    """How often in a row a unit did not answer, when it may be tried again, and for how long."""

    unanswered: int = 0
    not_before: float = 0.0
    slowest: float | None = None  # s, of all answers seen
    may_take_long: bool = False  # its next try gets the full time-out
    long_try_after: float = 0.0  # when that may be granted again


class Plan:
    """The reads of one wire: what is due goes by deadline; a mute unit is tried ever more seldom.

    `timeout` is what a unit gets for one whole answer, in seconds; a mute one gets less, so as not to slow
    the others.
    """

    def __init__(self, reads: Mapping[int, Sequence[Read]], timeout: float, now: float):
        self._timeout = timeout
        self._dues = [_Due(unit, read, now) for unit, each in reads.items() for read in each]
        self._patience = {unit: _Patience() for unit in reads}

    def is_mute(self, unit: int) -> bool:
        return self._patience[unit].unanswered >= MUTE_AFTER

    def is_failing(self, unit: int, read: Read) -> bool:
        """Whether this block fails again and again while the unit answers others."""
        return not self.is_mute(unit) and self._find(unit, read).unanswered >= MUTE_AFTER

    def timeout(self, unit: int) -> float:
        """Seconds to wait for the next answer of this unit."""
        patience = self._patience[unit]
        if not self.is_mute(unit) or patience.may_take_long:
            return self._timeout
        usual = LONGEST_TRY if patience.slowest is None else max(SHORTEST_TRY, 4 * patience.slowest)
        return min(self._timeout, usual, LONGEST_TRY)

    def next(self, now: float) -> tuple[int, Read] | None:
        """Return the unit and the read that should be sent now, or None while nothing is due."""
        ready = [due for due in self._dues if self._ready_at(due) <= now]
        if not ready:
            return None
        first = min(ready, key=self._urgency)
        return first.unit, first.read

    def pause(self, now: float) -> float:
        """Seconds until something is due."""
        return max(0.0, min(map(self._ready_at, self._dues)) - now)

    def answered(self, unit: int, read: Read, sent_at: float, now: float) -> None:
        """The unit answered this read, which keeps its beat unless it is more than half a period late."""
        if self.is_mute(unit):
            self._revive(unit, now)
        patience = self._patience[unit]
        patience.unanswered = 0
        patience.may_take_long, patience.long_try_after = False, 0.0
        patience.slowest = max(patience.slowest or 0.0, now - sent_at)
        due = self._find(unit, read)
        due.is_known, due.unanswered = True, 0
        on_beat = due.at + read.every
        due.at = on_beat if on_beat > sent_at + read.every / 2 else sent_at + read.every

    def unanswered(self, unit: int, read: Read, now: float) -> None:
        """The unit did not answer this read; both have to wait, ever longer."""
        due, patience = self._find(unit, read), self._patience[unit]
        if not self.is_mute(unit):
            due.unanswered += 1
        due.at = now + min(read.every, 2.0 ** min(max(due.unanswered - 1, 0), 10), LONGEST_RETRY)
        patience.unanswered += 1
        if self.is_mute(unit):
            tries = patience.unanswered - MUTE_AFTER
            patience.not_before = now + RETRIES[min(tries, len(RETRIES) - 1)]
        if patience.may_take_long:
            patience.may_take_long, patience.long_try_after = False, now + LONG_TRY_SHARE * self._timeout

    def heard(self, unit: int, now: float) -> None:
        """The unit answered too late: it lives, and gets the full time-out at its next try to show it.

        Not at every try, or a unit that is always too late would slow the others.
        """
        patience = self._patience.get(unit)
        if patience and now >= patience.long_try_after:
            patience.may_take_long = True

    def restart(self, now: float) -> None:
        """The wire is back: every unit may be tried at once, the shortest period first."""
        for unit in self._patience:
            self._revive(unit, now)

    def _revive(self, unit: int, now: float) -> None:
        """What the unit's silence held up is due now; a block that fails by itself keeps its wait."""
        self._patience[unit].not_before = now
        for due in self._dues:
            if due.unit == unit and (due.at < now or 0 < due.unanswered <= MUTE_AFTER):
                due.at = now

    def _urgency(self, due: _Due) -> tuple[float, int, float]:
        """What comes first is least; of a mute unit rather a block that did not fail by itself."""
        if self.is_mute(due.unit):
            deadline = self._patience[due.unit].not_before + RETRIES[0]
            return deadline, due.unanswered, due.deadline
        return due.deadline, 0, 0.0

    def _ready_at(self, due: _Due) -> float:
        """When a read may be sent; a mute unit is tried with any of them."""
        return self._patience[due.unit].not_before if self.is_mute(due.unit) else due.at

    def _find(self, unit: int, read: Read) -> _Due:
        return next(due for due in self._dues if due.unit == unit and due.read is read)
