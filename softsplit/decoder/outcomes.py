"""Outcomes of the requests of another master, from what was heard. Pure."""

from softsplit.decoder.transaction import Kind, Transaction
from softsplit.decoder.writes import write_of
from softsplit.errors import BadAnswer, NoAnswer, UpstreamError
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import READ_TABLES, Table
from softsplit.protocol.outcome import Outcome, refusal
from softsplit.protocol.pdu import asked_block, read_question

COUNTED = {Kind.OK: None, Kind.EXCEPTION: None, Kind.NO_REPLY: NoAnswer, Kind.DAMAGED: BadAnswer,
           Kind.SUSPECT: BadAnswer}  # the kinds that end a request, and the error of each


def outcome_of(heard: Transaction, unit: int, step: int, asked_at: float) -> Outcome:
    """The outcome of a request that the other master sent at `asked_at`, as the poller would report it."""
    block, error = _asked(heard, step), _error(unit, heard)
    answer = None if error else (heard.reply or b"")[1:-2]
    return Outcome(unit, read_question(block) if block else None, asked_at, heard.latency or 0.0, answer,
                   error)


def read_of(heard: Transaction, outcome: Outcome, step: int) -> Outcome | None:
    """The outcome of a read, if it is beyond doubt: the data, or the refusal of the unit; otherwise None.

    `outcome` is that of the request; if the request also wrote, the result is that of its read alone.
    """
    if heard.kind not in (Kind.OK, Kind.EXCEPTION) or not outcome.is_of_unit:
        return None
    if outcome.block is None and outcome.answer and (write := write_of(heard, step)) and write.reads:
        return Outcome.of_read(outcome.unit, write.reads, outcome.asked_at, outcome.took, outcome.answer[2:])
    return outcome if outcome.block else None


def _error(unit: int, heard: Transaction) -> UpstreamError | None:
    if heard.exception is not None:
        return refusal(unit, heard.exception)
    kind = COUNTED.get(heard.kind)
    return kind and kind(f"unit {unit} does not answer" if kind is NoAnswer else
                         f"unit {unit}: the answer is {heard.damage or 'not certain'}")


def _asked(heard: Transaction, step: int) -> Block | None:
    """The block that the request reads, if it is a plain read and was heard whole."""
    if heard.function not in READ_TABLES or heard.address is None or heard.request is None:
        return None
    asked = asked_block(heard.request[1:-2], tuple(Table), step)
    return asked if isinstance(asked, Block) else None
