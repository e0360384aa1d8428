"""Decode a line on which the sender of each frame is known: requests and replies alternate."""

from softsplit.decoder.pairing import Pairing
from softsplit.protocol import adu
from softsplit.protocol.adu import MAX_RTU_FRAME, crc

LENGTHS = {"request": adu.request_length, "reply": adu.reply_length}
OTHER = {"request": "reply", "reply": "request"}


class Alternating:
    """Cuts the bytes into packets by the length at their start, and believes the given role.

    Without a role, requests and replies take turns; after `timeout` seconds of silence a request comes.
    """

    def __init__(self, talk: Pairing, character_time: float, timeout: float):
        self._talk, self._character_time, self._timeout = talk, character_time, timeout
        self._data = b""
        self._role = "request"
        self._time: float | None = None  # of the last read

    def take(self, data: bytes, t: float | None, role: str | None = None) -> None:
        if t is not None:
            self.is_silent(t)
        if role and role != self._role:
            self._begin(role)
        self._data += data
        self._time = t
        while self._data:
            length = min(LENGTHS[self._role](self._data) or len(self._data), MAX_RTU_FRAME)
            if len(self._data) < length or len(self._data) < 2:
                break
            self._packet(length)
            self._role = role or OTHER[self._role]

    def is_silent(self, t: float) -> bool:
        """Whether the line is silent at `t` for so long that no packet continues; the rest is then noise."""
        silent = self._time is not None and t - self._time > self._timeout
        if silent:
            self.finish()
        return silent

    def finish(self) -> None:
        self._begin("request")

    def _begin(self, role: str) -> None:
        """A new sender begins; bytes left from the last one are noise."""
        if self._data:
            self._talk.noise(self._data, self._time)
        self._data, self._role = b"", role

    def _packet(self, length: int) -> None:
        packet, self._data = self._data[:length], self._data[length:]
        time = None if self._time is None else self._time - len(self._data) * self._character_time
        begin = None if time is None else time - length * self._character_time
        if crc(packet) or length < 4:
            self._talk.noise(packet, time)
        elif self._role == "request":
            self._talk.request(packet, begin, time)
        else:
            self._talk.reply(packet, begin, time)
