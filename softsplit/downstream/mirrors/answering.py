"""Answer masters for a unit: a modbus-tk slave whose data has an age.

Whether data is fresh is decided at the moment a master asks: a number that no meter sent, or that is too old,
is never served as good.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

from modbus_tk.modbus import Slave

from softsplit import clock
from softsplit.downstream.mirrors.freshness import NEVER, UnitFreshness
from softsplit.downstream.mirrors.store import BlockState, MergedBlock, Seen
from softsplit.protocol import adu
from softsplit.protocol import pdu as pdus
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.nameplate import Nameplate
from softsplit.protocol.pdu import SILENCE

KNOWN_ANSWERS = 1000  # of one server that are kept ready to send until the next reading

# Such an answer: until when it is good, its frame of Modbus TCP without transaction id, and what its request counts
# as. It is found by the frame of the request, likewise without transaction id.
Known = tuple[float, bytes, bytes]


class Found(Protocol):
    """What holds the data of a request."""

    def state(self, asked: Block, now: float) -> tuple[int | None, float]:
        """Return why it cannot be served now, as an exception code or None, and until when it is good."""

    def taken_at(self, asked: Block) -> float:
        """Return when the oldest part of it was asked for; NEVER when a part is missing."""

    def get(self, asked: Block) -> bytes:
        """Return the data of an answer."""


class Store(Protocol):
    """The data of a unit and its age; guarded by the lock of the slave that answers from it."""

    unit: UnitFreshness

    @property
    def merged(self) -> Sequence[MergedBlock]:
        """Blocks that are known in advance."""

    def find(self, asked: Block) -> Found | None:
        """Return what holds a block; None when nothing does."""

    def states(self, now: float) -> list[BlockState]:
        """Return the state of each block at the time `now`."""


class Answering(Slave):
    """A unit that answers from a store.

    `tables` are those the unit has; `when_stale` is "exception" (0x0B) or "silent"; each register takes
    `step` addresses; `nameplate` has its identification, if that is known.
    """

    def __init__(self, unit: int, store: Store, tables: frozenset[Table], when_stale: str = "exception",
                 step: int = 1, nameplate: Nameplate | None = None):
        super().__init__(unit)
        self.unit = unit
        self._answers = store
        self._tables = tables
        self._when_stale = when_stale
        self._step = step
        self._nameplate = nameplate
        self.base: int | None = None  # the address of its SunSpec model, if it has one and that is known
        self._tell_modbus_tk()
        self.known: dict[bytes, Known] = {}  # in a databank, one for all its mirrors: news of any clears it

    def _tell_modbus_tk(self) -> None:
        """Let get_values of modbus-tk find the blocks of the store; it numbers tables by function."""
        self._blocks.clear()
        for memory in self._memory.values():
            memory.clear()
        for merged in self._answers.merged:
            self._blocks[str(merged.block)] = (merged.block.table.function, merged.block.address)
            self._memory[merged.block.table.function].append(merged)

    def handle_request(self, request_pdu: bytes, broadcast: bool = False,
                       master: str = "") -> bytes | Future:  # server thread
        """Return the answer PDU, SILENCE, or the future of an answer that the unit itself has to give.

        The order of checks: function (exception 01), count and length (03), address (02), freshness (0B).
        """
        if broadcast or request_pdu[0] >= 0x80:
            return SILENCE
        if self._nameplate and (named := self._nameplate.answer(self.unit, request_pdu)):
            return self._refuse(request_pdu[0], pdus.GATEWAY_NO_ANSWER) if self._is_away() else named
        asked = pdus.asked_block(request_pdu, self._tables, self._step)
        if isinstance(asked, int):
            return pdus.exception_pdu(request_pdu[0], asked)
        answer = self._answer(asked, request_pdu)
        return answer if answer is not None else self._elsewhere(asked, master)

    def _find(self, asked: Block) -> Found | None:
        """Return what holds a block; None when nothing does. Call it with the lock: it may be replaced."""
        return self._answers.find(asked)

    def _is_away(self) -> bool:
        """Whether nothing of the unit may be served, because it has stopped answering."""
        with self._data_lock:
            return clock.now() > self._answers.unit.good_until

    def _elsewhere(self, asked: Block, master: str) -> bytes | Future:
        """Return the answer for a block that is not in the store."""
        return pdus.exception_pdu(asked.table.function, pdus.ILLEGAL_ADDRESS)

    def _refuse(self, function: int, code: int) -> bytes:
        """Return the answer to a request that cannot be served now."""
        if code in (pdus.GATEWAY_NO_ANSWER, pdus.GATEWAY_NO_PATH) and self._when_stale == "silent":
            return SILENCE
        return pdus.exception_pdu(function, code)

    def data(self, block: Block) -> bytes | None:  # any thread
        """Return a block as a master would get it; None when it would get no data."""
        return self.seen(block).data

    def seen(self, block: Block) -> Seen:  # any thread
        """Return a block of the store as a master would get it now."""
        with self._data_lock:
            found = self._answers.find(block)
            if found is None:
                return Seen(None, NEVER, NEVER)
            now, taken_at = clock.now(), found.taken_at(block)
            code, until = found.state(block, now)
            until = min(until, self._answers.unit.good_until)
            if code is not None or now > until:
                return Seen(None, taken_at, NEVER, code)
            return Seen(found.get(block), taken_at, until)

    def states(self, now: float) -> list[BlockState]:  # any thread
        """Return the state of each block at the time `now`, in the order of the reads."""
        with self._data_lock:
            return self._answers.states(now)

    def _answer(self, asked: Block, request_pdu: bytes) -> bytes | None:
        """Return the answer from the store; None when that does not hold the block."""
        with self._data_lock:
            found = self._find(asked)
            if found is None:
                return None
            now, unit_until = clock.now(), self._answers.unit.good_until
            code, until = found.state(asked, now)
            if now > unit_until:
                code = pdus.GATEWAY_NO_ANSWER
            if code is None:
                answer = pdus.read_answer(asked, found.get(asked))
                if len(self.known) < KNOWN_ANSWERS:
                    request, frame = (adu.tcp_frame(0, self.unit, each)[2:] for each in (request_pdu, answer))
                    self.known[request] = min(unit_until, until), frame, request[4:]
                return answer
        return self._refuse(asked.table.function, code)
