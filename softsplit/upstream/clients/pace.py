"""How soon answers come on a line, so that one is noticed which comes sooner than its line can carry it. Pure."""

from softsplit.upstream.clients.replies import Shape

LEAST_ANSWERS = 5  # answers of a shape, after which its pace is known
JITTER = 0.005  # s, by which answers come sooner or later anyway
LATER = 1.5  # times as late as the soonest answer, when the right one has come


class Pace:
    """The soonest answer of each shape so far, in seconds from the request."""

    def __init__(self):
        self._soonest: dict[Shape, tuple[int, float]] = {}  # how many there were, and that

    def is_too_soon(self, shape: Shape, took: float) -> bool:
        """Whether no answer has ever come so soon, so that it may be the one to somebody else's request."""
        count, soonest = self._soonest.get(shape, (0, 0.0))
        return count >= LEAST_ANSWERS and took < soonest - JITTER

    def wait(self, shape: Shape) -> float:
        """Seconds from the request, after which another answer of this shape would have come."""
        return LATER * self._soonest[shape][1]

    def note(self, shape: Shape, took: float) -> None:
        """An answer of this shape was right."""
        count, soonest = self._soonest.get(shape, (0, took))
        self._soonest[shape] = count + 1, min(soonest, took)
