"""Pair the frames of a serial line: requests and replies become transactions."""

from softsplit.decoder.damage import STRAY, TORN, begins_like, describe, describe_noise, resembles
from softsplit.decoder.lengths import answer_length, answers, is_broadcast, request_length
from softsplit.decoder.requests import Asked, PastRequests, between
from softsplit.decoder.timing import USUAL_TIMEOUT, Timing
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.protocol.adu import MAX_RTU_FRAME
from softsplit.protocol.functions import ECHOING

ECHOED_WITHIN = 0.005  # s from the end of a request to its echo in an adapter


class Pairing:
    """Takes frames and noise in the order in which they were heard.

    `begin` and `end` are the times of the first and the last byte of a frame, or always None. They may be up
    to `jitter` too late; a reply may take `timeout`; all in seconds.
    """

    def __init__(self, jitter: float, timeout: float):
        self.asked: Asked | None = None  # and not yet answered
        self._jitter, self._timeout = jitter, timeout
        self._timing = Timing()
        self._past = PastRequests(self._timing, timeout)
        self._noise = b""  # since the last frame
        self._noise_end: float | None = None
        # A reply that was read before its request, from another tap; its begin and end:
        self._early: tuple[bytes, float | None, float | None] | None = None
        self._told: list[Transaction] = []

    def noise(self, data: bytes, end: float | None) -> None:
        """Take bytes that belong to no frame."""
        self._noise += data
        self._noise_end = end
        if len(self._noise) >= MAX_RTU_FRAME:
            self.settle()

    def request(self, frame: bytes, begin: float | None, end: float | None) -> None:
        """Take a request."""
        echo = self.asked
        if echo and self._is_echo(echo, frame, begin) and not self._noise:
            return self._told.append(Transaction(Kind.ECHO, end, frame))
        if echo and (first := self._echoed_late(echo, begin)):
            self.asked = None
            self._tell_late(first, echo.frame, echo.time)
        undisturbed = len(self._noise) < TORN
        self.give_up()
        self._tell_noise()
        asked = self._past.ask(frame, end, undisturbed)
        if is_broadcast(frame):
            self._tell(Kind.BROADCAST, asked)
        else:
            self.asked = asked
        if self._early:
            self._recall(*self._early, end)

    def reply(self, frame: bytes, begin: float | None, end: float | None, given: bool = False) -> None:
        """Take a reply; `given`: it certainly is one, as its tap hears only replies."""
        asked = self.asked
        if asked:
            self._tell_echo(asked)
        if asked is None or not answers(asked.frame, frame):
            self._unexpected(frame, begin, end, given)
        elif frame != asked.frame and resembles(self._noise, asked.frame):  # the noise was that request again
            self.give_up()
            self._answer_noise(frame, end)
        else:
            suspect = (len(self._noise) >= TORN or self._past.may_claim(frame, asked, begin)
                       or not given and (self._past.is_overdue(asked, begin)
                                         or frame == asked.frame and self._may_be_request(asked, begin)))
            self._tell_noise()
            self.asked = None
            if frame != asked.frame:  # an echo may be the request again
                self._timing.answered(frame[0], between(asked.time, begin))
            kind = Kind.SUSPECT if suspect else Kind.EXCEPTION if frame[1] >= 0x80 else Kind.OK
            self._tell(kind, asked, frame, between(asked.time, end))

    def give_up(self) -> None:
        """No reply comes to the last request, or the noise is the rest of it."""
        asked, self.asked = self.asked, None
        if asked and self._is_torn_reply(asked):
            self._tell_torn(asked)
        elif asked:
            self._past.give_up(asked, unanswered=True)
            self._tell(Kind.NO_REPLY, asked)

    def expire(self, now: float) -> None:
        """Give up the last request if it is too long ago."""
        if self.asked and (between(self.asked.time, now) or 0.0) > self._timeout:
            self.give_up()

    def settle(self) -> None:
        """Hand over the noise: nothing will follow that could explain it."""
        if self.asked and self._is_torn_reply(self.asked):
            self.give_up()
        self._tell_noise()
        self._tell_early()

    def tell(self) -> list[Transaction]:
        """Return the complete transactions, each once."""
        told, self._told = self._told, []
        return told

    # A tap asks these about a frame that began at `begin` and may be a request or a reply.

    def expects(self, frame: bytes) -> bool:
        """Whether it is a reply to the last request, or a request that was heard before."""
        return self._timing.is_familiar(frame) or self.asked is not None and answers(self.asked.frame, frame)

    def is_asked_anew(self, frame: bytes, begin: float | None) -> bool:
        """Whether it is a request although it fits the last request as a reply."""
        if self.asked is None:
            return False
        if frame == self.asked.frame and resembles(self._noise, frame):
            return True  # the noise was the echo
        times_tell = 2 * self._jitter <= self._timing.patience(frame[0])
        return times_tell and self._timing.is_familiar(frame) and self._past.is_overdue(self.asked, begin)

    def is_reply(self, frame: bytes, begin: float | None) -> bool:
        """Whether it is a reply although it does not fit the last request."""
        asked = self._past.unanswered(frame, begin)
        if frame[1] in ECHOING:
            return (asked is not None and not self._past.is_overdue(asked, begin)
                    or self._is_echo_of_noise(frame, begin))
        return asked is not None and not self._timing.is_familiar(frame)

    def _is_echo_of_noise(self, frame: bytes, begin: float | None) -> bool:
        wait = between(self._noise_end, begin) or 0.0
        return not self.asked and wait <= self._timing.patience(frame[0]) and resembles(self._noise, frame)

    def _may_be_request(self, asked: Asked, begin: float | None) -> bool:
        """Whether a frame equal to `asked` may be a retry, or `asked` the late reply to an earlier one."""
        is_retry = self._timing.is_retry_possible(between(asked.time, begin))
        return is_retry or not asked.retry and self._past.unanswered(asked.frame, asked.time) is not None

    def _is_torn_reply(self, asked: Asked) -> bool:
        """Whether the noise may be the rest of the reply, and not of the request repeated."""
        again = asked.frame[1] not in ECHOING and resembles(self._noise, asked.frame)
        return begins_like(self._noise, asked.frame) and not again

    def _is_echo(self, asked: Asked, data: bytes, begin: float | None) -> bool:
        """Whether these are the last bytes of the request, right after it, and neither a reply nor a retry.

        No unit answers so, and no master repeats its request so soon.
        """
        wait = between(asked.time, begin)
        return (wait is not None and wait <= self._jitter + ECHOED_WITHIN and asked.frame[1] not in ECHOING
                and len(data) >= TORN and asked.frame.endswith(data))

    def _tell_echo(self, asked: Asked) -> None:
        """Hand over the noise if it is the rest of an echo."""
        if self._is_echo(asked, self._noise, self._noise_end):
            noise, self._noise = self._noise, b""
            damage = f"{len(noise)} of {len(asked.frame)} bytes"
            self._told.append(Transaction(Kind.ECHO, self._noise_end, reply=noise, damage=damage))

    def _echoed_late(self, asked: Asked, begin: float | None) -> Asked | None:
        """The earlier request to which `asked` was only the late reply, or None.

        It was if another request begins so soon after it: a master would still wait.
        """
        wait = between(asked.time, begin)
        if wait is None or asked.frame[1] not in ECHOING or len(self._noise) >= TORN:
            return None
        soon = wait < min(USUAL_TIMEOUT, self._timing.patience(asked.frame[0]))
        return self._past.unanswered(asked.frame, asked.time) if soon else None

    def _unexpected(self, frame: bytes, begin: float | None, end: float | None, given: bool) -> None:
        """Take a reply that does not fit the last request."""
        asked = self._past.unanswered(frame, end)
        torn = len(self._noise) >= TORN and not (self.asked and self._is_torn_reply(self.asked))
        if asked and not torn:
            self._tell_noise()
            return self._tell_late(asked, frame, end)
        self.give_up()
        if begins_like(self._noise, frame):
            return self._answer_noise(frame, end)
        self._tell_noise()
        self._tell_early()
        self._early = frame, begin, end
        if not given:
            self._tell_early()

    def _recall(self, frame: bytes, begin: float | None, early: float | None, end: float | None) -> None:
        """Pair a reply with its request, which was read later and ended at `end`, if they fit."""
        if (between(early, end) or 0.0) <= self._jitter and self.asked and answers(self.asked.frame, frame):
            self._early = None
            self.reply(frame, begin, early, given=True)
        else:
            self._tell_early()

    def _tell_early(self) -> None:
        if self._early:
            frame, _, end = self._early
            self._early = None
            self._told.append(Transaction(Kind.ORPHAN, end, reply=frame))

    def _tell_torn(self, asked: Asked) -> None:
        """Hand over the noise as the rest of the reply; if its size differs, it may be a request as well."""
        noise, self._noise = self._noise, b""
        length = answer_length(asked.frame, noise)
        if length and abs(len(noise) - length) > 2 * STRAY:
            self._past.note_noise(noise, self._noise_end)
        self._past.give_up(asked, unanswered=len(noise) + STRAY < length)
        self._tell(Kind.DAMAGED, asked, noise, damage=f"reply: {describe(noise, length)}")

    def _answer_noise(self, frame: bytes, end: float | None) -> None:
        """Hand over a reply, with the noise right before it as the rest of its request."""
        noise, self._noise = self._noise, b""
        damage = f"request: {describe(noise, request_length(noise))}"
        self._told.append(Transaction(Kind.DAMAGED, self._noise_end, noise, frame,
                                      between(self._noise_end, end), damage=damage))

    def _tell_late(self, asked: Asked, reply: bytes, end: float | None) -> None:
        self._past.answer(asked)
        self._tell(Kind.LATE, asked, reply, between(asked.time, end))

    def _tell(self, kind: Kind, asked: Asked, reply: bytes | None = None, latency: float | None = None,
              damage: str | None = None) -> None:
        self._told.append(Transaction(kind, asked.time, asked.frame, reply, latency, asked.retry, damage))

    def _tell_noise(self) -> None:
        noise, self._noise = self._noise, b""
        if len(noise) >= TORN:
            self._past.note_noise(noise, self._noise_end)
        if noise:
            damage = describe_noise(noise)
            self._told.append(Transaction(Kind.DAMAGED, self._noise_end, reply=noise, damage=damage))
