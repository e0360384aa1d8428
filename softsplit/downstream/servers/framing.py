"""Framing: find the request to answer among all traffic on a serial line."""

from softsplit.downstream.servers.othertraffic import OtherTraffic
from softsplit.downstream.unserved import Unserved
from softsplit.protocol import adu
from softsplit.protocol.addresses import size_of, unit_of

STREAM_JOIN = 0.25  # s, like JOIN on a TCP connection, where a delayed acknowledgement may hold up a piece


class Framer:
    """Finds, in what a line carries, the requests to be answered: those for our units which silence follows.

    Bytes up to a silence are a segment. Known frames of anybody are walked from its front, and a request that
    ends it is found. After noise, the longest suffix that is a request counts. What may be the beginning of a
    frame waits for the next segment, at most `join` seconds: `expires_at` tells until when, on the
    clock. `size` is that of the addresses of our units. What is heard besides is counted in `unserved`.
    """

    def __init__(self, unserved: Unserved, join: float = adu.JOIN):
        self._units = frozenset(unserved.units)
        self._others = OtherTraffic(unserved)
        self.size = size_of(self._units)
        self._join = join
        self._held = b""
        self.expires_at: float | None = None

    def segment(self, data: bytes, began: float, ended: float) -> bytes | None:
        """Take in a segment which came from `began` to `ended`; return the request it ends in, if any."""
        if self.expires_at is not None and began <= self.expires_at:
            data = self._held + data
        elif self._held:
            self._others.stray(len(self._held))
        self._held, self.expires_at = b"", None
        begin, rest = self._walk(data)
        if not rest:
            return self._ours(data[begin:])
        if adu.is_rtu_frame(rest, self.size):  # its function does not tell its length, or a wrong one
            self._others.frame(rest)
            return rest if unit_of(rest, self.size) in self._units else None
        length = max(adu.request_length(rest, self.size), adu.reply_length(rest, self.size))
        if length > len(rest) and len(rest) < adu.MAX_RTU_FRAME:
            self._held, self.expires_at = rest, ended + self._join
            return None
        return self._suffix(rest)

    def end(self) -> None:
        """The line is gone: whoever has not answered does so no more."""
        self._others.end()

    def expire(self) -> bytes | None:
        """Nothing followed what was held; return the request it ends in, if any."""
        held, self._held, self.expires_at = self._held, b"", None
        return self._suffix(held)

    def _walk(self, data: bytes) -> tuple[int, bytes]:
        """Walk over whole known frames; return where the last one begins, and what follows it."""
        begin = at = 0
        while at < len(data):
            length = adu.known_length(data[at:at + adu.MAX_RTU_FRAME - 1 + self.size], self.size)
            if not length:
                break
            self._others.frame(data[at:at + length])
            begin, at = at, at + length
        return begin, data[at:]

    def _ours(self, frame: bytes) -> bytes | None:
        """Return the frame if it is a request for one of our units."""
        is_ours = frame and unit_of(frame, self.size) in self._units
        return frame if is_ours and adu.request_length(frame, self.size) == len(frame) else None

    def _suffix(self, data: bytes) -> bytes | None:
        """Return the longest suffix that is a request for one of our units."""
        for begin in range(max(0, len(data) - adu.MAX_RTU_FRAME), len(data) - 2 - self.size):
            frame = data[begin:]
            if self._ours(frame) and adu.crc(frame) == 0:
                if begin:
                    self._others.stray(begin)
                self._others.frame(frame)
                return frame
        if data:
            self._others.stray(len(data))
        return None
