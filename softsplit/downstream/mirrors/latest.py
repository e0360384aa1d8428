"""What a unit says at this moment to a master, block by block, with the time when that was taken."""

from collections.abc import Iterable

from softsplit.config.deriving.derived import Derived
from softsplit.downstream.mirrors.answering import Answering
from softsplit.profiles import Answer
from softsplit.protocol.blocks import Read
from softsplit.protocol.values import Value


def latest_answers(mirror: Answering, reads: Iterable[Read]) -> list[Answer]:
    """What a master would get of these blocks now, and since when it is so."""
    seen = [(read, mirror.seen(read.block)) for read in reads]
    return [Answer(read.block, each.data, each.taken_at, read.every) for read, each in seen if each.data is not None]


def derived_values(mirror: Answering, derived: Derived) -> dict[str, Value | None]:
    """What the registers of a derived unit say to a master, by name; what is stale is not there."""
    answers = [Answer(part, data) for made in derived.made for part in made.register.parts
               if (data := mirror.data(part)) is not None]
    return {register.name: said.value for register, said in derived.profile.said(answers).items()}
