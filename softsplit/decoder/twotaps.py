"""Decode two taps, one for requests and one for replies, each with an unknown delay.

A tap holds back what it hears, for some milliseconds always and for longer now and then, but keeps its order;
so which reply belongs to which request is not a matter of time. Two rules give certainty:

- the order: while each request of a unit finds its reply, and each reply its request, within what the taps
  are usually apart, they belong together in their order. An unanswered request, a reply to nothing, noise or
  a reply that takes too long make that doubtful, until all was in order for CALM seconds.
- the shape: where no other request that the reply fits was heard within HICCUP seconds, it is that one's.

A reply for which neither holds is suspect. On a network taps may be apart for good; there only shape counts.
"""

from collections import deque
from collections.abc import Iterator

from softsplit.decoder.damage import TORN
from softsplit.decoder.lengths import answers, is_broadcast
from softsplit.decoder.order import CALM, Answer, Order, Question
from softsplit.decoder.requests import Asked
from softsplit.decoder.timing import Timing
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.protocol.adu import MAX_RTU_FRAME

HICCUP = 0.9  # s the taps may be apart for a moment
USUALLY = 4  # times the jitter the taps are apart
STEADY = 0.02  # s; a tap with more jitter is on a network
MOST_QUESTIONS = 200  # requests
NOISE_ENDS = 0.05  # s without a byte, after which noise is over


class TwoTaps:
    """Takes in the frames of both taps; times are in seconds, `timeout` is how long a reply may take."""

    def __init__(self, jitter: float, timeout: float):
        self._apart = USUALLY * jitter
        self._is_steady = jitter <= STEADY
        self._timeout = timeout
        self._timing = Timing()
        self._orders: dict[int, Order] = {}
        self._questions: deque[Question] = deque()  # of all units, as long as a reply may come
        self._noise_at = float("-inf")  # where a request may have been
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
        """Bytes that are part of no frame; many of them may have been one."""
        damage = f"{len(data)} bytes of no frame" if len(data) > 1 else "a byte of no frame"
        self._told.append(Transaction(Kind.DAMAGED, end, reply=data, damage=damage))
        if len(data) >= TORN:
            self._noise_at = end if is_request else self._noise_at
            for order in self._orders.values():
                order.doubt(end)

    def advance(self, now: float, final: bool = False) -> None:
        """Decide what can be decided at `now`; `final`: nothing comes any more."""
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
        """Tell what a reply is, if that is certain by now, or cannot be; return whether it was told."""
        waited = float("inf") if final else self.now - answer.end
        question = answer.question
        if question and self._is_in_order(order, answer, question):
            if order.is_balanced and waited > self._apart:
                self._pair(question, answer, is_sure=True)
            return question.is_decided or waited > HICCUP and self._decide_by_shape(answer)
        return waited > self._patience(answer) and self._decide_by_shape(answer)

    def _patience(self, answer: Answer) -> float:
        """How long to wait for another request that may own a reply, if such a one is known."""
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
        """Whether nothing was doubtful before and after a reply, which came in the usual time."""
        if not self._is_steady or question.is_decided:
            return False
        wait, usual = answer.begin - question.asked_at, self._timing.usual(answer.frame[0])
        if usual is not None and not -self._apart < wait - usual < usual / 2 + self._apart:
            order.doubtful_at = max(order.doubtful_at, answer.end)
        return answer.end - order.doubtful_at > CALM

    def _fitting(self, answer: Answer) -> Iterator[Question]:
        """The requests to which it may be the reply, whoever is late."""
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
    """What finds the frames of one tap tells them through this."""

    asked: Asked | None = None  # no reply is expected by what was asked: its request may come later

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
        """Tell the noise, unless more may follow at once."""
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
    """A time of two taps: where the reads bring none, whoever feeds them counts (see `Decoder.feed`)."""
    if time is None:
        raise ValueError("two taps need times")
    return time
