"""A derived unit as the masters of one server see it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from softsplit.downstream.mirrors.answering import Answering
from softsplit.downstream.mirrors.derivedlayout import Field
from softsplit.downstream.mirrors.derivedstore import Computed, DerivedStore, Origin
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.nameplate import Nameplate
from softsplit.protocol.outcome import Location, Reading


class DerivedMirror(Answering):
    """One derived unit; it forwards nothing."""

    def __init__(self, unit: int, store: DerivedStore, tables: frozenset[Table], when_stale: str, step: int,
                 nameplate: Nameplate | None = None):
        super().__init__(unit, store, tables, when_stale, step, nameplate)
        self._store = store

    def take(self, reading: Reading, computed: Mapping[Field, Computed]) -> None:  # sync thread
        """Take a reading of one of its units, and what is computed from it, together."""
        with self._data_lock:
            self.known.clear()
            self._store.take(reading, computed)

    @contextmanager
    def locked(self) -> Iterator[DerivedStore]:  # any thread
        """Yield the store, in which nothing changes meanwhile."""
        with self._data_lock:
            yield self._store

    def locate(self, origin: Origin, location: Location) -> None:  # sync thread
        """Forget the data of one of its units, whose registers are elsewhere now."""
        with self._data_lock:
            self.known.clear()
            self._store.locate(origin, location)

    def doubt(self, origin: Origin, blocks: Sequence[Block], until: float) -> None:  # sync thread
        """A write changes these blocks of one of its units; see `Invalidation`."""
        with self._data_lock:
            self.known.clear()
            self._store.doubt(origin, blocks, until)
