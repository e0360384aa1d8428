"""Counters of the masters of one server: their requests and the answers they got.

The server's thread counts; the main thread looks on, at numbers that may be one request apart.
"""

from collections import Counter

from softsplit.downstream.servers.lateanswers import LateAnswers
from softsplit.protocol.addresses import unit_bytes
from softsplit.protocol.pdu import SILENCE

ASKED = 100  # different requests of one master that are told apart
MASTERS = 100  # that are told apart
OTHER = b""  # in the place of a request: all that are not told apart


class MasterCounters:
    """One master: `asked` counts its requests, by unit and the first five bytes of the PDU."""

    def __init__(self):
        self.asked: dict[bytes, int] = {}
        self.exceptions: Counter[int] = Counter()  # by code
        self.silent = 0  # requests that got no answer on purpose
        self.connections = 0
        self.undelivered = LateAnswers()  # which is for its next connection, too

    def count_request(self, unit: int, pdu: bytes) -> None:  # server thread
        self.count_known(unit_bytes(unit) + pdu[:5])

    def count_known(self, asked: bytes) -> None:  # server thread
        """Count a request of 6 bytes: unit, function, address, count."""
        try:
            self.asked[asked] += 1
        except KeyError:
            key = asked if len(self.asked) < ASKED else OTHER
            self.asked[key] = self.asked.get(key, 0) + 1

    def count_answer(self, answer: bytes) -> None:  # server thread
        """Count an answer PDU that is no data, or none at all."""
        if answer == SILENCE:
            self.silent += 1
        elif answer[0] & 0x80:
            self.exceptions[answer[1]] += 1

    @property
    def requests(self) -> int:
        return sum(tuple(self.asked.values()))

    def add(self, other: "MasterCounters") -> None:
        """Count in what another master asked, without telling its requests apart."""
        self.asked[OTHER] = self.asked.get(OTHER, 0) + other.requests
        self.exceptions.update(other.exceptions)
        self.silent += other.silent


class Masters(dict):
    """The masters of one server, from address to counters; beyond MASTERS, who has gone becomes `others`."""

    def __init__(self):
        super().__init__()
        self.others = MasterCounters()

    def meet(self, address: str) -> MasterCounters:  # server thread
        """Return the counters of a master which connects."""
        counters = self.know(address)
        counters.connections += 1
        return counters

    def know(self, address: str) -> MasterCounters:  # server thread
        """Return the counters of a master."""
        if address not in self and len(self) >= MASTERS:
            self._forget()
        return self.setdefault(address, MasterCounters())

    def _forget(self) -> None:
        gone = next((address for address, counters in self.items() if not counters.connections), None)
        if gone is not None:
            self.others.add(self.pop(gone))
