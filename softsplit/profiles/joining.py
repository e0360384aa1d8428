"""Calculate the values of registers from one answer, or from several taken at about the same time. Pure.

A power of ten, a ratio or a sign may be in another block than its number, and one that has changed meanwhile
would give a wrong value. So they come from the same answer if possible, else from readings at most two
periods (of the slower one) apart; otherwise there is no value. The words of one number always come from one
reading: joined from two they would be a number that no meter sent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from softsplit.profiles.register import ZERO, Register
from softsplit.profiles.scaling import Scale, scale_of
from softsplit.protocol.blocks import Block, in_both_tables
from softsplit.protocol.pdu import pack_bits, unpack_bits
from softsplit.protocol.values import Value

APART = 2.0  # periods


@dataclass(frozen=True, slots=True)
class Answer:
    """The data of a block as on the wire, when it was taken, and its period in seconds, 0 if unknown."""

    block: Block
    data: bytes
    taken_at: float = 0.0
    every: float = 0.0

    def part(self, block: Block) -> bytes:
        """The data of a block within this one."""
        span = self.block.span(block)
        if block.table.holds_bits:
            return pack_bits(unpack_bits(self.data, self.block.count)[span])
        return self.data[2 * span.start:2 * span.stop]

    def fits(self, other: "Answer") -> bool:
        """Whether the two were taken within APART periods of the slower one; unknown periods count as 0."""
        return abs(self.taken_at - other.taken_at) <= APART * max(self.every, other.every)


@dataclass(frozen=True, slots=True)
class Said:
    """The value of a register, None if it has none; `taken_at` is the time of the oldest answer used."""

    value: Value | None
    taken_at: float


@dataclass(frozen=True, slots=True)
class Exactly:
    """As Said, with the number of a register without any rounding."""

    value: Decimal | None
    taken_at: float


@dataclass(frozen=True, slots=True)
class _Joined:
    """The data of a register, the factor from others, and the time of the oldest answer; no data if one is
    missing.
    """

    taken_at: float
    data: bytes = b""
    scale: Scale | None = None

    @property
    def scaled(self) -> tuple[Decimal | None, Decimal]:
        """The factor and the addend."""
        return (self.scale.factor, self.scale.addend) if self.scale else (None, ZERO)


def touched(registers: Iterable[Register], blocks: Sequence[Block]) -> list[Block]:
    """Return these blocks, which are written, and the blocks of all numbers that depend on them.

    A number that was read before its power of ten was written would be wrong with the new power.
    """
    written = in_both_tables(blocks)
    numbers = [part for register in registers if len(register.needs) > 1 for part in register.parts
               if any(need.overlaps(block) for need in register.needs for block in written)]
    return list(dict.fromkeys((*blocks, *numbers)))


def said_by(registers: Iterable[Register], answers: Sequence[Answer]) -> dict[Register, Said]:
    """Return the values of the registers whose first part is in one of the answers; the newest counts."""
    return {each: _said(each, found) for each, found in _joined(registers, answers).items()}


def said_in(register: Register, home: Answer, newest: Iterable[Answer]) -> Said:
    """Return the value of a register that begins in the answer `home`.

    Other registers outside `home` come from the first answer in `newest` that has them, if its time fits.
    """
    return _said(register, _join(register, home, tuple(newest)))


def numbers_by(registers: Iterable[Register], answers: Sequence[Answer]) -> dict[Register, Exactly]:
    """As `said_by`, with exact numbers."""
    return {each: Exactly(each.exact(found.data, *found.scaled) if found.data else None, found.taken_at)
            for each, found in _joined(registers, answers).items()}


def _said(register: Register, found: _Joined) -> Said:
    return Said(register.decode(found.data, *found.scaled) if found.data else None, found.taken_at)


def _joined(registers: Iterable[Register], answers: Sequence[Answer]) -> dict[Register, _Joined]:
    newest = sorted(answers, key=lambda answer: -answer.taken_at)
    found = {}
    for register in registers:
        homes = [each for each in newest if each.block.contains(register.parts[0])]
        home = next((each for each in homes if _words(register, each, newest)), homes[0] if homes else None)
        if home is not None:
            found[register] = _join(register, home, newest)
    return found


def _join(register: Register, home: Answer, newest: Sequence[Answer]) -> _Joined:
    used = {each: answer for each in register.factors if (answer := _answer_of(each, home, newest))}
    dated = [answer.taken_at for each, answer in used.items() if each.parts[0] in register.dated]
    taken_at = min([home.taken_at, *dated])
    words = _words(register, home, newest)
    if not words or any(each not in used for each in register.factors):
        return _Joined(taken_at)
    said = {each: each.decode(_words(each, answer, newest)) for each, answer in used.items()}
    return _Joined(taken_at, words, scale_of(register, said))


def _answer_of(register: Register, home: Answer, newest: Sequence[Answer]) -> Answer | None:
    """Return the answer in which a register begins: `home`, or the newest other one that has it, if its time fits."""
    if _words(register, home, newest):
        return home
    other = next((each for each in newest if _words(register, each, newest)), None)
    return other if other and other.fits(home) else None


def _words(register: Register, home: Answer, answers: Sequence[Answer]) -> bytes:
    """Return the data of a register that begins in the answer `home`, all of it taken at that time; else b""."""
    if not home.block.contains(register.parts[0]):
        return b""
    same = [home, *(each for each in answers if each.taken_at == home.taken_at)] if len(register.parts) > 1 else [home]
    found = [next((each.part(part) for each in same if each.block.contains(part)), b"") for part in register.parts]
    return b"".join(found) if all(found) else b""
