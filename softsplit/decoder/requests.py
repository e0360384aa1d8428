"""The past requests of a serial line to which a reply may still come."""

from collections import deque
from dataclasses import dataclass

from softsplit.decoder.damage import begins_like
from softsplit.decoder.lengths import answers
from softsplit.decoder.timing import Timing

UNANSWERED = 4  # requests without a reply that are remembered
STEPS_BACK = 2  # requests between a late reply and its own, at most


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its frame, when it ended, which request on this line it is, and whether that before was the
    same and given up."""

    frame: bytes
    time: float | None
    number: int
    retry: bool = False


def between(begin: float | None, end: float | None) -> float | None:
    """Seconds from the one to the other; None when nobody knows."""
    return None if begin is None or end is None else end - begin


class PastRequests:
    """Remembers what was asked and given up; `timeout` is how long a reply may take, in seconds."""

    def __init__(self, habits: Timing, timeout: float):
        self._timing, self._timeout = habits, timeout
        self._number = 0
        self._given_up: Asked | None = None  # the last one
        self._unanswered: deque[Asked] = deque(maxlen=UNANSWERED)
        self._ghost: Asked | None = None

    def ask(self, frame: bytes, end: float | None, undisturbed: bool) -> Asked:
        """A request is heard; return it. `undisturbed`: with no noise since the one before."""
        last = self._given_up
        retry = last is not None and last.number == self._number and last.frame == frame
        if last and retry and undisturbed:
            self._timing.asked_again(between(last.time, end))
        self._timing.asked(frame)
        self._number += 1
        return Asked(frame, end, self._number, retry)

    def give_up(self, asked: Asked, unanswered: bool) -> None:
        """A request is given up; `unanswered`: and no reply came at all, not even in pieces."""
        self._given_up = asked
        if unanswered:
            self._unanswered.append(asked)

    def haunt(self, noise: bytes, end: float | None) -> None:
        """Noise was perhaps a request."""
        self._ghost = Asked(noise, end, self._number)

    def answer(self, asked: Asked) -> None:
        """The reply to a request came after all."""
        self._unanswered.remove(asked)

    def unanswered(self, reply: bytes, now: float | None) -> Asked | None:
        """The newest request to which `reply` may be the late reply."""
        return next((asked for asked in reversed(self._unanswered)
                     if self._is_recent(asked, now) and answers(asked.frame, reply)), None)

    def may_claim(self, reply: bytes, asked: Asked, now: float | None) -> bool:
        """Whether `reply`, which is one to `asked`, may as well be the late one to something else."""
        other = self.unanswered(reply, now)
        return (other is not None and other.frame != asked.frame
                or self._ghost is not None and self._is_recent(self._ghost, now)
                and begins_like(self._ghost.frame, reply))

    def is_overdue(self, asked: Asked, now: float | None) -> bool:
        """Whether it is so late that the unit has answered, or whoever asked asks again."""
        return (between(asked.time, now) or 0.0) > self._timing.patience(asked.frame[0])

    def _is_recent(self, asked: Asked, now: float | None) -> bool:
        return (self._number - asked.number <= STEPS_BACK
                and (between(asked.time, now) or 0.0) <= self._timing.memory(self._timeout))
