"""What came of one request to a unit. Pure."""

from dataclasses import dataclass

from softsplit.errors import Refused, UpstreamError
from softsplit.protocol.blocks import Block
from softsplit.protocol.pdu import OWN_EXCEPTIONS, Question


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request that was sent at `asked_at` and `took` so many seconds.

    `question` is None where the request of another master was not heard as a whole, or is none we send. Either `answer`, the whole PDU of the unit's answer, as the question wants it; or `error`, which is Refused
    when the unit, or a gateway in its place, answered with an exception.
    """

    unit: int
    question: Question | None
    asked_at: float
    took: float
    answer: bytes | None = None
    error: UpstreamError | None = None

    @property
    def block(self) -> Block | None:
        """The block that was to be read, if it was such a request."""
        return self.question.block if self.question else None

    @property
    def data(self) -> bytes | None:
        """The data of the answer to a read."""
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
