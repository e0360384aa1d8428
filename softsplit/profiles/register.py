"""A register of a profile: a named value, its place, its type, and what one count is worth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite

from softsplit import checks
from softsplit.checks import Settled
from softsplit.errors import ConfigError, show
from softsplit.profiles.bitfield import Field, field_of
from softsplit.profiles.conditions import Sign, Where
from softsplit.protocol import values
from softsplit.protocol.blocks import Block
from softsplit.protocol.numbers import MOST_MOD10
from softsplit.protocol.pdu import unpack_bits
from softsplit.protocol.times import EXAMPLE, parse_layout

ONE, ZERO = Decimal(1), Decimal(0)
FLOATS = ("f16", "f32", "f64")  # types that can say nan


@checks.plainly_signed
@dataclass(frozen=True, eq=False)
class Register:
    """A named value: its place, its type, and what one count is worth. For people and tools only.

    `resolution`               text like "0.1 V"; "-0.1 W" if the device has the opposite sign
    `offset`                   added after the resolution
    `not_available`            patterns for "no value", as unsigned numbers or numbers of the type; with a mask
                               of its bits or of the whole register
    `states`, `other_state`    names for counts and for all other counts; for bits, a name for each
    `word_order`, `byte_order` which end comes first: "big" or "little"
    `mask`, `byte`             the bits of a whole number; the byte, "high" or "low", of a u8 or s8
    `addresses`                those of registers that are not adjacent
    `encoding`, `characters`   how text is written; `layout`: how a time is
    `plus`, `exponent`, `times`, `sign`    other registers that change the number: those to add, a power of
                               ten, ratios to multiply by, and a sign
    `where`                    other registers that show whether the device has this value
    `constant`                 what a derived unit of this make answers here, such as its model

    `parts` are the blocks of the value itself, `needs` also those of the other registers.
    """

    name: str
    block: Block
    type: str
    resolution: str = "1"
    not_available: Settled[int | Iterable[int] | None, tuple[int, ...]] = Settled(None)
    offset: float = 0
    states: Mapping[int, str] = field(default_factory=dict)
    other_state: str = ""
    word_order: str = "big"
    byte_order: str = "big"
    mask: int | None = None
    byte: str = ""
    exponent: "Register | None" = None
    times: Settled[Iterable["Register"], tuple["Register", ...]] = Settled(())
    sign: "Sign[Register] | None" = None
    plus: Settled[Iterable["Register"], tuple["Register", ...]] = Settled(())
    addresses: Settled[Iterable[int], tuple[int, ...]] = Settled(())
    encoding: str = ""
    characters: str = ""
    layout: str = ""
    unconfirmed: bool = False
    constant: values.Value | None = None
    where: "Settled[Where[Register] | Iterable[Where[Register]] | None, tuple[Where[Register], ...]]" = Settled(None)
    parts: tuple[Block, ...] = field(init=False, default=())
    dated: tuple[Block, ...] = field(init=False, default=())  # those whose age is the value's
    needs: tuple[Block, ...] = field(init=False, default=())
    bits: Field = field(init=False, repr=False)  # those of the value
    worth: Decimal = field(init=False, repr=False, default=ONE)  # of one count, from the resolution

    def __post_init__(self) -> None:
        checks.require_name(self.name, "name")
        checks.require_word(self.type, values.TYPES, "type", "type")
        worth, _ = values.parse_resolution(checks.require_type(self.resolution, str, "resolution", '"0.1 V"'))
        checks.settle(self, worth=worth)
        for key in ("word_order", "byte_order"):
            checks.require_word(getattr(self, key), values.ORDERS, "order", key)
        checks.settle(self, times=tuple(self.times), plus=tuple(self.plus), addresses=tuple(self.addresses))
        given = () if self.where is None else self.where
        checks.settle(self, where=(given,) if isinstance(given, Where) else tuple(given))
        self._check_keys()
        self._settle_parts()
        self._check_size()
        checks.settle(self, bits=field_of(self.type, self.count, self.mask, self.byte))
        self._check_states()
        for key in ("word_order", "byte_order"):  # an order that does not matter becomes the usual one
            is_for_numbers = self.layout and key == "word_order"
            if key not in self.row.keys or is_for_numbers and not parse_layout(self.layout).is_number:
                checks.settle(self, **{key: "big"})
        checks.settle(self, not_available=tuple(map(self._pattern, _listed(self.not_available))))

    @property
    def row(self) -> values.ValueType:
        return values.TYPES[self.type]

    @property
    def count(self) -> int:
        """The number of registers or bits of the value itself."""
        return sum(part.count for part in self.parts)

    @property
    def factors(self) -> "tuple[Register, ...]":
        """The other registers on which the value depends."""
        return (*filter(None, (self.exponent,)), *self.times, *self.plus, *((self.sign.register,) if self.sign else ()),
                *(each.register for each in self.where))

    @property
    def place(self) -> tuple[object, ...]:
        """The identity of its bits."""
        return self.parts, self.mask, self.byte

    @property
    def says_absent(self) -> bool:
        """Whether the register can say "not available"."""
        return bool(self.not_available) or self.type in FLOATS

    @property
    def is_scaled(self) -> bool:
        return bool(self.factors)

    def _check_keys(self) -> None:
        """Refuse keys that do not apply to this type."""
        allowed = self.row.keys | ({"other_state"} if "states" in self.row.keys else set())
        given = {"other_state": self.other_state, "resolution": self.resolution != "1", "offset": self.offset}
        for key in ("not_available", "states", "mask", "byte", "exponent", "times", "sign", "plus", "addresses",
                    "encoding", "characters", "layout"):
            given[key] = getattr(self, key) not in (None, "", (), {}, [])
        if self.other_state and self.type == "bits":
            raise ConfigError("bits have no name for all others", "states")
        for key, is_given in given.items():
            if is_given and key not in allowed:
                raise ConfigError(f"says nothing of a {self.type}", "states" if key == "other_state" else key)
        for key, words in (("encoding", values.ENCODINGS), ("characters", values.CHARACTERS),
                           ("byte", ("high", "low"))):
            if given[key]:
                checks.require_word(getattr(self, key), words, "word", key)
        if self.type == "time":
            if not self.layout:
                raise ConfigError(f"is missing; write it like {EXAMPLE}", "layout")
            parse_layout(checks.require_type(self.layout, str, "layout"))

    def _settle_parts(self) -> None:
        parts = [self.block]
        if self.addresses:
            parts = [Block(self.block.table, checks.require_type(each, int, "addresses"), 1, self.block.step)
                     for each in self.addresses]
            checks.settle(self, block=parts[0])
        conditions = dict.fromkeys(each.register for each in self.where)  # in this order
        numbers = (each for each in self.factors if each not in conditions)
        dated = dict.fromkeys((*parts, *(part for each in numbers for part in each.parts)))
        needs = dated | dict.fromkeys(part for each in conditions for part in each.parts)
        checks.settle(self, parts=tuple(parts), dated=tuple(dated), needs=tuple(needs))

    def _check_size(self) -> None:
        registers = parse_layout(self.layout).registers if self.type == "time" else self.row.registers
        if self.block.table.holds_bits and self.type not in ("bits", "raw"):
            raise ConfigError(f'{self.block.table} hold no {self.type}; allowed are "bits" and "raw"', "type")
        if registers and self.count != registers:
            raise ConfigError(f"a {self.type} takes {registers} registers", "addresses" if self.addresses else "count")
        if self.type == "mod10" and self.count > MOST_MOD10:
            raise ConfigError(f"a mod10 takes 1 to {MOST_MOD10} registers", "count")

    def _check_states(self) -> None:
        """Refuse names for what it never says."""
        number = self.bits.number
        bits = 0 if self.type != "bits" else self.count if self.block.table.holds_bits else 16 * self.count
        for each in self.states:
            if not 0 <= each < bits if self.type == "bits" else number.nearest(each) != each:
                what = f"is none of its {bits} bits" if bits else f"does not fit into a {number.name}"
                raise ConfigError(f"{show(each)} {what}", "states")

    def _pattern(self, stated: object) -> int:
        """Return a pattern for "no value" as an unsigned number; a profile may state a negative number."""
        stated = checks.require_type(stated, int, "not_available")
        number = self.row.number
        bits = number.bits if number and number.bits else 16 * self.count
        for each in (self.bits.number, number):  # with a mask, -1 is that of its bits
            if stated < 0 and number and each and each.nearest(stated) == stated:
                return each.encode(stated) & (1 << bits) - 1
        if not 0 <= stated < 1 << bits:
            raise ConfigError(f"{show(stated)} does not fit into {bits} bits", "not_available")
        return stated

    @property
    def writing(self) -> values.Writing:
        return values.Writing(self.encoding or "ascii", self.characters, self.layout)

    def decode(self, data: bytes, factor: Decimal | None = ONE, addend: Decimal = ZERO) -> values.Value | None:
        """Return the value in the bytes of its `parts`, as on the wire; None if it has none.

        A number is in its unit of measure, or the name of its state; named bits are the names of those that
        are on; for the rest see `values.decode`. `factor` and `addend` come from its other registers, see
        `scaling`; no factor means that the value is unknown.
        """
        if factor is None:
            return None
        if self.block.table.holds_bits:
            bits = tuple(map(bool, unpack_bits(data, self.block.count)))
            return self._named(bits) if self.type == "bits" else data
        raw = self._raw(data)
        if self.bits.is_absent(raw, self.not_available):
            return None
        if self.row.number is None:
            value = self.row.decode((raw & self.bits.mask).to_bytes(2 * self.count, "big"), self.writing)
            return self._named(tuple(map(bool, value))) if isinstance(value, tuple) else value
        count = self.bits.number.decode(self.bits.own.of(raw))
        if not isfinite(count):
            return None
        name = self.other_state if count % 1 else self.states.get(int(count), self.other_state)
        return name or self._measured(count, factor, addend)

    def exact(self, data: bytes, factor: Decimal | None = ONE, addend: Decimal = ZERO) -> Decimal | None:
        """As `decode`, but return a number without rounding; None for any other value."""
        raw, number = self._raw(data), self.bits.number
        if self.row.number is None or factor is None or self.bits.is_absent(raw, self.not_available):
            return None
        count = number.decode(self.bits.own.of(raw))
        if not isfinite(count):
            return None
        worth = self.worth if factor is ONE else values.EXACT.multiply(self.worth, factor)
        measured = values.EXACT.multiply(Decimal(count), worth)
        if addend:
            measured = values.EXACT.add(measured, values.EXACT.multiply(addend, factor))
        return values.EXACT.add(measured, Decimal(repr(self.offset))) if self.offset else measured

    def _raw(self, data: bytes) -> int:
        return int.from_bytes(values.rearrange(self.type, data, self.word_order, self.byte_order), "big")

    def _named(self, bits: tuple[bool, ...]) -> tuple[bool, ...] | tuple[str, ...]:
        """The names of the bits that are on, or the bits if they have no names."""
        if not self.states:
            return bits
        return tuple(self.states.get(number, f"bit {number}") for number, bit in enumerate(bits) if bit)

    def _measured(self, count: int | float, factor: Decimal, addend: Decimal) -> int | float | None:
        """The value of `count` counts: an int if all counts have one; None if it is beyond all floats."""
        worth, offset = self.worth, Decimal(repr(self.offset))
        number = (Decimal(self.bits.number.written(count)) * worth + addend) * factor + offset
        is_scaled = self.exponent or self.times or self.sign or self.plus
        is_whole = isinstance(count, int) and not worth % 1 and not offset % 1 and not is_scaled
        measured = int(number) if is_whole else float(number)
        return measured if is_whole or isfinite(measured) else None


def _listed(stated: object) -> Iterable[object]:
    """Return one item, several or none as a sequence."""
    return () if stated is None else (stated,) if isinstance(stated, int) else tuple(stated)  # type: ignore[arg-type]
