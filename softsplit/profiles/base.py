"""Find where the registers of a device begin: SunSpec models stand one behind another, in any order. Pure.

    SunS (2)   model 1 (1), length (1), so many registers   model 103 (1), length (1), ...   0xFFFF (1)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from softsplit.protocol.blocks import ADDRESSES, Block
from softsplit.protocol.functions import Table

STARTS = (40000, 50000, 0)  # where the first of them may stand; SunSpec Information Model Specification
MARK = b"SunS"
LAST = 0xFFFF  # in the place of a model
MOST_MODELS = 60

Whole = TypeVar("Whole")  # a profile, which is a module above


@dataclass(frozen=True, eq=False)
class Base(Generic[Whole]):
    """The SunSpec `model` that a profile is of; the addresses of `relative` begin at that model's number."""

    model: int
    relative: Whole


def find_model(model: int, read: Callable[[Block], bytes | None]) -> int | None:
    """Return where a SunSpec model begins, at its number; `read` gives what a device says, or None."""
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
