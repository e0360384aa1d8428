"""The order in which two taps receive the requests and replies of one unit, and whether it is certain."""

from collections import deque
from dataclasses import dataclass, field

from softsplit.decoder.lengths import answers
from softsplit.decoder.requests import Asked

CALM = 2.0  # s in order until a doubt ends; longer than a hiccup of a tap


@dataclass(eq=False)
class Question:
    """A request: when it ended, when the next request on the line began, and whether its outcome is known."""

    asked: Asked
    asked_at: float
    next_at: float | None = None
    is_decided: bool = False


@dataclass(eq=False)
class Answer:
    """A reply, and its request by their order."""

    frame: bytes
    begin: float
    end: float
    question: Question | None = None


@dataclass
class Order:
    """The requests and replies of one unit that wait for their counterpart."""

    apart: float  # s between the taps, usually
    doubtful_at: float  # when the order was last in doubt
    questions: list[Question] = field(default_factory=list)
    early: list[Answer] = field(default_factory=list)
    asked: int = 0  # requests since the last time that each had its reply
    replies: deque[Answer] = field(default_factory=deque)  # not yet decided

    def ask(self, question: Question, now: float) -> None:
        self.expire(now)
        self.asked += 1
        is_calm = now - self.doubtful_at > CALM
        if self.early and is_calm and answers(question.asked.frame, self.early[0].frame):
            self.early.pop(0).question = question
        else:  # in doubt, an early reply may as well belong to the request before
            self.questions.append(question)
        if self.asked > 2 or self.early:
            self.doubt(now)
            self.questions, self.asked = [question], 1
        self._close()

    def answer(self, answer: Answer, now: float) -> None:
        self.expire(now)
        self.replies.append(answer)
        if self.questions and answers(self.questions[0].asked.frame, answer.frame):
            answer.question = self.questions.pop(0)
        elif self.questions or self.early:
            self.doubt(now)
        else:
            self.early.append(answer)
        self._close()

    def expire(self, now: float) -> None:
        """Begin anew if a reply has waited so long for its request that there may be none."""
        if self.early and now - self.early[0].end > self.apart:
            self.doubt(now)

    def doubt(self, now: float) -> None:
        """Something is out of order; begin anew."""
        self.doubtful_at = max(self.doubtful_at, now)
        self.questions, self.early, self.asked = [], [], 0

    @property
    def is_balanced(self) -> bool:
        return not self.questions and not self.early

    def _close(self) -> None:
        if self.is_balanced:
            self.asked = 0
