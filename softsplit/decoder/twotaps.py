"""Decode two taps, one for requests and one for replies, each with an unknown delay.

A tap delivers what it hears in order, but always some milliseconds late and now and then later. So times do
not show which reply belongs to which request. Two rules do:

- the order: while each request of a unit finds its reply, and each reply its request, within the usual delay
  between the taps, they are paired in order. An unanswered request, a reply to nothing, noise or a slow reply
  make the order doubtful, until all was in order for CALM seconds.
- the shape: a reply belongs to the only request that it fits among those heard within HICCUP seconds.

A reply for which neither rule holds is suspect. On a network, taps may stay apart; there only shape counts.
"""

from collections import deque
from collections.abc import Iterator

from softsplit.decoder.damage import TORN, describe_noise
from softsplit.decoder.lengths import answers, is_broadcast
from softsplit.decoder.order import CALM, Answer, Order, Question
from softsplit.decoder.requests import Asked
from softsplit.decoder.timing import Timing
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.protocol.adu import MAX_RTU_FRAME

HICCUP = 0.9  # s that the taps may be apart for a moment
USUALLY = 4  # times the jitter that the taps are apart
STEADY = 0.02  # s; a tap with more jitter is on a network
MOST_QUESTIONS = 200  # requests
NOISE_ENDS = 0.05  # s without a byte that end noise


class TwoTaps:
    """Takes the frames of both taps; times are in seconds, `timeout` is how long a reply may take."""

    def __init__(self, jitter: float, timeout: float):
        self._apart = USUALLY * jitter
        self._is_steady = jitter <= STEADY
        self._timeout = timeout
        self._timing = Timing()
        self._orders: dict[int, Order] = {}
        self._questions: deque[Question] = deque()  # of all units, while a reply may come
        self._noise_at = float("-inf")  # when noise may have been a request
        self._began_at: float | None = None
        self.now = 0.0
        self._number = 0
        self._told: list[Transaction] = []

    def open_requests(self) -> list[Asked]:
        return [each.asked for each in self._questions if not each.is_decided]

    def tell(self) -> list[Transaction]:
        told, self._told = self._told, []
        return told

    def is_familiar(self, frame: bytes) -> bool:
        return self._timing.is_familiar(frame)

    def request(self, frame: bytes, begin: float, end: float) -> None:
        self._number += 1
        last = self._questions[-1] if self._questions else None
        retry = last is not None and last.asked.frame == frame and not last.is_decided
        question = Question(Asked(frame, end, self._number, retry), end)
        if last:
            last.next_at = begin
        self._timing.asked(frame)
        if is_broadcast(frame):
            self._tell(Kind.BROADCAST, question)
        else:
            self._order(frame, end).ask(question, end)
        self._questions.append(question)
        while len(self._questions) > MOST_QUESTIONS:
            self._give_up(self._questions.popleft())

    def reply(self, frame: bytes, begin: float, end: float) -> None:
        self._order(frame, end).answer(Answer(frame, begin, end), end)

    def noise(self, data: bytes, end: float, is_request: bool) -> None:
        """Take bytes that belong to no frame; TORN or more may be the rest of one."""
        self._told.append(Transaction(Kind.DAMAGED, end, reply=data, damage=describe_noise(data)))
        if len(data) >= TORN:
            self._noise_at = end if is_request else self._noise_at
            for order in self._orders.values():
                order.doubt(end)

    def advance(self, now: float, final: bool = False) -> None:
        """Decide what can be decided at `now`; `final`: no more bytes will come."""
        self.now = max(self.now, now)
        for order in self._orders.values():
            order.expire(self.now)
            while order.replies and self._decide(order, order.replies[0], final):
                order.replies.popleft()
        self._forget(final)

    def _order(self, frame: bytes, now: float) -> Order:
        self._began_at = now if self._began_at is None else self._began_at
        return self._orders.setdefault(frame[0], Order(self._apart, self._began_at))

    def _decide(self, order: Order, answer: Answer, final: bool) -> bool:
        """Hand over a reply if its request is certain, or will never be; return whether that was so."""
        waited = float("inf") if final else self.now - answer.end
        question = answer.question
        if question and self._is_in_order(order, answer, question):
            if order.is_balanced and waited > self._apart:
                self._pair(question, answer, is_sure=True)
            return question.is_decided or waited > HICCUP and self._decide_by_shape(answer)
        return waited > self._patience(answer) and self._decide_by_shape(answer)

    def _patience(self, answer: Answer) -> float:
        """How long to wait for another request that the reply may fit, if such a request is known."""
        known = [each for each in self._timing.requests() if each[0] == answer.frame[0]]
        is_only = sum(answers(each, answer.frame) for each in known) == 1
        return self._apart if is_only and any(self._fitting(answer)) else HICCUP

    def _decide_by_shape(self, answer: Answer) -> bool:
        fitting = list(self._fitting(answer))
        is_sure = len({each.asked.frame for each in fitting}) == 1 and (
            abs(answer.end - self._noise_at) > HICCUP + self._timeout)
        question = next((each for each in fitting if not each.is_decided), None)
        if question is None:
            self._told.append(Transaction(Kind.ORPHAN, answer.end, reply=answer.frame))
        else:
            self._pair(question, answer, is_sure)
        return True

    def _is_in_order(self, order: Order, answer: Answer, question: Question) -> bool:
        """Whether the order around a reply was not in doubt, and it came in the usual time."""
        if not self._is_steady or question.is_decided:
            return False
        wait, usual = answer.begin - question.asked_at, self._timing.usual(answer.frame[0])
        if usual is not None and not -self._apart < wait - usual < usual / 2 + self._apart:
            order.doubtful_at = max(order.doubtful_at, answer.end)
        return answer.end - order.doubtful_at > CALM

    def _fitting(self, answer: Answer) -> Iterator[Question]:
        """The requests that it may answer, whichever tap is late."""
        for question in self._questions:
            asked, asked_at = question.asked, question.asked_at
            is_early = question.next_at is not None and question.next_at < answer.begin - HICCUP
            if (asked.frame[0] == answer.frame[0] and not is_early and asked_at <= answer.end + HICCUP
                    and answer.begin - asked_at <= self._timeout and answers(asked.frame, answer.frame)):
                yield question

    def _pair(self, question: Question, answer: Answer, is_sure: bool) -> None:
        kind = Kind.SUSPECT if not is_sure else Kind.EXCEPTION if answer.frame[1] >= 0x80 else Kind.OK
        if is_sure:
            self._timing.answered(answer.frame[0], max(0.0, answer.begin - question.asked_at))
        self._tell(kind, question, answer.frame, answer.end - question.asked_at)

    def _forget(self, final: bool) -> None:
        """Give up the requests to which no reply can come any more."""
        for question in self._questions:
            over_at = question.asked_at + self._timeout if question.next_at is None else question.next_at
            if not final and self.now - over_at <= 2 * HICCUP:
                break
            self._give_up(question)
        while self._questions and self._questions[0].is_decided and (
                self.now - self._questions[0].asked_at > self._timeout + HICCUP):
            self._questions.popleft()

    def _give_up(self, question: Question) -> None:
        if not question.is_decided:
            self._tell(Kind.NO_REPLY, question)

    def _tell(self, kind: Kind, question: Question, reply: bytes | None = None,
              latency: float | None = None) -> None:
        question.is_decided = True
        asked = question.asked
        self._told.append(Transaction(kind, asked.time, asked.frame, reply, latency, asked.retry))


