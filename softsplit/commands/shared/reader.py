"""Read blocks of one unit once, for commands."""

import time

from softsplit import clock
from softsplit.errors import NoAnswer
from softsplit.protocol.blocks import Block
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import Question, read_question
from softsplit.upstream.clients.client import Client

LATE_TIMEOUTS = 3  # more time-outs for an answer that a busy gateway may delay


def read_patiently(client: Client, unit: int, block: Block, timeout: float) -> Outcome:
    """Read when no earlier late answer can be mistaken for this one; return the outcome.

    A gateway may be busy, so also wait for a late answer that certainly belongs to this read.
    """
    question = read_question(block)
    time.sleep(max(0.0, client.free_at(unit, question) - clock.now()))
    client.take_late_answers()
    outcome = client.outcome(unit, question, timeout)
    if isinstance(outcome.error, NoAnswer):
        return late_answer(client, unit, question, timeout) or outcome
    return outcome


def late_answer(client: Client, unit: int, question: Question, timeout: float) -> Outcome | None:
    """Wait for the answer to a question after its time-out; return the outcome, or None."""
    client.await_late(LATE_TIMEOUTS * timeout)
    answers = client.take_late_answers()
    return next((late for late in answers if late.question == question and late.unit == unit), None)
