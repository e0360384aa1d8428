"""Notice an answer that comes sooner than the unit can have answered us. Pure."""

from softsplit.upstream.clients.replies import Shape

LEAST_ANSWERS = 5  # answers of a shape, after which its pace is known
JITTER = 0.005  # s by which the times of answers vary
LATER = 1.5  # times of the soonest answer, within which the right one comes


class Pace:
    """The soonest answer of each shape so far, in seconds from the request."""

    def __init__(self):
        self._soonest: dict[Shape, tuple[int, float]] = {}  # count of answers, time of the soonest

    def is_too_soon(self, shape: Shape, took: float) -> bool:
        """Whether no answer has ever come so soon, so that this may be one to another master."""
        count, soonest = self._soonest.get(shape, (0, 0.0))
        return count >= LEAST_ANSWERS and took < soonest - JITTER

    def wait(self, shape: Shape) -> float:
        """Return the seconds from the request, within which the right answer of this shape comes."""
        return LATER * self._soonest[shape][1]

    def note(self, shape: Shape, took: float) -> None:
        """Note the time of a right answer."""
        count, soonest = self._soonest.get(shape, (0, took))
        self._soonest[shape] = count + 1, min(soonest, took)
