"""What a mirror has of a derived unit: its registers as they were computed, each as old as its oldest input.

The data is computed once, see `downstream/deriving/deriver.py`; how old it may be is the mirror's own. So for each unit
from which something is taken there is a store as for a mirror of that unit, to which the same rules apply.
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
from softsplit.protocol.outcome import Reading

PICKS = 256  # requests for which it is remembered what they are answered from


@dataclass(frozen=True, slots=True)
class Computed:
    """The words of a field, or bits a byte each; None when it cannot be served, and `why`.

    It is as old as the oldest of its inputs, which was `taken_at`.
    """

    data: bytes | None
    taken_at: float
    why: str = ""


NOTHING = Computed(None, NEVER, "nothing was read yet")


class Span:
    """What a request is answered from: fields, or parts of them, and words that are always the same."""

    def __init__(self, pieces: Sequence[Piece], stores: Mapping[Origin, PolledStore | HeardStore],
                 computed: Mapping[Field, Computed]):
        self._pieces = pieces
        self._fields = list(dict.fromkeys(each.of for each in pieces if isinstance(each.of, Field)))
        self._computed = computed
        inputs = [each for field in self._fields for each in field.inputs]
        self._ages = [(store, block) for origin, store in stores.items() for block in _blocks(inputs, origin, store)]

    def state(self, asked: Block, now: float) -> tuple[int | None, float]:
        """Return why this cannot be served now, as an exception code or None; and until when it could."""
        return self.code(now)

    def code(self, now: float) -> tuple[int | None, float]:
        """The same, whatever was asked for."""
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
        """Return since when the oldest of its inputs is as it is; ALWAYS of what is always the same."""
        return min((self._computed[field].taken_at for field in self._fields), default=ALWAYS)

    def get(self, asked: Block) -> bytes:
        """Return the data of an answer."""
        data = b"".join(self._data(each.of)[each.span] for each in self._pieces)
        return pdu.pack_bits(data) if asked.table.holds_bits else data

    def _data(self, of: Field | bytes) -> bytes:
        return of if isinstance(of, bytes) else self._computed[of].data or b""


def _blocks(inputs: Sequence[Input], origin: Origin, store: PolledStore | HeardStore) -> list[Block]:
    """The blocks of one unit whose ages count. What is polled is polled whole, so neighbours count as one."""
    blocks = dict.fromkeys(part for each in inputs if (each.upstream, each.unit) == origin for part in each.register.needs)
    return merge(blocks) if isinstance(store, PolledStore) else list(blocks)


class DerivedStore:
    """The registers of one derived unit; guarded by the lock of its mirror.

    `stores` are those of the units that it is made from.
    """

    merged = ()  # for modbus-tk

    def __init__(self, layout: Layout, stores: Mapping[Origin, PolledStore | HeardStore], max_age: float):
        self.unit = UnitFreshness(max_age)  # it is never asked, and so never mute
        self._layout = layout
        self._stores = stores
        self._computed = dict.fromkeys(layout.fields, NOTHING)
        self._reads = [(name, fields, Span([Piece(field, slice(None)) for field in fields], stores, self._computed))
                       for name, fields in layout.reads()]
        self._spans: dict[Block, Span | None] = {}

    def take(self, reading: Reading, computed: Mapping[Field, Computed]) -> None:
        """Take over what came of a request to one of the units, and what it makes of the fields."""
        outcome = reading.outcome
        store = self._stores[reading.upstream, outcome.unit]
        store.unit.note(outcome.is_of_unit, outcome.asked_at)
        if outcome.is_of_unit and outcome.block is not None:
            store.take(outcome.block, reading)
        self._computed.update(computed)

    def doubt(self, origin: Origin, blocks: Sequence[Block], until: float) -> None:
        """A write changes these blocks of one of the units; see `Invalidation`."""
        self._stores[origin].doubt(in_both_tables(blocks), until)

    def find(self, asked: Block) -> Span | None:  # any thread
        """Return what a request is answered from; None when it touches what is not there."""
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
        """Return how each block stands in which the make is usually read, as far as it is made from something."""
        return [BlockState(name, min(self._computed[field].taken_at for field in fields), span.code(now)[0] is None, None)
                for name, fields, span in self._reads]

    def inputs(self, now: float) -> list[tuple[str, BlockState]]:
        """Return how each block stands from which something is made, with its unit."""
        return [(f"{name}/{unit}", state) for (name, unit), store in self._stores.items() for state in store.states(now)
                if isinstance(store, HeardStore) or state.name in self._layout.blocks[name, unit]]

    def why(self) -> str:
        """Why a register cannot be served, though its inputs are fresh."""
        return next((f"{field.made.register.name}: {computed.why}" for field, computed in self._computed.items()
                     if computed.data is None and computed.taken_at != NEVER), "")

    def why_of(self, made: Made) -> str:
        """Why a register cannot be served now."""
        return next((computed.why or "STALE" for field, computed in self._computed.items() if field.made is made), "STALE")
