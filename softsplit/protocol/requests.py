"""Parse the writes and file requests of masters. Pure.

The checks are those with which the specification lets any device refuse (MAP 6). Only the unit knows which
addresses it has.
"""

import struct
from dataclasses import dataclass

from softsplit.protocol.blocks import ADDRESSES, Block
from softsplit.protocol.functions import FUNCTIONS, READ_FILES, WRITING, Table
from softsplit.protocol.pdu import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Question, asked_block, read_question

FILE_BYTES = range(7, 246)  # in one request; MAP 6.14, 6.15
RECORD = struct.Struct(">BHHH")  # reference type, file, record, count; MAP 6.14


@dataclass(frozen=True, slots=True)
class Write:
    """A request that writes these blocks or files; `reads` is the block that it also reads."""

    question: Question
    blocks: tuple[Block, ...] = ()
    files: tuple[int, ...] = ()
    reads: Block | None = None


def parse_write(pdu: bytes, step: int = 1) -> Write | int:
    """Return what a request with one of the WRITING functions changes, or the exception code it deserves.

    Each register takes `step` addresses.
    """
    try:
        return PARSERS[pdu[0]](pdu, step)
    except (struct.error, ValueError):
        return ILLEGAL_VALUE
    except IndexError:
        return ILLEGAL_ADDRESS


def _registers_at(address: int, count: int, step: int, table: Table = Table.HOLDING_REGISTERS) -> Block:
    """Return the block. Raises IndexError if it reaches beyond the table."""
    if address + step * count > ADDRESSES:
        raise IndexError
    return Block(table, address, count, step)


def _coils_at(address: int, count: int) -> Block:
    return _registers_at(address, count, 1, Table.COILS)


def _require(is_right: bool) -> None:
    if not is_right:
        raise ValueError


def _coil(pdu: bytes, step: int) -> Write:
    address, value = struct.unpack(">HH", pdu[1:])
    _require(value in (0, 0xFF00))
    return Write(Question(pdu, pdu, len(pdu)), (_coils_at(address, 1),))


def _register(pdu: bytes, step: int) -> Write:
    address, _ = struct.unpack(">HH", pdu[1:])
    return Write(Question(pdu, pdu, len(pdu)), (_registers_at(address, 1, step),))


def _coils(pdu: bytes, step: int) -> Write:
    address, count, size = struct.unpack(">HHB", pdu[1:6])
    _require(1 <= count <= FUNCTIONS[pdu[0]].max_written and size == (count + 7) // 8 == len(pdu) - 6)
    return Write(Question(pdu, pdu[:5], 5), (_coils_at(address, count),))


def _registers(pdu: bytes, step: int) -> Write:
    address, count, size = struct.unpack(">HHB", pdu[1:6])
    _require(1 <= count <= FUNCTIONS[pdu[0]].max_written and size == 2 * count == len(pdu) - 6)
    return Write(Question(pdu, pdu[:5], 5), (_registers_at(address, count, step),))


def _masked(pdu: bytes, step: int) -> Write:
    address, _, _ = struct.unpack(">HHH", pdu[1:])
    return Write(Question(pdu, pdu, len(pdu)), (_registers_at(address, 1, step),))


def _registers_and_read(pdu: bytes, step: int) -> Write:
    address, count, written, written_count, size = struct.unpack(">HHHHB", pdu[1:10])
    row = FUNCTIONS[pdu[0]]
    _require(1 <= count <= row.max_read and 1 <= written_count <= row.max_written)
    _require(size == 2 * written_count == len(pdu) - 10)
    return Write(Question(pdu, bytes((pdu[0], 2 * count)), 2 + 2 * count),
                 (_registers_at(written, written_count, step),),
                 reads=_registers_at(address, count, step))


def _files(pdu: bytes, step: int) -> Write:
    _require(len(pdu) > 1 and pdu[1] in FILE_BYTES and pdu[1] == len(pdu) - 2)
    files, at = [], 2
    while at < len(pdu):
        kind, file, _, count = RECORD.unpack(pdu[at:at + RECORD.size])
        _require(kind == 6 and count > 0)
        files.append(file)
        at += RECORD.size + 2 * count
    _require(at == len(pdu))
    return Write(Question(pdu, pdu, len(pdu)), files=tuple(files))


PARSERS = {5: _coil, 6: _register, 15: _coils, 16: _registers, 21: _files, 22: _masked,
           23: _registers_and_read}


def parse_file_read(pdu: bytes) -> Question | int:
    """Return the question in a request for file records, or the exception code it deserves."""
    size = pdu[1] if len(pdu) > 1 else 0
    if size not in FILE_BYTES or size % RECORD.size or size != len(pdu) - 2:
        return ILLEGAL_VALUE
    records = list(RECORD.iter_unpack(pdu[2:]))
    answer = sum(2 + 2 * count for _, _, _, count in records)
    if any(kind != 6 or not count for kind, _, _, count in records) or answer > FILE_BYTES[-1]:
        return ILLEGAL_VALUE
    return Question(pdu, bytes((READ_FILES, answer)), 2 + answer)


def parse_question(pdu: bytes) -> Question | None:
    """Return the question in a request if the length of its answer is known, or None."""
    if pdu[0] in WRITING:
        write = parse_write(pdu)
        return write.question if isinstance(write, Write) else None
    if pdu[0] == READ_FILES:
        question = parse_file_read(pdu)
        return question if isinstance(question, Question) else None
    block = asked_block(pdu, tuple(Table))
    return read_question(block) if isinstance(block, Block) else None
