"""Shapes: how long a frame on a serial line is by what its head says, and which reply fits which request.

Whole frames are meant: unit (1), function (1), what the function demands, CRC (2). MAP is the MODBUS Application
Protocol Specification V1.1b3, whose section 6 says what stands where.
"""

from softsplit.protocol import frames
from softsplit.protocol.blocks import ADDRESSES, MAX_BITS, MAX_REGISTERS
from softsplit.protocol.frames import EXCEPTION_LENGTH, MAX_RTU_FRAME

READS_OF_BITS, READS_OF_REGISTERS = (1, 2), (3, 4)
ECHOES = frozenset((5, 6, 8, 21, 22))  # the reply repeats the request; 8: with sub-function 0
WRITES = frozenset((5, 6, 15, 16, 21, 22))  # what a broadcast may be; MAP 4.1 and MSL 2.1
READ_DEVICE, CONFORMITIES = 43, (0x0E, range(1, 5))
EXCEPTION_CODES = range(1, 12)
MOST_WRITTEN_BITS, MOST_WRITTEN, MOST_WRITTEN_WHILE_READ = 1968, 123, 121


def _word(head, at: int) -> int:
    return head[at] << 8 | head[at + 1]


def _block(head, at: int, most: int) -> bool:
    count = _word(head, at + 2)
    return 1 <= count <= most and _word(head, at) + count <= ADDRESSES


# Whether what a head says is possible, by function, and how many bytes it takes to tell.
_REQUESTS = {
    1: (6, lambda head: _block(head, 2, MAX_BITS)),
    2: (6, lambda head: _block(head, 2, MAX_BITS)),
    3: (6, lambda head: _block(head, 2, MAX_REGISTERS)),
    4: (6, lambda head: _block(head, 2, MAX_REGISTERS)),
    5: (6, lambda head: head[4] in (0, 0xFF) and head[5] == 0),
    15: (7, lambda head: _block(head, 2, MOST_WRITTEN_BITS) and head[6] == (_word(head, 4) + 7) // 8),
    16: (7, lambda head: _block(head, 2, MOST_WRITTEN) and head[6] == 2 * head[5]),
    20: (4, lambda head: 7 <= head[2] <= 0xF5 and head[2] % 7 == 0 and head[3] == 6),
    21: (4, lambda head: 9 <= head[2] <= 0xFB and head[3] == 6),
    23: (11, lambda head: _block(head, 2, MAX_REGISTERS) and _block(head, 6, MOST_WRITTEN_WHILE_READ)
         and head[10] == 2 * head[9]),
    43: (4, lambda head: head[2] == 0x0E and 1 <= head[3] <= 4),
}
_REPLIES = {
    1: (3, lambda head: 1 <= head[2] <= 250),
    2: (3, lambda head: 1 <= head[2] <= 250),
    3: (3, lambda head: 2 <= head[2] <= 250 and head[2] % 2 == 0),
    4: (3, lambda head: 2 <= head[2] <= 250 and head[2] % 2 == 0),
    5: _REQUESTS[5],
    15: (6, lambda head: _block(head, 2, MOST_WRITTEN_BITS)),
    16: (6, lambda head: _block(head, 2, MOST_WRITTEN)),
    20: (5, lambda head: head[2] >= 2 and head[4] == 6),
    21: _REQUESTS[21],
    23: (3, lambda head: 2 <= head[2] <= 250 and head[2] % 2 == 0),
    24: (6, lambda head: _word(head, 2) == 2 + 2 * _word(head, 4) and head[5] <= 31 and not head[4]),
    43: (8, lambda head: head[2] == 0x0E and 1 <= head[3] <= 4),
}


def request_length(head) -> int:
    """Length in bytes of the request that begins like this, or the least it can have; 0 when none does."""
    if len(head) < 2:
        return 4
    function = head[1]
    needed, possible = _REQUESTS.get(function, (2, None))
    if head[0] == 0 and function not in WRITES:
        return 0
    if possible and len(head) >= needed and not possible(head):
        return 0
    return _bounded(frames.request_length(head))


def reply_length(head) -> int:
    """Length in bytes of the reply that begins like this, or the least it can have; 0 when none does."""
    if len(head) < 2:
        return 4
    if head[0] == 0:
        return 0
    function = head[1]
    if function >= 0x80:
        known = function & 0x7F in frames.REQUEST_LENGTHS
        return EXCEPTION_LENGTH if known and (len(head) < 3 or head[2] in EXCEPTION_CODES) else 0
    needed, possible = _REPLIES.get(function, (2, None))
    if possible and len(head) >= needed and not possible(head):
        return 0
    if function == 24:
        return _bounded(6 + _word(head, 2)) if len(head) >= 4 else 8
    return _objects_length(head) if function == READ_DEVICE else _bounded(frames.reply_length(head))


def _bounded(length: int) -> int:
    return length if length <= MAX_RTU_FRAME else 0


def _objects_length(head) -> int:
    """Read Device Identification: eight bytes, the last of them the number of objects, each of which is its id
    (1), its length (1) and its value; MAP 6.21."""
    end = 8
    for _ in range(head[7] if len(head) > 7 else 0):
        if end + 1 >= len(head):
            return _bounded(end + 4)
        end += 2 + head[end + 1]
    return _bounded(end + 2)


def is_known(function: int) -> bool:
    """Whether the lengths of the frames of a function, or of its exception, are known."""
    return function & 0x7F in frames.REQUEST_LENGTHS


def answer_length(request, head) -> int:
    """Length in bytes of the reply to `request` that begins like this, or the least it can have; 0 when it is
    the reply to something else, or nobody can tell."""
    if head[0] != request[0]:
        return 0
    if len(head) < 2:
        return 4
    function = request[1]
    if head[1] == function | 0x80:
        return EXCEPTION_LENGTH
    if head[1] != function:
        return 0
    size = _data_size(request)
    if size is None:
        return len(request) if function in ECHOES else reply_length(head)
    return _bounded(5 + size) if len(head) < 3 or head[2] == size else 0


def _data_size(request) -> int | None:
    """How many bytes of data the reply must bring, where the request says so."""
    if request[1] in READS_OF_BITS:
        return (_word(request, 4) + 7) // 8
    return 2 * _word(request, 4) if request[1] in (3, 4, 23) else None


def answers(request, reply) -> bool:
    """Whether `reply`, a whole frame, is one that `request` can get."""
    if not reply or answer_length(request, reply) != len(reply):
        return not is_known(request[1]) and reply[:2] == request[:2]
    if reply[1] >= 0x80:
        return True
    if request[1] in (15, 16):
        return reply[:6] == request[:6]
    if request[1] == 8 and _word(request, 2):
        return reply[:4] == request[:4]
    return (reply == request) == (request[1] in ECHOES)  # else it is the request again


def is_same_function(one, other) -> bool:
    """Whether two frames have the same unit and function, if one of them as an exception."""
    return len(other) >= 2 and one[0] == other[0] and (one[1] ^ other[1]) & 0x7F == 0
