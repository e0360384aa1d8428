"""Recognise the echo of our own answers on a line whose adapter or serial server receives what it sends.

Most answers cannot be taken for a request. But the answer to some writes is the request itself (MAP 6.5, 6.6,
6.16), and the answer to a read may look like one by chance: whoever executes such an echo answers it, hears
that, and so on for ever. An echo comes before anything that a master says next. MAP is the MODBUS Application
Protocol Specification V1.1b3.
"""

from softsplit.protocol import adu

ECHO_DELAY = 0.02  # s after its last character, within which a USB adapter delivers what it heard
LATE_ECHO = 0.5  # s, the same where an echo is sure to come; the same write a second later is another one
MOST_ALIKE = 10  # times in a row that a write comes back within ECHO_DELAY of its answer: no master asks so
NOISE = b"\x00\xff"  # bytes that a line makes by itself before an echo


class Echo:
    """What was sent last, while it may still come back; at most `delay` seconds after it has left the wire.

    `is_heard` is whether the line echoes, None until it has shown that; times are seconds of the clock.
    `size` is that of a unit address, in bytes.
    """

    def __init__(self, is_heard: bool | None = None, size: int = 1, delay: float = ECHO_DELAY):
        self.is_heard = is_heard
        self._size = size
        self._delay = delay
        self._sent = b""
        self._heard = 0  # bytes of it
        self._is_disturbed = False  # something else has come since
        self._alike = 0  # times in a row that the answer to a write was followed by the same
        self._until = 0.0  # when it can come no more, unless it has come already and nobody has looked

    def expect(self, frame: bytes, left_at: float) -> None:
        """This was sent, and has left the wire at `left_at`."""
        self._sent, self._heard, self._is_disturbed = frame, 0, False
        self._until = left_at + (max(self._delay, LATE_ECHO) if self.is_heard else self._delay)

    @property
    def expires_at(self) -> float | None:
        """When it is worth to look whether an echo has come; None when nobody waits for one."""
        return self._until if self._sent and self.is_heard is not False else None

    def nothing_came(self, now: float) -> None:
        """Somebody has looked: nothing that is not known has come up to now."""
        if now < self._until or not self._sent:
            return
        is_silence = not self._heard and not self._is_disturbed
        if self.is_heard is None and is_silence and not self._looks_like_request:
            self.is_heard = False
        if self.is_heard is not False:
            self._sent = b""

    def strip(self, data: bytes, now: float) -> bytes:
        """Return what has come, without the echo in it."""
        self._watch_for_loop(data, now)
        sent = self._sent
        if not sent or self.is_heard is False and self._looks_like_request:
            return data
        missing = sent[self._heard:]
        at = data.find(missing)
        if at == 0 or at > 0 == self._heard:  # before it there is noise at most
            return self._found(data[at + len(missing):])
        begun = data if self._heard else data.lstrip(NOISE) or data
        if missing.startswith(begun) and self.is_heard is not False:  # the rest comes with the next lump
            self._heard += len(begun)
            self._until = max(self._until, now + max(self._delay, adu.JOIN))
            return b""
        data, self._heard = data if self.is_heard else sent[:self._heard] + data, 0
        self._is_disturbed = True
        if adu.known_length(data, self._size):  # what comes after an echo, and there was none
            self._sent = b""
            if self.is_heard is None:
                self.is_heard = False
        return data

    def is_own(self, request: bytes) -> bool:
        """Whether this request is what we have sent ourselves."""
        return request == self._sent and self.is_heard is not False

    def _watch_for_loop(self, data: bytes, now: float) -> None:
        """Doubt that the line does not echo when what looks like a master's write goes on coming at once.

        Noise or a late echo may have led to that belief; whoever executes an echo then does so for ever.
        """
        is_alike = self._looks_like_request and self._sent in data and now < self._until
        self._alike = self._alike + 1 if is_alike else 0
        if self.is_heard is False and self._alike >= MOST_ALIKE:
            self.is_heard, self._alike = None, 0

    def _found(self, rest: bytes) -> bytes:
        """The echo has come, and `rest` after it."""
        if not self._looks_like_request:
            self.is_heard = True
        self._sent = b""  # what is the same after it comes from a master
        return rest

    @property
    def _looks_like_request(self) -> bool:
        return bool(self._sent) and adu.request_length(self._sent, self._size) == len(self._sent)
