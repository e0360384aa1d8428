"""Estimate how long a gateway is busy with one request, above all with one to a unit that is off. Pure.

A gateway handles requests one after another. For a unit that is off it waits for its own time-out, often with
retries, and then answers with exception 0x0B, or not at all. Further requests meanwhile fill its queue, until
even units that are well answer too late.
"""

from collections import deque
from collections.abc import Sequence
from statistics import median

LONGEST_WAIT = 10.0  # s
MARGIN, SILENT_MARGIN = 1.25, 1.05  # of measured times; the first if the gateway answers 0x0B
SHORT_WAIT = 0.1  # s
GROWTH, GROWN = 1.5, 3.4  # a wait grows with each silent request, up to so many time-outs; usual are 1 to 3 s
SILENT_BEFORE_GROWTH = 2  # silent requests in a row after which waits grow
SHRINK = 0.9  # of a wait, after a prompt answer has shown that it was long enough
MOST_TIMES = 16  # latest answers whose times count


class GatewayWait:
    """Learns from its answers how long a gateway needs; `timeout` in seconds is for usual answers."""

    def __init__(self, timeout: float):
        self._timeout = timeout
        self._said: deque[float] = deque(maxlen=MOST_TIMES)  # s until it said that a unit is off
        self._took: deque[float] = deque(maxlen=MOST_TIMES)  # s until a unit answered
        self._blocked = 0.0  # s for which a unit that is off blocks it, while it says nothing
        self._silent = 0  # requests in a row
        self.has_answered = False  # whether anything ever came of it
        self._came_at = float("-inf")

    @property
    def says_off_after(self) -> float | None:
        """Seconds after which the gateway says that a unit is off; None when it has not said so lately."""
        return max(self._said, default=None)

    @property
    def known(self) -> float | None:
        """Seconds that the gateway spends on a unit which is off; None if unknown."""
        return max((*self._said, self._blocked)) or None if self._said or self._blocked else None

    def patience(self, timeout: float, lets_finish: bool = False) -> float:
        """Return the seconds after which the gateway has surely done a request, at least `timeout`.

        Before its first answer they are unknown; with `lets_finish` it then gets as long as usual gateways
        need.
        """
        waits = [MARGIN * max(self._said) + SHORT_WAIT] if self._said else []
        if lets_finish and not self.has_answered:
            waits.append(GROWN * self._timeout)
        if self._blocked:
            waits.append(SILENT_MARGIN * self._blocked + SHORT_WAIT / 2)
        if self._silent >= SILENT_BEFORE_GROWTH:
            waits.append(self._timeout * min(GROWTH ** (self._silent - 1), GROWN))
        return max(timeout, min(max(waits, default=0.0), LONGEST_WAIT))

    def note_silence(self) -> None:
        """A request was not answered in its time."""
        self._silent += 1

    def note_answer(self, now: float, asked_at: float, is_gateway: bool, silent: Sequence[float] = (),
                    stood_still: bool = False) -> float:
        """Note an answer to the request of `asked_at`, from the unit or, if `is_gateway`, from the gateway.

        `silent` has the times of earlier requests without an answer. Return the seconds for which the gateway
        was busy with this request, at most.
        """
        took = now - max(asked_at, self._came_at)  # it begins a request after it has done the one before
        self._came_at, self._silent, self.has_answered = now, 0, True
        if stood_still:
            return took
        if not silent:
            (self._said if is_gateway else self._took).append(min(took, LONGEST_WAIT))
        elif not is_gateway:
            self._weigh(now, asked_at, silent)
        return took

    def _weigh(self, now: float, asked_at: float, silent: Sequence[float]) -> None:
        """Conclude from an answer whether the silent requests before it have delayed it."""
        usual = median(self._took) if self._took else 0.0
        if now - asked_at > 2 * usual + SHORT_WAIT:
            each = (now - usual - silent[0]) / len(silent)
            self._blocked = min(each, 2 * max(self._blocked, self._timeout), LONGEST_WAIT)
        else:
            self._blocked = SHRINK * self._blocked if self._blocked > SHORT_WAIT else 0.0
