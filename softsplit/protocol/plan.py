"""Which read of a wire is due next. Pure: time is an argument."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from softsplit.protocol.blocks import Read

MUTE_AFTER = 2  # unanswered reads in a row
RETRIES = (1.0, 2.0, 4.0, 5.0)  # s between the tries of a mute unit; the last one stays
FIRST_RETRY = 1.0  # s, after which a read that failed is due again at the latest
SHORTEST_TRY, LONGEST_TRY = 0.1, 0.5  # s a mute unit gets for its answer


@dataclass(slots=True)
class _Due:
    unit: int
    read: Read
    at: float  # when it is due

    @property
    def deadline(self) -> float:
        return self.at + self.read.every


@dataclass(slots=True)
class _Patience:
    """How often in a row a unit did not answer, when it may be tried again, and for how long."""

    unanswered: int = 0
    not_before: float = 0.0
    slowest: float | None = None  # s, of all answers seen
    heard: bool = False  # too late for an answer, since its last try


class Plan:
    """The reads of one wire: what is due goes by deadline, and a mute unit is tried ever more seldom.

    `timeout` is what a unit gets for one whole answer, in seconds; a mute one gets less, so as not to slow
    the others.
    """

    def __init__(self, reads: Mapping[int, Sequence[Read]], timeout: float, now: float):
        self._timeout = timeout
        self._dues = [_Due(unit, read, now) for unit, each in reads.items() for read in each]
        self._patience = {unit: _Patience() for unit in reads}

    @property
    def units(self) -> list[int]:
        return list(self._patience)

    def is_mute(self, unit: int) -> bool:
        return self._patience[unit].unanswered >= MUTE_AFTER

    def timeout(self, unit: int) -> float:
        """Seconds to wait for the next answer of this unit."""
        patience = self._patience[unit]
        if not self.is_mute(unit) or patience.heard:
            return self._timeout
        usual = LONGEST_TRY if patience.slowest is None else max(SHORTEST_TRY, 4 * patience.slowest)
        return min(self._timeout, usual, LONGEST_TRY)

    def next(self, now: float) -> tuple[int, Read] | None:
        """Return the unit and the read that should be sent now, or None while nothing is due."""
        due = min((due for due in self._dues if self._ready_at(due) <= now),
                  key=lambda due: due.deadline, default=None)
        return due and (due.unit, due.read)

    def pause(self, now: float) -> float:
        """Seconds until something is due."""
        return max(0.0, min(map(self._ready_at, self._dues)) - now)

    def answered(self, unit: int, read: Read, sent_at: float, now: float) -> None:
        """The unit answered this read, which keeps its beat unless it is more than half a period late."""
        if self.is_mute(unit):
            self._revive(unit, now)
        patience = self._patience[unit]
        patience.unanswered = 0
        patience.slowest = max(patience.slowest or 0.0, now - sent_at)
        due = self._find(unit, read)
        on_beat = due.at + read.every
        due.at = on_beat if on_beat > sent_at + read.every / 2 else sent_at + read.every

    def unanswered(self, unit: int, read: Read, now: float) -> None:
        """The unit did not answer this read; it becomes due again soon, but a mute unit has to wait."""
        self._find(unit, read).at = now + min(read.every, FIRST_RETRY)
        patience = self._patience[unit]
        patience.unanswered += 1
        patience.heard = False
        if self.is_mute(unit):
            tries = patience.unanswered - MUTE_AFTER
            patience.not_before = now + RETRIES[min(tries, len(RETRIES) - 1)]

    def heard(self, unit: int) -> None:
        """The unit answered too late: it lives, and needs the full time-out at its next try to show it."""
        if unit in self._patience:
            self._patience[unit].heard = True

    def restart(self, now: float) -> None:
        """The wire is back: every unit may be tried at once, the shortest period first."""
        for unit in self._patience:
            self._revive(unit, now)

    def _revive(self, unit: int, now: float) -> None:
        self._patience[unit].not_before = now
        for due in self._dues:
            if due.unit == unit:
                due.at = max(due.at, now)

    def _ready_at(self, due: _Due) -> float:
        return max(due.at, self._patience[due.unit].not_before)

    def _find(self, unit: int, read: Read) -> _Due:
        return next(due for due in self._dues if due.unit == unit and due.read is read)
