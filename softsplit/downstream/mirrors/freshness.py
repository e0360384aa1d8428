"""The rule of freshness: when data may be served. Pure: time is an argument.

A block is fresh for max_age after its request was sent, or for three of its periods if that is longer: one
poll may be lost, and one more be late. A block never read is not fresh. Once a unit is mute, all of it is
stale when max_age has passed since its last answer, whatever the periods of its blocks. Where softsplit only
listens, all of a unit is stale, too, once nothing was heard of it for as long as the most frequent read of
the other master is fresh.

Times are seconds of the program's clock; data is served up to and including such a time.
"""

from softsplit.polling.silence import Silence

NEVER, ALWAYS = float("-inf"), float("inf")
PERIODS = 3  # periods for which a block is fresh at least


def good_until(taken_at: float, max_age: float, every: float = 0.0) -> float:
    """Return until when a block is fresh that was asked for at `taken_at` and is read `every` seconds."""
    return taken_at + max(max_age, PERIODS * every)


def unit_good_until(answered_at: float, max_age: float, is_mute: bool, beat: float | None = None) -> float:
    """Return until when anything of a unit may be served whose last answer was asked for at `answered_at`.

    `beat` is the shortest period of another master's reads, 0 while unknown; None where softsplit itself
    asks, and so finds out when the unit is mute.
    """
    if is_mute:
        return answered_at + max_age
    return ALWAYS if beat is None else good_until(answered_at, max_age, beat)


class UnitFreshness:
    """Whether a unit answers, and until when anything of it may be served; `beat` as in `unit_good_until`."""

    def __init__(self, max_age: float, beat: float | None = None):
        self.max_age = max_age
        self.beat = beat
        self._silence = Silence()
        self._answered_at = NEVER

    def note(self, has_answered: bool, asked_at: float) -> None:
        """Note whether the unit itself has answered a request that was sent at `asked_at`."""
        self._silence.note(has_answered)
        if has_answered:
            self._answered_at = max(self._answered_at, asked_at)

    @property
    def is_mute(self) -> bool:
        return self._silence.is_mute

    @property
    def good_until(self) -> float:
        return unit_good_until(self._answered_at, self.max_age, self._silence.is_mute, self.beat)
