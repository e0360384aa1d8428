"""The status of a downstream: its masters, and how fresh its units are. Ages are in seconds."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from softsplit.config.downstream import Served
from softsplit.config.url import Url
from softsplit.downstream.servers.masters import OTHER, MasterCounters, Masters
from softsplit.protocol.addresses import unit_of
from softsplit.protocol.functions import READ_TABLES, Table, describe
from softsplit.rates import Rates

if TYPE_CHECKING:  # commands that only read a status import no server
    from softsplit.downstream.mirrors.answering import Answering


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStatus:
    """An open connection, and the seconds it has been open, and idle."""

    peer: str
    open_for: float
    idle_for: float
    requests: int

    @property
    def address(self) -> str:
        """The peer without its port."""
        return self.peer.rpartition(":")[0].strip("[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedStatus:
    """A request that a master repeats, and its rate per second; the fields are None for all other requests."""

    unit: int | None
    function: int | None
    table: Table | None
    address: int | None
    count: int | None
    requests: int
    rate: float

    def __str__(self) -> str:
        return "others" if self.function is None else describe(self.function, self.address, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterStatus:
    """A master: its requests, the exceptions it got, by code, and how often it got no answer on purpose."""

    requests: int
    rate: float
    exceptions: dict[int, int]
    silences: int
    asked: tuple[AskedStatus, ...]

    @property
    def failed(self) -> int:
        return sum(self.exceptions.values()) + self.silences


@dataclass(frozen=True, slots=True, kw_only=True)
class InputStatus:
    """A block that registers of a derived unit are made from, and its age; null before the first read."""

    origin: str
    block: str
    age: float | None
    is_fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedStatus:
    """A unit as a downstream serves it: how many of its blocks are fresh, or refused, and which are stale."""

    origin: str
    is_heard: bool
    blocks: int
    fresh: int
    refused: int
    stale: tuple[str, ...]
    also: tuple[int, ...] = ()  # further ids to which it answers
    inputs: tuple[InputStatus, ...] = ()  # the blocks that a derived unit is made from
    why: str = ""  # why a derived unit is stale although its inputs are fresh
    stated: tuple[str, ...] = ()  # registers of a derived unit with a number that the user wrote
    late: tuple[str, ...] = ()  # units whose inputs are too old for the others, if that is why

    @property
    def waits_for(self) -> dict[str, tuple[str, ...]]:
        """The stale blocks that make this unit stale, by unit."""
        missing = [each for each in self.inputs if not each.is_fresh]
        if not missing:
            return {self.origin: self.stale}
        return {each.origin: tuple(one.block for one in missing if one.origin == each.origin)
                for each in missing}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnservedStatus:
    """A unit that masters ask for although it is not served; `age` is that of the last request."""

    unit: str
    requests: int
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DownstreamStatus:
    """A downstream: its masters and its units."""

    url: Url
    state: str
    connections: tuple[ConnectionStatus, ...]
    refused_peers: dict[str, int]  # refused connections by address
    requests: int
    exceptions: dict[int, int]
    silences: int
    masters: dict[str, MasterStatus]
    units: dict[str, ServedStatus]
    unserved: tuple[UnservedStatus, ...] = ()
    stray_bytes: int = 0  # bytes that were no request
    garbled: str = ""  # what may be wrong, while only such bytes come
    crowded: str = ""  # why there is no room for more masters
    certificate: str = ""  # the problem of our own, if it has one
    refused_handshakes: dict[str, int] = field(default_factory=dict)  # by reason

    @property
    def is_asked(self) -> bool:
        """Whether masters have asked for served units."""
        return any(asked.unit is None or self.served(asked.unit)
                   for master in self.masters.values() for asked in master.asked)

    def served(self, unit: int | None) -> ServedStatus | None:
        """Return the unit that answers to this id, None if none does."""
        return self.units.get(str(unit)) or next((each for each in self.units.values() if unit in each.also),
                                                 None)

    @property
    def is_serving(self) -> bool:
        return self.state == "serving"


class Reporter:
    """Reports the masters of one server and the rates of their requests. For the main thread.

    `size` is that of unit addresses, in bytes.
    """

    def __init__(self, masters: Masters, size: int = 1):
        self._masters = masters
        self._size = size
        self._rates = Rates()

    def report(self, url: Url, state: str, units: dict[str, ServedStatus], now: float) -> DownstreamStatus:
        """Return the status of a server without connections."""
        masters = dict(self._masters)
        tallies = [*masters.values(), self._masters.others]
        counters: dict[Hashable, float] = {(address, asked): count for address, tally in masters.items()
                    for asked, count in tuple(tally.asked.items())}
        rates = self._rates.update(counters, now)
        return DownstreamStatus(
            url=url,
            state=state,
            connections=(),
            refused_peers={},
            requests=sum(tally.requests for tally in tallies),
            exceptions=_by_code(sum((Counter(dict(tally.exceptions)) for tally in tallies), Counter())),
            silences=sum(tally.silent for tally in tallies),
            masters={address: self._master(address, tally, counters, rates)
                     for address, tally in masters.items()},
            units=units,
        )

    def _master(self, address: str, tally: MasterCounters, counters: Mapping, rates: Mapping) -> MasterStatus:
        own = [key for key in counters if key[0] == address]
        return MasterStatus(
            requests=sum(counters[key] for key in own),
            rate=round(sum(rates[key] for key in own), 3),
            exceptions=_by_code(dict(tally.exceptions)),
            silences=tally.silent,
            asked=tuple(_asked(key[1], self._size, counters[key], round(rates[key], 3)) for key in own),
        )


def _by_code(exceptions: Mapping[int, int]) -> dict[int, int]:
    return dict(sorted(exceptions.items()))


def _asked(asked: bytes, size: int, requests: int, rate: float) -> AskedStatus:
    """Return the status of a request: a read with its block, another one with its function, or all others."""
    if asked == OTHER:
        return AskedStatus(unit=None, function=None, table=None, address=None, count=None, requests=requests,
                           rate=rate)
    unit, pdu = unit_of(asked, size), asked[size:]
    function = pdu[0]
    table = READ_TABLES.get(function)
    return AskedStatus(
        unit=unit,
        function=function,
        table=table,
        address=int.from_bytes(pdu[1:3], "big") if len(pdu) >= 3 else None,
        count=int.from_bytes(pdu[3:5], "big") if table and len(pdu) >= 5 else None,
        requests=requests,
        rate=rate,
    )


def report_units(served: Sequence[Served], mirrors: "Mapping[int, Answering]",
                 now: float) -> dict[str, ServedStatus]:
    """Return, for each unit, where it comes from and which of its blocks are fresh."""
    return {str(each.unit): _unit(each, mirrors[each.unit], now) for each in served}


def _unit(served: Served, mirror: "Answering", now: float) -> ServedStatus:
    states = mirror.states(now)
    return ServedStatus(
        origin=f"{served.upstream.name}/{served.origin.unit}",
        is_heard=served.upstream.is_heard,
        blocks=len(states),
        fresh=sum(state.is_fresh for state in states),
        refused=sum(state.exception is not None for state in states),
        stale=tuple(state.name for state in states if not state.is_fresh and state.exception is None),
        also=served.also,
    )
