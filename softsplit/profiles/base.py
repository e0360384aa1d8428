"""Find a SunSpec model in a device: models follow each other in any order. Pure.

    SunS (2)   model 1 (1), length (1), registers (length)   model 103 (1), length (1), ...   0xFFFF (1)
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
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
    """The SunSpec model that a profile describes, or several of equal layout, as inverters with one, two or three
    phases; addresses in `relative` count from the model's number.
    """

    models: tuple[int, ...]
    relative: Whole

    def __str__(self) -> str:
        return f"SunSpec model {' or '.join(map(str, self.models))}"


def find_model(models: Collection[int], read: Callable[[Block], bytes | None], needed: int = 0) -> int | None:
    """Return the address of the number of the first of these SunSpec models, or None.

    `read` returns a block's data, or None. A model of fewer registers than `needed`, number and length included, is
    passed over: what follows it belongs to the next model.
    """
    for start in STARTS:
        if read(Block(Table.HOLDING_REGISTERS, start, 2)) == MARK:
            return _walk(models, start + 2, read, needed)
    return None


def from_base(block: Block, at: int) -> Block | None:
    """Return the part of a block that is behind a base, with its address counted from there."""
    start = max(block.address, at)
    return replace(block, address=start - at, count=block.end - start) if start < block.end else None


def _walk(models: Collection[int], address: int, read: Callable[[Block], bytes | None], needed: int) -> int | None:
    for _ in range(MOST_MODELS):
        head = read(Block(Table.HOLDING_REGISTERS, address, 2)) if address < ADDRESSES - 2 else None
        if head is None or head[:2] == LAST.to_bytes(2, "big"):
            return None
        count = 2 + int.from_bytes(head[2:4], "big")
        if int.from_bytes(head[:2], "big") in models and count >= needed:
            return address
        address += count
    return None
