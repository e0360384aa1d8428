"""Choose the store for a unit."""

from softsplit.config.upstream import Unit, Upstream
from softsplit.downstream.mirrors.heardstore import HeardStore
from softsplit.downstream.mirrors.store import PolledStore


def store_for(upstream: Upstream, unit: Unit, max_age: float) -> PolledStore | HeardStore:
    """Return an empty store for a unit that softsplit asks, or only hears."""
    if upstream.is_heard:
        return HeardStore(max_age, unit.profile.spans, unit.profile.alone)
    return PolledStore(unit.reads, max_age, unit.profile.alone)
