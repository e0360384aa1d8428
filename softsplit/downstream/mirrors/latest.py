"""What a unit says at this moment to a master, block by block, with the time when that was taken."""

from collections.abc import Iterable

from softsplit import clock
from softsplit.config.deriving.derived import Derived
from softsplit.downstream.mirrors.answering import Answering
from softsplit.downstream.mirrors.freshness import NEVER
from softsplit.profiles import Answer
from softsplit.protocol.blocks import Read
from softsplit.protocol.values import Value

TRIES = 3


def latest_answers(mirror: Answering, reads: Iterable[Read]) -> list[Answer]:
    """What a master would get of these blocks now, and since when it is so."""
    for _ in range(TRIES):  # until nothing changes meanwhile
        taken_at = {state.name: state.taken_at for state in mirror.states(clock.now())}
        found = [(read, data) for read in reads if (data := mirror.data(read.block)) is not None]
        if taken_at == {state.name: state.taken_at for state in mirror.states(clock.now())}:
            break
    return [Answer(read.block, data, taken_at.get(read.name, taken_at.get(str(read.block), NEVER)), read.every)
            for read, data in found]


def derived_values(mirror: Answering, derived: Derived) -> dict[str, Value | None]:
    """What the registers of a derived unit say to a master, by name; what is stale is not there."""
    answers = [Answer(part, data) for made in derived.made for part in made.register.parts
               if (data := mirror.data(part)) is not None]
    return {register.name: said.value for register, said in derived.profile.said(answers).items()}