class Side:
    """Takes the frames of one tap, in the place of a Pairing."""

    asked: Asked | None = None  # no reply is expected: its request may come later

    def __init__(self, taps: TwoTaps, role: str):
        self._taps, self._role = taps, role
        self._noise, self._noise_end = b"", 0.0  # since the last frame

    def noise(self, data: bytes, end: float | None) -> None:
        self._noise += data
        self._noise_end = _known(end)
        if len(self._noise) >= MAX_RTU_FRAME:
            self.settle()

    def request(self, frame: bytes, begin: float | None, end: float | None) -> None:
        self.settle()
        self._taps.request(frame, _known(begin), _known(end))

    def reply(self, frame: bytes, begin: float | None, end: float | None, given: bool) -> None:
        self.settle()
        self._taps.reply(frame, _known(begin), _known(end))

    def settle(self, now: float = float("inf")) -> None:
        """Hand over the noise, unless more may follow at once."""
        if self._noise and now - self._noise_end > NOISE_ENDS:
            noise, self._noise = self._noise, b""
            self._taps.noise(noise, self._noise_end, self._role == "request")

    def expects(self, frame: bytes) -> bool:
        return self._taps.is_familiar(frame)

    def is_asked_anew(self, frame: bytes, begin: float | None) -> bool:
        return False

    def is_reply(self, frame: bytes, begin: float | None) -> bool:
        return self._role == "reply"


def _known(time: float | None) -> float:
    """The time, which two taps need. If reads have none, `Decoder.feed` counts instead."""
    if time is None:
        raise ValueError("two taps need times")
    return time
