"""Choose the store for a unit: whether softsplit asks it, or only listens."""

from softsplit.config.upstream import Unit, Upstream
from softsplit.downstream.mirrors.heardstore import HeardStore
from softsplit.downstream.mirrors.store import PolledStore


def store_for(upstream: Upstream, unit: Unit, max_age: float) -> PolledStore | HeardStore:
    """Return what a mirror has of a unit, still empty."""
    if upstream.is_heard:
        return HeardStore(max_age, (each.block for each in unit.profile.registers), unit.profile.alone)
    return PolledStore(unit.reads, max_age, unit.profile.alone)
