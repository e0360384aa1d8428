"""The diagnostics unit: input registers by which a PLC reads the status; see `diagnostictable`.

Freshness is that of this server; the counters are those of the upstream.
"""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from modbus_tk.modbus import Slave

from softsplit import clock
from softsplit.downstream.diagnostictable import (PER_GROUP, SUMMARY, UNIT, UNIT_0, UNIT_TOO, UNITS_TOO,
    UPSTREAM, UPSTREAMS, VERSION, pack, short_name)
from softsplit.downstream.mirrors.answering import Answering
from softsplit.downstream.mirrors.freshness import NEVER
from softsplit.downstream.mirrors.store import BlockState
from softsplit.protocol import pdu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import SILENCE
from softsplit.rates import Rates

FRESH, PARTLY, NOTHING = 1, 2, 3
NO_AGE = 0xFFFF
NEVER_HEARD, ANSWERS, MUTE, AWAY = 0, 1, 2, 3  # states of a unit
CONNECTED, STARTING, UNREACHABLE = 1, 2, 3  # states of an upstream

Counts = Callable[[], tuple[int, int, int, int, int]]  # requests, answers, exceptions, without, damaged


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """State and last error of a unit, its seconds in error, when its last good answer was asked for."""

    standing: int
    error: int = 0
    seconds: float = 0.0
    good_at: float | None = None


@dataclass(frozen=True, slots=True)
class WireFacts:
    """State of an upstream: seconds busy, reconnects, seconds away, units, mute units."""

    state: int
    busy: float
    reconnects: int
    away: float
    units: int
    mute: int


@dataclass(frozen=True, slots=True)
class Watched:
    """A unit of the server, and what returns its counts and its failures, unless it is derived."""

    mirror: Answering
    name: str
    counts: Counts = lambda: (0, 0, 0, 0, 0)
    fault: Callable[[float], UnitFacts] | None = None


class Diagnostics(Slave):
    """The unit with the status of the others and of the upstreams: `wires` return their facts by name."""

    def __init__(self, unit: int, watched: Mapping[int, Watched],
                 wires: Mapping[str, Callable[[float], WireFacts]] = {}):
        super().__init__(unit)
        self.unit = unit
        self._watched = watched
        self._wires = wires
        self._started_at = clock.now()
        self._rates = Rates()
        self._rates.update(self._busy(self._started_at), self._started_at)

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
        """Return the registers from the first one asked for, up to the first missing one."""
        first, last = asked.address // PER_GROUP, (asked.end - 1) // PER_GROUP
        data = b""
        for group in range(first, last + 1):
            if len(data) < 2 * PER_GROUP * (group - first):
                break  # the group before is shorter, or missing
            data += self._group(group, now)
        offset = 2 * (asked.address - PER_GROUP * first)
        return data[offset:offset + asked.byte_count]

    def _group(self, group: int, now: float) -> bytes:
        """Return a group of 16 registers, or fewer; b"" if there is none."""
        address = PER_GROUP * group
        if address == 0:
            return self._summary(now)
        number, index = (address - UNITS_TOO) // PER_GROUP, (address - UPSTREAMS) // PER_GROUP
        if number in self._watched:
            return self._unit_too(number, now)
        if 0 <= index < len(self._wires):
            return self._wire(list(self._wires)[index], now)
        unit = 0 if address == UNIT_0 else group
        return self._unit(unit, now) if unit in self._watched else b""

    def _summary(self, now: float) -> bytes:
        states = [state for each in self._watched.values() for state in each.mirror.states(now)]
        return pack(SUMMARY, VERSION, _state(states), len(self._watched), int(now - self._started_at),
                    len(self._wires))

    def _unit(self, unit: int, now: float) -> bytes:
        watched = self._watched[unit]
        states = watched.mirror.states(now)
        taken = _taken(states) or [NEVER]
        ages = _tenths(now - max(taken)), _tenths(now - min(taken))
        fresh = sum(state.is_fresh for state in states)
        return pack(UNIT, unit, _state(states), *ages, fresh, len(states),
                    *(count & 0xFFFF_FFFF for count in watched.counts()))

    def _unit_too(self, unit: int, now: float) -> bytes:
        watched = self._watched[unit]
        states = watched.mirror.states(now)
        fault = (watched.fault(now) if watched.fault else
                 UnitFacts(ANSWERS, good_at=max(_taken(states), default=None)))
        good = 0 if fault.good_at is None else int(time.time() - (now - fault.good_at))
        return pack(UNIT_TOO, unit, _state(states), fault.standing, fault.error, int(fault.seconds), good,
                    watched.name)

    def _wire(self, name: str, now: float) -> bytes:
        facts = self._wires[name](now)
        busy = self._rates.update(self._busy(now), now)[name]
        return pack(UPSTREAM, facts.state, round(1000 * busy), facts.reconnects, int(facts.away), facts.units,
                    facts.mute, short_name(name))

    def _busy(self, now: float) -> dict[Hashable, float]:
        return {name: facts(now).busy for name, facts in self._wires.items()}


def _taken(states: Sequence[BlockState]) -> list[float]:
    """Return when the data of those blocks that have any was taken."""
    return [state.taken_at for state in states if state.exception is None and state.taken_at > NEVER]


def _state(states: Sequence[BlockState]) -> int:
    fresh = sum(state.is_fresh or state.exception is not None for state in states)
    served = any(state.is_fresh for state in states)
    return FRESH if served and fresh == len(states) else PARTLY if served else NOTHING


def _tenths(age: float) -> int:
    return min(int(10 * age), NO_AGE) if age < NO_AGE else NO_AGE
