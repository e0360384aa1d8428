"""Whether a unit loses requests that follow an answer at once, and only those. Pure."""

from collections import defaultdict, deque
from functools import partial

QUICK, REQUEST_GAP = 0.08, 0.1  # s after an answer; what to set where requests are lost that come so soon
MOST = 20  # requests, of which it is told
LEAST_CURED, CURED_SHARE = 3, 0.8  # losses after which the next request, after a pause, was answered; and of all
LOST_SHARE = 0.2  # of requests that came soon


def _latest() -> dict[int, deque[bool]]:
    return defaultdict(partial(deque, maxlen=MOST))


class Gaps:
    """The latest requests to each unit of one wire; times are seconds of the clock.

    After such a loss the unit is to be asked again after a pause, `pause_before`, which shows what helps.
    """

    def __init__(self) -> None:
        self._answered_at = float("-inf")  # the latest request on this wire; or never, when it was not answered
        self._lost_soon = _latest()  # by unit: whether requests soon after an answer were lost
        self._cured = _latest()  # by unit: whether those that came later, right after such a loss, were answered
        self._to_be_cured: set[int] = set()

    def count(self, unit: int, asked_at: float, took: float, is_answered: bool, is_lost: bool) -> None:
        """Take note of what came of a request: an answer, nothing, or, when it was neither, something else."""
        is_soon = asked_at - self._answered_at < QUICK
        self._answered_at = asked_at + took if is_answered else float("-inf")
        if not is_soon and unit in self._to_be_cured:
            self._cured[unit].append(is_answered)
        self._to_be_cured.discard(unit)
        if is_soon:
            self._lost_soon[unit].append(is_lost)
            if is_lost:
                self._to_be_cured.add(unit)

    def pause_before(self, unit: int, now: float) -> float:
        """Seconds to wait before a unit is asked."""
        return max(0.0, self._answered_at + REQUEST_GAP - now) if unit in self._to_be_cured else 0.0

    def is_needed(self, unit: int) -> bool:
        """Whether a unit loses requests that come soon after an answer, and only those."""
        lost, cured = self._lost_soon[unit], self._cured[unit]
        return (sum(lost) >= LOST_SHARE * len(lost) and sum(cured) >= LEAST_CURED
                and sum(cured) >= CURED_SHARE * len(cured))
