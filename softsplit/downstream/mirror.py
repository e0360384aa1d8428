"""One upstream unit as the masters of one server see it: a modbus-tk slave whose data has an age.

Data is kept as it came over the wire and sent on unchanged. Whether it is fresh is decided at the moment a
master asks, by the rule that everything else here serves: a number that no meter sent, or that is too old, is
never served as good.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

from modbus_tk.modbus import Slave

from softsplit import clock
from softsplit.downstream.forwarding import Kept, Way, outcome
from softsplit.downstream.store import NEVER, BlockState, MergedBlock, PolledBlock
from softsplit.polling.backoff import MUTE_AFTER
from softsplit.protocol import adu
from softsplit.protocol import pdu as pdus
from softsplit.protocol.blocks import (
    NOT_SENT,
    UNDER_WAY,
    Block,
    Read,
    Reading,
    Table,
    in_both_tables,
    merge,
)
from softsplit.protocol.functions import READ_FILES, WRITING
from softsplit.protocol.pdu import SILENCE
from softsplit.protocol.requests import parse_file_read, parse_write

# Requests whose answers are kept ready to send until a reading comes: request PDU to until when the answer is
# good, and the TCP frame from its length field on.
KNOWN_ANSWERS = 256


class Mirror(Slave):
    """The polled blocks of one unit of one upstream.

    `tables` are those the unit has; `max_age` is in seconds; `when_stale` is "exception" (0x0B) or "silent";
    each register takes `step` addresses. Requests for what is not polled go by `way` to the unit itself, and
    so do those for a block of `alone`, which says something else than as a part of a longer read.
    """

    def __init__(self, unit: int, reads: Sequence[Read], tables: frozenset[Table], max_age: float = 10.0,
                 when_stale: str = "exception", step: int = 1, way: Way | None = None,
                 alone: Sequence[Block] = ()):
        super().__init__(unit)
        self.unit = unit
        self._tables = tables
        self._max_age = max_age
        self._when_stale = when_stale
        self._step = step
        self._way = way
        self._alone = frozenset(alone)
        self._kept = Kept()  # what was read by forwarding
        self._written_until = NEVER  # what was read by forwarding before that is not kept
        self._polled = {read.block: PolledBlock(read, max_age) for read in reads}
        self._merged = [MergedBlock(block, list(self._polled.values())) for block in merge(self._polled)]
        for merged in self._merged:  # for modbus-tk's get_values; it numbers tables by function
            self._blocks[str(merged.block)] = (merged.block.table.function, merged.block.address)
            self._memory[merged.block.table.function].append(merged)
        self._unanswered = 0  # reads in a row
        self._answered_at = NEVER
        self.known: dict[bytes, tuple[float, bytes]] = {}  # see KNOWN_ANSWERS

    def update(self, reading: Reading) -> None:  # sync thread
        """Take over what a read brought home, whole."""
        with self._data_lock:
            if not self._has_block(reading):
                return
            polled = self._polled.get(reading.block)
            if polled is None:
                if reading.taken_at >= self._written_until:
                    self._kept.put(reading.block, reading.data, reading.taken_at)
                return
            polled.exception = reading.exception
            if reading.data is not None:
                self._find(reading.block).put(reading.block, reading.data)
                polled.was_read(reading.taken_at)

    def _has_block(self, reading: Reading) -> bool:
        """Note whether the unit answers; return whether there is a block to take over."""
        self.known.clear()
        if not reading.answered:
            self._unanswered += 1
            return False
        self._unanswered, self._answered_at = 0, max(self._answered_at, reading.taken_at)
        return reading.block is not None

    def doubt(self, blocks: Sequence[Block], until: float = UNDER_WAY) -> None:  # sync thread
        """A write changes these blocks; see `Invalidation`. They have to be read again after it.

        What else the unit refused or gave before the write, it may answer otherwise now.
        """
        doubted = in_both_tables(blocks)
        with self._data_lock:
            self.known.clear()
            self._kept = Kept()
            for polled in self._polled.values():
                polled.doubt(doubted, until)
            if until != UNDER_WAY and until != NOT_SENT:
                self._written_until = max(self._written_until, until)
                for polled in self._polled.values():
                    polled.forget_refusal()

    def handle_request(self, request_pdu: bytes, broadcast: bool = False,
                       master: str = "") -> bytes | Future:  # server thread
        """Return the answer PDU, SILENCE, or the future of an answer which the unit itself has to give.

        `master` is who asks. The order of checks: function (exception 01), count and length (03), address
        (02), freshness (0B).
        """
        if broadcast or request_pdu[0] >= 0x80:
            return SILENCE
        if self._way and request_pdu[0] in WRITING:
            return self._write(request_pdu, master)
        if self._way and request_pdu[0] == READ_FILES:
            return self._read_files(request_pdu, master)
        asked = pdus.asked_block(request_pdu, self._tables, self._step)
        if isinstance(asked, int):
            return pdus.exception_pdu(request_pdu[0], asked)
        found = self._find(asked)
        if found is not None:
            return self._answer(found, asked, request_pdu)
        if self._way and self._way.reads(asked):
            return self._forward_read(asked, master)
        return pdus.exception_pdu(request_pdu[0], pdus.ILLEGAL_ADDRESS)

    def _forward_read(self, asked: Block, master: str) -> bytes | Future:
        """Return what was read a while ago, or have it read; of a mute unit, nothing is waited for."""
        now, function = clock.now(), asked.table.function
        with self._data_lock:
            data = self._kept.get(asked, now - self._max_age) if now <= self._good_until() else None
            is_mute = self._unanswered >= MUTE_AFTER
        self._way.note(asked)
        if data is not None:
            return bytes((function, asked.byte_count)) + data
        future = self._way.ask(pdus.read_question(asked), asked, None, master)
        answer = outcome(future, partial(self._refuse, function))
        return self._refuse(function, pdus.GATEWAY_NO_ANSWER) if is_mute else answer

    def _read_files(self, pdu: bytes, master: str) -> bytes | Future:
        """Have file records read."""
        if READ_FILES not in self._way.functions or not self._way.readable:
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_FUNCTION)
        question = parse_file_read(pdu)
        if isinstance(question, int):
            return pdus.exception_pdu(pdu[0], question)
        if self._is_known_as_mute():
            return self._refuse(pdu[0], pdus.GATEWAY_NO_ANSWER)
        return outcome(self._way.ask(question, None, None, master), partial(self._refuse, pdu[0]))

    def _write(self, pdu: bytes, master: str) -> bytes | Future:
        """Have something written, if that is allowed; nothing is sent to a mute unit."""
        if pdu[0] not in self._way.functions or not self._way.writes_anything:
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_FUNCTION)
        write = parse_write(pdu, self._step)
        if isinstance(write, int):
            return pdus.exception_pdu(pdu[0], write)
        if not self._way.writes(write):
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_FUNCTION)
        if write.reads and not (self._way.reads(write.reads) or self._find(write.reads)):
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_ADDRESS)
        if self._is_known_as_mute():
            return pdus.exception_pdu(pdu[0], pdus.GATEWAY_NO_ANSWER)
        future = self._way.ask(write.question, None, write, master)
        return outcome(future, partial(pdus.exception_pdu, pdu[0]))

    def _is_known_as_mute(self) -> bool:
        """Whether the unit does not answer, and its polling will tell when it does again."""
        with self._data_lock:
            return bool(self._polled) and self._unanswered >= MUTE_AFTER

    def _refuse(self, function: int, code: int) -> bytes:
        """The answer for a request that cannot be answered now."""
        if code in (pdus.GATEWAY_NO_ANSWER, pdus.GATEWAY_NO_PATH) and self._when_stale == "silent":
            return SILENCE
        return pdus.exception_pdu(function, code)

    def data(self, block: Block) -> bytes | None:  # any thread
        """Return a polled block as a master would get it, or None when none would."""
        answer = self.handle_request(pdus.read_question(block).pdu)
        is_data = isinstance(answer, bytes) and answer[:1] == bytes((block.table.function,))
        return answer[2:] if is_data else None

    def states(self, now: float) -> list[BlockState]:  # any thread
        """Return how each block stands at the time `now`, in the order of the reads."""
        with self._data_lock:
            good_until = self._good_until()
            return [BlockState(each.name, each.taken_at, each.exception is None
                               and now <= min(good_until, each.taken_at + each.fresh_for), each.exception)
                    for each in self._polled.values()]

    def _good_until(self) -> float:
        """Until when any data of the unit may be served: it must not have been mute for too long."""
        return self._answered_at + self._max_age if self._unanswered >= MUTE_AFTER else float("inf")

    def _find(self, block: Block) -> MergedBlock | None:
        if block in self._alone:
            return None
        return next((merged for merged in self._merged if merged.block.contains(block)), None)

    def _answer(self, found: MergedBlock, asked: Block, request_pdu: bytes) -> bytes:
        with self._data_lock:
            now, good_until = clock.now(), self._good_until()
            code, block_good_until = found.state(asked, now)
            if now > good_until:
                code = pdus.GATEWAY_NO_ANSWER
            if code is None:
                answer = bytes((asked.table.function, asked.byte_count)) + found.get(asked)
                if len(self.known) < KNOWN_ANSWERS:
                    self.known[request_pdu] = (min(good_until, block_good_until),
                                               adu.tcp_frame(0, self.unit, answer)[4:])
                return answer
        return self._refuse(asked.table.function, code)
