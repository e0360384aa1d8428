"""Read blocks of one unit once, for commands."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from softsplit import clock
from softsplit.errors import NoAnswer, Refused, Unreachable, UpstreamError
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.pdu import Question, describe_exception, read_question
from softsplit.upstream.clients.client import Client

LATE_TIMEOUTS = 3  # time-outs more for an answer that a busy gateway may hold up


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one read: data as over the wire, or why there is none; `taken_at` is wall time."""

    read: Read
    taken_at: float
    data: bytes | None = None
    error: UpstreamError | None = None


def title_of(read: Read) -> str:
    """The name of a read, where it has one, and its block."""
    return f"{read.name}  {read.block}".strip()


def read_all(client: Client, unit: int, reads: Iterable[Read], timeout: float) -> Iterator[Outcome]:
    """Give the outcome of each read; after one that reached nobody there is no other."""
    for read in reads:
        taken_at = time.time()
        try:
            yield Outcome(read, taken_at, read_patiently(client, unit, read.block, timeout))
        except Unreachable as error:
            yield Outcome(read, taken_at, error=error)
            return
        except UpstreamError as error:
            yield Outcome(read, taken_at, error=error)


def read_patiently(client: Client, unit: int, block: Block, timeout: float) -> bytes:
    """Read when no late answer can be mistaken for the one to this. Raises UpstreamError.

    A gateway may be busy with something else, so that an answer which is known to be the one may come late.
    """
    question = read_question(block)
    time.sleep(max(0.0, client.free_at(unit, question) - clock.now()))
    client.take_late_answers()
    try:
        return client.read(unit, block, timeout)
    except NoAnswer:
        answer = late_answer(client, unit, question, timeout)
        if not answer:
            raise
    if answer[0] >= 0x80:
        raise Refused(f"unit {unit}: {describe_exception(answer[1])}", answer[1])
    return answer[2:]


def late_answer(client: Client, unit: int, question: Question, timeout: float) -> bytes:
    """Wait for the answer to what was not answered in time; return its PDU, or nothing."""
    client.await_late(LATE_TIMEOUTS * timeout)
    return next((late.answer for late in client.take_late_answers()
                 if late.sent.question == question and late.sent.unit == unit), b"")
