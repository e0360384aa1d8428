"""Estimate how long a gateway is busy with one request, above all with one to a unit that is off. Pure.

A gateway works off what it is asked one after another. For a unit that is off it waits its own time, often
with retries of its own, and then answers with exception 0x0B, or says nothing. Who asks on meanwhile fills its
queue, and soon hears nothing in time, not even from units that are well.
"""

from collections import deque
from collections.abc import Sequence
from statistics import median

LONGEST_WAIT = 10.0  # s that anything is waited for
MARGIN, SILENT_MARGIN = 1.25, 1.05  # times what was measured; where the gateway speaks, its word ends the wait
SHORT_WAIT = 0.1  # s
GROWTH, GROWN = 1.5, 3.4  # a wait grows with each silent request, up to so many time-outs; usual are 1 to 3 s
SILENT_BEFORE_GROWTH = 2  # silent requests in a row after which waits grow
PROMPT = 0.9  # an answer at once after silence shows that the wait was long enough: try a shorter one
MOST_TIMES = 16  # answers, from which is taken how long they need


class GatewayWait:
    """What the answers of one gateway tell of the time it needs; `timeout` is for a usual one, in seconds."""

    def __init__(self, timeout: float):
        self._timeout = timeout
        self._said: deque[float] = deque(maxlen=MOST_TIMES)  # s until it said that a unit is off
        self._took: deque[float] = deque(maxlen=MOST_TIMES)  # s until a unit answered
        self._blocked = 0.0  # s for which a unit that is off blocks it, while it says nothing
        self._silent = 0  # requests in a row
        self._has_answered = False  # whether anything ever came of it
        self._came_at = float("-inf")

    @property
    def says_off_after(self) -> float | None:
        """Seconds after which the gateway says that a unit is off; None when it has not said so lately."""
        return max(self._said, default=None)

    @property
    def known(self) -> float | None:
        """Seconds that the gateway spends on a unit which is off; None when nobody knows."""
        return max((*self._said, self._blocked)) or None if self._said or self._blocked else None

    def patience(self, timeout: float, lets_finish: bool = False) -> float:
        """Seconds after which the gateway is done with a request for sure, which has `timeout` at least.

        Before anything has come of it nobody can know; who `lets_finish` waits as long as usual ones need.
        """
        waits = [MARGIN * max(self._said) + SHORT_WAIT] if self._said else []
        if lets_finish and not self._has_answered:
            waits.append(GROWN * self._timeout)
        if self._blocked:
            waits.append(SILENT_MARGIN * self._blocked + SHORT_WAIT / 2)
        if self._silent >= SILENT_BEFORE_GROWTH:
            waits.append(self._timeout * min(GROWTH ** (self._silent - 1), GROWN))
        return max(timeout, min(max(waits, default=0.0), LONGEST_WAIT))

    def is_silent(self) -> None:
        """A request was not answered in its time."""
        self._silent += 1

    def answered(self, now: float, asked_at: float, is_gateway: bool, silent: Sequence[float] = (),
                 stood_still: bool = False) -> float:
        """An answer to what was asked then has come: from the unit, or from the gateway in its place.

        The requests before it which nobody has answered were sent at `silent`. Return for how many seconds the
        gateway was busy with it, at most.
        """
        took = now - max(asked_at, self._came_at)  # it begins with one when it has done the one before
        self._came_at, self._silent, self._has_answered = now, 0, True
        if stood_still:
            return took
        if not silent:
            (self._said if is_gateway else self._took).append(min(took, LONGEST_WAIT))
        elif not is_gateway:
            self._weigh(now, asked_at, silent)
        return took

    def _weigh(self, now: float, asked_at: float, silent: Sequence[float]) -> None:
        """Draw from an answer whether the silent requests before it have held it up."""
        usual = median(self._took) if self._took else 0.0
        if now - asked_at > 2 * usual + SHORT_WAIT:
            each = (now - usual - silent[0]) / len(silent)
            self._blocked = min(each, 2 * max(self._blocked, self._timeout), LONGEST_WAIT)
        else:
            self._blocked = PROMPT * self._blocked if self._blocked > SHORT_WAIT else 0.0
