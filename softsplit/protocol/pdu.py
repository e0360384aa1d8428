"""Encode and decode PDUs, independent of the frame around them.

MAP is the MODBUS Application Protocol Specification V1.1b3.
"""

import struct
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from softsplit.protocol.blocks import ADDRESSES, Block
from softsplit.protocol.functions import READ_DEVICE, READ_TABLES, Table

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = OWN_EXCEPTIONS = 1, 2, 3, 4  # MAP 7
BUSY = 5, 6  # acknowledge, device busy; MAP 7
GATEWAY_NO_PATH, GATEWAY_NO_ANSWER = GATEWAY_EXCEPTIONS = 0x0A, 0x0B  # in the place of a unit; MAP 7
UNTOLD = -1  # the length of an answer whose content does not define it
MEI_IDENTIFICATION = 14  # of function 43; MAP 6.21
SILENCE = b""  # no answer is sent
EXCEPTIONS = {1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "device failure",
              5: "acknowledge", 6: "device busy", 8: "memory parity error", 0x0A: "gateway path unavailable",
              0x0B: "gateway target did not answer"}  # MAP 7


def describe_exception(code: int) -> str:
    """Name an exception code, as in "exception 0x02 (illegal data address)"."""
    return f"exception 0x{code:02X} ({EXCEPTIONS.get(code, 'not in the specification')})"


def exception_pdu(function: int, code: int) -> bytes:
    """An exception: function + 0x80 (1), exception code (1)."""
    return bytes((function | 0x80, code))


def asked_block(pdu: bytes, tables: Container[Table], step: int = 1) -> Block | int:
    """Return the block that a request reads from one of `tables`, or the exception code it deserves.

    Checks function, then count and length, then whether the addresses exist (MAP figures 11 to 14). Each
    register takes `step` addresses.
    """
    table = READ_TABLES.get(pdu[0])
    if table is None or table not in tables:
        return ILLEGAL_FUNCTION
    if len(pdu) != 5:
        return ILLEGAL_VALUE
    address, count = struct.unpack_from(">HH", pdu, 1)
    if not 1 <= count <= table.max_count:
        return ILLEGAL_VALUE
    step = 1 if table.holds_bits else step
    return Block(table, address, count, step) if address + count * step <= ADDRESSES else ILLEGAL_ADDRESS


@dataclass(frozen=True, slots=True)
class Question:
    """A request PDU, with the first bytes of its answer PDU and `size`, the answer's length in bytes.

    `size` is 0 for an identification, which contains its length; UNTOLD for an answer whose end only the
    frame shows. `block` is what the request reads, if it is a plain read.
    """

    pdu: bytes
    answer: bytes
    size: int
    block: Block | None = field(default=None, compare=False)

    @property
    def function(self) -> int:
        return self.pdu[0]


def read_question(block: Block) -> Question:
    """The request for a block: function (1), address (2), count (2). Answer: function, byte count, data."""
    function = block.table.function
    return Question(struct.pack(">BHH", function, block.address, block.count),
                    bytes((function, block.byte_count)), 2 + block.byte_count, block)


def read_answer(block: Block, data: bytes) -> bytes:
    """The answer to a read of a block: function (1), byte count (1), data."""
    return bytes((block.table.function, block.byte_count)) + data


def function_question(pdu: bytes) -> Question:
    """The question for a request of which only the function is known."""
    if pdu[0] != READ_DEVICE:
        return Question(pdu, pdu[:1], UNTOLD)
    is_identification = pdu[1:2] == bytes((MEI_IDENTIFICATION,))
    return Question(pdu, pdu[:3], 0) if is_identification else Question(pdu, pdu[:2], UNTOLD)


def identification_question(first: int = 0) -> Question:
    """The request for vendor, product and revision, starting at object `first` (MAP 6.21)."""
    return Question(bytes((READ_DEVICE, MEI_IDENTIFICATION, 1, first)),
                    bytes((READ_DEVICE, MEI_IDENTIFICATION, 1)), 0)


def identification_size(pdu: bytes) -> int:
    """Length of the identification at the start of `pdu`, or its minimum while incomplete (MAP 6.21).

    Function (1), kind (1), code (1), conformity (1), more follows (1), next object (1), count (1), objects,
    each of id (1), length (1), text.
    """
    size = 7
    for _ in range(pdu[6] if len(pdu) > 6 else 0):
        size += 2 + pdu[size + 1] if len(pdu) > size + 1 else 2
    return size


def parse_identification(pdu: bytes) -> tuple[dict[int, bytes], int]:
    """Return the objects of a whole identification by id, and the id of the next object, 0 if none."""
    objects, at = {}, 7
    while at < len(pdu):
        objects[pdu[at]] = pdu[at + 2:at + 2 + pdu[at + 1]]
        at += 2 + pdu[at + 1]
    return objects, pdu[5] if pdu[4] == 0xFF else 0


def reply_fault(question: Question, pdu: bytes) -> str | None:
    """Say why `pdu` cannot be the answer, or an exception, to a question; None if it can."""
    if pdu[0] == question.function | 0x80:
        return None if len(pdu) == 2 else f"an exception of {len(pdu)} bytes"
    if pdu[0] != question.function:
        return f"function {pdu[0]} instead of {question.function}"
    size = question.size or identification_size(pdu)
    if len(pdu) != size != UNTOLD:
        return f"{len(pdu) - 2} bytes of data instead of {size - 2}"
    if not pdu.startswith(question.answer):
        return f"{pdu[1:6].hex(' ')} instead of {question.answer[1:6].hex(' ')}"
    return None


def pack_bits(flags: Sequence[object]) -> bytes:
    """Pack one bit per item into bytes, the first in the least significant bit (MAP 6.1)."""
    value = 0
    for position, flag in enumerate(flags):
        value |= bool(flag) << position
    return value.to_bytes((len(flags) + 7) // 8, "little")


def unpack_bits(data: bytes, count: int) -> bytes:
    """Unpack the first `count` bits of `data` into a byte of 0 or 1 each."""
    value = int.from_bytes(data, "little")
    return bytes(value >> position & 1 for position in range(count))
