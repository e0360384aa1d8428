"""Find where the registers of a unit begin, if each device has them elsewhere; then poll them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from softsplit.config.upstream import Unit
from softsplit.errors import BadAnswer, ConfigError, Unreachable
from softsplit.polling.due import Due
from softsplit.polling.plan import Plan
from softsplit.polling.silence import Silence
from softsplit.profiles import Answer, Profile, Register
from softsplit.profiles.base import find_model
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import read_question
from softsplit.upstream.clients.client import Client
from softsplit.upstream.counters import Counters
from softsplit.upstream.eventlog import EventLog
from softsplit.upstream.handover import HandOver

LONGEST_PAUSE = 30.0  # s in which nobody replaces a device without a request that it leaves unanswered
CHAIN_EVERY = 60.0  # s between reads of what leads to a model
LOOK_EVERY = 10.0  # s between looks at a unit that does not answer, or has no such registers


class Locator:
    """Looks for the registers of those units whose profile has a `base`, until each is found.

    A read there only counts if the head of the model is still the same, because another device may answer at
    this unit id. If it is not, the locator looks again.
    """

    def __init__(self, units: Sequence[Unit], client: Client, plan: Plan, counters: Counters,
                 eventlog: EventLog,
                 hand_over: HandOver, timeout: float):
        self._missing = [unit for unit in units if unit.profile.base]
        self._found: dict[int, tuple[Unit, tuple[Read, ...], Block, bytes]] = {}  # place, words of the head
        self._client, self._plan, self._counters, self._hand_over = client, plan, counters, hand_over
        self._eventlog, self._timeout = eventlog, timeout
        self._at = 0.0  # when to look again

    def look(self, now: float) -> Unreachable | None:
        """Look for missing units, when it is time to; return an error if the wire cannot be reached."""
        if not self._missing or now < self._at:
            return None
        self._at = now + LOOK_EVERY
        return next(filter(None, (self._find(unit, now) for unit in list(self._missing))), None)

    def confirmed(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a polled read, without data if the registers are not there any more."""
        found = self._found.get(outcome.unit)
        if found is None or not outcome.is_of_unit or not self._is_own(outcome):
            return outcome
        unit, _, head, words = found
        said: bytes | None = None
        if outcome.data is not None:
            said = self._head_in(outcome)
        if said is None:
            asked = self._client.outcome(outcome.unit, read_question(head), self._timeout)
            self._counters.count(asked)
            if not asked.is_of_unit:
                return replace(outcome, answer=None, error=asked.error)
            said = asked.data
        if said == words:
            return outcome
        self._lose(unit)
        return replace(outcome, answer=None,
                       error=BadAnswer(f"unit {outcome.unit}: its SunSpec model is not at "
                                                             f"0x{head.address:04X} any more"))

    def is_missing(self, unit: int) -> bool:
        """Whether the registers of a unit are not found yet."""
        return any(each.unit == unit for each in self._missing)

    def is_sure(self, outcome: Outcome) -> bool:
        """Whether the data of an outcome shows by itself that the registers are still there."""
        found = self._found.get(outcome.unit)
        return found is None or not self._is_own(outcome) or self._head_in(outcome) == found[3]

    def _is_own(self, outcome: Outcome) -> bool:
        """Whether an outcome is of a block that is polled for the registers of a model."""
        return any(read.block == outcome.block for read in self._found[outcome.unit][1])

    def _head_in(self, outcome: Outcome) -> bytes | None:
        head = self._found[outcome.unit][2]
        block, data = outcome.block, outcome.data
        return Answer(block, data).part(head) if block and data is not None and block.contains(head) else None

    def _find(self, unit: Unit, now: float) -> Unreachable | None:
        outcomes: list[Outcome] = []
        at = locate(unit.profile, partial(self._read, unit.unit, outcomes))
        for outcome in outcomes:
            if isinstance(outcome.error, Unreachable):
                self._at = now  # look again as soon as it can be reached
                return outcome.error
            self._counters.count(outcome)
        self._counters.places[unit.unit] = at
        if outcomes[-1].is_of_unit:
            self._eventlog.located(unit.unit, str(unit.profile.base), at)
        if at is not None:
            self._missing.remove(unit)
            head, reads = outcomes[-1], (*unit.reads_at(at), *_chain(outcomes, unit.reads_at(at)))
            self._found[unit.unit] = unit, reads, head.read, head.data or b""
            self._hand_over.located(unit, at, reads)
            for read in reads:
                self._plan.add(Due(unit.unit, read, now, period=read.every))
                self._counters.learn(unit.unit, read.block, read.name, read.every)
        return None

    def _lose(self, unit: Unit) -> None:
        """Forget the place of the registers, because there is another device or model now, and look again."""
        _, reads, _, _ = self._found.pop(unit.unit)
        self._missing.append(unit)
        self._at = 0.0
        self._counters.places[unit.unit] = None
        self._hand_over.located(unit, None, ())
        for read in reads:
            self._plan.forget(unit.unit, read)
            self._counters.forget(unit.unit, read.block)

    def _read(self, unit: int, outcomes: list[Outcome], block: Block) -> bytes | None:
        """Return the data of a block, and add its outcome; None once the unit does not answer."""
        if outcomes and not outcomes[-1].is_of_unit:
            return None
        outcomes.append(self._client.outcome(unit, read_question(block), self._timeout))
        return outcomes[-1].data


