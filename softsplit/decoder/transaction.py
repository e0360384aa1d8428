"""A transaction: the request of a master on a serial line and its outcome."""

import struct
from dataclasses import dataclass
from enum import StrEnum

from softsplit.protocol import pdu
from softsplit.protocol.functions import (FUNCTIONS, READ_FIFO, READING_BITS, READING_REGISTERS,
                                          READ_AND_WRITE, WRITE_COIL, WRITE_COILS, WRITE_REGISTER,
                                          WRITE_REGISTERS, Function)


class Kind(StrEnum):
    """The outcome of a request; only OK and EXCEPTION are paired beyond doubt and may be used as data."""

    OK = "ok"
    EXCEPTION = "exception"  # the unit refused
    NO_REPLY = "no_reply"
    LATE = "late"  # a reply to a request that was given up before, as NO_REPLY
    SUSPECT = "suspect"  # a pair, but the reply may belong to another request, or be the request repeated
    ORPHAN = "orphan"  # a reply to no request that was heard
    BROADCAST = "broadcast"
    ECHO = "echo"  # the request again, right after it: from an adapter that hears itself
    DAMAGED = "damaged"  # a damaged request or reply, or bytes of neither


@dataclass(frozen=True, slots=True)
class Transaction:
    """A request and its reply, each a whole frame, or as many of its bytes as came.

    `time` is that of the last byte of the request; without a request, of the reply or the damage. `latency`
    is the seconds from there to the last byte of the reply. `damage` says which part is damaged and how.
    Bytes of no frame are the `reply` of a transaction without a request. Each byte on the line is in exactly
    one transaction, except that a LATE one repeats the request.
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
        """The function code, without the high bit of an exception; None if unknown."""
        return self._head[1] & 0x7F if len(self._head) > 1 else None

    @property
    def address(self) -> int | None:
        """The first address that it reads, or else writes."""
        row = self._row
        return self._asked_word(2) if row and row.has_address else None

    @property
    def count(self) -> int | None:
        """The number of registers or bits that it reads, or else writes."""
        if self.function in (WRITE_COIL, WRITE_REGISTER):
            return 1 if self._asked else None
        row = self._row
        return self._asked_word(4) if row and row.has_count else None

    @property
    def exception(self) -> int | None:
        """The exception code of the unit."""
        answer = self._answer
        return answer[2] if answer and answer[1] >= 0x80 else None

    @property
    def values(self) -> list[int] | None:
        """The registers or bits in the reply, or those that the request writes; None if refused."""
        if self.exception is not None:
            return None
        answer = self._answer
        if answer and self.function in READING_BITS:
            data = answer[3:-2]
            return list(pdu.unpack_bits(data, 8 * len(data) if self.count is None else self.count))
        if answer and self.function in READING_REGISTERS:
            return _registers(answer[3:-2])
        if answer and self.function == READ_FIFO:
            return _registers(answer[6:-2])
        return self._written()

    def _written(self) -> list[int] | None:
        """The registers or bits that the request writes."""
        asked = self._asked
        if not asked:
            return None
        if self.function in (WRITE_COIL, WRITE_REGISTER):
            return [_word(asked, 4)]
        if self.function == WRITE_COILS:
            return list(pdu.unpack_bits(asked[7:-2], _word(asked, 4)))
        return _registers(asked[7:-2]) if self.function == WRITE_REGISTERS else None

    @property
    def written(self) -> tuple[int, list[int]] | None:
        """The first address and the registers that function 23 writes; None if refused (MAP 6.17)."""
        asked = self._asked
        if self.function != READ_AND_WRITE or not asked or self.exception is not None:
            return None
        return _word(asked, 6), _registers(asked[11:-2])

    @property
    def _head(self) -> bytes:
        """A frame with unit and function at its start."""
        return self.request or self._answer or b""

    @property
    def _row(self) -> Function | None:
        function = self.function
        return None if function is None else FUNCTIONS.get(function)

    @property
    def _asked(self) -> bytes | None:
        """The request, if it is intact."""
        return None if (self.damage or "").startswith("request") else self.request

    @property
    def _answer(self) -> bytes | None:
        """The reply, if it is intact."""
        return None if self.kind in (Kind.DAMAGED, Kind.ECHO) else self.reply

    def _asked_word(self, at: int) -> int | None:
        asked = self._asked
        return _word(asked, at) if asked else None


def _word(frame: bytes, at: int) -> int:
    return int.from_bytes(frame[at:at + 2], "big")


def _registers(data: bytes) -> list[int]:
    return list(struct.unpack(f">{len(data) // 2}H", data[:len(data) // 2 * 2]))
