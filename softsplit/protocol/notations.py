"""Parse the ways to write an address: 0x5B00, 5B00h and 23296, or 40001 and 400001 as in manuals. Pure."""

import re

from softsplit.errors import ConfigError, show
from softsplit.protocol.blocks import ADDRESSES
from softsplit.protocol.functions import Table

LONGEST = 20  # characters of an address
MOST_DISCRETE = 1000  # numbers of discrete inputs that come to mind: a register may well be at 11000 or 19000
TABLES = {"0": Table.COILS, "1": Table.DISCRETE_INPUTS, "3": Table.INPUT_REGISTERS,
          "4": Table.HOLDING_REGISTERS}
NUMBERED = re.compile(r"[0134]\d{4,5}", re.ASCII)  # a digit for the table, and a number in it from 1 on
HEX = re.compile(r"([0-9A-Fa-f]{1,6})[hH]", re.ASCII)


def parse_address(text: str, table: Table | None = None, key: str = "ADDRESS") -> tuple[Table, int, str]:
    """Return the table and the protocol address from 0 of `text`, and a hint where it could be misread.

    A number in decimal or hex (0x5B00, 5B00h) is the protocol address, in the holding registers unless
    `table` is given. But 0xxxx, 3xxxx and 4xxxx without a table, and 0xxxxx, 1xxxxx, 3xxxxx and 4xxxxx, are a
    table and a number in it from 1. Raises ConfigError, inside `key`.
    """
    text = text[:LONGEST]  # no address is longer
    if written := HEX.fullmatch(text):
        address = int(written[1], 16)
        return table or Table.HOLDING_REGISTERS, address, f"{text} is protocol address 0x{address:04X}"
    named, number = TABLES.get(text[:1]), int(text[1:]) if NUMBERED.fullmatch(text) else 0
    if named and 1 <= number <= ADDRESSES and (len(text) == 6 or text[0] == "0" or table is None
                                               and text[0] != "1"):
        if table not in (None, named):
            raise ConfigError(f"{text} is one of the {named}, not of the {table}", key)
        return named, number - 1, _explained(text, named, number)
    try:
        address = int(text, 0)
    except ValueError:
        raise ConfigError(f'{show(text)} is neither decimal (23296) nor hex (0x5B00)', key) from None
    hint = ""
    if named is Table.DISCRETE_INPUTS and 1 <= number and table is None:
        hint = (f"{text} is taken for protocol address 0x{address:04X} of the holding registers; "
                f"if number {number} of the {named} is meant, write 1{number:05}")
    return table or Table.HOLDING_REGISTERS, address, hint


def _explained(text: str, table: Table, number: int) -> str:
    words = f"{text} is number {number} of the {table}: protocol address 0x{number - 1:04X}"
    if len(text) == 5 and text[0] != "0":
        words += f"; if protocol address {int(text)} is meant, write 0x{int(text):04X}, or name the table with -t"
    return words


def numbered(text: str) -> tuple[Table, int] | None:
    """Return the table and the protocol address of a number such as 40001; None for any other text."""
    number = int(text[1:]) if NUMBERED.fullmatch(text) else 0
    return (TABLES[text[0]], number - 1) if 1 <= number <= ADDRESSES else None


def doubt_about(address: int, table: Table) -> str:
    """Say what a protocol address such as 40001 would mean in a manual; "" if it means nothing there."""
    named, number = TABLES.get(f"{address:05}"[0]), address % 10_000
    if not named or not number or not 10_001 <= address < 50_000 or not _is_usual(named, number, table):
        return ""
    of_another = "" if named is table else f" of the {table}"
    meant = _meant(address, number - 1, named, table)
    return f"{address} is taken for protocol address 0x{address:04X}{of_another}; {meant}"


def _is_usual(named: Table, number: int, table: Table) -> bool:
    """Whether people write such a number of one table where another, or none, is stated."""
    if named is table:
        return True
    return number < MOST_DISCRETE if named is Table.DISCRETE_INPUTS else not table.holds_bits


def _meant(stated: int, address: int, named: Table, table: Table | None = None) -> str:
    """Say how to write a manual's number."""
    words = f"address = {address}" if named is table else f'table = "{named}", address = {address}'
    return f'if number {address + 1} of the {named} is meant, write {words}, or address = "{stated}" as text'


def meant_by(stated: int) -> str:
    """Say how to write a manual's number that is no protocol address, such as 400001; "" for any other."""
    found = numbered(str(stated)) if stated >= ADDRESSES else None
    return _meant(stated, found[1], found[0]) if found else ""
