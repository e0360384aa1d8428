"""A transaction: the request of a master on a serial line and its outcome."""

import struct
from dataclasses import dataclass
from enum import StrEnum

from softsplit.decoder.lengths import BITS, READ_FIFO, REGISTERS
from softsplit.protocol import pdu

ADDRESSED = frozenset((1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 24))  # functions whose requests have an address
COUNTED = frozenset((1, 2, 3, 4, 15, 16, 23))  # and then a count
SINGLE_WRITES, WRITES_OF_BITS, WRITES_OF_REGISTERS = frozenset((5, 6)), 15, 16


class Kind(StrEnum):
    """What came of a request; only OK and EXCEPTION, both paired beyond doubt, may be taken for data."""

    OK = "ok"
    EXCEPTION = "exception"  # the unit refused
    NO_REPLY = "no_reply"
    LATE = "late"  # a reply to a request that was given up, and shown as NO_REPLY, before
    SUSPECT = "suspect"  # a pair, but the reply may belong to another request, or be the request again
    ORPHAN = "orphan"  # a reply to nothing that was heard
    BROADCAST = "broadcast"
    DAMAGED = "damaged"  # a request, its reply, or what nobody can tell, in pieces


@dataclass(frozen=True, slots=True)
class Transaction:
    """A request and its reply, each a whole frame, or as many of its bytes as came.

    `time` is that of the last byte of the request, as told by whoever heard it; without a request that of
    the reply or the damage. `latency` is in seconds, from there to the last byte of the reply. `damage` says
    which part is damaged and how. Bytes that are part of no frame are the `reply` of a transaction without a
    request. Each byte that was heard is in exactly one transaction; but one that is LATE repeats the request.
    """

    kind: Kind
    time: float | None = None
    request: bytes | None = None
    reply: bytes | None = None
    latency: float | None = None
    retry: bool = False
    damage: str | None = None

    @property
    def unit(self) -> int | None:
        return self._head[0] if self._head else None

    @property
    def function(self) -> int | None:
        """The function code, also of an exception without the high bit; None when nobody can tell."""
        return self._head[1] & 0x7F if len(self._head) > 1 else None

    @property
    def address(self) -> int | None:
        """Where it reads, or else writes, first."""
        return self._word(2) if self.function in ADDRESSED else None

    @property
    def count(self) -> int | None:
        """Of the registers or bits which it reads, or else writes."""
        if self.function in SINGLE_WRITES:
            return 1 if self._is_asked else None
        return self._word(4) if self.function in COUNTED else None

    @property
    def exception(self) -> int | None:
        """The exception code of the unit."""
        return self.reply[2] if self._is_answered and self.reply[1] >= 0x80 else None

    @property
    def values(self) -> list[int] | None:
        """The registers or bits that the reply brought; or what the request writes, unless it was refused."""
        if self.exception is not None:
            return None
        if self._is_answered and self.function in BITS:
            data = self.reply[3:-2]
            return list(pdu.unpack_bits(data, 8 * len(data) if self.count is None else self.count))
        if self._is_answered and self.function in REGISTERS:
            return _registers(self.reply[3:-2])
        if self._is_answered and self.function == READ_FIFO:
            return _registers(self.reply[6:-2])
        return self._written() if self._is_asked else None

    def _written(self) -> list[int] | None:
        if self.function in SINGLE_WRITES:
            return [self._word(4)]
        if self.function == WRITES_OF_BITS:
            return list(pdu.unpack_bits(self.request[7:-2], self._word(4)))
        return _registers(self.request[7:-2]) if self.function == WRITES_OF_REGISTERS else None

    @property
    def _head(self) -> bytes:
        """The frame that begins with unit and function."""
        return self.request or (self.reply if self._is_answered else b"")

    @property
    def _is_asked(self) -> bool:
        """Whether there is an intact request."""
        return self.request is not None and not (self.damage or "").startswith("request")

    @property
    def _is_answered(self) -> bool:
        """Whether there is an intact reply."""
        return self.reply is not None and self.kind is not Kind.DAMAGED

    def _word(self, at: int) -> int | None:
        return int.from_bytes(self.request[at:at + 2], "big") if self._is_asked else None


def _registers(data: bytes) -> list[int]:
    return list(struct.unpack(f">{len(data) // 2}H", data[:len(data) // 2 * 2]))