def _chain(outcomes: Iterable[Outcome], reads: Sequence[Read]) -> Iterator[Read]:
    """Yield what was read to find a model, for masters that look for it, unless that is polled anyway."""
    for block in (outcome.read for outcome in outcomes if outcome.data is not None):
        if not any(read.block.contains(block) for read in reads):
            yield Read(block, f"SunSpec 0x{block.address:04X}", CHAIN_EVERY)


def locate(profile: Profile, read: Callable[[Block], bytes | None]) -> int | None:
    """Return the address where the registers of a profile begin on a device; `read` returns data or None.

    A model that is too short for the blocks of a profile, or whose registers do not fit there or are not
    readable, is not the one of this profile.
    """
    if not profile.base:
        return None
    needed = max((each.block.end for each in profile.stated.reads), default=0)
    at = find_model(profile.base.models, read, needed)
    try:
        profile.located(at)
    except ConfigError:  # a device may have it at the very end of the table
        return None
    return at


class HeardBase:
    """Learns where a SunSpec model begins from what another master reads: the mark, then each head.

    That is forgotten when the unit may have been replaced: it was silent, or nobody has asked it for long.
    """

    def __init__(self, profile: Profile):
        self.at: int | None = None
        self._profile = profile
        self._words: dict[int, bytes] = {}  # mark and heads, by address
        self._silence = Silence()
        self._heard_at: float | None = None

    def note(self, has_answered: bool, now: float | None) -> None:
        """Note whether a request was answered; `now` is in seconds, None if unknown."""
        self._silence.note(has_answered)
        is_pause = now is not None and self._heard_at is not None and now - self._heard_at > LONGEST_PAUSE
        if self._silence.is_mute or is_pause:
            self.at, self._words = None, {}
        if has_answered:
            self._heard_at = now

    def hear(self, block: Block, data: bytes) -> None:
        """Use the data that was read from a block."""
        known: dict[int, bytes] = {}

        def read(part: Block) -> bytes | None:
            start = 2 * (part.address - block.address)
            words = data[start:start + 4] if block.contains(part) else self._words.get(part.address)
            known.update({part.address: words} if words else {})
            return words

        if block.table is Table.HOLDING_REGISTERS:
            self.at = locate(self._profile, read)
            self._words = known


class HeardBases:
    """The SunSpec models of the units of one upstream that were learned this way; counters have their places."""

    def __init__(self, units: Sequence[Unit], counters: Counters):
        self._units = {unit.unit: unit for unit in units}
        self._bases = {unit.unit: HeardBase(unit.profile) for unit in units if unit.profile.base}
        self._places = counters.places

    def registers_of(self, unit: int) -> Sequence[Register]:
        """Return the registers that the profile of a unit names, as far as it is known where they are."""
        return self._units[unit].profile.located(self._places.get(unit)).registers

    def hear(self, outcome: Outcome, read: Outcome | None) -> Unit | None:
        """Use the outcome of a request, and its data if that is certain; return the unit if its place is new."""
        unit = outcome.unit
        if unit not in self._bases:
            return None
        base = self._bases[unit]
        base.note(outcome.is_of_unit, outcome.asked_at)
        if read and read.block and read.data is not None:
            base.hear(read.block, read.data)
        if base.at == self._places.get(unit):
            return None
        self._places[unit] = base.at
        return self._units[unit]
