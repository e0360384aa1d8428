"""Tabulate registers of unknown meaning, with the plausible values of each in every byte order. Pure.

The bits of a usual float are a huge whole number, and those of a small whole number a float next to zero; so
at most one of the two is plausible.
"""

from collections.abc import Sequence

from softsplit.profiles.display import items_of
from softsplit.protocol import values
from softsplit.protocol.blocks import Block
from softsplit.protocol.values import WORD_ORDERS

WHOLE = 100_000_000  # whole numbers of 32 bits are plausible below it
FLOAT = (1e-4, 1e8)  # floats are plausible between these


def tabulate(block: Block, data: bytes, orders: Sequence[str] = tuple(WORD_ORDERS)) -> list[str]:
    """Return a line for each register: its number, its text, and its value with the next one in each order.

    A line for a bit has only its value.
    """
    if block.table.holds_bits:
        return [f"0x{address:04X}  {bit}" for address, bit in enumerate(items_of(block, data), block.address)]
    lines = [f"address     hex    u16     s16  text{''.join(f'{order.upper():>14}' for order in orders)}"]
    for index, word in enumerate(items_of(block, data)):
        own, pair = data[2 * index:2 * index + 2], data[2 * index:2 * index + 4]
        text = "".join(chr(byte) if 0x20 < byte < 0x7F else "." for byte in own)
        cells = (_reading(pair, *WORD_ORDERS[order]) if len(pair) == 4 else "" for order in orders)
        row = (f"0x{block.address + index * block.step:04X}   0x{word:04X}  {word:5}  "
               f"{values.decode_number('s16', own):6}  {text:4}{''.join(f'{cell:>14}' for cell in cells)}")
        lines.append(row.rstrip())
    return lines


def _reading(pair: bytes, word_order: str, byte_order: str) -> str:
    """The plausible value of two registers: a whole number, or a float with a point, or "-"."""
    whole = values.decode_number("s32", pair, word_order, byte_order)
    if abs(whole) < WHOLE:
        return str(whole)
    number = values.decode_number("f32", pair, word_order, byte_order)
    if not FLOAT[0] <= abs(number) < FLOAT[1]:
        return "-"
    return f"{number:.7g}" if number % 1 else f"{number:.1f}"
