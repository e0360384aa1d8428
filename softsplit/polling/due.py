"""A read of the poll plan and the time when it is due. Pure: time is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.pdu import BUSY, GATEWAY_EXCEPTIONS, Question, read_question

FAILING_AFTER = 2  # unanswered reads of a block in a row
FIRST_DEADLINE = 2.0  # s after which a block that was never read goes before shorter periods
OFTEN_BUSY = 16  # unknown exceptions in a row, after which they no longer count as "busy"
BUSY_AGAIN, LONGEST_BUSY = 0.1, 0.5  # s until a busy unit is asked again: first, and at most
LONGEST_RETRY = 60.0  # s between tries of a block that a unit never answers while it answers others
REFUSED_AGAIN = 1.0  # s after a write, in which a block that the unit refused is tried again
MOST_OWED = 8  # reads owed for writes at different times; a later read shows earlier writes too
GIVES_WAY = 0.3  # of its period: so long a due read gives way to shorter ones


@dataclass(slots=True)
class Due:
    """A read of one unit, when it is due, and how it went so far."""

    unit: int
    read: Read
    at: float  # when it is due
    is_known: bool = False  # it was answered before
    unanswered: int = 0  # in a row, while the unit was not mute
    busy: int = 0  # in a row
    duration: float = 0.0  # s on the wire, measured
    period: float = 0.0  # s, as the wire can carry it
    is_refused: bool = False  # the unit answered with an exception
    owed_at: tuple[float, ...] = ()  # times of writes, after each of which it must be read again
    question: Question = field(init=False)  # the request, the same each time

    def __post_init__(self) -> None:
        self.question = read_question(self.read.block)

    @property
    def is_failing(self) -> bool:
        """Whether it fails repeatedly while its unit answers other reads."""
        return self.unanswered >= FAILING_AFTER

    @property
    def next_at(self) -> float:
        """When to read it next."""
        return min(self.at, *self.owed_at) if self.owed_at else self.at

    def was_written(self, blocks: Sequence[Block], at: float) -> None:
        """Note that a write changed these blocks by the time `at`: read them first after that.

        The unit may now answer a block that it refused before.
        """
        if any(self.read.block.overlaps(block) for block in blocks):
            self.owed_at = (*self.owed_at, at)[-MOST_OWED:]
        elif self.is_refused:
            self.at = min(self.at, at + REFUSED_AGAIN)

    def is_owed(self, now: float) -> bool:
        """Whether it must be read before anything else."""
        return any(at <= now for at in self.owed_at)

    def was_tried(self, sent_at: float) -> None:
        """Note that it was sent: it shows everything written before."""
        self.owed_at = tuple(at for at in self.owed_at if at > sent_at)

    def lateness(self, now: float) -> float:
        """How many of its periods it is late, beyond the time in which it gives way to shorter ones."""
        if not self.is_known:
            return max(0.0, (now - self.at) / min(self.period, FIRST_DEADLINE) - 1)
        return max(0.0, (now - self.at) / self.period - GIVES_WAY)

    def was_answered(self, sent_at: float, duration: float | None, is_refused: bool) -> None:
        """Note an answer. It stays in step with its period, but waits at least half a period."""
        self.is_known, self.is_refused, self.unanswered, self.busy = True, is_refused, 0, 0
        on_beat = min(self.at, sent_at) + self.read.every
        self.at = max(on_beat, sent_at + self.read.every / 2)
        if duration is not None:
            self.duration += (duration - self.duration) / (4 if self.duration else 1)
        self.was_tried(sent_at)

    def has_failed(self, sent_at: float, now: float) -> None:
        """Note that it was not answered; it waits longer each time."""
        again = 2.0 ** min(max(self.unanswered - 1, 0), 10)
        again = min(again, self.read.every if self.unanswered <= FAILING_AFTER else LONGEST_RETRY)
        self.at = max(now, sent_at + again)
        self.was_tried(sent_at)

    def may_be_busy(self, exception: int) -> bool:
        """Whether the unit means "busy" by this exception; an unknown one counts for a while."""
        return exception in BUSY or (exception not in GATEWAY_EXCEPTIONS and self.busy < OFTEN_BUSY)

    def is_busy(self, now: float) -> None:
        """Note that its unit is too busy; it is asked again soon."""
        self.at = now + min(BUSY_AGAIN * 1.5 ** min(self.busy, 10), LONGEST_BUSY)
        self.busy += 1
        self.owed_at = tuple(max(at, self.at) for at in self.owed_at)
