"""Where the registers of a derived unit are, and which pieces make an answer. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from softsplit.config.deriving.expression import Input
from softsplit.config.deriving.made import Made
from softsplit.downstream.mirrors.hearditems import addresses
from softsplit.profiles import Profile
from softsplit.protocol.blocks import Block, in_both_tables
from softsplit.protocol.functions import Table

Origin = tuple[str, int]  # an upstream, and a unit there


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A register that is computed from others."""

    made: Made

    @property
    def parts(self) -> tuple[Block, ...]:
        """The blocks it takes."""
        return self.made.register.parts

    @property
    def inputs(self) -> tuple[Input, ...]:
        return self.made.inputs


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a field, or of constant words; a bit takes one byte."""

    of: Field | bytes
    span: slice


class Layout:
    """The places of registers: `fields` are computed, `fixed` has constant words by blocks.

    A block of `alone` has its words only when it is asked for alone. `blocks` are the names of the polled
    blocks that fields are made from, by unit.
    """

    def __init__(self, profile: Profile, fields: Sequence[Field], fixed: Mapping[tuple[Block, ...], bytes],
                 alone: Mapping[Block, bytes], blocks: Mapping[Origin, Collection[str]]):
        self.profile = profile
        self.fields = tuple(fields)
        self.blocks = blocks
        self._alone = {place: words for block, words in alone.items() for place in self._places((block,))}
        self._words: dict[Table, dict[int, tuple[Field | bytes, int]]] = {table: {} for table in Table}
        self._described = {(place.table, place.address) for register in profile.registers
                           for part in register.parts
                           for word in _words(part) for place in self._places((word,))}
        self._unused = b"" if profile.unused is None else profile.unused.to_bytes(2, "big")
        placed: list[tuple[tuple[Block, ...], Field | bytes]] = [(field.parts, field) for field in self.fields]
        for parts, of in (*placed, *fixed.items()):
            for index, word in enumerate(word for part in parts for word in _words(part)):
                for place in self._places((word,)):
                    self._words[place.table][place.address] = of, index

    def reads(self) -> list[tuple[str, list[Field]]]:
        """Return the fields in each block that the profile reads; without such blocks, all of them."""
        found = [(read.name, [field for field in self.fields if read.block.overlaps(field.parts[0])])
                 for read in self.profile.reads] or [("registers", list(self.fields))]
        return [(name, fields) for name, fields in found if fields]

    def pieces(self, asked: Block) -> list[Piece] | None:
        """Return the pieces of the answer to a request; None when an address of it has no register."""
        if asked in self._alone:
            return [Piece(self._alone[asked], slice(None))]
        width = 1 if asked.table.holds_bits else 2
        pieces: list[Piece] = []
        for word in _words(asked):
            found = self._words[asked.table].get(word.address) or self._filler(word)
            if found is None:
                return None
            start = width * found[1]
            if pieces and pieces[-1].of is found[0] and pieces[-1].span.stop == start:
                start = pieces.pop().span.start
            pieces.append(Piece(found[0], slice(start, width * (found[1] + 1))))
        return pieces

    def _places(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """Return the blocks by which masters can ask for these."""
        return in_both_tables(blocks) if self.profile.same_tables else blocks

    def _filler(self, word: Block) -> tuple[bytes, int] | None:
        """Return the word that the make has at a readable address without a register, else None."""
        if not self._unused or word.table.holds_bits or (word.table, word.address) in self._described:
            return None
        return (self._unused, 0) if any(block.contains(word) for block in self.profile.readable) else None


def _words(block: Block) -> list[Block]:
    return [replace(block, address=address, count=1) for address in addresses(block)]
