"""Find where the registers of a unit begin, for profiles whose registers each device has elsewhere; then poll them."""

from collections.abc import Callable, Sequence
from functools import partial

from softsplit.config.upstream import Unit
from softsplit.errors import Unreachable
from softsplit.polling.due import Due
from softsplit.polling.plan import Plan
from softsplit.profiles import Profile
from softsplit.profiles.base import find_model
from softsplit.protocol.blocks import Block
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import read_question
from softsplit.upstream.clients.client import Client
from softsplit.upstream.counters import Counters

LOOK_EVERY = 10.0  # s between looks at a unit that does not answer, or has no such registers


class Locator:
    """Looks for the registers of those units whose profile has a `base`, until each is found."""

    def __init__(self, units: Sequence[Unit], client: Client, plan: Plan, counters: Counters, timeout: float):
        self._missing = [unit for unit in units if unit.profile.base]
        self._client, self._plan, self._counters, self._timeout = client, plan, counters, timeout
        self._at = 0.0  # when to look again

    def look(self, now: float) -> Unreachable | None:
        """Look for missing units, when it is time to; return an error if the wire cannot be reached."""
        if not self._missing or now < self._at:
            return None
        self._at = now + LOOK_EVERY
        return next(filter(None, (self._find(unit, now) for unit in list(self._missing))), None)

    def _find(self, unit: Unit, now: float) -> Unreachable | None:
        outcomes: list[Outcome] = []
        at = locate(unit.profile, partial(self._read, unit.unit, outcomes))
        for outcome in outcomes:
            if isinstance(outcome.error, Unreachable):
                self._at = now  # look again as soon as it can be reached
                return outcome.error
            self._counters.count(outcome)
        self._counters.places[unit.unit] = at
        if at is not None:
            self._missing.remove(unit)
            for read in unit.reads_at(at):
                self._plan.add(Due(unit.unit, read, now, period=read.every))
                self._counters.learn(unit.unit, read.block, read.name, read.every)
        return None

    def _read(self, unit: int, outcomes: list[Outcome], block: Block) -> bytes | None:
        """Return the data of a block, if it is answered; add the outcome to `outcomes`. Stop when unreachable."""
        if outcomes and isinstance(outcomes[-1].error, Unreachable):
            return None
        outcomes.append(self._client.outcome(unit, read_question(block), self._timeout))
        return outcomes[-1].data


def locate(profile: Profile, read: Callable[[Block], bytes | None]) -> int | None:
    """Return the address where the registers of a profile begin on a device; `read` returns data or None."""
    return find_model(profile.base.models, read) if profile.base else None
