"""Track answers that may still arrive on a serial line, where only their shape identifies them. Pure.

A unit answers questions in their order, each once or never. So an answer shows that none can come any more to
earlier questions. Time alone does not show it: a gateway or an adapter that stalls may hold everything back
for a while, and then let it through in order.
"""

from collections.abc import Callable, Sequence

from softsplit.errors import BadAnswer, NotSent, Refused
from softsplit.protocol.blocks import ADDRESSES, Block
from softsplit.protocol.functions import FUNCTIONS, READ_TABLES, Table
from softsplit.protocol.pdu import Question, read_question
from softsplit.upstream.clients.replies import Shape, has_shape, shape


class Outstanding:
    """The questions whose answers may still come; each is forgotten `lasts` seconds later."""

    def __init__(self, lasts: float):
        self._lasts = lasts
        self._asked: dict[Shape, tuple[float, float]] = {}  # for the first and for the last time

    def __contains__(self, shape: Shape) -> bool:
        return shape in self._asked

    def asked_at(self, shape: Shape) -> float | None:
        """Return when such a question was asked last; None when no answer of this shape can come."""
        return self._asked[shape][1] if shape in self._asked else None

    def latest(self, shapes: Sequence[Shape]) -> float:
        """Return when the latest of these questions was asked; answers to all of them may still come."""
        return max(self._asked[shape][1] for shape in shapes)

    def has(self, unit: int) -> bool:
        """Whether any answer of this unit may still come."""
        return any(shape[0] == unit for shape in self._asked)

    def ask(self, shape: Shape, now: float) -> None:
        """Note a question that is asked now."""
        self._asked = {each: times for each, times in self._asked.items() if now - times[1] < self._lasts}
        self._asked[shape] = self._asked.get(shape, (now, now))[0], now

    def matching(self, unit: int, pdu: bytes) -> list[Shape]:
        """Return the questions that this may answer: several, if it is an exception."""
        return [shape for shape in self._asked
                if has_shape(unit, pdu, shape) or (unit, pdu[0]) == (shape[0], shape[1][0] | 0x80)]

    def answered(self, unit: int, pdu: bytes) -> None:
        """Note an answer: whichever question it belongs to, no answer to earlier ones comes any more."""
        first = min(self._asked[shape][0] for shape in self.matching(unit, pdu))
        self._asked = {shape: times for shape, times in self._asked.items()
                       if shape[0] != unit or times[1] > first}

    def outrun(self, unit: int, question: Question, ask: Callable[[Question], object]) -> None:
        """Have another question answered, so that no late answer of the shape of this one can come any more.

        `ask` asks the unit, and calls `ask` and `answered` here. Raises NoAnswer or BadAnswer if one still
        can.
        """
        asked = shape(unit, question)
        for probe in self.probes(unit, question):
            try:
                ask(probe)
            except Refused:
                pass
            except BadAnswer:
                if asked in self:
                    raise
            if not self.has(unit):
                return
        if asked in self:
            raise NotSent(f"unit {unit}: nothing was sent; its answer could not be told from an earlier one "
                          "that is missing")

    def probes(self, unit: int, question: Question) -> list[Question]:
        """Return harmless reads; first those without a missing answer, then the longest missing ones."""
        return sorted(probes(question), key=lambda probe: self.asked_at(shape(unit, probe)) or 0.0)


def probes(question: Question) -> list[Question]:
    """Return harmless reads near the address of a question whose answers cannot be taken for its own.

    The first are those that a device is most likely to answer.
    """
    table, size = READ_TABLES.get(question.function), question.size - 2
    step, items = (8, 8 * size) if table and table.holds_bits else (1, size // 2)
    blocks = [(table, items - step), (table, items + step), (table, 1)] if table else []
    row = FUNCTIONS.get(question.function)
    blocks += [(row.table, 1)] if row and row.writes and row.table else []
    blocks += [(Table.HOLDING_REGISTERS, 1), (Table.HOLDING_REGISTERS, 2), (Table.INPUT_REGISTERS, 1)]
    address = int.from_bytes(question.pdu[1:3], "big") if row and row.has_address else 0
    reads = dict.fromkeys(read_question(Block(table, address, count)) for table, count in blocks
                          if 0 < count <= min(table.max_count, ADDRESSES - address))
    return [read for read in reads if (read.answer, read.size) != (question.answer, question.size)]
