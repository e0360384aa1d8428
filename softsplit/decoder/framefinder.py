"""Find the frames in the bytes of one tap.

The head, the start of the undecided bytes, is tried as the reply to the last request; then as any request or
reply whose function defines its length; then, where a frame must begin, as a frame of an unknown function.
Its CRC must always be good. While the head may still become a frame, it waits, unless surer frames after it
show that it is noise. Anything else is noise, byte by byte.
"""

from collections.abc import Iterator

from softsplit.decoder.arrival import Clock
from softsplit.decoder.crcwindows import LEAST, Bytes
from softsplit.decoder.damage import STRAY
from softsplit.decoder.lengths import (answer_length, answers, is_known, is_same_function, reply_length,
                                       request_length)
from softsplit.decoder.pairing import Pairing
from softsplit.decoder.twotaps import Side
from softsplit.protocol import adu
from softsplit.protocol.adu import MAX_RTU_FRAME
from softsplit.protocol.functions import REPORT_SERVER

REQUEST, REPLY, NOISE, WAIT = "request", "reply", "noise", "wait"
LONG_SILENCE = 0.5  # s; longer than any gap in a frame
PIECE = 256  # bytes taken at once, which bounds the memory


class Tap:
    """Finds frames and hands them to a Pairing or a Side; `role`: this tap hears only requests or replies."""

    def __init__(self, talk: Pairing | Side, character_time: float, jitter: float, role: str | None = None):
        self._talk, self._role, self._character_time = talk, role, character_time
        self._bytes, self._clock = Bytes(), Clock(character_time, jitter)
        self._follows = False  # the head follows a frame
        self._examined = LEAST  # bytes searched for a reply to the head
        self._ahead: dict[int, int] = {}  # begin and end of the frames after the head, by CRC and shape
        self._sure: set[int] = set()  # begins of those that are no accident

    def take(self, data: bytes, t: float | None, role: str | None = None) -> None:
        """Take the bytes of a read at `t`."""
        if self._clock.silence(len(data), t) > LONG_SILENCE:
            self.finish()
        for at in range(0, len(data), PIECE):
            piece = data[at:at + PIECE]
            rest = len(data) - at - len(piece)
            self._take(piece, None if t is None else t - rest * self._character_time)

    def _take(self, piece: bytes, t: float | None) -> None:
        begin = self._bytes.offset + len(self._bytes.data)
        self._clock.read(begin, begin + len(piece), t)
        for window in self._bytes.append(piece):
            self._note(*window)
        self._decide(final=False)

    def is_silent(self, t: float) -> bool:
        """Whether the line is silent at `t` for so long that no frame continues; then all is decided."""
        silent = self._clock.silent_for(t) > LONG_SILENCE
        if silent:
            self.finish()
        return silent

    def finish(self) -> None:
        """Decide about all bytes: no more will come."""
        self._decide(final=True)

    def _note(self, begin: int, end: int) -> None:
        """Note a window with a good CRC: a frame, if its length fits its function.

        It is no accident if silence precedes it, another frame follows it, or it was expected.
        """
        window = self._bytes.window(begin, end)
        if begin <= self._bytes.offset or len(window) not in self._lengths(window):
            return
        self._sure.update(other for other, its_end in self._ahead.items() if 0 <= begin - its_end <= STRAY)
        if begin in self._clock.silences or self._talk.expects(bytes(window)):
            self._sure.add(begin)
        self._ahead[begin] = end

    def _decide(self, final: bool) -> None:
        """Hand over what the head is, as long as that is clear; `final`: silence follows."""
        while self._bytes.data:
            what, count = self._head(final)
            if what == WAIT:
                break
            offset = self._bytes.offset
            begin, end = self._clock.begin(offset), self._clock.time(offset + count)
            self._follows, self._examined = what != NOISE, LEAST
            self._tell(what, self._bytes.take(count), begin, end)
            self._forget(offset + count)

    def _forget(self, offset: int) -> None:
        self._clock.forget(offset)
        if self._ahead:
            self._ahead = {begin: end for begin, end in self._ahead.items() if begin >= offset}
            self._sure = {begin for begin in self._sure if begin > offset}

    def _tell(self, what: str, taken: bytes, begin: float | None, end: float | None) -> None:
        if what == NOISE:
            self._talk.noise(taken, end)
        elif what == REQUEST:
            self._talk.request(taken, begin, end)
        else:
            self._talk.reply(taken, begin, end, self._role is not None)

    def _head(self, final: bool) -> tuple[str, int]:
        """Say what the head is, and how many bytes of it."""
        head, longest = self._bytes.data, 2
        if len(head) >= longest:
            for rule in (self._expected, self._known, self._unknown):
                what, length = rule(head, final)
                if what:
                    return what, length
                longest = max(longest, length)
        if final or longest <= len(head):
            return NOISE, 1
        return (NOISE, min(self._sure) - self._bytes.offset) if self._sure else (WAIT, 0)

    # Each rule returns what the head is and its length; or None and the length at which it could be a frame.

    def _expected(self, head: bytearray, final: bool) -> tuple[str | None, int]:
        """The reply to the last request, unless it is that request again."""
        length = self._expected_length(head)
        asked = self._talk.asked
        if asked and self._bytes.is_good(length):
            frame = bytes(head[:length])
            if answers(asked.frame, frame) and not self._is_asked_anew(frame):
                return REPLY, length
        if asked and asked.frame[1] == REPORT_SERVER and self._role != REQUEST:
            return self._miscounted(asked.frame, head, length, final)
        return None, length

    def _miscounted(self, asked: bytes, head: bytearray, least: int, final: bool) -> tuple[str | None, int]:
        """The reply to function 17, whose byte count is wrong in some units: a good CRC shows its end."""
        if not is_same_function(asked, head) or bytes(head[:len(asked)]) == asked:
            return None, least
        silence = self._silence_in(head) or final and len(head)
        ends = (length for length in range(5, 1 + (silence or len(head))) if self._bytes.is_good(length))
        length = next(ends, 0)
        return (REPLY, length) if length else (None, 0 if silence else MAX_RTU_FRAME)

    def _expected_length(self, head: bytearray) -> int:
        asked = self._talk.asked
        return 0 if asked is None or self._role == REQUEST else answer_length(asked.frame, head)

    def _is_asked_anew(self, frame: bytes) -> bool:
        return (self._role is None and request_length(frame) == len(frame)
                and self._talk.is_asked_anew(frame, self._clock.begin(self._bytes.offset)))

    def _known(self, head: bytearray, final: bool) -> tuple[str | None, int]:
        """A frame whose function defines its length."""
        asking, answering = self._lengths(head)
        if not asking and head[0] and self._may_be_odd(head):
            asking = min(adu.request_length(head), MAX_RTU_FRAME)
        whole = [length for length in (asking, answering) if self._bytes.is_good(length)]
        if not whole:
            return None, 0 if self._silence_in(head) else max(asking, answering)
        length = min(whole)
        if asking == answering:
            begin = self._clock.begin(self._bytes.offset)
            return REPLY if self._talk.is_reply(bytes(head[:length]), begin) else REQUEST, length
        return REQUEST if length == asking else REPLY, length

    def _may_be_odd(self, head: bytearray) -> bool:
        """Whether the head may be a request for impossible addresses, and cannot be the expected reply."""
        return self._is_begin and self._role != REPLY and self._expected_length(head) <= len(head)

    def _unknown(self, head: bytearray, final: bool) -> tuple[str | None, int]:
        """A frame of an unknown function: only silence or the next frame shows where it ends."""
        if is_known(head[1]) or not self._is_begin:
            return None, 0
        silence = self._silence_in(head) or final and len(head)
        length = silence and self._end_before(head[:silence])
        length = length or next(filter(self._bytes.is_good, self._begins_after(head)), 0)
        if length:
            asked = self._talk.asked
            answer = asked and is_same_function(asked.frame, head)
            return self._role or (REPLY if answer else REQUEST), length
        return None, 0 if silence else MAX_RTU_FRAME

    def _end_before(self, head: bytearray) -> int:
        """Where a frame ends that silence follows, perhaps after zeros, which keep a good CRC good; or 0."""
        length = max(LEAST, len(head.rstrip(b"\0")))
        return length if self._bytes.is_good(length) else 0

    def _begins_after(self, head: bytearray) -> Iterator[int]:
        """Yield where frames may begin after the head, also the reply to it; each place once."""
        yield from (begin - self._bytes.offset for begin in self._ahead)
        for place in range(self._examined, len(head) - 1):
            if is_same_function(head, head[place:place + 2]):
                yield place
        self._examined = max(self._examined, len(head) - 1)

    @property
    def _is_begin(self) -> bool:
        """Whether a frame must begin at the head."""
        return self._follows or self._bytes.offset in self._clock.silences

    def _silence_in(self, head: bytearray) -> int:
        """How many bytes of the head precede a silence; 0 without one."""
        offset = self._bytes.offset
        return next((begin - offset for begin in self._clock.silences if begin > offset), 0)

    def _lengths(self, head: bytearray) -> tuple[int, int]:
        """The minimum lengths as a request and as a reply; 0 if it cannot be one."""
        return (0 if self._role == REPLY else request_length(head),
                0 if self._role == REQUEST else reply_length(head))
