"""How often and for how long to try a unit that does not answer. Pure: time is an argument."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from softsplit.polling.silence import MUTE_AFTER, Silence

RETRIES = (1.0, 2.0, 4.0, 5.0)  # s between the tries of a mute unit; the last one stays
ALONE = 1.5  # s, the longest between the tries while all units are mute: there is nobody to slow
SHORTEST_TRY, LONGEST_TRY = 0.1, 0.5  # s a mute unit gets for its answer
LONG_TRY_SHARE = 10  # of so many time-outs one may be spent on a mute unit that answers too late


@dataclass(slots=True)
class Backoff:
    """The patience with one unit: how often in a row it did not answer, and when it may be tried again.

    `timeout` is what a unit gets for one whole answer, in seconds; a mute one gets less.
    """

    timeout: float
    not_before: float = 0.0
    slowest: float | None = None  # s, of all answers seen
    _silence: Silence = field(default_factory=Silence)
    _may_take_long: bool = False  # its next try gets the full time-out
    _long_try_after: float = 0.0  # when that may be granted again

    @property
    def is_mute(self) -> bool:
        return self._silence.is_mute

    @property
    def is_known(self) -> bool:
        """Whether it has answered ever."""
        return self.slowest is not None

    @property
    def is_doubtful(self) -> bool:
        """Whether the next request may well take a whole time-out."""
        return self._silence.unanswered > 0 or not self.is_known

    def time(self, is_anybody_known: bool) -> float:
        """Seconds to wait for the next answer: fewer for a mute unit, or one never heard while others are."""
        is_strange = not self.is_known and is_anybody_known
        if not (self.is_mute or is_strange) or self._may_take_long:
            return self.timeout
        usual = LONGEST_TRY if self.slowest is None else max(SHORTEST_TRY, 4 * self.slowest)
        return min(self.timeout, usual, LONGEST_TRY)

    def answered(self, took: float) -> None:
        """It has answered, after so many seconds."""
        self._silence.note(True)
        self._may_take_long, self._long_try_after = False, 0.0
        self.slowest = max(self.slowest or 0.0, took)

    def missed(self, sent_at: float, now: float) -> None:
        """It did not answer what was sent then; when mute, it has to wait, ever longer."""
        self._silence.note(False)
        if self.is_mute:
            tries = self._silence.unanswered - MUTE_AFTER
            self.not_before = max(now, sent_at + RETRIES[min(tries, len(RETRIES) - 1)])
        if self._may_take_long:
            self._may_take_long, self._long_try_after = False, now + LONG_TRY_SHARE * self.timeout

    def heard(self, now: float) -> None:
        """It answered too late: it lives, and gets the full time-out at its next try to show it.

        Not at every try, or a unit that is always too late would slow the others.
        """
        if now >= self._long_try_after:
            self._may_take_long = True


class Patience(dict[int, Backoff]):
    """The patience with the units of one wire, by unit; `timeout` is what each gets, in seconds."""

    def __init__(self, units: Iterable[int], timeout: float):
        super().__init__({unit: Backoff(timeout) for unit in units})
        self._timeout = timeout

    @property
    def are_all_mute(self) -> bool:
        return all(each.is_mute for each in self.values())

    def time(self, unit: int) -> float:
        """Seconds to wait for the next answer of a unit; one that is alone on its wire slows nobody."""
        if len(self) == 1:
            return self._timeout
        return self[unit].time(any(each.is_known for each in self.values()))

    def missed(self, unit: int, sent_at: float, now: float) -> None:
        """A unit did not answer what was sent then."""
        self[unit].missed(sent_at, now)
        if self.are_all_mute:  # nobody is slowed by tries, and it may be the bus that is
            for each in self.values():
                each.not_before = min(each.not_before, now + ALONE)
