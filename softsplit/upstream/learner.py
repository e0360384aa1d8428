"""Poll blocks that masters ask for often, as long as they do."""

from collections import deque

from softsplit import clock
from softsplit.bounded import BoundedDict
from softsplit.polling.busload import ROOMY
from softsplit.polling.demand import MOST_BLOCKS, Demand
from softsplit.polling.plan import Plan
from softsplit.protocol.blocks import Block, Read
from softsplit.upstream.counters import Counters
from softsplit.upstream.eventlog import EventLog

LEARN_EVERY = 1.0  # s between looks
MOST_NOTES = 10_000


class Learner:
    """Adds the blocks that masters ask for often to the plan and the counters of a wire."""

    def __init__(self, plan: Plan, counters: Counters, eventlog: EventLog):
        self._plan = plan
        self._counters = counters
        self._eventlog = eventlog
        self._noted: deque[tuple[int, Block, float]] = deque(maxlen=MOST_NOTES)  # filled by any thread
        self._learning = Demand()
        self._learned: dict[tuple[int, Block], Read] = {}
        self._took: BoundedDict[tuple[int, Block], float] = BoundedDict(MOST_BLOCKS)  # s, of forwarded reads
        self._at = 0.0  # when to look again
        self.has_room = False  # whether the wire can carry more than the plan

    def note(self, unit: int, block: Block) -> None:  # server thread
        """Note that a master has asked for a block that is not polled."""
        self._noted.append((unit, block, clock.now()))

    def took(self, unit: int, block: Block, seconds: float) -> None:
        """Note that a forwarded read of this block was answered; only such blocks are learned."""
        self._took[unit, block] = seconds

    def is_known(self, unit: int, block: Block) -> bool:
        """Whether the unit has answered a forwarded read of this block, or of one around it."""
        return any(whose == unit and known.contains(block) for whose, known in self._took)

    def look(self, now: float) -> None:
        """Learn and forget blocks, about once a second."""
        while self._noted:
            self._learning.note(*self._noted.popleft())
        if now < self._at:
            return
        self._at = now + LEARN_EVERY
        self.has_room = self._plan.demand <= ROOMY
        wanted = self._learning.learned(now)
        for unit, block in self._learned.keys() - wanted.keys():
            self._plan.forget(unit, self._learned.pop((unit, block)))
            self._counters.forget(unit, block)
            self._eventlog.forget_block(unit, block)
        for whose in wanted.keys() & self._took.keys() - self._learned.keys():
            self._learn(*whose, wanted[whose], now)

    def _learn(self, unit: int, block: Block, every: float, now: float) -> None:
        """Poll a block, if its unit answers and the wire has room."""
        if self._plan.is_mute(unit) or block in self._counters.blocks[unit]:
            return
        if read := self._plan.learn(unit, block, every, self._took[unit, block], now):
            self._learned[unit, block] = read
            self._counters.learn(unit, block, read.name, read.every)
