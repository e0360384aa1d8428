"""The decoder: finds requests and replies in the bytes of a half-duplex line and pairs them.

    tap (bytes -> frames; crcs, clock, shapes) -> conversation (frames -> transactions)
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
    """Tells, from bytes and the times at which they were read, what was asked and what came of it.

    `character_time` is that of one character on the line; a read tells of a byte at most `jitter` late; a
    reply comes within `timeout`; all in seconds. What each `mode` makes of the role that comes with a read:

    - auto: needs none. Where one is given it is a fact: requests and replies come from two taps, each read
      holds only the one or the other, and a frame may go on in the next read of the same role.
    - rts: it is believed, and its change ends a frame; reads without one take turns.
    - alternating: is not looked at, requests and replies take turns; after `timeout` without a byte comes a
      request.
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
        """Take in what a read at `t` brought; return what is complete now. `role`: "request" or "reply"."""
        if t is not None:
            self._talk.expire(t - len(data) * self._character_time - self._jitter)
        if role and self._mode == AUTO and t is None:
            t = self._two.now  # only the order within each tap is known
        if data:
            self._tap(role).take(data, t, role if self._mode == RTS else None)
        self._advance(t)
        return self._tell()

    def open_requests(self) -> list[Asked]:
        """Return what was asked, of which nothing was told yet."""
        return [*filter(None, [self._talk.asked]), *self._two.open_requests()]

    def idle(self, t: float) -> list[Transaction]:
        """Nothing came up to `t`; return what is complete now."""
        if all([tap.is_silent(t) for tap in self._taps.values()]):
            self._talk.settle()
        self._talk.expire(t)
        self._advance(t)
        return self._tell()

    def finish(self) -> list[Transaction]:
        """Nothing comes any more; return what there is still to tell."""
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
