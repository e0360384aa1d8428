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
from softsplit.bounded import BoundedDict
from softsplit.downstream.mirrors.forwarding import Way, outcome
from softsplit.downstream.mirrors.freshness import NEVER, good_until
from softsplit.downstream.mirrors.hearditems import HeardItems
from softsplit.downstream.mirrors.heardstore import HeardStore
from softsplit.downstream.mirrors.store import BlockState, MergedBlock, PolledStore
from softsplit.protocol import adu
from softsplit.protocol import pdu as pdus
from softsplit.protocol.blocks import Block, in_both_tables
from softsplit.protocol.functions import READ_FILES, WRITING, Table
from softsplit.protocol.outcome import NOT_SENT, UNDER_WAY, Outcome, Reading
from softsplit.protocol.pdu import SILENCE
from softsplit.protocol.requests import parse_file_read, parse_write

# Requests whose answers are kept ready to send until a reading comes: request PDU to until when the answer is
# good, and the TCP frame from its length field on.
KNOWN_ANSWERS = 256
MOST_KEPT = 300  # blocks of one unit that masters had read


class Mirror(Slave):
    """One unit of one upstream, out of a store of what was polled or heard of it.

    `tables` are those the unit has; `when_stale` is "exception" (0x0B) or "silent"; each register takes `step`
    addresses. Requests for what is not in the store go by `way` to the unit itself.
    """

    def __init__(self, unit: int, store: PolledStore | HeardStore, tables: frozenset[Table],
                 when_stale: str = "exception", step: int = 1, way: Way | None = None):
        super().__init__(unit)
        self.unit = unit
        self._store = store
        self._tables = tables
        self._when_stale = when_stale
        self._step = step
        self._way = way
        # What was read by forwarding. A part of a block may say something else when it is asked for by itself,
        # on a device of which nothing is known.
        self._kept: BoundedDict[Block, Outcome] = BoundedDict(MOST_KEPT)
        self._written_until = NEVER  # what was read by forwarding before that is not kept
        for merged in store.merged:  # for modbus-tk's get_values; it numbers tables by function
            self._blocks[str(merged.block)] = (merged.block.table.function, merged.block.address)
            self._memory[merged.block.table.function].append(merged)
        self.known: dict[bytes, tuple[float, bytes]] = {}  # see KNOWN_ANSWERS

    def update(self, reading: Reading) -> None:  # sync thread
        """Take over what came of a request, whole: the data of a read, or whether the unit lives."""
        outcome = reading.outcome
        with self._data_lock:
            self.known.clear()
            self._store.unit.note(outcome.is_of_unit, outcome.asked_at)
            if not outcome.is_of_unit or outcome.block is None or self._store.take(outcome.block, reading):
                return
            self._kept.pop(outcome.block, None)
            if outcome.answer is not None and outcome.asked_at >= self._written_until:
                self._kept[outcome.block] = outcome

    def doubt(self, blocks: Sequence[Block], until: float = UNDER_WAY) -> None:  # sync thread
        """A write changes these blocks; see `Invalidation`. They have to be read again after it.

        What else the unit refused or gave before the write, it may answer otherwise now.
        """
        with self._data_lock:
            self.known.clear()
            self._kept.clear()
            self._store.doubt(in_both_tables(blocks), until)
            if until not in (UNDER_WAY, NOT_SENT):
                self._written_until = max(self._written_until, until)

    def handle_request(self, request_pdu: bytes, broadcast: bool = False,
                       master: str = "") -> bytes | Future:  # server thread
        """Return the answer PDU, SILENCE, or the future of an answer which the unit itself has to give.

        `master` is who asks. The order of checks: function (exception 01), count and length (03), address
        (02), freshness (0B).
        """
        if broadcast or request_pdu[0] >= 0x80:
            return SILENCE
        way = self._way
        if way and request_pdu[0] in WRITING:
            return self._write(way, request_pdu, master)
        if way and request_pdu[0] == READ_FILES:
            return self._read_files(way, request_pdu, master)
        asked = pdus.asked_block(request_pdu, self._tables, self._step)
        if isinstance(asked, int):
            return pdus.exception_pdu(request_pdu[0], asked)
        found = self._store.find(asked)
        if found is not None:
            return self._answer(found, asked, request_pdu)
        if way and way.reads(asked):
            return self._forward_read(way, asked, master)
        return pdus.exception_pdu(request_pdu[0], pdus.ILLEGAL_ADDRESS)

    def _forward_read(self, way: Way, asked: Block, master: str) -> bytes | Future:
        """Return what was read a while ago, or have it read; of a mute unit, nothing is waited for."""
        with self._data_lock:
            unit, kept, now = self._store.unit, self._kept.get(asked), clock.now()
            is_mute = unit.is_mute
            is_fresh = kept and now <= min(unit.good_until, good_until(kept.asked_at, unit.max_age))
        way.note(asked)
        if kept and kept.answer and is_fresh:
            return kept.answer
        function = asked.table.function
        future = way.ask(pdus.read_question(asked), None, master)
        answer = outcome(future, partial(self._refuse, function))
        return self._refuse(function, pdus.GATEWAY_NO_ANSWER) if is_mute else answer

    def _read_files(self, way: Way, pdu: bytes, master: str) -> bytes | Future:
        """Have file records read."""
        if READ_FILES not in way.functions or not way.readable:
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_FUNCTION)
        question = parse_file_read(pdu)
        if isinstance(question, int):
            return pdus.exception_pdu(pdu[0], question)
        if self._is_known_as_mute():
            return self._refuse(pdu[0], pdus.GATEWAY_NO_ANSWER)
        return outcome(way.ask(question, None, master), partial(self._refuse, pdu[0]))

    def _write(self, way: Way, pdu: bytes, master: str) -> bytes | Future:
        """Have something written, if that is allowed; nothing is sent to a mute unit."""
        if pdu[0] not in way.functions or not way.writes_anything:
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_FUNCTION)
        write = parse_write(pdu, self._step)
        if isinstance(write, int):
            return pdus.exception_pdu(pdu[0], write)
        if not way.writes(write):
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_FUNCTION)
        if write.reads and not (way.reads(write.reads) or self._store.find(write.reads)):
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_ADDRESS)
        if self._is_known_as_mute():
            return pdus.exception_pdu(pdu[0], pdus.GATEWAY_NO_ANSWER)
        future = way.ask(write.question, write, master)
        return outcome(future, partial(pdus.exception_pdu, pdu[0]))

    def _is_known_as_mute(self) -> bool:
        """Whether the unit does not answer, and its polling will tell when it does again."""
        with self._data_lock:
            return self._store.tells_silence and self._store.unit.is_mute

    def _refuse(self, function: int, code: int) -> bytes:
        """The answer for a request that cannot be answered now."""
        if code in (pdus.GATEWAY_NO_ANSWER, pdus.GATEWAY_NO_PATH) and self._when_stale == "silent":
            return SILENCE
        return pdus.exception_pdu(function, code)

    def data(self, block: Block) -> bytes | None:  # any thread
        """Return a polled block as a master would get it, or None when none would."""
        answer = self.handle_request(pdus.read_question(block).pdu)
        if isinstance(answer, bytes) and answer[:1] == bytes((block.table.function,)):
            return answer[2:]
        return None

    def states(self, now: float) -> list[BlockState]:  # any thread
        """Return how each block stands at the time `now`, in the order of the reads."""
        with self._data_lock:
            return self._store.states(now)

    def _answer(self, found: MergedBlock | HeardItems, asked: Block, request_pdu: bytes) -> bytes:
        with self._data_lock:
            now, unit_until = clock.now(), self._store.unit.good_until
            code, until = found.state(asked, now)
            if now > unit_until:
                code = pdus.GATEWAY_NO_ANSWER
            if code is None:
                answer = pdus.read_answer(asked, found.get(asked))
                if len(self.known) < KNOWN_ANSWERS:
                    self.known[request_pdu] = (min(unit_until, until), adu.tcp_frame(0, self.unit, answer)[4:])
                return answer
        return self._refuse(asked.table.function, code)
