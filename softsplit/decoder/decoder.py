"""The decoder: finds requests and replies in the bytes of a half-duplex line and pairs them.

    framefinder (bytes -> frames; by crcwindows, arrival, lengths) -> pairing or twotaps (frames ->
    transactions)
"""

from softsplit.decoder.alternating import Alternating
from softsplit.decoder.framefinder import Tap
from softsplit.decoder.pairing import Pairing
from softsplit.decoder.requests import Asked
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.decoder.twotaps import Side, TwoTaps

__all__ = ["MODES", "Kind", "Decoder", "Transaction"]

AUTO, ALTERNATING, RTS = MODES = ("auto", "alternating", "rts")


class Decoder:
    """Turns bytes, and the times at which they were read, into transactions.

    `character_time` is that of one character on the line; a read comes at most `jitter` after its last byte;
    a reply comes within `timeout`; all in seconds. A read may come with a role, "request" or "reply". `mode`
    is

    - auto: no role is needed. If given, it is a fact: requests and replies come from two taps, each read
      holds only one kind, and a frame may continue in the next read of the same role.
    - rts: the role is believed, and its change ends a frame; without roles, requests and replies take turns.
    - alternating: roles are ignored; requests and replies take turns, and a request comes after `timeout`
      without a byte.
    """

    def __init__(self, character_time: float, mode: str = AUTO, jitter: float = 0.016, timeout: float = 2.0):
        if mode not in MODES:
            raise ValueError(f"there is no mode {mode!r}; there are {', '.join(MODES)}")
        self._character_time, self._jitter, self._timeout = character_time, jitter, timeout
        self._mode = mode
        self._talk = Pairing(jitter, timeout)
        self._two = TwoTaps(jitter, timeout)
        self._sides: list[Side] = []
        self._taps: dict[str | None, Tap | Alternating] = {}

    def feed(self, data: bytes, t: float | None = None, role: str | None = None) -> list[Transaction]:
        """Take the bytes of a read at `t`; return the transactions that are now complete."""
        if t is not None:
            self._talk.expire(t - len(data) * self._character_time - self._jitter)
        if role and self._mode == AUTO and t is None:
            t = self._two.now  # only the order within each tap is known
        if data:
            self._tap(role).take(data, t, role if self._mode == RTS else None)
        self._advance(t)
        return self._tell()

    def open_requests(self) -> list[Asked]:
        """Return the requests whose transaction is not complete."""
        return [*filter(None, [self._talk.asked]), *self._two.open_requests()]

    def idle(self, t: float) -> list[Transaction]:
        """Note silence until `t`; return the transactions that are now complete."""
        if all([tap.is_silent(t) for tap in self._taps.values()]):
            self._talk.settle()
        self._talk.expire(t)
        self._advance(t)
        return self._tell()

    def finish(self) -> list[Transaction]:
        """End: return the remaining transactions."""
        for tap in self._taps.values():
            tap.finish()
        self._talk.give_up()
        self._talk.settle()
        for side in self._sides:
            side.settle()
        self._two.advance(0.0, final=True)
        return self._tell()

    def _advance(self, t: float | None) -> None:
        if t is not None and self._sides:
            for side in self._sides:
                side.settle(t)
            self._two.advance(t)

    def _tell(self) -> list[Transaction]:
        return self._talk.tell() + self._two.tell()

    def _tap(self, role: str | None) -> Tap | Alternating:
        if self._mode != AUTO:
            role = None
        if role not in self._taps:
            self._taps[role] = self._new_tap(role)
        return self._taps[role]

    def _new_tap(self, role: str | None) -> Tap | Alternating:
        if self._mode == AUTO:
            if role:
                self._sides.append(Side(self._two, role))
            return Tap(self._sides[-1] if role else self._talk, self._character_time, self._jitter, role)
        return Alternating(self._talk, self._character_time, self._timeout)
