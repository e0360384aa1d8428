"""Build derived units: one deriver for each, and a mirror for each downstream that serves it."""

from collections.abc import Iterable

from softsplit.config.deriving.derived import Derived
from softsplit.config.downstream import Downstream, ServedDerived
from softsplit.downstream.deriving.deriver import Deriver, UnitTaker
from softsplit.downstream.mirrors.choice import store_for
from softsplit.downstream.mirrors.derivedmirror import DerivedMirror
from softsplit.downstream.mirrors.derivedstore import DerivedStore, Origin


class Derivers:
    """The derived units of a process."""

    def __init__(self) -> None:
        self._derivers: dict[Derived, Deriver] = {}

    def mirror(self, downstream: Downstream, served: ServedDerived) -> DerivedMirror:
        """Return a new mirror of a derived unit."""
        return self.one(downstream, served)[0]

    def one(self, downstream: Downstream, served: ServedDerived) -> tuple[DerivedMirror, Deriver]:
        """Return a new mirror of a derived unit, and its deriver."""
        derived = served.derived
        deriver = self._derivers.setdefault(derived, Deriver(derived))
        stores = {(upstream.name, unit.unit): store_for(upstream, unit.stated, downstream.max_age)
                  for upstream, unit in derived.units}
        profile = derived.profile
        store = DerivedStore(deriver.layout, stores, downstream.max_age)
        mirror = DerivedMirror(served.unit, store, profile.tables, downstream.when_stale, profile.step,
                               profile.nameplate)
        deriver.add(mirror)
        return mirror, deriver

    def takers(self) -> Iterable[tuple[Origin, UnitTaker]]:
        """Return which taker wants the readings of which unit."""
        return (each for deriver in self._derivers.values() for each in deriver.takers().items())
