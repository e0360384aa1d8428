"""Encode the registers of a derived unit, those without a source, too, and lay them out. Pure."""

from collections.abc import Iterator
from decimal import Decimal

from softsplit.config.deriving.derived import Derived
from softsplit.config.deriving.made import Made
from softsplit.downstream.mirrors.derivedlayout import Field, Layout
from softsplit.profiles import Identify, Register
from softsplit.profiles.encoding import can_say, encode
from softsplit.protocol.blocks import Block
from softsplit.protocol.pdu import unpack_bits
from softsplit.protocol.values import EXACT, parse_resolution

LONGEST = 20  # digits before the point of a number in a log line; longer ones have an exponent


def lay_out(derived: Derived) -> Layout:
    """Return where the registers of a derived unit are."""
    fixed = {made.register.parts: words for made in derived.made
             if not made.inputs and (words := _fixed(made)) is not None}
    identity = dict(_identity(derived))
    alone = {block: words for block, words in identity.items() if block in derived.profile.alone}
    fixed |= {(block,): words for block, words in identity.items() if block not in alone}
    parts = {(each.upstream, each.unit, part) for made in derived.made for each in made.inputs
             for part in each.register.needs}
    blocks = {(upstream.name, unit.unit): {read.name for read in unit.stated.reads
                                           for name, number, part in parts
                                           if (name, number) == (upstream.name, unit.unit)
                                           and read.block.contains(part)}
              for upstream, unit in derived.units}
    return Layout(derived.profile, [Field(made) for made in derived.made if made.inputs], fixed, alone,
                  blocks)


def words_of(made: Made, value: Decimal) -> bytes:
    """Return a number as words of a register. Raises OverflowError when it is beyond the type."""
    try:
        return encode(made.register, value, made.factor)
    except (ValueError, ArithmeticError) as error:
        raise OverflowError(str(error)) from None


def copied(made: Made, data: bytes) -> bytes | None:
    """Return the words of a register copied from these; None when its type cannot hold the value."""
    source = made.copied.register if made.copied else made.register
    if source is made.register:
        return unpack_bits(data, source.count) if source.block.table.holds_bits else data
    said = source.decode(data)
    try:
        return encode(made.register, str(said)) if said is not None and can_say(made.register, str(said)) else None
    except (ValueError, OverflowError):
        return None


def absent(register: Register) -> bytes | None:
    """Return the words which say that a register has no value; None if there are no such words."""
    return encode(register, None) if register.says_absent else None


def in_words(register: Register, value: Decimal) -> str:
    """Return a number with the unit of measure of a register."""
    number = f"{value.normalize(EXACT):f}" if value.adjusted() < LONGEST else f"{value:.6e}"
    return f"{number} {parse_resolution(register.resolution)[1]}".rstrip()


def _fixed(made: Made) -> bytes | None:
    """Return the words of a register without inputs; None when masters cannot read it."""
    if made.fixed is not None:
        words = encode(made.register, made.fixed, made.factor)
        return unpack_bits(words, made.register.count) if made.register.block.table.holds_bits else words
    return absent(made.register) if not made.is_shared else None


def _identity(derived: Derived) -> Iterator[tuple[Block, bytes]]:
    """Yield the words by which masters recognise the make, except those that a register with a source has."""
    for each in derived.profile.identify:
        if isinstance(each, Identify) and not any(made.has_source and each.register.block.overlaps(part)
                                                  for made in derived.made for part in made.register.parts
                                                  if each.register.block not in derived.profile.alone):
            yield each.register.block, encode(each.register, each.starts_with or each.equals[0])
