"""Check that the blocks of a profile do not overlap, as fast as sorting them."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from softsplit.errors import ConfigError
from softsplit.protocol.blocks import Block


class Layout:
    """Blocks that do not overlap. Raises ConfigError, inside `what`, if two do."""

    def __init__(self, what: str, blocks: Sequence[Block]):
        numbered = sorted(enumerate(blocks, 1), key=lambda each: _place(each[1]))
        for (one, earlier), (other, later) in zip(numbered, numbered[1:]):
            if earlier.overlaps(later):
                last, first = (later, earlier) if other > one else (earlier, later)
                raise ConfigError(f"{last} overlaps {first}", f"{what}[{max(one, other)}]")
        self._blocks = [block for _, block in numbered]
        self._places = [_place(block) for block in self._blocks]

    def holds(self, block: Block) -> bool:
        """Whether one of the blocks contains `block`."""
        index = bisect_right(self._places, _place(block)) - 1
        return index >= 0 and self._blocks[index].contains(block)


def require_unique(names: Iterable[tuple[object, ...]], what: str) -> None:
    """Raise ConfigError if two names are equal; a table may stand before each name."""
    seen: set[tuple[object, ...]] = set()
    for number, name in enumerate(names, 1):
        if name in seen:
            raise ConfigError(f'"{name[-1]}" is used twice', f"{what}[{number}].name")
        seen.add(name)


def _place(block: Block) -> tuple[int, int]:
    return block.table.function, block.address
