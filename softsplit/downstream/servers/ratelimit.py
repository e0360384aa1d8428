"""Limit the answers to each address, where senders can forge addresses. For one thread."""

from softsplit.bounded import BoundedDict

RATE, BURST = 250.0, 500.0  # answers to one address: per second, at once; a charger asks 50 times a second
MOST_ADDRESSES = 1000  # counted addresses


class RateLimit:
    """Allows each address `rate` answers in a second, and `burst` at once after a pause."""

    def __init__(self, rate: float = RATE, burst: float = BURST):
        self._rate = rate
        self._burst = burst
        self._left: BoundedDict[str, tuple[float, float]] = BoundedDict(MOST_ADDRESSES)  # answers left, when

    def allows(self, address: str, now: float) -> bool:
        """Return whether this address gets an answer at the time `now`, and count it."""
        left, at = self._left.get(address, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        is_allowed = left >= 1
        self._left[address] = left - is_allowed, now
        return is_allowed
