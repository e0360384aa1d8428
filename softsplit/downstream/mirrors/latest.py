"""The data that a master would get of a unit now."""

from collections.abc import Callable, Iterable

from softsplit.config.deriving.derived import Derived
from softsplit.downstream.mirrors.answering import Answering
from softsplit.downstream.mirrors.store import Seen
from softsplit.profiles import Answer
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.values import Value

LOOKS = 5  # at values whose parts are being read


def latest_answers(mirror: Answering, reads: Iterable[Read]) -> list[Answer]:
    """Return these blocks as a master would get them now, with the times when they were asked for.

    If they change again and again meanwhile, as by writes, `every` is 0, so that no number is joined from two
    blocks.
    """
    reads = tuple(reads)
    seen = look_at((read.block for read in reads), mirror.seen)
    is_settled = seen is not None
    return [Answer(read.block, each.data, each.taken_at, read.every * is_settled) for read in reads
            if (each := seen[read.block] if seen else mirror.seen(read.block)).data is not None]


def look_at(blocks: Iterable[Block], seen: Callable[[Block], Seen]) -> dict[Block, Seen] | None:
    """Return some blocks as of one moment; None when they change with each look."""
    blocks = tuple(blocks)
    found = {block: seen(block) for block in blocks}
    for _ in range(LOOKS if len(blocks) > 1 else 0):
        again = {block: seen(block) for block in blocks}
        if all(_is_same(again[block], found[block]) for block in blocks):
            return found
        found = again
    return None if len(blocks) > 1 else found


def _is_same(one: Seen, other: Seen) -> bool:
    return one.taken_at == other.taken_at and (one.data is None) == (other.data is None)


def derived_values(mirror: Answering, derived: Derived) -> dict[str, Value | None]:
    """Return the values that a master would get of a derived unit, by name, without stale ones."""
    answers = [Answer(part, data) for made in derived.made for part in made.register.parts
               if (data := mirror.data(part)) is not None]
    return {register.name: said.value for register, said in derived.profile.said(answers).items()}
