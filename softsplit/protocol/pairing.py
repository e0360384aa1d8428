"""Pairing: requests and replies out of the bytes that a half-duplex serial line carries."""

from collections import deque

from softsplit.protocol import frames
from softsplit.protocol.conversation import Conversation
from softsplit.protocol.crcs import Bytes
from softsplit.protocol.frames import MAX_RTU_FRAME
from softsplit.protocol.packets import Packets
from softsplit.protocol.shapes import ECHOES, answer_length, answers, is_known, reply_length, request_length
from softsplit.protocol.transaction import Kind, Transaction

__all__ = ["Kind", "Pairing", "Transaction"]

MODES = ("auto", "alternating", "rts")
REQUEST, REPLY, NOISE, WAIT = "request", "reply", "noise", "wait"
FRAME_SILENCE = 3.5  # characters; MODBUS over Serial Line V1.02, 2.5.1.1
LONG_SILENCE = 0.5  # s; longer than any hole in a frame
PIECE = 256  # bytes taken in at once, so that memory is bounded


class Pairing:
    """Tells, from bytes and the times at which they were read, what was asked and answered.

    `character_time` is that of one character on the line, `jitter` how late a read may tell of a byte, `timeout`
    how long a reply may take, all in seconds.
    """

    def __init__(self, character_time: float, mode: str = "auto", jitter: float = 0.016, timeout: float = 2.0):
        if mode not in MODES:
            raise ValueError(f"{mode} is not a mode; there are {', '.join(MODES)}")
        self._character_time, self._jitter, self._timeout = character_time, jitter, timeout
        self._talk = Conversation(jitter, timeout)
        self._lines: dict[str | None, Line | Packets] = {}
        self._mode = mode

    def feed(self, data: bytes, t: float | None = None, role: str | None = None) -> list[Transaction]:
        """Take in what a read at `t` brought; return the transactions that are now complete."""
        line = self._line(role)
        role = role if self._mode != "alternating" else None
        for at in range(0, len(data), PIECE):
            line.take(data[at:at + PIECE], t, role)
        return self._told()

    def idle(self, t: float) -> list[Transaction]:
        """Nothing was read up to `t`."""
        for line in self._lines.values():
            line.idle(t)
        self._talk.expire(t)
        return self._told()

    def finish(self) -> list[Transaction]:
        """Nothing more comes."""
        for line in self._lines.values():
            line.finish()
        self._talk.give_up()
        self._talk.settle()
        return self._told()

    def _line(self, role: str | None) -> "Line | Packets":
        role = role if self._mode == "auto" else None
        if role not in self._lines:
            self._lines[role] = (Line(self._talk, self._character_time, self._jitter, role)
                                 if self._mode == "auto" else
                                 Packets(self._talk, self._character_time, self._timeout))
        return self._lines[role]

    def _told(self) -> list[Transaction]:
        told, self._talk.told = self._talk.told, []
        return told


def _has_shape(window) -> bool:
    return len(window) >= 4 and len(window) in (request_length(window), reply_length(window))


