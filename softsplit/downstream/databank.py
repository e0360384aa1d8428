"""The databank of one server: its mirrors, and a log line for each kind of refused request."""

import logging
from copy import copy
from collections.abc import Mapping
from concurrent.futures import Future

from modbus_tk import modbus

from softsplit.downstream.mirrors.answering import Answering, Known
from softsplit.downstream.unserved import Unserved
from softsplit.logs.conditions import ClosedBucket, TokenBucket
from softsplit.protocol import pdu as pdus
from softsplit.protocol.functions import describe_pdu
from softsplit.protocol.pdu import SILENCE

log = logging.getLogger("softsplit")

NOTED = (pdus.ILLEGAL_FUNCTION, pdus.ILLEGAL_ADDRESS)
MOST_REFUSED = 500  # distinct refused requests of one server; no more are logged


class Databank(modbus.Databank):
    """modbus-tk's databank with mirrors for slaves.

    `unknown_unit` is the exception for a unit that is not served: 0x0A over TCP, none (silence) on a serial
    line. `question` is for `Unserved`. `also` are further ids of units that are served.
    """

    def __init__(self, name: str, mirrors, unknown_unit: int | None, question: str = "",
                 also: Mapping[int, int] | None = None):
        super().__init__()
        self._name = name
        self._slaves: dict[int, Answering] = {mirror.unit: mirror for mirror in mirrors}
        self.known: dict[bytes, Known] = {}  # what the mirrors remember, in one dict for all
        for mirror in mirrors:
            if isinstance(mirror, Answering):  # the diagnostics unit remembers nothing
                mirror.known = self.known
        self._also = {other: self._slaves[unit] for other, unit in (also or {}).items()}
        self._unknown_unit = unknown_unit
        self.unserved = Unserved(name, self._slaves, question)
        self._refused: set[str] = set()
        self._bucket = TokenBucket(burst=20)

    def unseen(self) -> "Databank":
        """Return this databank for a check of our own, whose requests are neither counted nor logged."""
        found = copy(self)
        found._bucket = ClosedBucket()
        found.unserved = Unserved(self._name, self._slaves, bucket=found._bucket)
        return found

    @property
    def mirrors(self) -> dict[int, Answering]:
        """The mirrors by unit, without further ids."""
        return self._slaves

    def answer(self, unit: int, pdu: bytes, master: str = "") -> bytes | Future:  # server thread
        """Return the answer PDU to a request PDU of at least one byte, or SILENCE, or its future.

        `master` is who asks, "host:port": requests that have to wait are served in turn among masters.
        """
        mirror = self._slaves.get(unit) or self._also.get(unit)
        if mirror is not None:
            answer = mirror.handle_request(pdu, master=master)
            if isinstance(answer, bytes) and answer[:1] >= b"\x80" and answer[1] in NOTED:
                self._note(f"unit {unit}: {describe_pdu(pdu)}", answer[1])
            return answer
        if self._unknown_unit is None or pdu[0] >= 0x80:
            return SILENCE
        self.unserved.ask(unit)
        return pdus.exception_pdu(pdu[0], self._unknown_unit)

    def _note(self, request: str, code: int) -> None:
        """Log a refused request once, so that people learn what their masters ask."""
        if request not in self._refused and len(self._refused) < MOST_REFUSED and self._bucket.take():
            self._refused.add(request)
            log.info("%s: %s: a master was refused with %s",
                     self._name, request, pdus.describe_exception(code))
