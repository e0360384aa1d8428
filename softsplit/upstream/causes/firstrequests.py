"""Find out whether a gateway loses only the requests that come soon after connecting. Pure."""

from collections import deque

LEAST = 3  # connections on which it lost some
DELAYS = (1, 2, 3, 5)  # s, values to advise


class FirstRequests:
    """The beginnings of the latest connections; times are seconds of the clock.

    The first request is usually sent `connect_delay` seconds after connecting; one that was sent half a
    time-out later must have been repeated.
    """

    def __init__(self, timeout: float, connect_delay: float):
        self._usual = connect_delay + timeout / 2
        self._connected_at = 0.0
        self._lost: int | None = None  # the unit of the first lost request
        self._heard_after = 0.0  # s from connecting to the first request that was answered
        self._is_over = True  # whether the beginning of the latest connection is known
        self._deaf_for: deque[float] = deque(maxlen=4 * LEAST)  # s after connecting, 0 if nothing was lost

    def count(self, connected_at: float, unit: int, asked_at: float, is_answered: bool,
              stood_still: bool = False) -> None:
        """Note a request on the connection of this time, and whether it was answered.

        Lost requests only count if the same unit answers later. Nothing is learned from a connection if
        softsplit itself `stood_still` since then.
        """
        if connected_at != self._connected_at:
            self._connected_at, self._lost, self._heard_after, self._is_over = connected_at, None, 0.0, False
        self._is_over = self._is_over or stood_still
        if self._is_over:
            return
        if not is_answered:
            self._lost = unit if self._lost is None else self._lost
            return
        self._heard_after = self._heard_after or asked_at - connected_at
        if self._lost in (None, unit):
            self._is_over = True
            is_lost = self._lost is not None or self._heard_after > self._usual
            self._deaf_for.append(self._heard_after if is_lost else 0.0)

    @property
    def connect_delay(self) -> int | None:
        """What to set, in seconds; None if that would not help."""
        lost = [each for each in self._deaf_for if each]
        if len(lost) < max(LEAST, len(self._deaf_for) / 2):
            return None
        return next((each for each in DELAYS if each >= max(lost)), None)
