"""Finds where the registers of units begin that stand elsewhere on each device, and has them polled then."""

from collections.abc import Callable, Sequence

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

LOOK_EVERY = 10.0  # s between looks at a unit that does not answer, or has no such place


class Locator:
    """Looks for what the profiles of these units say that it has to be found; each once, after connecting."""

    def __init__(self, units: Sequence[Unit], client: Client, plan: Plan, counters: Counters, timeout: float):
        self._missing = [unit for unit in units if unit.profile.base]
        self._client, self._plan, self._counters, self._timeout = client, plan, counters, timeout
        self._at = 0.0  # when to look again

    def look(self, now: float) -> Unreachable | None:
        """Look for units whose place nobody knows, when it is time to; return why none can be reached."""
        if not self._missing or now < self._at:
            return None
        self._at = now + LOOK_EVERY
        for unit in list(self._missing):
            error = self._find(unit, now)
            if error:
                return error
        return None

    def _find(self, unit: Unit, now: float) -> Unreachable | None:
        outcomes: list[Outcome] = []
        at = locate(unit.profile, lambda block: _kept(outcomes, self._client.outcome(
            unit.unit, read_question(block), self._timeout)))
        for outcome in outcomes:
            if isinstance(outcome.error, Unreachable):
                self._at = now  # the next time that it can be reached
                return outcome.error
            self._counters.count(outcome)
        self._counters.places[unit.unit] = at
        if at is not None:
            self._missing.remove(unit)
            for read in unit.reads_at(at):
                self._plan.add(Due(unit.unit, read, now, period=read.every))
                self._counters.learn(unit.unit, read.block, read.name, read.every)
        return None


def locate(profile: Profile, read: Callable[[Block], bytes | None]) -> int | None:
    """Return where the registers of a profile begin on a device; `read` gives what that says, if it does."""
    return find_model(profile.base.model, read) if profile.base else None


def _kept(outcomes: list[Outcome], outcome: Outcome) -> bytes | None:
    """Keep what came of a request, and return its data; of a device that cannot be reached nothing more is
    asked.
    """
    if outcomes and isinstance(outcomes[-1].error, Unreachable):
        return None
    outcomes.append(outcome)
    return outcome.data
