"""Pair the frames of a serial line: requests and replies become transactions."""

from softsplit.decoder.damage import STRAY, TORN, begins_like, describe, resembles
from softsplit.decoder.lengths import answer_length, answers, is_broadcast, request_length
from softsplit.decoder.requests import Asked, PastRequests, between
from softsplit.decoder.timing import USUAL_TIMEOUT, Timing
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.protocol.adu import MAX_RTU_FRAME
from softsplit.protocol.functions import ECHOING

ECHOED_WITHIN = 0.005  # s from the end of a request to its echo, which an adapter hears at once


class Pairing:
    """Takes in frames and noise in the order in which they were heard.

    `begin` and `end` are when the first byte of a frame began and its last one ended, in seconds, or None
    throughout; `jitter` is how much too late they may be, `timeout` how long a reply may take.
    """

    def __init__(self, jitter: float, timeout: float):
        self.asked: Asked | None = None  # and not yet answered
        self._jitter, self._timeout = jitter, timeout
        self._timing = Timing()
        self._past = PastRequests(self._timing, timeout)
        self._noise = b""  # since the last frame
        self._noise_end: float | None = None
        # A reply that was read before its request, from another tap; when it began and ended:
        self._early: tuple[bytes, float | None, float | None] | None = None
        self._told: list[Transaction] = []

    def noise(self, data: bytes, end: float | None) -> None:
        """Bytes that are part of no frame."""
        self._noise += data
        self._noise_end = end
        if len(self._noise) >= MAX_RTU_FRAME:
            self.settle()

    def request(self, frame: bytes, begin: float | None, end: float | None) -> None:
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
        """`given`: that this is a reply is a fact, as it comes from a tap of its own."""
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
        """No reply comes to what was asked last, or the noise is what is left of it."""
        asked, self.asked = self.asked, None
        if asked and self._is_torn_reply(asked):
            self._tell_torn(asked)
        elif asked:
            self._past.give_up(asked, unanswered=True)
            self._tell(Kind.NO_REPLY, asked)

    def expire(self, now: float) -> None:
        """Give up what was asked too long ago."""
        if self.asked and (between(self.asked.time, now) or 0.0) > self._timeout:
            self.give_up()

    def settle(self) -> None:
        """Nothing follows that could explain the noise."""
        if self.asked and self._is_torn_reply(self.asked):
            self.give_up()
        self._tell_noise()
        self._tell_early()

    def tell(self) -> list[Transaction]:
        """Return what is complete, once."""
        told, self._told = self._told, []
        return told

    # What a tap asks about a frame that began at `begin`, and may be a request as well as a reply.

    def expects(self, frame: bytes) -> bool:
        """Whether it is a reply to what was asked last, or a request that is known."""
        return self._timing.is_familiar(frame) or self.asked is not None and answers(self.asked.frame, frame)

    def is_asked_anew(self, frame: bytes, begin: float | None) -> bool:
        """Whether it is a request although it fits what was asked last."""
        if self.asked is None:
            return False
        if frame == self.asked.frame and resembles(self._noise, frame):
            return True  # the noise was the echo
        times_tell = 2 * self._jitter <= self._timing.patience(frame[0])
        return times_tell and self._timing.is_familiar(frame) and self._past.is_overdue(self.asked, begin)

    def is_reply(self, frame: bytes, begin: float | None) -> bool:
        """Whether it is a reply although it does not fit what was asked last."""
        asked = self._past.unanswered(frame, begin)
        if frame[1] in ECHOING:
            return (asked is not None and not self._past.is_overdue(asked, begin)
                    or self._is_echo_of_noise(frame, begin))
        return asked is not None and not self._timing.is_familiar(frame)

    def _is_echo_of_noise(self, frame: bytes, begin: float | None) -> bool:
        wait = between(self._noise_end, begin) or 0.0
        return not self.asked and wait <= self._timing.patience(frame[0]) and resembles(self._noise, frame)

    def _may_be_request(self, asked: Asked, begin: float | None) -> bool:
        """Whether the same frame as `asked` may be that again, or that was the late echo of one before."""
        is_retry = self._timing.is_retry_possible(between(asked.time, begin))
        return is_retry or not asked.retry and self._past.unanswered(asked.frame, asked.time) is not None

    def _is_torn_reply(self, asked: Asked) -> bool:
        """Whether the noise may be what is left of the reply, not of the request again."""
        again = asked.frame[1] not in ECHOING and resembles(self._noise, asked.frame)
        return begins_like(self._noise, asked.frame) and not again

    def _is_echo(self, asked: Asked, data: bytes, begin: float | None) -> bool:
        """Whether these are the last bytes of what was asked, right behind it, where no unit answers so.

        No master that gets no reply asks again so soon.
        """
        wait = between(asked.time, begin)
        return (wait is not None and wait <= self._jitter + ECHOED_WITHIN and asked.frame[1] not in ECHOING
                and len(data) >= TORN and asked.frame.endswith(data))

    def _tell_echo(self, asked: Asked) -> None:
        """The noise is what is left of an echo, if it is that."""
        if self._is_echo(asked, self._noise, self._noise_end):
            noise, self._noise = self._noise, b""
            damage = f"{len(noise)} of {len(asked.frame)} bytes"
            self._told.append(Transaction(Kind.ECHO, self._noise_end, reply=noise, damage=damage))

    def _echoed_late(self, asked: Asked, begin: float | None) -> Asked | None:
        """The request of which that asked last was but the late echo: no master that waits for a reply goes
        on so soon."""
        wait = between(asked.time, begin)
        if wait is None or asked.frame[1] not in ECHOING or len(self._noise) >= TORN:
            return None
        soon = wait < min(USUAL_TIMEOUT, self._timing.patience(asked.frame[0]))
        return self._past.unanswered(asked.frame, asked.time) if soon else None

    def _unexpected(self, frame: bytes, begin: float | None, end: float | None, given: bool) -> None:
        """A reply, but not to what was asked last."""
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
        """The reply that was read before its request, which ended at `end`, is a pair with that."""
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
        """The noise is what is left of the reply; if its size is another, perhaps of a request as well."""
        noise, self._noise = self._noise, b""
        length = answer_length(asked.frame, noise)
        if length and abs(len(noise) - length) > 2 * STRAY:
            self._past.haunt(noise, self._noise_end)
        self._past.give_up(asked, unanswered=len(noise) + STRAY < length)
        self._tell(Kind.DAMAGED, asked, noise, damage=f"reply: {describe(noise, length)}")

    def _answer_noise(self, frame: bytes, end: float | None) -> None:
        """What is left of the request is the noise right before."""
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
            self._past.haunt(noise, self._noise_end)
        if noise:
            damage = f"{len(noise)} bytes of no frame" if len(noise) > 1 else "a byte of no frame"
            self._told.append(Transaction(Kind.DAMAGED, self._noise_end, reply=noise, damage=damage))
