"""The outcome of one request to a unit, and what an upstream hands to the mirrors. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from softsplit.errors import Refused, UpstreamError
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.pdu import OWN_EXCEPTIONS, Question, describe_exception, read_answer, read_question


def refusal(unit: int, code: int) -> Refused:
    """The error for an exception with this code, from the unit or a gateway."""
    return Refused(f"unit {unit}: {describe_exception(code)}", code)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a request sent at `asked_at` that `took` so many seconds.

    It has either `answer`, the whole answer PDU, which fits the question; or `error`, which is Refused when
    the unit or a gateway answered with an exception. `question` is None when softsplit did not hear the whole
    request of another master, does not know such a request, or knows only that the unit was silent. If softsplit
    itself `stood_still` meanwhile, `took` says nothing of the unit.
    """

    unit: int
    question: Question | None
    asked_at: float
    took: float
    answer: bytes | None = None
    error: UpstreamError | None = None
    stood_still: bool = False

    @classmethod
    def of_reply(cls, unit: int, question: Question, asked_at: float, took: float, pdu: bytes,
                 stood_still: bool = False) -> "Outcome":
        """The outcome of a request that got this answer or exception."""
        if pdu[0] >= 0x80:
            return cls(unit, question, asked_at, took, error=refusal(unit, pdu[1]), stood_still=stood_still)
        return cls(unit, question, asked_at, took, pdu, stood_still=stood_still)

    @classmethod
    def of_read(cls, unit: int, block: Block, asked_at: float, took: float, data: bytes) -> "Outcome":
        """The outcome of a read that got this data."""
        return cls(unit, read_question(block), asked_at, took, read_answer(block, data))

    @property
    def block(self) -> Block | None:
        """The block that the request reads, if it is a plain read."""
        return self.question.block if self.question else None

    @property
    def read(self) -> Block:
        """The block that the request reads. Raises ValueError if it is no plain read."""
        if self.block is None:
            raise ValueError(f"unit {self.unit} was not asked for a block")
        return self.block

    @property
    def data(self) -> bytes | None:
        """The data of the answer to a plain read, as on the wire: registers big-endian, bits packed from the
        least significant one on."""
        return self.answer[2:] if self.answer is not None and self.block is not None else None

    @property
    def failure(self) -> UpstreamError:
        """The error. Raises ValueError if there is an answer."""
        if self.error is None:
            raise ValueError(f"unit {self.unit} has answered")
        return self.error

    @property
    def exception(self) -> int | None:
        """The code of an exception, the unit's own or a gateway's."""
        return self.error.exception_code if isinstance(self.error, Refused) else None

    @property
    def own_exception(self) -> int | None:
        """The code of an exception from the unit itself, not from a gateway."""
        return self.exception if self.exception in OWN_EXCEPTIONS else None

    @property
    def is_of_unit(self) -> bool:
        """Whether the unit itself answered, with data or an exception."""
        return self.answer is not None or self.own_exception is not None


@dataclass(frozen=True, slots=True)
class Reading:
    """The outcome of a request to a unit of this upstream, for its mirrors.

    An unanswered read, or any other request, only tells them whether the unit lives. For an answer that
    another master asked for, `every` is the seconds between reads of this block and `beat` those of the
    unit's most frequent block; 0 while unknown. When it asked is an estimate: at `asked_at` at the
    earliest, at most `slack` seconds later.
    """

    upstream: str
    outcome: Outcome
    every: float = 0.0
    beat: float = 0.0
    slack: float = 0.0

    @property
    def ended_at(self) -> float:
        """When the answer was there, at the latest; its numbers were measured between `asked_at` and then."""
        return self.outcome.asked_at + self.slack + self.outcome.took


UNDER_WAY, NOT_SENT = float("inf"), float("-inf")  # a write; see Invalidation.until


@dataclass(frozen=True, slots=True)
class Invalidation:
    """The blocks that a write to one unit changes: masters get them only from reads sent after the write.

    `until` is UNDER_WAY before the write is sent. Afterwards it is the time when the unit acknowledged the
    write, or when it can no longer execute it; or NOT_SENT.
    """

    upstream: str
    unit: int
    blocks: tuple[Block, ...]
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Location:
    """Where the registers of a unit begin whose profile has a `base`; None: they are not there any more.

    `reads` are polled there from now on, and `names` are the blocks of the registers. What was taken from the
    unit before is not to be found at these addresses.
    """

    upstream: str
    unit: int
    at: int | None
    reads: tuple[Read, ...] = ()
    names: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Barrier:
    """Calls `done` when every mirror has taken all news that was queued before it."""

    done: Callable[[], None]


News = Reading | Invalidation | Location | Barrier  # what goes through the queue of the sync thread
