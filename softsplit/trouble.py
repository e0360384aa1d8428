"""Words in the log about what comes and goes: once for each change, and never a flood."""

import logging
import time

log = logging.getLogger("softsplit")

SAY_AGAIN = 60.0  # s, after which another cause of the same trouble is worth a line


class Allowance:
    """How many lines may still be logged: `burst` at once, one more every `every` seconds."""

    def __init__(self, burst: int = 6, every: float = 30.0):
        self._burst = burst
        self._every = every
        self._left = float(burst)
        self._counted_at = time.monotonic()

    def take(self) -> bool:
        """Return whether one more line is allowed, and count it."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._counted_at) / self._every)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Condition:
    """Something that is well or in trouble: each change is logged once, within the allowance.

    A change that could not be logged is logged later, if it still holds when it is reported again. At first
    its state is not known, so that either report is a change, unless it is `well_at_first`.
    """

    def __init__(self, allowance: Allowance, well_at_first: bool = False):
        self._allowance = allowance
        self._is_logged_as_well = True if well_at_first else None
        self._logged_cause = ""
        self._logged_at = 0.0
        self._in_trouble_since: float | None = None

    def trouble(self, cause: str) -> None:
        """Report that it is in trouble; another cause than before is news after a while."""
        now = time.monotonic()
        if self._in_trouble_since is None:
            self._in_trouble_since = now
        is_other_cause = cause != self._logged_cause and now - self._logged_at >= SAY_AGAIN
        if (self._is_logged_as_well is not False or is_other_cause) and self._allowance.take():
            self._is_logged_as_well, self._logged_cause, self._logged_at = False, cause, now
            log.warning(cause)

    def well(self, text: str) -> None:
        """Report that it is well."""
        since, self._in_trouble_since = self._in_trouble_since, None
        if self._is_logged_as_well is not True and self._allowance.take():
            self._is_logged_as_well = True
            log.info(text if since is None else f"{text} after {time.monotonic() - since:.0f} s")
