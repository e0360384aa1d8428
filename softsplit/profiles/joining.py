"""Calculate the values of registers from one answer, or from several taken at about the same time. Pure.

A power of ten, a ratio or a sign may be in another block than its number, and one that has changed meanwhile
would give a wrong value. So they come from the same answer if possible, else from readings at most two
periods (of the slower one) apart; otherwise there is no value.
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

    Parts outside `home` come from the first answer in `newest` that has them, if its time fits.
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
        home = next((each for each in newest if each.block.contains(register.parts[0])), None)
        if home is not None:
            found[register] = _join(register, home, newest)
    return found


def _join(register: Register, home: Answer, newest: Sequence[Answer]) -> _Joined:
    used = {part: answer for part in register.needs if (answer := _answer_of(part, home, newest))}
    taken_at = min(answer.taken_at for part, answer in used.items() if part in register.dated)
    if len(used) < len(register.needs):
        return _Joined(taken_at)

    def data(each: Register) -> bytes:
        if len(each.parts) == 1:
            return used[each.parts[0]].part(each.parts[0])
        return b"".join(used[part].part(part) for part in each.parts)

    said = {each: each.decode(data(each)) for each in register.factors}
    return _Joined(taken_at, data(register), scale_of(register, said))


def _answer_of(part: Block, home: Answer, newest: Sequence[Answer]) -> Answer | None:
    """Return the answer for a part: `home`, or the newest other one that has it, if its time fits."""
    if home.block.contains(part):
        return home
    other = next((each for each in newest if each.block.contains(part)), None)
    return other if other and other.fits(home) else None
