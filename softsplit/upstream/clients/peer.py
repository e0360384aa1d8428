"""Whether the peer of a connection may be gone, or loses first requests. Pure."""

SILENT_ANSWERS = 3  # unanswered requests in a row after which a connection is given up
MOST_SILENT = 24  # the same after connections that were no better


class Peer:
    """The silence of a peer; times are seconds of the clock.

    `loses_first` is true when the first request on the latest connection was lost, and the next one to the
    same unit was answered.
    """

    def __init__(self) -> None:
        self.is_silent = False  # whether the latest request is unanswered
        self._silent = 0  # requests in a row without any answer
        self._since = 0.0  # when the first of them was sent
        self._most_silent = SILENT_ANSWERS  # requests in a row before the connection is given up
        self.loses_first = False
        self._is_first = True  # no request was answered or lost on this connection
        self._lost: int | None = None  # the unit of the first request, if that was lost

    def connect(self) -> None:
        """Note a new connection; after one that was given up, this one may be silent for longer."""
        if self._silent >= self._most_silent:
            self._most_silent = min(2 * self._most_silent, MOST_SILENT)
        self._silent, self.is_silent = 0, False
        self._is_first, self._lost = True, None

    def ask(self, now: float) -> None:
        """Note a request that is about to be sent."""
        if not self._silent:
            self._since = now
        self._silent += 1
        self.is_silent = True

    def hear(self) -> None:
        """Note that bytes came: the peer is there."""
        self._silent, self._most_silent, self.is_silent = 0, SILENT_ANSWERS, False

    def answer(self, unit: int) -> None:
        """Note that a request to this unit was answered, by the unit or the gateway."""
        if self._is_first or self._lost == unit:
            self.loses_first = not self._is_first
            self._is_first, self._lost = False, None

    def lose(self, unit: int) -> None:
        """Note that a request to this unit was not answered in time."""
        if self._is_first:
            self._is_first, self._lost = False, unit
        elif self._lost == unit:
            self._lost = None  # the unit is silent anyway

    def may_be_gone(self, now: float, longest: float) -> bool:
        """Whether it has been silent for too many requests in a row, and for `longest` seconds."""
        return self._silent >= self._most_silent and now - self._since >= longest
