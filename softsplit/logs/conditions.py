"""Conditions: log each change of state once, then summaries at growing intervals, within a limit."""

import logging
from collections.abc import Sequence

from softsplit import clock

log = logging.getLogger("softsplit")

SAY_AGAIN = 60.0  # s after which another cause of the same trouble is logged
SUM_UP = (600.0, 3600.0, 21600.0)  # s of trouble until each summary; the last one is repeated
SETTLED = 10.0  # s after which a state counts as lasting, and may use the reserve
RESERVE = 2  # lines kept for lasting states
SOME = 3  # names of a list that a sentence has


class TokenBucket:
    """Limits the lines of log: `burst` at once, then one more every `every` seconds. For one thread.

    The last RESERVE lines are for states that last: `catch_up()` logs a state that was not logged when it
    began, SETTLED seconds later, or when there is a line again.
    """

    def __init__(self, burst: int = 6, every: float = 600.0):
        self._burst = burst
        self._every = every
        self._left = float(burst)
        self._counted_at = clock.now()
        self._owed: dict[Condition, None] = {}  # conditions whose present state is not in the log

    def take(self, reserve: int = RESERVE) -> bool:
        """Return whether one more line may be logged without using the reserve, and count it."""
        now = clock.now()
        self._left = min(self._burst, self._left + (now - self._counted_at) / self._every)
        self._counted_at = now
        if self._left < 1 + min(reserve, self._burst - 1):
            return False
        self._left -= 1
        return True

    def owe(self, condition: "Condition") -> None:
        self._owed[condition] = None

    def settle(self, condition: "Condition") -> None:
        """Note that the log shows the present state of a condition, or that the condition is gone."""
        self._owed.pop(condition, None)

    def catch_up(self) -> None:
        """Log the lasting states that are not in the log yet, in one line for each level.

        Call it about once a second: a condition that changed often may never be reported again, and still the
        last line of the log about it has to be true.
        """
        if not self._owed:
            return
        now = clock.now()
        lasting = [each for each in self._owed if now - each.changed_at >= SETTLED]
        for is_well, level in ((False, logging.WARNING), (True, logging.INFO)):
            told = [each for each in lasting if each.is_well is is_well]
            if told and self.take(reserve=0):
                log.log(level, "%s", "; ".join(each.told() for each in told))


class ClosedBucket(TokenBucket):
    """Lets no line into the log."""

    def take(self, reserve: int = RESERVE) -> bool:
        return False


class Condition:
    """A state that is well or in trouble: each change is logged once, within the limit of the bucket.

    A change beyond the limit is logged later if it lasts; see `TokenBucket.catch_up`. The first report counts
    as a change, unless it says well and the condition is `well_at_first`. Lasting trouble gets summaries: how
    long it has lasted, and how many `tries` there were ("" leaves them out).
    """

    def __init__(self, bucket: TokenBucket, well_at_first: bool = False, tries: str = "tries"):
        self._bucket = bucket
        self._tries_are_called = tries
        self.is_well = self._is_logged_as_well = True if well_at_first else None
        self.changed_at = 0.0
        self._text = ""  # the line about the present state
        self._cause = self._logged_cause = ""
        self._logged_at = 0.0
        self._tries = 0  # of this trouble
        self._summaries = 0  # of this trouble
        self._unsaid = 0  # changes that were not logged

    def trouble(self, cause: str, outlook: str = "") -> None:
        """Report trouble; a new cause is logged again after SAY_AGAIN seconds.

        `outlook` follows the cause in the first line about it.
        """
        now = clock.now()
        if self.is_well is not False:
            self._tries = self._summaries = 0
            self._change(False, now)
        self._tries += 1
        self._cause, self._text = cause, f"{cause}{outlook}"
        is_other_cause = cause != self._logged_cause and now - self._logged_at >= SAY_AGAIN
        if self._is_logged_as_well is not False or is_other_cause:
            self._log(logging.WARNING)
        elif now - self.changed_at >= self._next_summary() and self._bucket.take():
            self._summaries += 1
            tries = f", {self._tries} {self._tries_are_called}" if self._tries_are_called else ""
            log.warning("%s", with_time(cause, f", for {show_duration(now - self.changed_at)}{tries}"))

    def well(self, text: str) -> None:
        """Report that the state is well."""
        if self.is_well is not True:
            now = clock.now()
            lasted = "" if self.is_well is None else f" after {show_duration(now - self.changed_at)}"
            self._text = f"{text}{lasted}"
            self._change(True, now)
        if self._is_logged_as_well is not True:
            self._log(logging.INFO)

    @property
    def cause(self) -> str:  # any thread
        """The trouble, while there is one."""
        return self._cause if self.is_well is False else ""

    def forget(self) -> None:
        """Drop the condition: it does not exist any more."""
        self._bucket.settle(self)

    def told(self) -> str:
        """Return the line about the present state, and note that it is in the log now."""
        self._is_logged_as_well, self._logged_cause, self._logged_at = self.is_well, self._cause, clock.now()
        self._bucket.settle(self)
        unsaid, self._unsaid = self._unsaid - 1, 0
        return f"{self._text} ({unsaid} changes since the last line)" if unsaid > 0 else self._text

    def _change(self, is_well: bool, now: float) -> None:
        self.is_well, self.changed_at = is_well, now
        self._unsaid += 1
        if is_well is self._is_logged_as_well:
            self._bucket.settle(self)

    def _log(self, level: int) -> None:
        """Log the present state now, or later if it lasts."""
        has_lasted = clock.now() - self.changed_at >= SETTLED
        if self._bucket.take(reserve=0 if has_lasted else RESERVE):
            log.log(level, "%s", self.told())
        else:
            self._bucket.owe(self)

    def _next_summary(self) -> float:
        """Return the seconds of trouble until the next summary."""
        beyond = max(0, self._summaries - len(SUM_UP) + 1)
        return SUM_UP[min(self._summaries, len(SUM_UP) - 1)] + beyond * SUM_UP[-1]


def show_count(count: int, what: str) -> str:
    """Return a count with its noun: 1 request, 2 requests."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def show_some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    return ", ".join(names[:SOME]) + (f" and {len(names) - SOME} more" if len(names) > SOME else "")


def with_time(said: str, lasting: str) -> str:
    """Insert how long it lasts into a sentence: after what is wrong, before the cure, which "; " begins."""
    what, semicolon, look_at = said.partition("; ")
    return f"{what}{lasting}{semicolon}{look_at}"


def show_duration(seconds: float) -> str:
    """Return a duration in its one or two largest units: 12 s, 10 min, 3 h 20 min, 2 d 4 h."""
    minutes, hours, days = (int(seconds // size) for size in (60, 3600, 86400))
    if not minutes:
        return f"{seconds:.0f} s"
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if not days else f"{days} d {hours % 24} h"


def show_latency(seconds: float | None) -> str:
    """Return a latency in milliseconds, below 10 ms with a tenth; "unknown" for None."""
    return "unknown" if seconds is None else f"{1000 * seconds:.{0 if seconds >= 0.01 else 1}f} ms"


def show_age(seconds: float) -> str:
    """Return an age as `show_duration` does, below 10 s with a tenth."""
    return f"{seconds:.1f} s" if seconds < 10 else show_duration(seconds)
