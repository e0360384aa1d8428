"""What a transaction between others writes, and the latest time when it is done. Pure.

Written blocks are unknown until they are read again.
"""

from collections.abc import Sequence

from softsplit.decoder.transaction import Kind, Transaction
from softsplit.protocol.blocks import Block, in_both_tables
from softsplit.protocol.functions import FUNCTIONS, WRITING
from softsplit.protocol.pdu import OWN_EXCEPTIONS
from softsplit.protocol.requests import Write, parse_write

TURNAROUND = 0.2  # s in which units execute a broadcast; MODBUS over Serial Line V1.02, 2.4.1
LATE_WRITE = 3  # time-outs after which an unanswered write is done, or never will be


def write_of(heard: Transaction, step: int = 1) -> Write | None:
    """The write, if it was heard whole; each register of the unit takes `step` addresses."""
    if heard.function not in WRITING or not heard.request or (heard.damage or "").startswith("request"):
        return None
    write = parse_write(heard.request[1:-2], step)
    return write if isinstance(write, Write) else None


def written(heard: Transaction, step: int = 1) -> list[Block]:
    """The blocks whose values are unknown now: a device may show what was written in another table, too."""
    return in_both_tables(_written(heard, step))


def _written(heard: Transaction, step: int) -> Sequence[Block]:
    if write := write_of(heard, step):
        return write.blocks  # file records are in no table
    block = _named_by_reply(heard, step) if heard.function in WRITING else None
    return [block] if block else []


def written_by(request: bytes, step: int = 1) -> list[Block]:
    """The blocks that a request may change."""
    return written(Transaction(Kind.NO_REPLY, request=request), step)


def is_ambiguous(heard: Transaction, roles_are_known: bool) -> bool:
    """Whether request and reply are the same frame, which the master may have sent twice."""
    return heard.request is not None and heard.request == heard.reply and not roles_are_known


def done_at(heard: Transaction, timeout: float, roles_are_known: bool) -> float:
    """The latest time when a write that was heard is done, or never will be.

    `timeout` is the seconds that a unit may take without an acknowledgement. Raises ValueError without a
    time.
    """
    if heard.time is None:
        raise ValueError("the transaction has no time")
    latency = heard.latency or 0.0
    answered_at = heard.time + latency
    if heard.kind is Kind.BROADCAST:
        return heard.time + TURNAROUND
    if heard.kind is Kind.EXCEPTION and heard.exception in OWN_EXCEPTIONS or heard.kind is Kind.ORPHAN:
        return answered_at
    if heard.kind is Kind.OK and is_ambiguous(heard, roles_are_known):
        return answered_at + LATE_WRITE * latency  # if it was sent twice, `latency` is the time-out
    return answered_at if heard.kind is Kind.OK else heard.time + timeout


def _named_by_reply(heard: Transaction, step: int) -> Block | None:
    """The written block by the acknowledgement alone, which names address and count."""
    row, reply = FUNCTIONS.get(heard.function or 0), heard.reply or b""
    if not row or not row.table or row.reads or heard.exception is not None or len(reply) < 8:
        return None
    address = int.from_bytes(reply[2:4], "big")
    count = int.from_bytes(reply[4:6], "big") if row.has_count else 1
    step = 1 if row.table.holds_bits else step
    return Block(row.table, address, count, step) if 1 <= count <= (0x10000 - address) // step else None
