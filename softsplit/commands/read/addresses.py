"""Parse addresses as people and manuals write them: 0x5B00 and 23296, or 40001 and 400001."""

from softsplit.errors import ConfigError, show
from softsplit.protocol.blocks import ADDRESSES
from softsplit.protocol.functions import Table

LONGEST = 20  # characters of an address
TABLES = {"1": Table.DISCRETE_INPUTS, "3": Table.INPUT_REGISTERS, "4": Table.HOLDING_REGISTERS}


def parse_address(text: str, table: Table | None = None) -> tuple[Table, int, str]:
    """Return the table and the protocol address from 0 that `text` means, and words where that is not plain.

    A number in decimal or hex is the protocol address, of holding registers unless `table` says otherwise.
    But 3xxxx and 4xxxx, without a table, and 1xxxxx, 3xxxxx and 4xxxxx, are a table and a number in it from
    1 on. Raises ConfigError.
    """
    text = text[:LONGEST]  # no address is longer
    try:
        number = int(text, 0)
    except ValueError:
        raise ConfigError(f'{show(text)} is neither decimal (23296) nor hex (0x5B00)', "ADDRESS") from None
    named, in_table = TABLES.get(text[0]), int(text[1:] or 0) if text.isdecimal() else 0
    is_long = text.isdecimal() and len(text) == 6 and named is not None
    is_short = text.isdecimal() and len(text) == 5 and named not in (None, Table.DISCRETE_INPUTS)
    if named is None or not 1 <= in_table <= ADDRESSES or not is_long and not (is_short and table is None):
        return table or Table.HOLDING_REGISTERS, number, ""
    if table not in (None, named):
        raise ConfigError(f"{text} is one of the {named}, not of the {table}", "ADDRESS")
    words = f"{text} is number {in_table} of the {named}: protocol address 0x{in_table - 1:04X}"
    if is_short:
        words += f'; if protocol address {number} is meant, write 0x{number:04X}, or name the table with -t'
    return named, in_table - 1, words
