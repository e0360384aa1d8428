"""Words in the log about what comes and goes: once for each change, then ever more seldom, never a flood."""

import logging

from softsplit import clock

log = logging.getLogger("softsplit")

SAY_AGAIN = 60.0  # s, after which another cause of the same trouble is worth a line
SUM_UP = (600.0, 3600.0, 21600.0)  # s of trouble until each summary; the last one is repeated


class Allowance:
    """How many lines may still be logged: `burst` at once, one more every `every` seconds.

    So a day, whatever happens in it, has 144 lines and a burst.
    """

    def __init__(self, burst: int = 6, every: float = 600.0):
        self._burst = burst
        self._every = every
        self._left = float(burst)
        self._counted_at = clock.now()

    def take(self) -> bool:
        """Return whether one more line is allowed, and count it."""
        now = clock.now()
        self._left = min(self._burst, self._left + (now - self._counted_at) / self._every)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Condition:
    """Something that is well or in trouble: each change is logged once, within the allowance.

    A change that could not be logged is logged later, if it still holds when it is reported again. At first
    its state is not known, so that either report is a change, unless it is `well_at_first`. Trouble that
    lasts is summed up: since when, and how many `tries` there were, unless those do not matter.
    """

    def __init__(self, allowance: Allowance, well_at_first: bool = False, tries: str = "tries"):
        self._allowance = allowance
        self._tries_are_called = tries
        self._is_logged_as_well = True if well_at_first else None
        self._logged_cause = ""
        self._logged_at = 0.0
        self._in_trouble_since: float | None = None
        self._tries = 0  # of this trouble
        self._summaries = 0  # of this trouble
        self._unsaid = 0  # changes that were not logged

    def trouble(self, cause: str, outlook: str = "") -> None:
        """Report that it is in trouble; another cause than before is news after a while.

        `outlook` follows when the cause is told for the first time.
        """
        now = clock.now()
        if self._in_trouble_since is None:
            self._in_trouble_since, self._tries, self._summaries = now, 0, 0
            self._unsaid += self._is_logged_as_well is False
        self._tries += 1
        is_other_cause = cause != self._logged_cause and now - self._logged_at >= SAY_AGAIN
        if self._is_logged_as_well is not False or is_other_cause:
            if self._allowance.take():
                self._is_logged_as_well, self._logged_cause, self._logged_at = False, cause, now
                log.warning(f"{cause}{outlook}{self._flapping()}")
        elif now - self._in_trouble_since >= self._next_summary() and self._allowance.take():
            self._summaries += 1
            tries = f", {self._tries} {self._tries_are_called}" if self._tries_are_called else ""
            log.warning(f"{cause}, for {show_duration(now - self._in_trouble_since)}{tries}")

    def well(self, text: str) -> None:
        """Report that it is well."""
        since, self._in_trouble_since = self._in_trouble_since, None
        if self._is_logged_as_well is not True:
            if self._allowance.take():
                self._is_logged_as_well = True
                lasted = "" if since is None else f" after {show_duration(clock.now() - since)}"
                log.info(f"{text}{lasted}{self._flapping()}")
        elif since is not None:
            self._unsaid += 1

    def _next_summary(self) -> float:
        """Seconds of trouble until the next summary."""
        beyond = max(0, self._summaries - len(SUM_UP) + 1)
        return SUM_UP[min(self._summaries, len(SUM_UP) - 1)] + beyond * SUM_UP[-1]

    def _flapping(self) -> str:
        """Say how often it came and went since the last line."""
        unsaid, self._unsaid = self._unsaid, 0
        return f" ({unsaid} changes since the last line)" if unsaid else ""


def show_count(count: int, what: str) -> str:
    """1 request, 2 requests."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def show_duration(seconds: float) -> str:
    """A span of time in its one or two largest measures: 12 s, 10 min, 3 h 20 min, 2 d 4 h."""
    minutes, hours, days = (int(seconds // size) for size in (60, 3600, 86400))
    if not minutes:
        return f"{seconds:.0f} s"
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if not days else f"{days} d {hours % 24} h"
