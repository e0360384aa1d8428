"""What is known of whoever is at the other end of a connection: whether it may be gone, or loses requests. Pure."""

SILENT_ANSWERS = 3  # unanswered requests in a row after which a connection is given up: its peer may be gone
MOST_SILENT = 24  # such, after connections which were no better


class Peer:
    """The silence of a peer; times are seconds of the clock.

    It `loses_first` requests when the first one on its latest connections was lost, and the next one to the same
    unit was answered.
    """

    def __init__(self) -> None:
        self.is_silent = False  # whether the latest request is unanswered
        self._silent = 0  # requests in a row without any answer
        self._since = 0.0  # when the first of them was sent
        self._most_silent = SILENT_ANSWERS  # of those, before the connection is given up
        self.loses_first = False
        self._is_first = True  # nothing was answered, or lost, on this connection
        self._lost: int | None = None  # the unit that the first request asked, if that was lost

    def connect(self) -> None:
        """There is a new connection; after one that was given up, it takes longer to give up this one."""
        if self._silent >= self._most_silent:
            self._most_silent = min(2 * self._most_silent, MOST_SILENT)
        self._silent, self.is_silent = 0, False
        self._is_first, self._lost = True, None

    def ask(self, now: float) -> None:
        """Something is about to be asked."""
        if not self._silent:
            self._since = now
        self._silent += 1
        self.is_silent = True

    def hear(self) -> None:
        """Something came: the peer is there."""
        self._silent, self._most_silent, self.is_silent = 0, SILENT_ANSWERS, False

    def answer(self, unit: int) -> None:
        """A request to this unit was answered, by itself or in its place."""
        if self._is_first or self._lost == unit:
            self.loses_first = not self._is_first
            self._is_first, self._lost = False, None

    def lose(self, unit: int) -> None:
        """A request to this unit was not answered in time."""
        if self._is_first:
            self._is_first, self._lost = False, unit
        elif self._lost == unit:
            self._lost = None  # it is silent anyway

    def may_be_gone(self, now: float, longest: float) -> bool:
        """Whether it has been silent for so many requests, and so many seconds, that it may be gone."""
        return self._silent >= self._most_silent and now - self._since >= longest