class Line:
    """Finds the frames in what was read from one line."""

    def __init__(self, talk: Conversation, character_time: float, jitter: float, role: str | None):
        self._talk, self._character_time, self._jitter, self._role = talk, character_time, jitter, role
        self._bytes = Bytes(_has_shape)
        self._reads: deque[tuple[int, float]] = deque(maxlen=2 * MAX_RTU_FRAME)  # where they ended, and when
        self._silences: deque[int] = deque(maxlen=2 * MAX_RTU_FRAME)  # before which byte
        self._long_silence = 0  # before which byte
        self._follows = False  # the head follows a frame

    @property
    def end(self) -> int:
        return self._bytes.offset + len(self._bytes.data)

    @property
    def _begin(self) -> float | None:
        """When the head began."""
        time = self._time(self._bytes.offset + 1)
        return None if time is None else time - self._character_time

    def take(self, data: bytes, t: float | None, role: str | None = None) -> None:
        if t is not None:
            self._listen(len(data), t)
        self._bytes.append(data)
        if t is not None:
            self._reads.append((self.end, t))
        self.decide()

    def _listen(self, count: int, t: float) -> None:
        """Note the silence before these bytes, if it is certain."""
        if not self._reads:
            return
        silence = t - self._reads[-1][1] - count * self._character_time - self._jitter
        if silence > LONG_SILENCE:
            self.decide(final=True)
            self._long_silence = self.end
        if silence > FRAME_SILENCE * self._character_time:
            self._silences.append(self.end)

    def finish(self) -> None:
        self.decide(final=True)

    def idle(self, t: float) -> None:
        if self._bytes.data and self._reads and t - self._reads[-1][1] > LONG_SILENCE:
            self.decide(final=True)

    def _time(self, offset: int) -> float | None:
        """When the byte before `offset` had come, as far as the reads tell."""
        time = None
        for end, t in reversed(self._reads):
            if end < offset:
                break
            time = t - (end - offset) * self._character_time
        return time

    def decide(self, final: bool = False) -> None:
        """Take the frames and the noise from the head; `final`: silence follows."""
        while self._bytes.data:
            role, count = self._head(final)
            if role == WAIT:
                return
            end = self._time(self._bytes.offset + count)
            begin = self._begin
            taken = self._bytes.take(count)
            while self._silences and self._silences[0] < self._bytes.offset:
                self._silences.popleft()
            self._follows = role != NOISE
            if role == NOISE:
                self._talk.noise(taken, end)
            else:
                self._tell(role, taken, begin, end)

    def _tell(self, role: str, frame: bytes, begin: float | None, end: float | None) -> None:
        if role == REPLY and frame[1] in ECHOES and self._talk.is_reply_to_damage(frame, begin):
            self._talk.answer_damaged(frame, end)
        elif role == REPLY:
            self._talk.reply(frame, begin, end)
        else:
            self._talk.request(frame, begin, end)

    def _head(self, final: bool) -> tuple[str, int]:
        """Say what the head is and how many bytes of it; WAIT when more must come to tell."""
        head, waits = self._bytes.data, False
        if len(head) < 2:
            return (NOISE, 1) if final else (WAIT, 0)
        asked = self._talk.asked
        if asked and self._role != REQUEST:
            length = min(answer_length(asked.frame, head), MAX_RTU_FRAME)
            if self._is_whole(length) and answers(asked.frame, frame := bytes(head[:length])):
                if not self._is_asked_anew(frame):
                    return REPLY, length
            waits |= len(head) < length and not self._long_silence > self._bytes.offset
        synchronous = self._follows or self._bytes.offset in self._silences
        asking, answering = self._lengths(head, synchronous)
        whole = [length for length in (asking, answering) if self._is_whole(length)]
        if whole:
            length = min(whole)
            if asking == answering:
                return self._which(bytes(head[:length])), length
            return (REQUEST if length == asking else REPLY), length
        silent = self._silence_within(len(head)) is not None
        waits |= len(head) < max(asking, answering) and not silent
        if synchronous and not is_known(head[1]):
            found, length = self._unknown(final)
            if found != WAIT:
                return found, length
            waits |= len(head) < MAX_RTU_FRAME and not silent
        if not waits:
            return NOISE, 1
        return self._ahead(final)

    def _lengths(self, head, synchronous: bool) -> tuple[int, int]:
        asking = 0 if self._role == REPLY else request_length(head)
        if not asking and synchronous and head[0] and self._role != REPLY:
            asking = frames.request_length(head)
            asking = asking if asking <= MAX_RTU_FRAME else 0
        return asking, 0 if self._role == REQUEST else reply_length(head)

    def _is_whole(self, length: int) -> bool:
        return 4 <= length <= len(self._bytes.data) and self._bytes.is_good(0, length)

    def _is_asked_anew(self, frame: bytes) -> bool:
        """Whether the frame, which fits the last request, is a request nevertheless."""
        return (not self._role and request_length(frame) == len(frame)
                and self._talk.is_asked_anew(frame, self._begin))

    def _which(self, frame: bytes) -> str:
        """Which of both a frame is that may be request or reply, and is not the reply to the last request."""
        if self._role:
            return self._role
        if self._talk.asked and self._talk.asked.frame == frame:
            return REQUEST
        if frame[1] in ECHOES:
            return REPLY if self._talk.awaits_echo(frame, self._begin) else REQUEST
        if self._talk.is_familiar(frame):
            return REQUEST
        return REPLY if self._talk.was_asked(frame, self._begin) else REQUEST

    def _silence_within(self, count: int) -> int | None:
        return next((offset - self._bytes.offset for offset in self._silences
                     if 0 < offset - self._bytes.offset < count), None)

    def _unknown(self, final: bool) -> tuple[str, int]:
        """A frame of a function whose lengths nobody knows."""
        head = self._bytes.data
        silence = self._silence_within(len(head)) or (len(head) if final else None)
        for end in self._bytes.good_ends(silence or MAX_RTU_FRAME):
            rest = head[end:]
            if silence and not any(head[end:silence]) or self._frame_at(end) or (
                    len(rest) >= 2 and rest[0] == head[0] and rest[1] & 0x7F == head[1] & 0x7F):
                asked = self._talk.asked
                role = self._role or (REPLY if asked and asked.frame[0] == head[0]
                                      and asked.frame[1] & 0x7F == head[1] & 0x7F else REQUEST)
                return role, end
        return WAIT, 0

    def _frame_at(self, begin: int) -> bool:
        """Whether a frame with a good CRC begins there."""
        return any(start == begin + self._bytes.offset for start, _ in self._bytes.found)

    def _ahead(self, final: bool) -> tuple[str, int]:
        """The head may be part of a frame that is not yet whole; it is noise when surer frames follow."""
        offset, found = self._bytes.offset, self._bytes.found
        for begin, end in found:
            if begin > offset and (final or begin in self._silences or any(
                    0 <= other - end <= 2 for other, _ in found)):
                return NOISE, begin - offset
        return (NOISE, 1) if final else (WAIT, 0)
