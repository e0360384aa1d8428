"""Keep the latest answers of units, to show values that need two of them. Pure."""

from softsplit.bounded import BoundedDict
from softsplit.profiles import Answer, Profile
from softsplit.profiles.display import NamedValue
from softsplit.profiles.joining import said_in
from softsplit.protocol.blocks import Block

MOST_BLOCKS = 1000  # of all units
LONGEST_PERIOD = 60.0  # s; a longer time between two reads is a pause, not a period


class Answers:
    """The latest answers of units of one make, by unit and block.

    The period of a block is the shortest time between two reads of it, or at first that of the profile.
    """

    def __init__(self, profile: Profile):
        self._profile = profile
        self._usual = {read.block: read.every for read in profile.reads}
        self._kept: BoundedDict[tuple[int, Block], Answer] = BoundedDict(MOST_BLOCKS)

    def take(self, unit: int, block: Block, data: bytes, at: float) -> None:
        """Note the answer of a unit to a read of a block that was sent at `at`, in seconds."""
        before = self._kept.get((unit, block))
        every = self._usual.get(block, 0.0)
        if before:
            every = max(0.0, min(at - before.taken_at, before.every or LONGEST_PERIOD))
        self._kept[unit, block] = Answer(block, data, at, every)

    def named(self, unit: int, block: Block, data: bytes) -> list[NamedValue]:
        """Return the registers that begin in a block, with values from its data and the latest answers."""
        own = self._kept.get((unit, block)) or Answer(block, data)
        if own.data != data:  # written, not read
            own = Answer(block, data, own.taken_at, own.every)
        here = [each for each in self._profile.registers if block.contains(each.parts[0])]
        return [NamedValue(each, said_in(each, own, self._others(unit, block) if len(each.needs) > 1 else ()).value)
                for each in here]

    def _others(self, unit: int, block: Block) -> list[Answer]:
        """The answers of a unit to reads of other blocks, the newest first."""
        found = [answer for (whose, other), answer in self._kept.items() if whose == unit and other != block]
        return sorted(found, key=lambda answer: -answer.taken_at)
