"""How often and for how long to try a unit that does not answer. Pure: time is an argument."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from softsplit.polling.silence import MUTE_AFTER, Silence

RETRIES = (1.0, 2.0, 4.0, 5.0)  # s between the tries of a mute unit; the last one repeats
ALONE = 1.5  # s, the longest wait while all units are mute: tries slow nobody then
SHORTEST_TRY, LONGEST_TRY = 0.1, 0.5  # s, the time-out of a mute unit
LONG_TRY_SHARE = 10  # time-outs of which one may be spent on a mute unit that answers too late


@dataclass(slots=True)
class Backoff:
    """How often in a row one unit did not answer, and when it may be tried again.

    `timeout` is the seconds for one whole answer; a mute unit gets less.
    """

    timeout: float
    not_before: float = 0.0
    slowest: float | None = None  # s, the slowest answer so far
    _silence: Silence = field(default_factory=Silence)
    _may_take_long: bool = False  # the next try gets the full time-out
    _long_try_after: float = 0.0  # the earliest time for another such try

    @property
    def is_mute(self) -> bool:
        return self._silence.is_mute

    @property
    def is_known(self) -> bool:
        """Whether it has ever answered."""
        return self.slowest is not None

    @property
    def is_doubtful(self) -> bool:
        """Whether the next request may take a whole time-out."""
        return self._silence.unanswered > 0 or not self.is_known

    def time(self, is_anybody_known: bool) -> float:
        """Seconds to wait for the next answer: fewer if it is mute, or if only others ever answered."""
        is_strange = not self.is_known and is_anybody_known
        if not (self.is_mute or is_strange) or self._may_take_long:
            return self.timeout
        usual = LONGEST_TRY if self.slowest is None else max(SHORTEST_TRY, 4 * self.slowest)
        return min(self.timeout, usual, LONGEST_TRY)

    def answered(self, took: float | None) -> None:
        """Note that it answered after `took` seconds; None if unknown."""
        self._silence.note(True)
        self._may_take_long, self._long_try_after = False, 0.0
        if took is not None:
            self.slowest = max(self.slowest or 0.0, took)

    def missed(self, sent_at: float, now: float) -> None:
        """Note that it did not answer a request sent at `sent_at`; a mute unit waits longer each time."""
        self._silence.note(False)
        if self.is_mute:
            tries = self._silence.unanswered - MUTE_AFTER
            self.not_before = max(now, sent_at + RETRIES[min(tries, len(RETRIES) - 1)])
        if self._may_take_long:
            self._may_take_long, self._long_try_after = False, now + LONG_TRY_SHARE * self.timeout

    def heard(self, now: float) -> None:
        """Note that it answered too late: its next try gets the full time-out.

        At most once in LONG_TRY_SHARE time-outs, or a unit that is always too late would slow the others.
        """
        if now >= self._long_try_after:
            self._may_take_long = True


class Patience(dict[int, Backoff]):
    """The Backoff of each unit on one wire; `timeout` is the seconds for one whole answer."""

    def __init__(self, units: Iterable[int], timeout: float):
        super().__init__({unit: Backoff(timeout) for unit in units})
        self._timeout = timeout

    @property
    def are_all_mute(self) -> bool:
        return all(each.is_mute for each in self.values())

    def time(self, unit: int) -> float:
        """Seconds to wait for the next answer of a unit; a unit alone on its wire slows nobody."""
        if len(self) == 1:
            return self._timeout
        return self[unit].time(any(each.is_known for each in self.values()))

    def missed(self, unit: int, sent_at: float, now: float) -> None:
        """Note that a unit did not answer a request sent at `sent_at`."""
        self[unit].missed(sent_at, now)
        if self.are_all_mute:  # tries slow nobody, and the bus itself may be down
            for each in self.values():
                each.not_before = min(each.not_before, now + ALONE)
