"""What came of requests, as tests of mirrors and plans say it."""

from softsplit.errors import NoAnswer
from softsplit.protocol.blocks import Block
from softsplit.protocol.outcome import Outcome, Reading, refusal
from softsplit.protocol.pdu import read_question


def outcome(unit: int, block: Block, asked_at: float, data: bytes | None = None, exception: int | None = None,
            took: float = 0.0) -> Outcome:
    """What came of a read: data, or an exception, or no answer."""
    if data is not None:
        return Outcome.of_read(unit, block, asked_at, took, data)
    error = NoAnswer(f"unit {unit} does not answer") if exception is None else refusal(unit, exception)
    return Outcome(unit, read_question(block), asked_at, took, error=error)


def reading(unit: int, block: Block, asked_at: float, data: bytes | None = None, exception: int | None = None,
            every: float = 0.0, beat: float = 0.0, slack: float = 0.0, took: float = 0.0) -> Reading:
    return Reading("meters", outcome(unit, block, asked_at, data, exception, took), every, beat, slack)
