"""The function codes, a row for each: its name, its table, its limits and the lengths of its frames.

Lengths are those of whole serial frames with a unit address of 1 byte: unit (1), function (1), content,
CRC (2). A pair stands for a frame with a byte count: the position of the byte count, and the number of bytes
around the data. 0 means that the function does not define the length. MAP is the MODBUS Application Protocol
Specification V1.1b3; the sections are those of its chapter 6.
"""

from dataclasses import dataclass
from enum import Enum

MAX_REGISTERS = 125  # registers in one read; MAP 6.3, 6.4
MAX_BITS = 2000  # bits in one read; MAP 6.1, 6.2

Length = int | tuple[int, int]


class Table(Enum):
    """One of the four tables of a unit; the value is its name in configurations and logs."""

    COILS = "coils"
    DISCRETE_INPUTS = "discrete inputs"
    HOLDING_REGISTERS = "holding registers"
    INPUT_REGISTERS = "input registers"

    @property
    def function(self) -> int:
        """The function code that reads this table (MAP 6.1 to 6.4)."""
        return READ_FUNCTIONS[self]

    @property
    def holds_bits(self) -> bool:
        return self in (Table.COILS, Table.DISCRETE_INPUTS)

    @property
    def max_count(self) -> int:
        """How many registers or bits one read may ask for."""
        return MAX_BITS if self.holds_bits else MAX_REGISTERS

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Function:
    """A function code. `request` and `reply` are lengths of frames.

    `max_read` and `max_written` are registers or bits of `table`; a request without a count writes 1. A
    function that `echoes` repeats the request as its reply.
    """

    code: int
    name: str
    request: Length
    reply: Length = 0
    table: Table | None = None
    max_read: int = 0
    max_written: int = 0
    writes: bool = False
    echoes: bool = False
    has_address: bool = False  # bytes 2 and 3 of the frame are an address
    has_count: bool = False  # bytes 4 and 5 are a count
    may_be_broadcast: bool = False

    @property
    def reads(self) -> bool:
        """Whether the reply brings data of `table`."""
        return self.max_read > 0


def _read(code: int, table: Table, most: int) -> Function:
    return Function(code, f"read {table}", 8, (2, 5), table, max_read=most, has_address=True, has_count=True)


def _write(code: int, name: str, request: Length, reply: int, table: Table, most: int) -> Function:
    """A write, which can be broadcast; a write of one item has no count and is echoed."""
    return Function(code, name, request, reply, table, max_written=most, writes=True, echoes=most == 1,
                    has_address=True, has_count=most > 1, may_be_broadcast=True)


FUNCTIONS = {row.code: row for row in (
    _read(1, Table.COILS, MAX_BITS),
    _read(2, Table.DISCRETE_INPUTS, MAX_BITS),
    _read(3, Table.HOLDING_REGISTERS, MAX_REGISTERS),
    _read(4, Table.INPUT_REGISTERS, MAX_REGISTERS),
    _write(5, "write coil", 8, 8, Table.COILS, 1),
    _write(6, "write register", 8, 8, Table.HOLDING_REGISTERS, 1),
    Function(7, "read exception status", 4, 5),
    Function(8, "diagnostics", 8, 8, echoes=True, may_be_broadcast=True),  # an echo with sub-function 0;
    Function(11, "read event counter", 4, 8),                # Victron finds the baud rate with it, broadcast
    Function(12, "read event log", 4, (2, 5)),
    _write(15, "write coils", (6, 9), 8, Table.COILS, 1968),
    _write(16, "write registers", (6, 9), 8, Table.HOLDING_REGISTERS, 123),
    Function(17, "report server id", 4, (2, 5)),
    Function(20, "read file record", (2, 5), (2, 5)),
    Function(21, "write file record", (2, 5), (2, 5), writes=True, echoes=True, may_be_broadcast=True),
    _write(22, "mask write register", 10, 10, Table.HOLDING_REGISTERS, 1),
    Function(23, "read and write registers", (10, 13), (2, 5), Table.HOLDING_REGISTERS, MAX_REGISTERS, 121,
             writes=True, has_address=True, has_count=True),
    Function(24, "read FIFO queue", 6, has_address=True),
    Function(43, "read device identification", 7),
)}

WRITE_COIL, WRITE_REGISTER, DIAGNOSTICS, WRITE_COILS, WRITE_REGISTERS, REPORT_SERVER = 5, 6, 8, 15, 16, 17
READ_FILES, WRITE_FILES, MASK_WRITE, READ_AND_WRITE, READ_FIFO, READ_DEVICE = 20, 21, 22, 23, 24, 43

READ_FUNCTIONS = {table: code for code, table in enumerate(Table, 1)}
READ_TABLES = {code: table for table, code in READ_FUNCTIONS.items()}
READING_BITS = frozenset(table.function for table in Table if table.holds_bits)
READING_REGISTERS = frozenset(code for code, row in FUNCTIONS.items() if row.reads) - READING_BITS
PLAIN_READS = frozenset((*READ_TABLES, READ_FILES))  # requests that may be repeated, and shared by masters
WRITING = frozenset(code for code, row in FUNCTIONS.items() if row.writes)
PLAIN_WRITES = frozenset(code for code in WRITING if not FUNCTIONS[code].reads)  # whose answers bring no data
ECHOING = frozenset(code for code, row in FUNCTIONS.items() if row.echoes)
BROADCAST = frozenset(code for code, row in FUNCTIONS.items() if row.may_be_broadcast)
DATA_ACCESS = tuple(code for code, row in FUNCTIONS.items() if row.table or code in (READ_FILES, WRITE_FILES))


def writing(table: Table, plainly: bool = False) -> tuple[int, ...]:
    """Return the functions that write a table; `plainly` leaves out those that also read, or mask bits."""
    return tuple(code for code, row in FUNCTIONS.items() if row.writes and row.table is table
                 and not (plainly and code in (MASK_WRITE, READ_AND_WRITE)))


def describe(code: int, address: int | None = None, count: int | None = None) -> str:
    """Put a request into words, for logs and screens: "read holding registers 0x5B00+21", "function 65"."""
    row = FUNCTIONS.get(code)
    text = row.name if row else f"function {code}"
    if address is None:
        return text
    has_count = count is not None and (row is None or row.has_count)
    return f"{text} 0x{address:04X}" + (f"+{count}" if has_count else "")


def describe_pdu(pdu: bytes) -> str:
    """Put a request PDU into words."""
    row = FUNCTIONS.get(pdu[0])
    address = int.from_bytes(pdu[1:3], "big") if row and row.has_address and len(pdu) >= 3 else None
    count = int.from_bytes(pdu[3:5], "big") if row and row.has_count and len(pdu) >= 5 else None
    return describe(pdu[0], address, count)
