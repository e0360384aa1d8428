"""Find a SunSpec model in a device: models follow each other in any order. Pure.

    SunS (2)   model 1 (1), length (1), registers (length)   model 103 (1), length (1), ...   0xFFFF (1)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from softsplit.protocol.blocks import ADDRESSES, Block
from softsplit.protocol.functions import Table

STARTS = (40000, 50000, 0)  # possible addresses of the mark; SunSpec Information Model Specification
MARK = b"SunS"
LAST = 0xFFFF  # instead of another model
MOST_MODELS = 60

Whole = TypeVar("Whole")  # Profile, whose module imports this one


@dataclass(frozen=True, eq=False)
class Base(Generic[Whole]):
    """The SunSpec `model` that a profile describes; addresses in `relative` count from the model's number."""

    model: int
    relative: Whole


def find_model(model: int, read: Callable[[Block], bytes | None]) -> int | None:
    """Return the address of a SunSpec model's number, or None; `read` returns a block's data, or None."""
    for start in STARTS:
        if read(Block(Table.HOLDING_REGISTERS, start, 2)) == MARK:
            return _walk(model, start + 2, read)
    return None


def _walk(model: int, address: int, read: Callable[[Block], bytes | None]) -> int | None:
    for _ in range(MOST_MODELS):
        head = read(Block(Table.HOLDING_REGISTERS, address, 2)) if address < ADDRESSES - 2 else None
        if head is None or head[:2] == LAST.to_bytes(2, "big"):
            return None
        if int.from_bytes(head[:2], "big") == model:
            return address
        address += 2 + int.from_bytes(head[2:4], "big")
    return None
