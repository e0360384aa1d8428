"""The data of a derived unit: its computed registers, each as old as its oldest input.

The deriver computes them once for all mirrors; how old they may be differs by mirror. So this has a store for
each unit that the registers are made from, like a mirror of that unit, and with the same rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from softsplit.config.deriving.expression import Input
from softsplit.config.deriving.made import Made
from softsplit.downstream.mirrors.derivedlayout import Field, Layout, Origin, Piece
from softsplit.downstream.mirrors.freshness import ALWAYS, NEVER, UnitFreshness
from softsplit.downstream.mirrors.heardstore import HeardStore
from softsplit.downstream.mirrors.store import BlockState, PolledStore
from softsplit.protocol import pdu
from softsplit.protocol.blocks import Block, in_both_tables, merge
from softsplit.protocol.outcome import Location, Reading

PICKS = 256  # requests whose spans are remembered


@dataclass(frozen=True, slots=True)
class Computed:
    """The words of a field, or bits a byte each; None when it cannot be served, and `why`.

    `taken_at` is that of its oldest input.
    """

    data: bytes | None
    taken_at: float
    why: str = ""
    late: str = ""  # the unit, as "meters/2", whose input is too old for the others, if that is why


NOTHING = Computed(None, NEVER, "nothing was read yet")


class Span:
    """The pieces that answer a request: fields, parts of them, and constant words."""

    def __init__(self, pieces: Sequence[Piece], stores: Mapping[Origin, PolledStore | HeardStore],
                 computed: Mapping[Field, Computed]):
        self._pieces = pieces
        self._fields = list(dict.fromkeys(each.of for each in pieces if isinstance(each.of, Field)))
        self._computed = computed
        inputs = [each for field in self._fields for each in field.inputs]
        self._ages = [(store, block) for origin, store in stores.items()
                      for block in _blocks(inputs, origin, store)]

    def state(self, asked: Block, now: float) -> tuple[int | None, float]:
        """Return why this cannot be served now, as an exception code or None, and until when it is good."""
        return self.code(now)

    def code(self, now: float) -> tuple[int | None, float]:
        """Return the same as `state`."""
        if any(self._computed[field].data is None for field in self._fields):
            return pdu.GATEWAY_NO_ANSWER, now
        until = ALWAYS
        for store, block in self._ages:
            found = store.find(block)
            code, good_until = found.state(block, now) if found else (pdu.GATEWAY_NO_ANSWER, now)
            if code is not None:
                return pdu.GATEWAY_NO_ANSWER, now
            until = min(until, good_until, store.unit.good_until)
        return (None if now <= until else pdu.GATEWAY_NO_ANSWER), until

    def taken_at(self, asked: Block) -> float:
        """Return when its oldest input was asked for; ALWAYS for constant words."""
        return min((self._computed[field].taken_at for field in self._fields), default=ALWAYS)

    def get(self, asked: Block) -> bytes:
        data = b"".join(self._data(each.of)[each.span] for each in self._pieces)
        return pdu.pack_bits(data) if asked.table.holds_bits else data

    def _data(self, of: Field | bytes) -> bytes:
        return of if isinstance(of, bytes) else self._computed[of].data or b""


def _blocks(inputs: Sequence[Input], origin: Origin, store: PolledStore | HeardStore) -> list[Block]:
    """Return the blocks of one unit whose ages count; polled neighbours count as one block."""
    blocks = dict.fromkeys(part for each in inputs if (each.upstream, each.unit) == origin
                           for part in each.register.needs)
    return merge(blocks) if isinstance(store, PolledStore) else list(blocks)


class DerivedStore:
    """The registers of one derived unit, and `stores` of its source units; guarded by its mirror's lock."""

    merged = ()  # for modbus-tk

    def __init__(self, layout: Layout, stores: Mapping[Origin, PolledStore | HeardStore], max_age: float):
        self.unit = UnitFreshness(max_age)  # gets no requests, so it is never mute
        self._layout = layout
        self._stores = stores
        self._computed = dict.fromkeys(layout.fields, NOTHING)
        self._reads = [(name, fields,
                        Span([Piece(field, slice(None)) for field in fields], stores, self._computed))
                       for name, fields in layout.reads()]
        self._spans: dict[Block, Span | None] = {}

    def take(self, reading: Reading, computed: Mapping[Field, Computed]) -> None:
        """Take a reading of one of the units, and the fields computed from it."""
        outcome = reading.outcome
        store = self._stores[reading.upstream, outcome.unit]
        store.unit.note(outcome.is_of_unit, outcome.asked_at)
        if outcome.is_of_unit and outcome.block is not None:
            store.take(outcome.block, reading)
        self._computed.update(computed)

    def locate(self, origin: Origin, location: Location) -> None:
        """Forget the data of one of its units, and what was computed from it."""
        self._stores[origin].forget(location)
        self._computed.update({field: NOTHING for field in self._layout.fields
                               if origin in {(each.upstream, each.unit) for each in field.inputs}})

    def doubt(self, origin: Origin, blocks: Sequence[Block], until: float) -> None:
        """A write changes these blocks of one of the units; see `Invalidation`."""
        self._stores[origin].doubt(in_both_tables(blocks), until)

    def find(self, asked: Block) -> Span | None:  # any thread
        """Return what holds a block; None when an address of it has no register."""
        spans = self._spans
        if asked not in spans:
            if len(spans) >= PICKS:
                spans = self._spans = {}
            spans[asked] = self._span(asked)
        return spans[asked]

    def _span(self, asked: Block) -> Span | None:
        pieces = self._layout.pieces(asked)
        return None if pieces is None else Span(pieces, self._stores, self._computed)

    def states(self, now: float) -> list[BlockState]:
        """Return the state of each block that the profile reads and that has computed fields."""
        return [BlockState(name, min(self._computed[field].taken_at for field in fields),
                           span.code(now)[0] is None, None)
                for name, fields, span in self._reads]

    def inputs(self, now: float) -> list[tuple[str, BlockState]]:
        """Return the states of the blocks that fields are made from, with their units, as "meters/100"."""
        return [(f"{name}/{unit}", state) for (name, unit), store in self._stores.items()
                for state in store.states(now)
                if isinstance(store, HeardStore) or state.name in self._layout.blocks[name, unit]]

    def why(self) -> str:
        """Say why a register cannot be served although its inputs are fresh; "" if all can."""
        return next((f"{field.made.register.name}: {computed.why}"
                     for field, computed in self._computed.items()
                     if computed.data is None and computed.taken_at != NEVER), "")

    def late(self) -> tuple[str, ...]:
        """The units whose inputs are too old for the others, though they are fresh."""
        return tuple(sorted({computed.late for computed in self._computed.values() if computed.late}))

    def why_of(self, made: Made) -> str:
        """Say why a register cannot be served now."""
        return next((computed.why or "STALE" for field, computed in self._computed.items()
                     if field.made is made), "STALE")
