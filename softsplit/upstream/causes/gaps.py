"""Find out whether a unit loses only the requests that follow an answer at once. Pure."""

from collections import defaultdict, deque
from functools import partial

QUICK, REQUEST_GAP = 0.08, 0.1  # s after an answer that count as at once; s to set as request_gap
MOST = 20  # latest requests that count
LEAST_CURED, CURED_SHARE = 3, 0.8  # losses that a pause before the next request cured
LOST_SHARE = 0.2  # of the requests that came at once


def _latest() -> dict[int, deque[bool]]:
    return defaultdict(partial(deque, maxlen=MOST))


class Gaps:
    """The latest requests to each unit of one wire; times are seconds of the clock.

    After a loss the next request has to wait for `pause_before`, to show whether a pause helps.
    """

    def __init__(self) -> None:
        self._answered_at = float("-inf")  # the latest request on this wire, if it was answered
        self._lost_soon = _latest()  # by unit: whether requests at once after an answer were lost
        self._cured = _latest()  # by unit: whether a pause after such a loss helped
        self._to_be_cured: set[int] = set()

    def count(self, unit: int, asked_at: float, took: float, is_answered: bool, is_lost: bool) -> None:
        """Note a request: answered, lost, or neither."""
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
        """Return the seconds to wait before a unit is asked."""
        return max(0.0, self._answered_at + REQUEST_GAP - now) if unit in self._to_be_cured else 0.0

    def is_needed(self, unit: int) -> bool:
        """Whether a unit loses only requests that come at once after an answer."""
        lost, cured = self._lost_soon[unit], self._cured[unit]
        return (sum(lost) >= LOST_SHARE * len(lost) and sum(cured) >= LEAST_CURED
                and sum(cured) >= CURED_SHARE * len(cured))
