"""Recognise the echo of our own answers on a line whose adapter or serial server receives what it sends.

Most answers cannot be taken for a request. But the answer to some writes is the request itself (MAP 6.5, 6.6,
6.16; MODBUS Application Protocol Specification V1.1b3), and the answer to a read may look like one by chance:
a server that executes such an echo answers it, hears that, and so on for ever. An echo comes before the next
request of a master.
"""

from softsplit.protocol import adu

ECHO_DELAY = 0.02  # s from the last character of an answer until a USB adapter has delivered its echo
LATE_ECHO = 0.5  # s, the same on a line that is known to echo; the same write a second later is another one
MOST_ALIKE = 10  # times in a row that a write comes back within ECHO_DELAY of its answer; no master does that
NOISE = b"\x00\xff"  # bytes that may appear on a line before an echo


class Echo:
    """The latest frame that we sent, while its echo may come: `delay` seconds after it has left the wire.

    `is_heard` is whether the line echoes, None while unknown; times are seconds of the clock. `size` is that
    of a unit address, in bytes.
    """

    def __init__(self, is_heard: bool | None = None, size: int = 1, delay: float = ECHO_DELAY):
        self.is_heard = is_heard
        self._size = size
        self._delay = delay
        self._sent = b""
        self._heard = 0  # bytes of its echo so far
        self._is_disturbed = False  # whether other bytes have come since
        self._alike = 0  # times in a row that the same frame followed the answer to a write
        self._until = 0.0  # when the echo can come no more, unless it is in the buffer

    def expect(self, frame: bytes, left_at: float) -> None:
        """Note a frame that was sent and has left the wire at `left_at`."""
        self._sent, self._heard, self._is_disturbed = frame, 0, False
        self._until = left_at + (max(self._delay, LATE_ECHO) if self.is_heard else self._delay)

    @property
    def expires_at(self) -> float | None:
        """When to call `nothing_came`; None while no echo is expected."""
        return self._until if self._sent and self.is_heard is not False else None

    def nothing_came(self, now: float) -> None:
        """Note that no more bytes have come up to now."""
        if now < self._until or not self._sent:
            return
        is_silence = not self._heard and not self._is_disturbed
        if self.is_heard is None and is_silence and not self._looks_like_request:
            self.is_heard = False
        if self.is_heard is not False:
            self._sent = b""

    def strip(self, data: bytes, now: float) -> bytes:
        """Return received bytes without the echo in them."""
        self._watch_for_loop(data, now)
        sent = self._sent
        if not sent or self.is_heard is False and self._looks_like_request:
            return data
        missing = sent[self._heard:]
        at = data.find(missing)
        if at == 0 or at > 0 == self._heard:  # before it there is only noise
            return self._found(data[at + len(missing):])
        begun = data if self._heard else data.lstrip(NOISE) or data
        if missing.startswith(begun) and self.is_heard is not False:  # the rest comes next
            self._heard += len(begun)
            self._until = max(self._until, now + max(self._delay, adu.JOIN))
            return b""
        data, self._heard = data if self.is_heard else sent[:self._heard] + data, 0
        self._is_disturbed = True
        if adu.known_length(data, self._size):  # a frame comes after the echo, so there was none
            self._sent = b""
            if self.is_heard is None:
                self.is_heard = False
        return data

    def is_own(self, request: bytes) -> bool:
        """Whether this request is the echo of our own frame."""
        return request == self._sent and self.is_heard is not False

    def _watch_for_loop(self, data: bytes, now: float) -> None:
        """Doubt that the line has no echo when the same write comes again and again at once.

        Noise or a late echo may have misled us, and then we would execute echoes for ever.
        """
        is_alike = self._looks_like_request and self._sent in data and now < self._until
        self._alike = self._alike + 1 if is_alike else 0
        if self.is_heard is False and self._alike >= MOST_ALIKE:
            self.is_heard, self._alike = None, 0

    def _found(self, rest: bytes) -> bytes:
        """Note that the echo has come; return the bytes after it."""
        if not self._looks_like_request:
            self.is_heard = True
        self._sent = b""  # the same bytes again are a request of a master
        return rest

    @property
    def _looks_like_request(self) -> bool:
        return bool(self._sent) and adu.request_length(self._sent, self._size) == len(self._sent)
