"""The past requests of a serial line to which a reply may still come."""

from collections import deque
from dataclasses import dataclass

from softsplit.decoder.damage import begins_like
from softsplit.decoder.lengths import answers
from softsplit.decoder.timing import Timing

UNANSWERED = 4  # requests without a reply that are kept
STEPS_BACK = 2  # the most requests between a request and its late reply


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its frame, when it ended, its number on this line, and whether it repeats one given up."""

    frame: bytes
    time: float | None
    number: int
    retry: bool = False


def between(begin: float | None, end: float | None) -> float | None:
    """Seconds from `begin` to `end`; None if either is unknown."""
    return None if begin is None or end is None else end - begin


class PastRequests:
    """Remembers requests that were given up; `timeout` is the seconds that a reply may take."""

    def __init__(self, timing: Timing, timeout: float):
        self._timing, self._timeout = timing, timeout
        self._number = 0
        self._given_up: Asked | None = None  # the last one
        self._unanswered: deque[Asked] = deque(maxlen=UNANSWERED)
        self._possible: Asked | None = None  # noise that was perhaps a request

    def ask(self, frame: bytes, end: float | None, undisturbed: bool) -> Asked:
        """Note and return a request; `undisturbed`: no noise came since the one before."""
        last = self._given_up
        retry = last is not None and last.number == self._number and last.frame == frame
        if last and retry and undisturbed:
            self._timing.asked_again(between(last.time, end))
        self._timing.asked(frame)
        self._number += 1
        return Asked(frame, end, self._number, retry)

    def give_up(self, asked: Asked, unanswered: bool) -> None:
        """Give up a request; `unanswered`: not even a part of a reply came."""
        self._given_up = asked
        if unanswered:
            self._unanswered.append(asked)

    def note_noise(self, noise: bytes, end: float | None) -> None:
        """Note noise that was perhaps a request."""
        self._possible = Asked(noise, end, self._number)

    def answer(self, asked: Asked) -> None:
        """Note that the reply to a request came after all."""
        self._unanswered.remove(asked)

    def unanswered(self, reply: bytes, now: float | None) -> Asked | None:
        """The newest request that `reply` may answer late."""
        return next((asked for asked in reversed(self._unanswered)
                     if self._is_recent(asked, now) and answers(asked.frame, reply)), None)

    def may_claim(self, reply: bytes, asked: Asked, now: float | None) -> bool:
        """Whether `reply`, which fits `asked`, may be the late reply to another request."""
        other = self.unanswered(reply, now)
        return (other is not None and other.frame != asked.frame
                or self._possible is not None and self._is_recent(self._possible, now)
                and begins_like(self._possible.frame, reply))

    def is_overdue(self, asked: Asked, now: float | None) -> bool:
        """Whether so much time has passed that the unit has answered, or the master asks again."""
        return (between(asked.time, now) or 0.0) > self._timing.patience(asked.frame[0])

    def _is_recent(self, asked: Asked, now: float | None) -> bool:
        return (self._number - asked.number <= STEPS_BACK
                and (between(asked.time, now) or 0.0) <= self._timing.memory(self._timeout))
