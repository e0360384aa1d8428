"""A read of the poll plan and the time when it is due. Pure: time is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.pdu import BUSY, GATEWAY_EXCEPTIONS, Question, read_question

FAILING_AFTER = 2  # times in a row that a block was not answered
FIRST_DEADLINE = 2.0  # s after which a block never read comes before shorter periods
OFTEN_BUSY = 16  # exceptions without a meaning in a row, after which they are no answers any more
BUSY_AGAIN, LONGEST_BUSY = 0.1, 0.5  # s until a unit that is busy is asked again: at first, and at most
LONGEST_RETRY = 60.0  # s between the tries of a block that a unit leaves unanswered while it answers others
REFUSED_AGAIN = 1.0  # s after a write, at most, in which what the unit refused before is asked again
MOST_OWED = 8  # reads for writes that may be done at different times; later ones show what earlier ones did
GIVES_WAY = 0.3  # of its period, for which a read that is due gives way to shorter ones


@dataclass(slots=True)
class Due:
    """A read of one unit, and what has come of it so far."""

    unit: int
    read: Read
    at: float  # when it is due
    is_known: bool = False  # it was answered before
    unanswered: int = 0  # in a row, while the unit was not mute
    busy: int = 0  # times in a row that the unit was too busy to answer
    duration: float = 0.0  # s on the wire, as its answers show
    period: float = 0.0  # s, what the wire can carry
    is_refused: bool = False  # the unit answered it with an exception
    owed_at: tuple[float, ...] = ()  # from when on it has to be read once more, because something was written
    question: Question = field(init=False)  # the request, which is the same each time

    def __post_init__(self) -> None:
        self.question = read_question(self.read.block)

    @property
    def is_failing(self) -> bool:
        """Whether it fails again and again while its unit answers others."""
        return self.unanswered >= FAILING_AFTER

    @property
    def next_at(self) -> float:
        """When it is to be read."""
        return min(self.at, *self.owed_at, float("inf"))

    def was_written(self, blocks: Sequence[Block], at: float) -> None:
        """A write may have changed these blocks up to then, after which they are read before anything else is.

        What the unit refused before, it may answer after a write.
        """
        if any(self.read.block.overlaps(block) for block in blocks):
            self.owed_at = (*self.owed_at, at)[-MOST_OWED:]
        elif self.is_refused:
            self.at = min(self.at, at + REFUSED_AGAIN)

    def is_owed(self, now: float) -> bool:
        """Whether it is to be read before anything else is."""
        return any(at <= now for at in self.owed_at)

    def was_tried(self, sent_at: float) -> None:
        """It was sent, which shows what was written before."""
        self.owed_at = tuple(at for at in self.owed_at if at > sent_at)

    def lateness(self, now: float) -> float:
        """How many of its periods it is later than it may be to give way to shorter ones."""
        if not self.is_known:
            return max(0.0, (now - self.at) / min(self.period, FIRST_DEADLINE) - 1)
        return max(0.0, (now - self.at) / self.period - GIVES_WAY)

    def was_answered(self, sent_at: float, duration: float, is_refused: bool) -> None:
        """It stays in step with its period, but is read no sooner than half a period from now."""
        self.is_known, self.is_refused, self.unanswered, self.busy = True, is_refused, 0, 0
        on_beat = min(self.at, sent_at) + self.read.every
        self.at = max(on_beat, sent_at + self.read.every / 2)
        self.duration += (duration - self.duration) / (4 if self.duration else 1)
        self.was_tried(sent_at)

    def has_failed(self, sent_at: float, now: float) -> None:
        """It was not answered, and has to wait, ever longer."""
        again = 2.0 ** min(max(self.unanswered - 1, 0), 10)
        again = min(again, self.read.every if self.unanswered <= FAILING_AFTER else LONGEST_RETRY)
        self.at = max(now, sent_at + again)
        self.was_tried(sent_at)

    def may_be_busy(self, exception: int) -> bool:
        """Whether that is what the unit means by this exception: one without a meaning may, for a while."""
        return exception in BUSY or (exception not in GATEWAY_EXCEPTIONS and self.busy < OFTEN_BUSY)

    def is_busy(self, now: float) -> None:
        """Its unit is too busy for it, and is asked again soon."""
        self.at = now + min(BUSY_AGAIN * 1.5 ** min(self.busy, 10), LONGEST_BUSY)
        self.busy += 1
        self.owed_at = tuple(max(at, self.at) for at in self.owed_at)
