"""The poll plan of a wire: which read is due next. Pure: time is an argument."""

from collections.abc import Callable, Mapping, Sequence

from softsplit.polling import busload
from softsplit.polling.backoff import LONGEST_TRY, RETRIES, Patience
from softsplit.polling.demand import LEARNED, LONGEST_INTERVAL
from softsplit.polling.due import FAILING_AFTER, GIVES_WAY, Due
from softsplit.polling.fairness import longest_forward
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import BUSY, Question


class Plan:
    """The reads of one wire, by deadline; mute units are tried less and less often.

    A due read gives way to shorter periods for a share of its own. After that, the read that is most periods
    late goes first: when the wire cannot carry all reads, their periods stretch in proportion and none
    starves. `timeout` is the seconds for one whole answer (a mute unit gets less, so as not to slow the
    others), `gap` the seconds between an answer and the next request. `free_at(unit, question)` is the time
    before which the question must not be asked. `patience(timeout)` converts a time-out to the longer one
    that a gateway needs.
    """

    def __init__(self, reads: Mapping[int, Sequence[Read]], timeout: float, now: float, gap: float = 0.0,
                 free_at: Callable[[int, Question], float] = lambda unit, question: 0.0,
                 patience: Callable[[float], float] = lambda timeout: timeout):
        self._timeout = timeout
        self._gap = gap
        self._free_at = free_at
        self._gateways_patience = patience
        dues = [Due(unit, read, now, period=read.every) for unit, each in reads.items() for read in each]
        self._dues = sorted(dues, key=lambda due: due.read.every)
        self._patience = Patience(reads, timeout)
        self._fair_until = 0.0  # until then units that answer go first, to make up for a time-out
        self._tries_from = 0.0  # until then no mute unit is tried, to make up for the last try

    def is_mute(self, unit: int) -> bool:
        return self._patience[unit].is_mute

    def is_failing(self, unit: int, read: Read) -> bool:
        """Whether this block fails repeatedly while the unit answers others."""
        return not self.is_mute(unit) and self._find(unit, read).is_failing

    @property
    def demand(self) -> float:
        """The share of the wire that the plan needs; above 1 it is overloaded."""
        return sum(due.duration / due.read.every for due in self._dues if not self.is_mute(due.unit))

    def timeout(self, unit: int) -> float:
        """Seconds to wait for the next answer of a unit."""
        return self._gateways_patience(self._patience.time(unit))

    def next(self, now: float) -> tuple[int, Read] | None:
        """Return the unit and the read to send now, or None to wait for `pause`."""
        ready = [due for due in self._dues if self._ready_at(due) <= now]
        if not ready:
            return None
        if owed := [due for due in ready if due.owed_at and due.is_owed(now)]:
            return owed[0].unit, owed[0].read
        if now < self._fair_until:
            ready = [due for due in ready if not self._patience[due.unit].is_doubtful] or ready
        first = min(ready, key=lambda due: self._urgency(due, now))
        if self._gives_way(first, now):
            return None
        return first.unit, first.read

    def pause(self, now: float) -> float:
        """Seconds until the next read is due."""
        return min((at - now for at in map(self._ready_at, self._dues) if at > now), default=0.0)

    def is_owed(self, unit: int, read: Read, now: float) -> bool:
        """Whether this read must show the effect of a write, so that the next write waits for it."""
        return self._find(unit, read).is_owed(now)

    def take(self, read: Read, outcome: Outcome, now: float) -> bool:
        """Note the outcome of this read; return false if its unit was only too busy, which does not count."""
        unit, due, code = outcome.unit, self._find(outcome.unit, read), outcome.exception
        if outcome.is_of_unit:
            self.answered(unit, read, outcome.asked_at, now, outcome.own_exception is not None,
                          outcome.stood_still)
        elif code is None or not due.may_be_busy(code):
            self.unanswered(unit, read, outcome.asked_at, now)
        else:
            due.is_busy(now)
            if self.is_mute(unit):
                self._patience[unit].not_before = due.at
            return False
        return True

    def answered(self, unit: int, read: Read, sent_at: float, now: float, is_refused: bool = False,
                 stood_still: bool = False) -> None:
        """Note that the unit answered this read; if softsplit `stood_still`, its latency is unknown."""
        if self._patience.are_all_mute:
            self.restart(now)
        elif self.is_mute(unit):
            self._revive(unit, now)
        self._patience[unit].answered(None if stood_still else now - sent_at)
        self._find(unit, read).was_answered(sent_at, None if stood_still else now - sent_at + self._gap,
                                            is_refused)
        self._spread()

    def answered_late(self, outcome: Outcome, now: float) -> None:
        """Note the answer to a read that came after its time-out."""
        unit, sent_at = outcome.unit, outcome.asked_at
        due = next((due for due in self._dues if due.unit == unit and due.read.block == outcome.block), None)
        if due is None:
            self.heard(unit, now)
        else:
            due.at = sent_at
            self.answered(unit, due.read, sent_at, now, stood_still=outcome.stood_still)

    def unanswered(self, unit: int, read: Read, sent_at: float, now: float) -> None:
        """Note that the unit did not answer this read; both wait longer each time."""
        due = self._find(unit, read)
        if self.is_mute(unit):
            self._tries_from = now + (now - sent_at)
        else:
            due.unanswered += 1
        due.has_failed(sent_at, now)
        self._patience.missed(unit, sent_at, now)
        self._fair_until = now + (now - sent_at)

    def heard(self, unit: int, now: float) -> None:
        """Note that the unit answered too late."""
        if unit in self._patience:
            self._patience[unit].heard(now)

    def restart(self, now: float) -> None:
        """The wire is back: try every unit now, first those that answered last time."""
        self._fair_until, self._tries_from = now + self._timeout, now
        for unit in self._patience:
            self._revive(unit, now)

    def has_reads(self, unit: int) -> bool:
        """Whether anything of this unit is polled."""
        return any(due.unit == unit for due in self._dues)

    def may_ask(self, unit: int, now: float) -> bool:
        """Whether a master's own request may go to this unit; a mute unit gets one only as its next try."""
        if not self.is_mute(unit):
            return True
        return not self.has_reads(unit) and now >= self._patience[unit].not_before

    def wanted(self, unit: int, now: float) -> list[Question]:
        """Return the reads of a unit that are due, even if they must wait for late answers."""
        return [due.question for due in self._dues if due.unit == unit and due.next_at <= now]

    def forward_timeout(self, unit: int, is_write: bool) -> float:
        """Seconds to wait for the answer to a master's own request; a read must not delay polling."""
        if is_write or not self._dues and not self.is_mute(unit):
            return self._timeout
        return min(self.timeout(unit), max(self.longest_forward, 4 * (self._patience[unit].slowest or 0.0)))

    @property
    def longest_forward(self) -> float:
        """Seconds that polling leaves to a master's own read; a slow unit gets more."""
        return longest_forward(self._timeout, (due.read.every for due in self._dues))

    def forwarded(self, outcome: Outcome, now: float, is_known: bool = False) -> None:
        """Note the outcome of a master's own request; `is_known`: the unit answered the same before.

        Only polling decides whether a polled unit is mute: a device may not answer requests it does not know.
        """
        unit, sent_at = outcome.unit, outcome.asked_at
        if outcome.is_of_unit:
            if self.is_mute(unit):
                self._revive(unit, now)
            self._patience[unit].answered(None if outcome.stood_still else now - sent_at)
        elif outcome.exception not in BUSY and not self.has_reads(unit) \
                and (is_known or not self._patience[unit].is_known):
            self._patience.missed(unit, sent_at, now)

    def learn(self, unit: int, block: Block, every: float, duration: float, now: float) -> Read | None:
        """Poll a block, a read of which takes `duration`, if there is room; return the read, or None."""
        room = busload.ROOMY - sum(due.duration / due.read.every for due in self._dues)  # of mute units too
        every = max(every, duration / room) if room > 0 else float("inf")
        read = Read(block, f"{LEARNED}0x{block.address:04X}+{block.count}", min(every, LONGEST_INTERVAL))
        if every <= LONGEST_INTERVAL:
            self.add(Due(unit, read, now + every, is_known=True, duration=duration, period=every))
        return read if every <= LONGEST_INTERVAL else None

    def add(self, due: Due) -> None:
        """Poll another read."""
        self._dues = sorted((*self._dues, due), key=lambda each: each.read.every)
        self._spread()

    def forget(self, unit: int, read: Read) -> None:
        """Stop polling a learned block."""
        self._dues.remove(self._find(unit, read))
        self._spread()

    def hurry(self, unit: int, blocks: Sequence[Block], at: float) -> None:
        """Note that blocks of a unit were written by the time `at`; read them first after that."""
        for due in self._dues:
            if due.unit == unit:
                due.was_written(blocks, at)

    def _revive(self, unit: int, now: float) -> None:
        """Make the reads of a unit due that waited for it; a block that fails by itself keeps its wait."""
        self._patience[unit].not_before = now
        for due in self._dues:
            if due.unit == unit and (due.at < now or 0 < due.unanswered <= FAILING_AFTER):
                due.at = now

    def _spread(self) -> None:
        """Set the periods that the wire can carry, by the measured durations."""
        healthy = [due for due in self._dues if not self.is_mute(due.unit)]
        for due, period in zip(healthy, busload.spread([(due.read.every, due.duration) for due in healthy])):
            due.period = period

    def _gives_way(self, first: Due, now: float) -> bool:
        """Whether this read should wait for one with a shorter period that is about to be due."""
        if self.demand > busload.ROOMY:
            return False
        is_mute = self.is_mute(first.unit)
        duration = self.timeout(first.unit) if is_mute else first.duration
        if is_mute:
            latest = self._patience[first.unit].not_before + max(RETRIES[0], duration + LONGEST_TRY)
        else:
            latest = first.at + GIVES_WAY * first.period
        return any(now < due.at < now + duration and due.at + due.duration + duration <= latest
                   for due in self._dues
                   if (is_mute or due.read.every < first.read.every) and not self.is_mute(due.unit))

    def _urgency(self, due: Due, now: float) -> tuple[float, float, int, float]:
        """The sort key: the least goes first. For a mute unit, a block that did not fail by itself."""
        if self.is_mute(due.unit):
            late = now - self._patience[due.unit].not_before - RETRIES[0]  # s
            late /= RETRIES[-1] * sum(map(self.is_mute, self._patience))
            return -max(0.0, late), RETRIES[0], 1 + due.unanswered, due.at
        return -due.lateness(now), due.read.every, 0, due.at

    def _ready_at(self, due: Due) -> float:
        """When a read may be sent; any read will do to try a mute unit.

        After such a try, units that answer get the wire for as long as it took.
        """
        at, backoff = due.next_at, self._patience[due.unit]
        if backoff.is_mute:
            at = backoff.not_before
            if not self._patience.are_all_mute:
                at = max(at, self._tries_from)
        return max(at, self._free_at(due.unit, due.question))

    def _find(self, unit: int, read: Read) -> Due:
        return next(due for due in self._dues if due.unit == unit and due.read is read)
