"""A read of the plan, and when it is due. Pure: time is an argument."""

from dataclasses import dataclass

from softsplit.protocol.blocks import Read

FIRST_DEADLINE = 2.0  # s after which a block never read comes before shorter periods
BUSY_AGAIN, LONGEST_BUSY = 0.1, 0.5  # s until a unit that is busy is asked again: at first, and at most
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

    @property
    def next_at(self) -> float:
        """When it is to be read."""
        return min(self.at, *self.owed_at, float("inf"))

    def owe(self, at: float) -> None:
        """A write may have changed it up to then, after which it is read before anything else is."""
        self.owed_at = (*self.owed_at, at)[-MOST_OWED:]

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

    def is_busy(self, now: float) -> None:
        """Its unit is too busy for it, and is asked again soon."""
        self.at = now + min(BUSY_AGAIN * 1.5 ** min(self.busy, 10), LONGEST_BUSY)
        self.busy += 1
        self.owed_at = tuple(max(at, self.at) for at in self.owed_at)
