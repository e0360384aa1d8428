"""The length of a frame by its first bytes, and which reply fits which request.

Frames are whole: unit (1), function (1), content, CRC (2). The content is defined in section 6 of the MODBUS
Application Protocol Specification V1.1b3 (MAP).
"""

from collections.abc import Callable

from softsplit.protocol import adu
from softsplit.protocol.adu import EXCEPTION_LENGTH, MAX_RTU_FRAME, Bytes
from softsplit.protocol.blocks import ADDRESSES
from softsplit.protocol.functions import (BROADCAST, DIAGNOSTICS, ECHOING, FUNCTIONS, READ_DEVICE, READ_FIFO,
                                          READING_BITS, READING_REGISTERS, REPORT_SERVER, WRITE_COILS,
                                          WRITE_REGISTERS, Function)

MOST_IN_FIFO = 31  # MAP 6.18
EXCEPTION_CODES = range(1, 12)
ASKED_OF_0 = BROADCAST | READING_BITS | READING_REGISTERS  # reads from unit 0 are wrong, but occur
Rule = tuple[int, Callable[[Bytes], bool]]


def _word(head: Bytes, at: int) -> int:
    return head[at] << 8 | head[at + 1]


def _block(head: Bytes, at: int, most: int) -> bool:
    count = _word(head, at + 2)
    return 1 <= count <= most and _word(head, at) + count <= ADDRESSES


def _reads(row: Function) -> Rule:
    return 6, lambda head: _block(head, 2, row.max_read)


def _writes(row: Function) -> Rule:
    """Address, count and byte count of a request to write several."""
    each = 1 if row.table and row.table.holds_bits else 16  # bits
    return 7, lambda head: _block(head, 2, row.max_written) and head[6] == (each * _word(head, 4) + 7) // 8


def _has_written(row: Function) -> Rule:
    return 6, lambda head: _block(head, 2, row.max_written)


def _reads_and_writes(row: Function) -> Rule:
    return 11, lambda head: (_block(head, 2, row.max_read) and _block(head, 6, row.max_written)
                             and head[10] == 2 * head[9])


# By function: the number of bytes needed to check a head, and the check. Functions not listed always pass.
_COIL: Rule = 6, lambda head: head[4] in (0, 0xFF) and head[5] == 0
_FILE_WRITE: Rule = 4, lambda head: 9 <= head[2] <= 0xFB and head[3] == 6
_DEVICE: Rule = 4, lambda head: head[2] == 0x0E and 1 <= head[3] <= 4
_BYTES_READ: Rule = 3, lambda head: 1 <= head[2] <= 250
_WORDS_READ: Rule = 3, lambda head: 2 <= head[2] <= 250 and head[2] % 2 == 0
_REQUESTS: dict[int, Rule] = {
    **{code: _reads(FUNCTIONS[code]) for code in (1, 2, 3, 4)}, 5: _COIL,
    15: _writes(FUNCTIONS[15]), 16: _writes(FUNCTIONS[16]),
    20: (4, lambda head: 7 <= head[2] <= 0xF5 and head[2] % 7 == 0 and head[3] == 6),
    21: _FILE_WRITE, 23: _reads_and_writes(FUNCTIONS[23]), 43: _DEVICE,
}
_REPLIES: dict[int, Rule] = {
    1: _BYTES_READ, 2: _BYTES_READ, 3: _WORDS_READ, 4: _WORDS_READ, 5: _COIL,
    15: _has_written(FUNCTIONS[15]), 16: _has_written(FUNCTIONS[16]),
    20: (5, lambda head: head[2] >= 2 and head[4] == 6),
    21: _FILE_WRITE, 23: _WORDS_READ,
    24: (6, lambda head: _word(head, 4) <= MOST_IN_FIFO and _word(head, 2) == 2 + 2 * _word(head, 4)),
    43: _DEVICE,
}


def _is_possible(head: Bytes, rules: dict[int, Rule]) -> bool:
    rule = rules.get(head[1])
    return rule is None or len(head) < rule[0] or rule[1](head)


def request_length(head: Bytes) -> int:
    """Length in bytes of the request that begins like this, or its minimum; 0 if none begins like this."""
    if len(head) < 2:
        return 4
    if head[0] == 0 and head[1] not in ASKED_OF_0 or not _is_possible(head, _REQUESTS):
        return 0
    return _bounded(adu.request_length(head))


def reply_length(head: Bytes) -> int:
    """Length in bytes of the reply that begins like this, or its minimum; 0 if none begins like this."""
    if len(head) < 2:
        return 4
    if head[0] == 0 or not _is_possible(head, _REPLIES):
        return 0
    if head[1] >= 0x80:
        possible = is_known(head[1]) and (len(head) < 3 or head[2] in EXCEPTION_CODES)
        return EXCEPTION_LENGTH if possible else 0
    if head[1] == READ_FIFO:
        return 6 + _word(head, 2) if len(head) >= 6 else 8
    return _objects_length(head) if head[1] == READ_DEVICE else _bounded(adu.reply_length(head))


def _bounded(length: int) -> int:
    return length if length <= MAX_RTU_FRAME else 0


def _objects_length(head: Bytes) -> int:
    """Read Device Identification: eight bytes, the last of them the number of objects; each object is id (1),
    length (1), value (MAP 6.21).
    """
    end = 8
    for _ in range(head[7] if len(head) > 7 else 0):
        if end + 1 >= len(head):
            return _bounded(end + 4)
        end += 2 + head[end + 1]
    return _bounded(end + 2)


def is_broadcast(request: Bytes) -> bool:
    """Whether all units take the request and none answers; reads from unit 0, which occur, are none."""
    return request[0] == 0 and request[1] in BROADCAST


def is_known(function: int) -> bool:
    """Whether the lengths of the frames of a function, or of its exception, are known."""
    return function & 0x7F in adu.REQUEST_LENGTHS


def answer_length(request: Bytes, head: Bytes) -> int:
    """Length in bytes of the reply to `request` that begins like this, or its minimum; 0 if it cannot be its
    reply or the length is unknown.
    """
    if len(head) < 2:
        return 4
    if not is_same_function(request, head):
        return 0
    if head[1] >= 0x80:
        return EXCEPTION_LENGTH
    size = _data_size(request)
    if size is None:
        return len(request) if request[1] in ECHOING else reply_length(head)
    return _bounded(5 + size) if len(head) < 3 or head[2] == size else 0


def _data_size(request: Bytes) -> int | None:
    """Bytes of data that the reply must have, if the request defines it."""
    if request[1] in READING_BITS:
        return (_word(request, 4) + 7) // 8
    return 2 * _word(request, 4) if request[1] in READING_REGISTERS else None


def answers(request: Bytes, reply: Bytes) -> bool:
    """Whether `reply`, a whole frame, can be the reply to `request`."""
    if not is_known(request[1]):
        return is_same_function(request, reply)
    if request[1] == REPORT_SERVER and is_same_function(request, reply):
        return True  # whatever its byte count: some units count only the id
    if answer_length(request, reply) != len(reply):
        return False
    if reply[1] >= 0x80:
        return True
    if request[1] in (WRITE_COILS, WRITE_REGISTERS):
        return reply[:6] == request[:6]
    if request[1] == DIAGNOSTICS and _word(request, 2):
        return reply[:4] == request[:4]
    return (reply == request) == (request[1] in ECHOING)  # other replies differ from their request


def is_same_function(one: Bytes, other: Bytes) -> bool:
    """Whether two frames are of the same unit and function, or one its exception."""
    return one[0] == other[0] and (one[1] ^ other[1]) & 0x7F == 0
