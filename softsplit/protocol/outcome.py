"""What came of one request to a unit, and what of it an upstream hands to the mirrors. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from softsplit.errors import Refused, UpstreamError
from softsplit.protocol.blocks import Block
from softsplit.protocol.pdu import OWN_EXCEPTIONS, Question, describe_exception, read_answer, read_question


def refusal(unit: int, code: int) -> Refused:
    """The error when a unit, or a gateway in its place, answers with an exception of this code."""
    return Refused(f"unit {unit}: {describe_exception(code)}", code)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request that was sent at `asked_at` and `took` so many seconds.

    `question` is None where the request of another master was not heard as a whole, or is none we send, and
    where nothing but silence is known. Either `answer`, the whole PDU of the unit's answer, as the question
    wants it; or `error`, which is Refused when the unit, or a gateway in its place, answered with an
    exception.
    """

    unit: int
    question: Question | None
    asked_at: float
    took: float
    answer: bytes | None = None
    error: UpstreamError | None = None

    @classmethod
    def of_reply(cls, unit: int, question: Question, asked_at: float, took: float, pdu: bytes) -> "Outcome":
        """What came of a request when this was said to it, be it an answer or an exception."""
        if pdu[0] >= 0x80:
            return cls(unit, question, asked_at, took, error=refusal(unit, pdu[1]))
        return cls(unit, question, asked_at, took, pdu)

    @classmethod
    def of_read(cls, unit: int, block: Block, asked_at: float, took: float, data: bytes) -> "Outcome":
        """What came of a read which brought home this data."""
        return cls(unit, read_question(block), asked_at, took, read_answer(block, data))

    @property
    def block(self) -> Block | None:
        """The block that was to be read, if it was such a request."""
        return self.question.block if self.question else None

    @property
    def read(self) -> Block:
        """The block that was to be read. Raises ValueError when it was no such request."""
        if self.block is None:
            raise ValueError(f"unit {self.unit} was not asked for a block")
        return self.block

    @property
    def data(self) -> bytes | None:
        """The data of the answer to a read, as it came over the wire: registers big-endian, bits packed from
        the least significant one on."""
        return self.answer[2:] if self.answer is not None and self.block is not None else None

    @property
    def failure(self) -> UpstreamError:
        """Why there is no answer. Raises ValueError when there is one."""
        if self.error is None:
            raise ValueError(f"unit {self.unit} has answered")
        return self.error

    @property
    def exception(self) -> int | None:
        """The code of an exception, the unit's own or a gateway's."""
        return self.error.exception_code if isinstance(self.error, Refused) else None

    @property
    def own_exception(self) -> int | None:
        """The code of an exception with which the unit itself refuses."""
        return self.exception if self.exception in OWN_EXCEPTIONS else None

    @property
    def is_of_unit(self) -> bool:
        """Whether the unit itself has said anything: an answer, or an exception of its own."""
        return self.answer is not None or self.own_exception is not None


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a request to a unit of this upstream, for its mirrors.

    What is no read, or was not answered, tells them only that the unit lives, or is silent. What was heard,
    because somebody else had asked, tells how often that happens: the block `every` so many seconds, and the
    unit's most frequent one at each `beat`; 0 as long as nobody knows.
    """

    upstream: str
    outcome: Outcome
    every: float = 0.0
    beat: float = 0.0


UNDER_WAY, NOT_SENT = float("inf"), float("-inf")  # a write; see Invalidation.until


@dataclass(frozen=True, slots=True)
class Invalidation:
    """What a write to one unit changes: no master gets it until it was read in a transaction after the write.

    `until` is UNDER_WAY before the write is sent. Once it is over, `until` is when it was acknowledged, or
    when it can no longer be executed; or NOT_SENT.
    """

    upstream: str
    unit: int
    blocks: tuple[Block, ...]
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Barrier:
    """Calls `done` when every mirror knows all that was handed over before it."""

    done: Callable[[], None]


News = Reading | Invalidation | Barrier  # what goes through the queue of the sync thread
