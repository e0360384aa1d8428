"""A conversation: what masters and units say on a serial line, frame by frame, becomes transactions."""

from collections import deque
from dataclasses import dataclass

from softsplit.protocol.frames import MAX_RTU_FRAME, crc
from softsplit.protocol.shapes import ECHOES, answer_length, answers, request_length
from softsplit.protocol.transaction import Kind, Transaction

MEMORY = 4  # requests without a reply that a reply may still come to
PATIENT_FOR = 0.2  # s; no master asks again sooner, no unit takes longer, as far as nothing else is known
STRAY, TORN = 2, 3  # bytes at most between two frames when a driver lets go; bytes at least of a torn frame
LOOK_BACK, WRONG_BITS = 16, 6  # bytes and bits, to recognise a frame in the noise
RECENT, FAMILIAR = 15, 256  # replies, requests


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its frame, when it ended, whether it was asked before, and how many requests were before it."""

    frame: bytes
    time: float | None
    retry: bool
    number: int


class Conversation:
    """Takes in frames and noise in the order in which they were heard; what is complete is in `told`.

    Times are those of the last byte, in seconds, or None throughout; `jitter` is how late they may be.
    """

    def __init__(self, jitter: float, timeout: float):
        self._told: list[Transaction] = []
        self.asked: Asked | None = None
        self._unanswered: deque[Asked] = deque(maxlen=MEMORY)
        self._jitter, self._timeout = jitter, timeout
        self._waits: dict[int, deque[float]] = {}  # until the last replies began, by unit
        self._retry_interval: float | None = None  # the shortest
        self._number = 0
        self._asked_before: dict[bytes, None] = {}  # what was asked, the latest last
        self._noise, self._noise_time = b"", None

    def noise(self, data: bytes, time: float | None) -> None:
        """Bytes that are part of no frame."""
        self._noise += data
        self._noise_time = time
        if len(self._noise) >= MAX_RTU_FRAME:
            self.give_up()
            self._tell_noise()

    def request(self, frame: bytes, begin: float | None, time: float | None) -> None:
        if first := self._late_echo_of(begin):
            echo, self.asked = self.asked, None
            self._tell_late(first, echo.frame, echo.time)
        retry = self._is_retried(frame, time)
        self.give_up()
        self._tell_noise()
        self._number += 1
        self._asked_before.pop(frame, None)
        self._asked_before[frame] = None
        if len(self._asked_before) > FAMILIAR:
            del self._asked_before[next(iter(self._asked_before))]
        asked = Asked(frame, time, retry, self._number)
        if frame[0] == 0:
            self._tell(Kind.BROADCAST, asked)
        else:
            self.asked = asked

    def reply(self, frame: bytes, begin: float | None, time: float | None) -> None:
        asked = self.asked
        if frame[1] in ECHOES and self._is_reply_to_damage(frame, begin):
            return self._answer_damaged(frame, time)
        if asked is None or not answers(asked.frame, frame):
            return self._unexpected(frame, time)
        if frame[1] not in ECHOES and self._was_damaged(asked.frame):
            self.give_up()  # it was asked again, and that is the noise
            return self._answer_damaged(frame, time)
        is_suspect = self._is_suspect(asked, frame, begin)
        self._tell_noise()
        self.asked = None
        wait = _between(asked.time, begin)
        if wait is not None and frame[1] not in ECHOES:
            self._waits.setdefault(frame[0], deque(maxlen=RECENT)).append(wait)
        sure = Kind.EXCEPTION if frame[1] >= 0x80 else Kind.OK
        self._tell(Kind.SUSPECT if is_suspect else sure, asked, frame,
                   _between(asked.time, time))

    def give_up(self) -> None:
        """No reply comes to what was asked last."""
        asked, self.asked = self.asked, None
        if asked is None:
            return
        self._unanswered.append(asked)
        if self._is_torn_reply(asked.frame):
            self._tell(Kind.DAMAGED, asked, self._noise, damage=_damage(asked.frame, self._noise))
            self._noise = b""
        else:
            self._tell(Kind.NO_REPLY, asked)

    def expire(self, time: float) -> None:
        """Give up what was asked too long ago, and tell of the noise."""
        if self.asked and self.asked.time is not None and time - self.asked.time > self._timeout:
            self.give_up()

    def is_asked_anew(self, frame: bytes, begin: float | None) -> bool:
        """Whether a frame that began then, and may be a request as well as the reply, is not the reply."""
        if frame == self.asked.frame and self._was_damaged(frame):
            return True  # the noise was its echo
        return (frame in self._asked_before and 2 * self._jitter <= self._patience(frame[0])
                and not self._is_young(self.asked, begin))

    def expects(self, frame: bytes) -> bool:
        """Whether it is the reply to what was asked last, or was asked before."""
        return frame in self._asked_before or self.asked is not None and answers(self.asked.frame, frame)

    def is_familiar(self, frame: bytes) -> bool:
        """Whether it was asked before, as far as that is remembered."""
        return frame in self._asked_before

    def was_asked(self, frame: bytes, time: float | None) -> Asked | None:
        """The newest request without a reply that `frame` may be the late reply to."""
        for asked in reversed(self._unanswered):
            late = _between(asked.time, time) or 0
            if (self._number - asked.number <= 2 and late <= max(self._timeout, 2 * (self._retry_interval or 0))
                    and answers(asked.frame, frame)):
                return asked
        return None

    def awaits_echo(self, frame: bytes, begin: float | None) -> bool:
        """Whether a frame that began then, and is not the reply to the last request, is the echo of one before."""
        asked = self.was_asked(frame, begin)
        return asked is not None and self._is_young(asked, begin) or self._is_reply_to_damage(frame, begin)

    def _is_young(self, asked: Asked, begin: float | None) -> bool:
        """Whether the unit may still be at it, and no master asks again."""
        wait = _between(asked.time, begin)
        return wait is None or wait <= self._patience(asked.frame[0])

    def _is_reply_to_damage(self, frame: bytes, begin: float | None) -> bool:
        """Whether a frame that began then is the echo of what the noise right before was."""
        wait = _between(self._noise_time, begin)
        return (not self.asked and self._was_damaged(frame)
                and (wait is None or wait <= self._patience(frame[0])))

    def _was_damaged(self, frame: bytes) -> bool:
        """Whether the noise right before looks like `frame` with an error or two."""
        return _resembles(self._noise[-len(frame) - LOOK_BACK:], frame)

    def _is_torn_reply(self, request: bytes) -> bool:
        """Whether the noise may be what is left of the reply."""
        noise = self._noise
        if len(noise) < TORN or request[1] not in ECHOES and self._was_damaged(request):
            return False
        return any(noise[at:at + 1] == request[:1] or noise[at + 1:at + 2] == request[1:2]
                   for at in range(STRAY + 1))

    def _answer_damaged(self, frame: bytes, time: float | None) -> None:
        """`frame` is the reply to the request of which the noise right before is what remains."""
        noise, self._noise = self._noise, b""
        self._tell(Kind.DAMAGED, Asked(noise, self._noise_time, False, self._number), frame,
                   _between(self._noise_time, time), f"request {_pieces(noise, len(frame))}")

    def settle(self) -> None:
        """Silence: tell of the noise, as nothing follows that could explain it."""
        if self.asked and self._is_torn_reply(self.asked.frame):
            self.give_up()
        self._tell_noise()

    def tell(self) -> list[Transaction]:
        """Return what is complete, once."""
        told, self._told = self._told, []
        return told

    def _patience(self, unit: int) -> float:
        """Seconds after which a repeated frame is the request again and not its echo."""
        waits = sorted(self._waits.get(unit, ())) or [0.0]
        usual = waits[len(waits) // 2]
        patience = max(PATIENT_FOR, 3 * usual)
        return max(min(patience, 0.75 * (self._retry_interval or patience)), 1.5 * usual)

    def _is_retried(self, frame: bytes, time: float | None) -> bool:
        last = self.asked or (self._unanswered[-1] if self._unanswered else None)
        if last is None or last.frame != frame or self._number - last.number > 0:
            return False
        interval = _between(last.time, time)
        if interval and not self._noise and (self._retry_interval is None or interval < self._retry_interval):
            self._retry_interval = interval
        return True

    def _is_suspect(self, asked: Asked, frame: bytes, begin: float | None) -> bool:
        wait = _between(asked.time, begin)
        if request_length(frame) == len(frame) and wait is not None and wait > self._patience(frame[0]):
            return True
        if len(self._noise) >= TORN and not self._is_young(asked, begin):
            return True
        other = self.was_asked(frame, begin)
        return other is not None and other.frame != asked.frame

    def _late_echo_of(self, begin: float | None) -> Asked | None:
        """The request of which that asked last was the late echo: the next one, which began then, came too soon
        for a master that waits for a reply."""
        asked = self.asked
        if asked is None or asked.frame[1] not in ECHOES or len(self._noise) >= TORN:
            return None
        wait = _between(asked.time, begin)
        too_soon = wait is not None and wait < min(PATIENT_FOR, self._patience(asked.frame[0]))
        return self.was_asked(asked.frame, asked.time) if too_soon else None

    def _unexpected(self, frame: bytes, time: float | None) -> None:
        """A reply, but not to what was asked last; nor to one before, if the noise may have been its request."""
        asked = self.was_asked(frame, time)
        if len(self._noise) > TORN and not (self.asked and self._is_torn_reply(self.asked.frame)):
            asked = None
        if asked is None:
            self.give_up()
        self._tell_noise()
        if asked is None:
            self._told.append(Transaction(Kind.ORPHAN, time, reply=frame))
        else:
            self._tell_late(asked, frame, time)

    def _tell_late(self, asked: Asked, reply: bytes, time: float | None) -> None:
        self._unanswered.remove(asked)
        self._tell(Kind.LATE, asked, reply, _between(asked.time, time))

    def _tell(self, kind: Kind, asked: Asked, reply: bytes | None = None, latency: float | None = None,
              damage: str | None = None) -> None:
        self._told.append(Transaction(kind, asked.time, asked.frame, reply, latency, asked.retry, damage))

    def _tell_noise(self) -> None:
        noise, self._noise = self._noise, b""
        if noise:
            self._told.append(Transaction(Kind.DAMAGED, self._noise_time, reply=noise,
                                         damage="1 byte of no frame" if len(noise) == 1 else
                                         f"{len(noise)} bytes of no frame"))


def _resembles(noise: bytes, frame: bytes) -> bool:
    """Whether a part of the noise is `frame` with at most WRONG_BITS errors, or without one of its bytes."""
    size, whole = len(frame), int.from_bytes(frame, "big")
    return any((int.from_bytes(noise[at:at + size], "big") ^ whole).bit_count() <= WRONG_BITS
               for at in range(len(noise) - size + 1)) or any(
        frame[:at] + frame[at + 1:] in noise for at in range(size))


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else end - begin


def _damage(request: bytes, noise: bytes) -> str:
    return f"reply {_pieces(noise, answer_length(request, noise))}"


def _pieces(noise: bytes, length: int) -> str:
    """What is left of a frame of that many bytes, 0 when nobody knows."""
    size = f"{len(noise)} of {length} bytes" if length else f"{len(noise)} bytes"
    return f"{size}, CRC {noise[-2:].hex(' ')} instead of {crc(noise[:-2]).to_bytes(2, 'little').hex(' ')}"
