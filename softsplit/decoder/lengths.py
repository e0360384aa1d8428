"""The length of a frame by its first bytes, and which reply fits which request.

Whole frames are meant: unit (1), function (1), what the function demands, CRC (2). What stands where is in
section 6 of the MODBUS Application Protocol Specification V1.1b3 (MAP).
"""

from softsplit.protocol import adu
from softsplit.protocol.adu import EXCEPTION_LENGTH, MAX_RTU_FRAME
from softsplit.protocol.blocks import ADDRESSES, MAX_BITS, MAX_REGISTERS

BITS, REGISTERS = frozenset((1, 2)), frozenset((3, 4, 23))  # what functions read
ECHOES = frozenset((5, 6, 8, 21, 22))  # the reply repeats the request; 8: with sub-function 0
BROADCASTS = frozenset((5, 6, 8, 15, 16, 21, 22))  # 8 is what Victron finds the baud rate with
DIAGNOSTICS, READ_FIFO, READ_DEVICE = 8, 24, 43
MOST_BITS_WRITTEN, MOST_WRITTEN, MOST_WRITTEN_TO_READ = 1968, 123, 121  # MAP 6.11, 6.12, 6.17
MOST_IN_FIFO = 31  # MAP 6.18
EXCEPTION_CODES = range(1, 12)


def _word(head, at: int) -> int:
    return head[at] << 8 | head[at + 1]


def _block(head, at: int, most: int) -> bool:
    count = _word(head, at + 2)
    return 1 <= count <= most and _word(head, at) + count <= ADDRESSES


# How many bytes of a head it takes to tell whether it is possible, and whether it is, by function; one that
# is not here is always possible.
_BITS = 6, lambda head: _block(head, 2, MAX_BITS)
_REGISTERS = 6, lambda head: _block(head, 2, MAX_REGISTERS)
_COIL = 6, lambda head: head[4] in (0, 0xFF) and head[5] == 0
_FILE_WRITE = 4, lambda head: 9 <= head[2] <= 0xFB and head[3] == 6
_DEVICE = 4, lambda head: head[2] == 0x0E and 1 <= head[3] <= 4
_BYTES_READ = 3, lambda head: 1 <= head[2] <= 250
_WORDS_READ = 3, lambda head: 2 <= head[2] <= 250 and head[2] % 2 == 0
_REQUESTS = {
    1: _BITS, 2: _BITS, 3: _REGISTERS, 4: _REGISTERS, 5: _COIL,
    15: (7, lambda head: _block(head, 2, MOST_BITS_WRITTEN) and head[6] == (_word(head, 4) + 7) // 8),
    16: (7, lambda head: _block(head, 2, MOST_WRITTEN) and head[6] == 2 * head[5]),
    20: (4, lambda head: 7 <= head[2] <= 0xF5 and head[2] % 7 == 0 and head[3] == 6),
    21: _FILE_WRITE,
    23: (11, lambda head: _block(head, 2, MAX_REGISTERS) and _block(head, 6, MOST_WRITTEN_TO_READ)
         and head[10] == 2 * head[9]),
    43: _DEVICE,
}
_REPLIES = {
    1: _BYTES_READ, 2: _BYTES_READ, 3: _WORDS_READ, 4: _WORDS_READ, 5: _COIL,
    15: (6, lambda head: _block(head, 2, MOST_BITS_WRITTEN)),
    16: (6, lambda head: _block(head, 2, MOST_WRITTEN)),
    20: (5, lambda head: head[2] >= 2 and head[4] == 6),
    21: _FILE_WRITE, 23: _WORDS_READ,
    24: (6, lambda head: _word(head, 4) <= MOST_IN_FIFO and _word(head, 2) == 2 + 2 * _word(head, 4)),
    43: _DEVICE,
}


def _is_possible(head, rules: dict) -> bool:
    needed, is_possible = rules.get(head[1], (len(head) + 1, None))
    return len(head) < needed or is_possible(head)


def request_length(head) -> int:
    """Length in bytes of the request that begins like this, or the least it can have; 0 when none does."""
    if len(head) < 2:
        return 4
    if head[0] == 0 and head[1] not in BROADCASTS or not _is_possible(head, _REQUESTS):
        return 0
    return _bounded(adu.request_length(head))


def reply_length(head) -> int:
    """Length in bytes of the reply that begins like this, or the least it can have; 0 when none does."""
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


def _objects_length(head) -> int:
    """Read Device Identification: eight bytes, the last of them the number of objects, each of which is its
    id (1), its length (1) and its value; MAP 6.21."""
    end = 8
    for _ in range(head[7] if len(head) > 7 else 0):
        if end + 1 >= len(head):
            return _bounded(end + 4)
        end += 2 + head[end + 1]
    return _bounded(end + 2)


def is_known(function: int) -> bool:
    """Whether the lengths of the frames of a function, or of its exception, are known."""
    return function & 0x7F in adu.REQUEST_LENGTHS


def answer_length(request, head) -> int:
    """Length in bytes of the reply to `request` that begins like this, or the least it can have; 0 when it is
    the reply to something else, or nobody can tell."""
    if len(head) < 2:
        return 4
    if not is_same_function(request, head):
        return 0
    if head[1] >= 0x80:
        return EXCEPTION_LENGTH
    size = _data_size(request)
    if size is None:
        return len(request) if request[1] in ECHOES else reply_length(head)
    return _bounded(5 + size) if len(head) < 3 or head[2] == size else 0


def _data_size(request) -> int | None:
    """How many bytes of data the reply must bring, where the request says so."""
    if request[1] in BITS:
        return (_word(request, 4) + 7) // 8
    return 2 * _word(request, 4) if request[1] in REGISTERS else None


def answers(request, reply) -> bool:
    """Whether `reply`, a whole frame, is one that `request` can get."""
    if not is_known(request[1]):
        return is_same_function(request, reply)
    if answer_length(request, reply) != len(reply):
        return False
    if reply[1] >= 0x80:
        return True
    if request[1] in (15, 16):
        return reply[:6] == request[:6]
    if request[1] == DIAGNOSTICS and _word(request, 2):
        return reply[:4] == request[:4]
    return (reply == request) == (request[1] in ECHOES)  # no other reply is the same as its request


def is_same_function(one, other) -> bool:
    """Whether two frames are of the same unit and function, or one its exception."""
    return one[0] == other[0] and (one[1] ^ other[1]) & 0x7F == 0
