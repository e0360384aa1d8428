"""Widen a read beyond its end, so that its answer differs in size from another master's. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from softsplit.protocol.blocks import ADDRESSES
from softsplit.protocol.functions import READ_TABLES
from softsplit.protocol.pdu import Question, read_question

MORE = 1, 2, 3, 4  # registers, or bytes of bits


def wider(question: Question) -> Iterator[Question]:
    """Yield reads of all that a question asks for, and more; none if it is no read."""
    block = question.block
    if block is None:
        return
    for more in MORE:
        count = block.count + (8 * more if block.table.holds_bits else more)
        if count <= block.table.max_count and block.address + count * block.step <= ADDRESSES:
            yield read_question(replace(block, count=count))


def cut(answer: bytes, question: Question) -> bytes:
    """Return the answer PDU to a question, cut from that to a wider read."""
    data = bytearray(answer[2:question.size])
    count = int.from_bytes(question.pdu[3:5], "big")
    if READ_TABLES[question.function].holds_bits and count % 8:
        data[-1] &= (1 << count % 8) - 1  # clear the bits beyond
    return question.answer + bytes(data)
