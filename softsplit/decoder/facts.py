"""What a transaction between others tells of a unit: what it holds, and what may have been changed. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from softsplit.decoder.transaction import Kind, Transaction
from softsplit.protocol.blocks import READ_TABLES, Block, Table, in_both_tables
from softsplit.protocol.pdu import OWN_EXCEPTIONS, asked_block
from softsplit.protocol.functions import WRITING
from softsplit.protocol.requests import Write, parse_write

BOTH_WAYS = {5: Table.COILS, 6: Table.HOLDING_REGISTERS, 15: Table.COILS, 16: Table.HOLDING_REGISTERS}
SINGLE = (5, 6)
READ_AND_WRITE, MASK = 23, 22
COIL_ON = 0xFF


@dataclass(frozen=True, slots=True)
class Overheard:
    """What is known of one block: its data as on the wire, the unit's exception, or that it is in doubt."""

    block: Block
    data: bytes | None = None
    exception: int | None = None
    is_read: bool = False  # by the other master, which may do so again and again

    @property
    def is_doubt(self) -> bool:
        """Whether somebody may have changed it, and nobody can know to what."""
        return self.data is None and self.exception is None

    @property
    def doubtful(self) -> list[Block]:
        """The blocks of which nobody can know what they hold now: a device may show in the other table, too,
        what was written in one."""
        if self.is_read:
            return []
        return [each for each in in_both_tables([self.block]) if self.is_doubt or each != self.block]


def overheard(heard: Transaction, step: int = 1) -> Iterator[Overheard]:
    """Give what a transaction tells; each register of the unit takes `step` addresses.

    Only what was asked and answered beyond doubt tells what a unit holds. A write changes that once the unit
    has said so; one whose outcome nobody knows puts what it covers in doubt.
    """
    asked = heard.request[1:-2] if heard.request else b""
    if heard.function in READ_TABLES:
        block = asked_block(asked, tuple(Table), step) if asked else None
        if isinstance(block, Block) and heard.kind is Kind.OK:
            yield Overheard(block, heard.reply[3:-2], is_read=True)
        elif isinstance(block, Block) and heard.kind is Kind.EXCEPTION and heard.exception in OWN_EXCEPTIONS:
            yield Overheard(block, exception=heard.exception, is_read=True)
    elif heard.function in WRITING:
        write = parse_write(asked, step) if asked and not (heard.damage or "").startswith("request") else None
        if isinstance(write, Write):
            yield from _written(heard, write)
        elif block := _named_by_reply(heard, step):
            yield Overheard(block)


def _written(heard: Transaction, write: Write) -> Iterator[Overheard]:
    """What a write says that was heard whole."""
    function, request = heard.function, heard.request[1:-2]
    block = write.blocks[0] if write.blocks else None  # file records are in no table
    if block is None:
        return
    if heard.kind is not Kind.OK or function == MASK:
        yield Overheard(block)
        return
    if function == 5:
        yield Overheard(block, bytes((request[3] == COIL_ON,)))
    else:
        yield Overheard(block, request[{6: 3, 15: 6, 16: 6, READ_AND_WRITE: 10}[function]:])
    if write.reads:
        yield Overheard(write.reads, heard.reply[3:-2], is_read=True)


def _named_by_reply(heard: Transaction, step: int) -> Block | None:
    """The block that was written, when only the acknowledgement was heard: it tells address and count."""
    table = BOTH_WAYS.get(heard.function)
    if not table or not heard.reply or heard.exception is not None or len(heard.reply) != 8:
        return None
    address = int.from_bytes(heard.reply[2:4], "big")
    count = 1 if heard.function in SINGLE else int.from_bytes(heard.reply[4:6], "big")
    step = 1 if table.holds_bits else step
    return Block(table, address, count, step) if 1 <= count <= (0x10000 - address) // step else None
