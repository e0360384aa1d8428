"""One upstream unit as the masters of one server see it: its data is served as it came over the wire."""

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

from softsplit import clock
from softsplit.bounded import BoundedDict
from softsplit.downstream.mirrors.answering import Answering, Found
from softsplit.downstream.mirrors.forwarding import Way, outcome
from softsplit.downstream.mirrors.freshness import NEVER, good_until
from softsplit.downstream.mirrors.heardstore import HeardStore
from softsplit.downstream.mirrors.store import PolledStore, Seen
from softsplit.protocol import pdu as pdus
from softsplit.protocol.blocks import Block, in_both_tables
from softsplit.protocol.functions import READ_FILES, WRITING, Table
from softsplit.protocol.nameplate import Nameplate
from softsplit.protocol.outcome import NOT_SENT, UNDER_WAY, Location, Outcome, Reading
from softsplit.protocol.requests import Write, parse_file_read, parse_write

MOST_KEPT = 300  # forwarded blocks of one unit
YOUNG = 2.0  # s for which a forwarded block is served again without a new read
PROMPT = 0.2  # s in which a unit answers fast enough for any master


class Mirror(Answering):
    """One unit of one upstream; what is not in its store is forwarded by `way` to the unit itself."""

    def __init__(self, unit: int, store: PolledStore | HeardStore, tables: frozenset[Table],
                 when_stale: str = "exception", step: int = 1, way: Way | None = None,
                 nameplate: Nameplate | None = None):
        super().__init__(unit, store, tables, when_stale, step, nameplate)
        self._store = store
        self._way = way
        # Forwarded blocks, each only as a whole: a part may have other data when it is asked for alone.
        self._kept: BoundedDict[Block, Outcome] = BoundedDict(MOST_KEPT)
        self._written_until = NEVER  # a forwarded block that was asked for before is not kept

    def update(self, reading: Reading) -> None:  # sync thread
        """Take a reading as a whole: data, a refusal, or whether the unit answers."""
        outcome = reading.outcome
        with self._data_lock:
            self.known.clear()
            self._store.unit.note(outcome.is_of_unit, outcome.asked_at)
            if not outcome.is_of_unit or outcome.block is None or self._store.take(outcome.block, reading):
                return
            self._kept.pop(outcome.block, None)
            if outcome.answer is not None and outcome.asked_at >= self._written_until:
                self._kept[outcome.block] = outcome

    def locate(self, location: Location) -> None:  # sync thread
        """Take the address of its SunSpec model, and forget data from elsewhere, or from another device."""
        with self._data_lock:
            self.known.clear()
            self._kept.clear()
            self._store.locate(location)
            self._tell_modbus_tk()
            self.base = location.at

    def doubt(self, blocks: Sequence[Block], until: float = UNDER_WAY) -> None:  # sync thread
        """Forget these blocks, which a write changes, forwarded blocks and refusals; see `Invalidation`."""
        with self._data_lock:
            self.known.clear()
            self._kept.clear()
            self._store.doubt(in_both_tables(blocks), until)
            if until not in (UNDER_WAY, NOT_SENT):
                self._written_until = max(self._written_until, until)

    def handle_request(self, request_pdu: bytes, broadcast: bool = False,
                       master: str = "") -> bytes | Future:  # server thread
        way = self._way
        if way and not broadcast and request_pdu[0] in WRITING:
            return self._write(way, request_pdu, master)
        if way and not broadcast and request_pdu[0] == READ_FILES:
            return self._read_files(way, request_pdu, master)
        if way and not broadcast and way.allows(request_pdu):
            return self._use_function(way, request_pdu, master)
        return super().handle_request(request_pdu, broadcast, master)

    def _find(self, asked: Block) -> Found | None:
        """Return what holds a block; None to forward a part of a block that the unit refuses as a whole."""
        is_refused = isinstance(self._store, PolledStore) and self._store.refuses_more_than(asked)
        return None if is_refused and self._way and self._way.reads(asked) else super()._find(asked)

    def seen(self, block: Block) -> Seen:  # any thread
        """Return a block of the store, or a forwarded one, as a master would get it now."""
        found = super().seen(block)
        kept = self._fresh_kept(block) if found.taken_at == NEVER else None
        if kept is None:
            return found
        with self._data_lock:
            unit = self._store.unit
            return Seen(kept.data, kept.asked_at,
                        min(unit.good_until, good_until(kept.asked_at, unit.max_age)))

    def _elsewhere(self, asked: Block, master: str) -> bytes | Future:
        if self._way and self._way.reads(asked):
            if self._way.gives_fewer_than(asked):
                return pdus.exception_pdu(asked.table.function, pdus.ILLEGAL_VALUE)
            return self._forward_read(self._way, asked, master)
        return super()._elsewhere(asked, master)

    def _forward_read(self, way: Way, asked: Block, master: str) -> bytes | Future:
        """Return a fresh forwarded block, or read it; do not wait for a mute unit."""
        kept, is_mute = self._fresh_kept(asked), self._store.unit.is_mute
        way.note(asked)
        if kept and kept.answer and not self._is_read_anew(way, kept):
            return kept.answer
        future = way.ask(pdus.read_question(asked), None, master)
        answer = outcome(future, partial(self._instead, asked))
        return self._refuse(asked.table.function, pdus.GATEWAY_NO_ANSWER) if is_mute else answer

    def _fresh_kept(self, asked: Block) -> Outcome | None:  # any thread
        """Return a forwarded block if it is fresh."""
        with self._data_lock:
            unit, kept = self._store.unit, self._kept.get(asked)
            is_fresh = kept and clock.now() <= min(unit.good_until, good_until(kept.asked_at, unit.max_age))
            return kept if is_fresh else None

    def _is_read_anew(self, way: Way, kept: Outcome) -> bool:
        """Whether to read a fresh block again, because it is not young and the wire has time."""
        return clock.now() - kept.asked_at > YOUNG and kept.took <= PROMPT and way.is_idle()

    def _instead(self, asked: Block, code: int) -> bytes:  # poller thread
        """Return the answer when a forwarded read failed: the block from before, if that is fresh."""
        kept = self._fresh_kept(asked)
        return kept.answer if kept and kept.answer else self._refuse(asked.table.function, code)

    def _read_files(self, way: Way, pdu: bytes, master: str) -> bytes | Future:
        if READ_FILES not in way.functions or not way.readable:
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_FUNCTION)
        question = parse_file_read(pdu)
        if isinstance(question, int):
            return pdus.exception_pdu(pdu[0], question)
        if self._is_known_as_mute():
            return self._refuse(pdu[0], pdus.GATEWAY_NO_ANSWER)
        return outcome(way.ask(question, None, master), partial(self._refuse, pdu[0]))

    def _write(self, way: Way, pdu: bytes, master: str) -> bytes | Future:
        """Forward a write if it is allowed; send nothing to a mute unit."""
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

    def _use_function(self, way: Way, pdu: bytes, master: str) -> bytes | Future:
        """Forward a request of another function, as a write that may change anything."""
        if self._is_known_as_mute():
            return pdus.exception_pdu(pdu[0], pdus.GATEWAY_NO_ANSWER)
        question = pdus.function_question(pdu)
        return outcome(way.ask(question, Write(question), master), partial(pdus.exception_pdu, pdu[0]))

    def _is_known_as_mute(self) -> bool:
        """Whether the unit is mute, and polling will show when it answers again."""
        with self._data_lock:
            return self._store.tells_silence and self._store.unit.is_mute
