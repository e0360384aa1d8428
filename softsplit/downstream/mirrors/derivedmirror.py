"""A derived unit as the masters of one server see it."""

from collections.abc import Mapping, Sequence

from softsplit.config.deriving.made import Made
from softsplit.downstream.mirrors.answering import Answering
from softsplit.downstream.mirrors.derivedlayout import Field
from softsplit.downstream.mirrors.derivedstore import Computed, DerivedStore, Origin
from softsplit.downstream.mirrors.store import BlockState
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.nameplate import Nameplate
from softsplit.protocol.outcome import Reading


class DerivedMirror(Answering):
    """One derived unit; it forwards nothing."""

    def __init__(self, unit: int, store: DerivedStore, tables: frozenset[Table], when_stale: str, step: int,
                 nameplate: Nameplate | None = None):
        super().__init__(unit, store, tables, when_stale, step, nameplate)
        self.store = store

    def take(self, reading: Reading, computed: Mapping[Field, Computed]) -> None:  # sync thread
        """Take a reading of one of its units, and what is computed from it, together."""
        with self._data_lock:
            self.known.clear()
            self.store.take(reading, computed)

    def inputs(self, now: float) -> list[tuple[str, BlockState]]:  # any thread
        """Return the states of the blocks that it is made from, with their units, as "meters/100"."""
        with self._data_lock:
            return self.store.inputs(now)

    def why(self) -> str:  # any thread
        """Say why a register cannot be served although its inputs are fresh; "" if all can."""
        with self._data_lock:
            return self.store.why()

    def late(self) -> tuple[str, ...]:  # any thread
        """The units whose inputs are too old for the others, though they are fresh."""
        with self._data_lock:
            return self.store.late()

    def why_of(self, made: Made) -> str:  # any thread
        """Say why a register cannot be served now."""
        with self._data_lock:
            return self.store.why_of(made)

    def doubt(self, origin: Origin, blocks: Sequence[Block], until: float) -> None:  # sync thread
        """A write changes these blocks of one of its units; see `Invalidation`."""
        with self._data_lock:
            self.known.clear()
            self.store.doubt(origin, blocks, until)
