"""The diagnostics unit: registers from which a PLC can read how fresh the other units are.

Input registers, big-endian. From 0x0000 on: version of this table (1), state of all units together, count of
units, seconds since the start (u32). From 16 x unit id on (4096 for unit 0), for each unit of the server:

    +0 unit id          +1 state                 +2 age of its newest data   +3 age of its oldest block
    +4 fresh blocks     +5 blocks                +6 requests (u32)           +8 answers (u32)
    +10 exceptions (u32)  +12 without an answer (u32)  +14 damaged answers (u32)

A state is 1 (all is fresh), 2 (some is) or 3 (nothing is); an age is in tenths of a second, 65535 when it is
greater than that or there is no data. Blocks are judged as for the masters of this server; the counters are
those of the upstream.
"""

import struct
from collections.abc import Callable, Mapping

from modbus_tk.modbus import Slave

from softsplit import clock
from softsplit.downstream.mirrors.freshness import NEVER
from softsplit.downstream.mirrors.answering import Answering
from softsplit.protocol import pdu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import SILENCE

VERSION = 1
PER_UNIT = 16  # registers
UNIT_0 = 256  # in whose place unit 0 is, because the summary is in its own
FRESH, PARTLY, NOTHING = 1, 2, 3
NO_AGE = 0xFFFF

Counts = Callable[[], tuple[int, int, int, int, int]]  # requests, answers, exceptions, without, damaged


def uncounted() -> tuple[int, int, int, int, int]:
    """The counts of a unit that is not asked itself, because it is derived."""
    return 0, 0, 0, 0, 0


class Diagnostics(Slave):
    """The unit that tells of the others: of each `watched` unit id its mirror and its counters."""

    def __init__(self, unit: int, watched: Mapping[int, tuple[Answering, Counts]]):
        super().__init__(unit)
        self.unit = unit
        self.known: dict = {}  # nothing: what it answers changes all the time
        self._watched = watched
        self._started_at = clock.now()

    def handle_request(self, request_pdu: bytes, broadcast: bool = False,
                       master: str = "") -> bytes:  # server thread
        if broadcast or request_pdu[0] >= 0x80:
            return SILENCE
        asked = pdu.asked_block(request_pdu, (Table.INPUT_REGISTERS,))
        if isinstance(asked, int):
            return pdu.exception_pdu(request_pdu[0], asked)
        data = self._data(asked, clock.now())
        if len(data) < asked.byte_count:
            return pdu.exception_pdu(request_pdu[0], pdu.ILLEGAL_ADDRESS)
        return bytes((request_pdu[0], asked.byte_count)) + data

    def _data(self, asked: Block, now: float) -> bytes:
        """Return the registers from the first one asked for, up to one that is not there."""
        first, last = asked.address // PER_UNIT, (asked.end - 1) // PER_UNIT
        data = b""
        for group in range(first, last + 1):
            if len(data) < 2 * PER_UNIT * (group - first):
                break  # the one before is shorter, or not there
            data += self._group(group, now)
        offset = 2 * (asked.address - PER_UNIT * first)
        return data[offset:offset + asked.byte_count]

    def _group(self, group: int, now: float) -> bytes:
        if group == 0:
            return self._summary(now)
        unit = 0 if group == UNIT_0 else group
        return self._unit(unit, now) if unit in self._watched else b""

    def _summary(self, now: float) -> bytes:
        states = [state for mirror, _ in self._watched.values() for state in mirror.states(now)]
        return struct.pack(">HHHI", VERSION, _state(states), len(self._watched), int(now - self._started_at))

    def _unit(self, unit: int, now: float) -> bytes:
        mirror, counts = self._watched[unit]
        states = mirror.states(now)
        taken = [state.taken_at for state in states if state.exception is None] or [NEVER]
        ages = _tenths(now - max(taken)), _tenths(now - min(taken))
        fresh = sum(state.is_fresh for state in states)
        return struct.pack(">6H5I", unit, _state(states), *ages, fresh, len(states),
                           *(count & 0xFFFF_FFFF for count in counts()))


def _state(states) -> int:
    fresh = sum(state.is_fresh or state.exception is not None for state in states)
    served = any(state.is_fresh for state in states)
    return FRESH if served and fresh == len(states) else PARTLY if served else NOTHING


def _tenths(age: float) -> int:
    return min(int(10 * age), NO_AGE) if age < NO_AGE else NO_AGE
