"""Framing: find the request to answer among all traffic on a serial line."""

from softsplit.downstream.servers.othertraffic import OtherTraffic
from softsplit.downstream.unserved import Unserved
from softsplit.protocol import adu
from softsplit.protocol.addresses import size_of, unit_of


class Framer:
    """Finds the requests to answer: those for our units that are followed by silence.

    Bytes up to a silence are a segment. The framer skips known frames from its front, and returns a request
    at its end. After noise, it returns the longest suffix that is a request. Bytes that may begin a frame
    wait for the next segment for `join` seconds, until `expires_at`. `size` is that of the addresses of our
    units. All other traffic is counted in `unserved`.
    """

    def __init__(self, unserved: Unserved, join: float = adu.JOIN):
        self._units = frozenset(unserved.units)
        self._others = OtherTraffic(unserved)
        self.size = size_of(self._units)
        self._join = join
        self._held = b""
        self.expires_at: float | None = None

    def segment(self, data: bytes, began: float, ended: float) -> bytes | None:
        """Take a segment that came from `began` to `ended`; return the request at its end, if any."""
        if self.expires_at is not None and began <= self.expires_at:
            data = self._held + data
        elif self._held:
            self._others.stray(len(self._held))
        self._held, self.expires_at = b"", None
        begin, rest = self._walk(data)
        if not rest:
            return self._ours(data[begin:])
        if adu.is_rtu_frame(rest, self.size):  # its function tells no length, or a wrong one
            self._others.frame(rest)
            return rest if unit_of(rest, self.size) in self._units else None
        if len(rest) < adu.MAX_RTU_FRAME and self._may_go_on(rest):
            self._held, self.expires_at = rest, ended + self._join
            return None
        return self._suffix(rest)

    def end(self) -> None:
        """Note that the line is gone: no other device answers any more."""
        self._others.end()

    def expire(self) -> bytes | None:
        """Note that nothing followed the held bytes; return the request at their end, if any."""
        held, self._held, self.expires_at = self._held, b"", None
        return self._suffix(held)

    def _walk(self, data: bytes) -> tuple[int, bytes]:
        """Skip whole known frames; return where the last one begins, and the bytes after it."""
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

    def _may_go_on(self, rest: bytes) -> bool:
        """Whether more of a frame may follow: by its length, or because its function tells no length."""
        length = max(adu.request_length(rest, self.size), adu.reply_length(rest, self.size))
        if length:
            return length > len(rest)
        return unit_of(rest, self.size) in self._units and self._find(rest) is None

    def _find(self, data: bytes) -> int | None:
        """Return where the longest suffix begins that is a request for one of our units."""
        begins = range(max(0, len(data) - adu.MAX_RTU_FRAME), len(data) - 2 - self.size)
        return next((begin for begin in begins if self._ours(data[begin:]) and adu.crc(data[begin:]) == 0),
                    None)

    def _suffix(self, data: bytes) -> bytes | None:
        """Return the longest suffix that is a request for one of our units."""
        begin = self._find(data)
        strays = len(data) if begin is None else begin
        if strays:
            self._others.stray(strays)
        if begin is None:
            return None
        self._others.frame(data[begin:])
        return data[begin:]
