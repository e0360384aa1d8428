"""Counters of the masters of one server: their requests and the answers they got.

The server's thread counts; the main thread reads, and may see numbers that are one request apart.
"""

from collections import Counter

from softsplit.downstream.servers.lateanswers import LateAnswers
from softsplit.protocol.addresses import unit_bytes
from softsplit.protocol.pdu import SILENCE

ASKED = 100  # different requests of one master that are counted apart
MASTERS = 100  # masters that are counted apart
OTHER = b""  # the key of all other requests


class MasterCounters:
    """One master: `asked` counts its requests, by unit and the first five bytes of the PDU."""

    def __init__(self):
        self.asked: dict[bytes, int] = {}
        self.exceptions: Counter[int] = Counter()  # by code
        self.silent = 0  # requests that got no answer on purpose
        self.connections = 0
        self.undelivered = LateAnswers()  # for its next connection, too

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
        """Count an exception, or SILENCE."""
        if answer == SILENCE:
            self.silent += 1
        elif answer[0] & 0x80:
            self.exceptions[answer[1]] += 1

    @property
    def requests(self) -> int:
        return sum(tuple(self.asked.values()))

    def add(self, other: "MasterCounters") -> None:
        """Add the counts of another master, its requests as other ones."""
        self.asked[OTHER] = self.asked.get(OTHER, 0) + other.requests
        self.exceptions.update(other.exceptions)
        self.silent += other.silent


class Masters(dict):
    """The counters of the masters of one server by address; beyond MASTERS, old ones become `others`."""

    def __init__(self):
        super().__init__()
        self.others = MasterCounters()

    def meet(self, address: str) -> MasterCounters:  # server thread
        """Return the counters of a master that connects."""
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
