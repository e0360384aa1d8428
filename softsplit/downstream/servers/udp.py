"""Modbus UDP server: one datagram, one answer.

A sender can forge its address, so that the answer goes to somebody else. So only addresses in `allow` get
answers, each only so many in a second, and broadcasts get none.
"""

import logging
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, replace
from selectors import EVENT_READ

from softsplit import clock
from softsplit.bounded import BoundedDict
from softsplit.config.access import Access
from softsplit.config.url import Url, show_address
from softsplit.downstream.databank import Databank
from softsplit.downstream.report import DownstreamStatus, ServedStatus
from softsplit.downstream.servers.addressfilter import AddressFilter
from softsplit.downstream.servers.connection import STOOD_STILL, answer_frame
from softsplit.downstream.servers.datagramsocket import Datagram, DatagramSocket
from softsplit.downstream.servers.masters import MasterCounters
from softsplit.downstream.servers.ratelimit import RateLimit
from softsplit.downstream.servers.server import TICK, Server
from softsplit.logs.conditions import Condition
from softsplit.protocol import adu
from softsplit.protocol.functions import PLAIN_READS
from softsplit.protocol.pdu import BUSY, exception_pdu

log = logging.getLogger("softsplit")

AT_ONCE = 64  # datagrams of one wake-up
MOST_AWAITED = 500  # requests that wait for an answer of the unit itself
MOST_KNOWN = 1000  # requests that are recognised when they come twice
TWICE_WITHIN = 0.5  # s; the same transaction id and content after that is another request


@dataclass(slots=True, eq=False)
class Asked:
    """A request of a master, and its answer."""

    datagram: Datagram
    at: float  # when it came
    counters: MasterCounters
    came_at: float = 0.0  # when an awaited answer came
    answer: bytes | None = None
    is_repeated: bool = False  # whether the answer was sent twice

    @property
    def pdu(self) -> bytes:
        return self.datagram.data[adu.HEADER.size:]


class UdpServer(Server):
    """Serves a databank over Modbus UDP, to those whom `access` allows."""

    too_late = STOOD_STILL

    def __init__(self, name: str, url: Url, databank: Databank, access: Access):
        super().__init__(name, url, databank)
        self._addresses = AddressFilter(name, access)
        self._limit = RateLimit()
        self._flood = Condition(self.bucket, well_at_first=True, tries="datagrams")
        self._known: BoundedDict[tuple, Asked] = BoundedDict(MOST_KNOWN)  # writes, by peer and content
        self._awaited: dict[Asked, Future] = {}
        self._done: deque[Asked] = deque()  # filled by any thread

    def acquire(self) -> None:
        self._sock = DatagramSocket(self.url)
        self.url = Url(self.url.scheme, self.url.host, self._sock.port)
        self.selector.register(self._sock, EVENT_READ)

    def step(self) -> None:
        self.bucket.catch_up()
        if self._sock is None:
            self.open_again()
            return
        for key, _ in self.selector.select(TICK):
            if key.fileobj is self._sock:
                self._take()
            else:
                self.clear_wake()
        while self._done:
            self._attend(self._resume, self._done.popleft())

    def close(self) -> None:
        if self._sock:
            self._sock.close()
        super().close()

    def report(self, units: dict[str, ServedStatus], now: float) -> DownstreamStatus:  # main thread
        return replace(super().report(units, now), refused_peers=dict(self._addresses.refused))

    def _take(self) -> None:
        """Answer the datagrams that have come."""
        for _ in range(AT_ONCE):
            try:
                datagram = self._sock.receive()
            except OSError as error:
                log.debug("%s: cannot receive: %s", self.label, error)
                return
            if datagram is None:
                return
            if self._is_let_in(datagram):
                self._attend(self._ask, datagram)

    def _is_let_in(self, datagram: Datagram) -> bool:
        """Whether its sender may get an answer, by address and rate."""
        if datagram.is_for_everybody or not self._addresses.admits(datagram.host):
            return False
        if self._limit.allows(datagram.host, clock.now()):
            self._flood.well(f"{self.label}: all datagrams are answered again")
            return True
        self._flood.trouble(f"{self.label}: {datagram.host} asks too often; some of its requests get no answer")
        return False

    def _attend(self, act, request) -> None:
        """Serve one request; an error there concerns only its master."""
        try:
            act(request)
        except OSError as error:
            log.debug("%s: cannot answer: %s", self.label, error)
        except Exception as error:
            self.bugs.report(error)

    def _ask(self, datagram: Datagram) -> None:
        """Answer a datagram, or forward it to the unit."""
        if not adu.is_tcp_frame(datagram.data):
            self.databank.unserved.stray(len(datagram.data))
            return
        now, key = clock.now(), (datagram.peer, datagram.data)
        known = self._known.get(key)
        if known and (known in self._awaited or now - known.at < TWICE_WITHIN):
            self._repeat(known)
            return
        is_check = self.checks.is_one(datagram.peer[1], datagram.is_from_here)
        databank = self.databank.unseen() if is_check else self.databank
        databank.unserved.frame()
        asked = Asked(datagram, now, MasterCounters() if is_check else self.masters.know(datagram.host))
        if asked.pdu[0] not in PLAIN_READS:
            self._known[key] = asked
        asked.counters.count_request(datagram.data[6], asked.pdu)
        answer = self._look_up(datagram, asked.pdu, databank)
        if isinstance(answer, bytes):
            self._reply(asked, answer, now)
        else:
            self._awaited[asked] = answer
            answer.add_done_callback(lambda _: self._call(asked))

    def _look_up(self, datagram: Datagram, pdu: bytes, databank: Databank) -> bytes | Future:
        if len(self._awaited) >= MOST_AWAITED:
            return exception_pdu(pdu[0], BUSY[-1])
        return databank.answer(datagram.data[6], pdu, show_address(*datagram.peer[:2]))

    def _call(self, asked: Asked) -> None:  # any thread
        asked.came_at = clock.now()
        self._done.append(asked)
        self.wake()

    def _resume(self, asked: Asked) -> None:
        self._reply(asked, self._awaited.pop(asked).result(), asked.came_at)

    def _reply(self, asked: Asked, answer: bytes, made_at: float) -> None:
        """Send an answer that was made at `made_at`, unless the process has stood still since."""
        asked.counters.count_answer(answer)
        asked.answer = answer
        if answer and clock.now() - made_at <= self.too_late:
            self._sock.send(self._frame(asked.datagram.data, answer), asked.datagram)

    def _repeat(self, known: Asked) -> None:
        """Answer a write that came twice, as the answer may be lost; but only once, as it may be an echo."""
        if known.answer and not known.is_repeated:
            known.is_repeated = True
            self._sock.send(self._frame(known.datagram.data, known.answer), known.datagram)

    def _frame(self, request: bytes, answer: bytes) -> bytes:
        return answer_frame(request, answer)
