"""Ask a unit id whether a unit answers, without writing."""

import time
from collections.abc import Sequence
from contextlib import suppress
from math import inf

from softsplit import clock
from softsplit.commands.shared.reader import late_answer
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.errors import BadAnswer, NoAnswer, Refused, Unreachable, UpstreamError
from softsplit.protocol import adu, pdu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import Question
from softsplit.upstream.causes.dialect import ask_otherwise
from softsplit.upstream.clients.choice import client_for

PROBED = Block(Table.HOLDING_REGISTERS, 0, 1)  # a unit without it answers with an exception
PROBE = pdu.read_question(PROBED)
PAUSE = 0.02  # s between an answer and the next request, at least
TRIES = 2  # of a question with a damaged answer
ABSENT = (pdu.GATEWAY_NO_PATH, pdu.GATEWAY_NO_ANSWER)  # the gateway answers instead of a unit
LONGEST_OFF = 3.4  # time-outs until a gateway gives up on a missing unit; usual are 1 to 3 s
JITTER = 0.03  # s by which the answers of one unit may differ
HELD_MARGIN = 1.05  # times the measured one
LONGEST_IDENTIFICATION = 100  # bytes; usual ones are half of that


class Absent(NoAnswer):
    """The gateway answers that the unit is missing."""


class Prober:
    """Asks units on one wire, with one protocol, baud rate and mode.

    `timeout` is the seconds until an answer begins; slow units get `patience` times as much.
    """

    patience = 1

    def __init__(self, url: Url, timeout: float, line: Line | None = None, gap: float = 0.0):
        self._character = adu.character_time(line.baudrate, line.mode) if line else 0.0
        silence = adu.frame_silence(line.baudrate, line.mode) if line else 0.0
        self._quiet = max(adu.JOIN, silence) if line else 0.0  # s after a unit that was silent
        self._timeout = timeout
        self._url = url
        self._client = client_for(url, self._time(PROBE), line, request_gap=max(PAUSE, gap))
        self._client.lets_gateway_finish = True
        self.there: int | None = None  # a unit that answers
        self.waited = inf  # s for the last unit, if it was silent and the gateway may be busy with it still
        self._usual = inf  # s, the fastest answer of the unit that answers
        self._held_up, self._was_held_up = 0.0, False  # s that silent units block a gateway; the last one did

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.close()

    def probe(self, unit: int) -> bytes | None:
        """Return the answer of a unit, also an exception, or None. Raises BadAnswer or Unreachable."""
        return self.ask(unit, PROBE)

    def ask(self, unit: int, question: Question) -> bytes | None:
        """Return the answer of a unit to a question, as `probe` does."""
        self.waited = inf
        try:
            answer = self._ask(unit, question)
        except Absent:
            return None
        except NoAnswer:
            waited = clock.now() - self._client.asked_at
            if self.there is None and not self.has_heard_gateway:
                self.waited = waited
            return self._late_word(unit, question, waited)
        if self.there is None:
            self.there, self._usual = unit, clock.now() - self._client.asked_at
        return answer

    @property
    def has_heard_gateway(self) -> bool:
        """Whether a gateway has answered, also that a unit is missing."""
        gateway = self._client.gateway
        return gateway is not None and gateway.says_off_after is not None

    @property
    def has_heard_modbus(self) -> bool:
        """Whether anything has come that is Modbus TCP, be it too late."""
        gateway = self._client.gateway
        return gateway is not None and gateway.has_answered

    @property
    def off_takes(self) -> float:
        """Seconds that the gateway spends on a missing unit, as far as known."""
        gateway = self._client.gateway
        return max(self._held_up, (gateway.says_off_after or 0.0) if gateway else 0.0)

    def _late_word(self, unit: int, question: Question, waited: float) -> bytes | None:
        """Wait until the gateway gives up on a silent unit; return a late answer of that unit.

        The gateway has given up when it says so, or when it answers for another unit.
        """
        if self._client.gateway is None:
            return None
        if self.has_heard_gateway:
            self._client.await_late(LONGEST_OFF * self._timeout)
        elif self.there is not None:
            self._try_out(self.there, waited)
        answers = self._client.take_late_answers()
        late = next((each for each in answers if each.question == question and each.unit == unit), None)
        if late is None or late.answer is not None:
            return late.answer if late else None
        return None if late.own_exception is None else pdu.exception_pdu(question.function, late.own_exception)

    def _try_out(self, there: int, waited: float) -> None:
        """Ask a unit that answers, to see whether the silent one before still blocks the gateway.

        If that happens twice in a row, silent units get that much time from then on.
        """
        with suppress(UpstreamError):
            self._client.ask(there, PROBE, LONGEST_OFF * self._timeout)
        took = clock.now() - self._client.asked_at
        self._usual = min(self._usual, took)
        is_held_up = took > 2 * self._usual + JITTER
        if is_held_up and self._was_held_up:
            self._held_up = max(self._held_up, HELD_MARGIN * (waited + took))
        self._was_held_up = is_held_up

    def ask_otherwise(self, units: Sequence[int]) -> str:
        """Ask units in the other dialect, and whether there is a web server; say what answers, or ""."""
        if self._client.await_late(self._timeout) or self.has_heard_modbus:
            return ""
        self._client.close()
        return ask_otherwise(self._url, units[0], PROBED, self._timeout, also=units[1:])

    def await_late(self, timeouts: float) -> None:
        """Wait for answers that a busy gateway may delay."""
        self._client.await_late(timeouts * self._timeout)

    def take_late(self) -> set[int]:
        """Return the units that have answered too late since the last call."""
        return set(self._client.take_late())

    def take_foreign(self) -> list[str]:
        """Return the traffic of another master since the last call."""
        return self._client.others.take_said()

    def learn(self, unit: int, question: Question) -> bytes:
        """Return the PDU of a good answer, or b"". Raises Unreachable."""
        try:
            answer = self._ask(unit, question)
        except Unreachable:
            raise
        except NoAnswer:  # a gateway may still be busy with another unit
            late = late_answer(self._client, unit, question, self._timeout)
            return late.answer or b"" if late else b""
        except UpstreamError:
            return b""
        return b"" if answer[0] >= 0x80 else answer

    def _ask(self, unit: int, question: Question) -> bytes:
        """Return the PDU of an answer, also an exception. Raises NoAnswer, BadAnswer or Unreachable."""
        damaged: BadAnswer | None = None
        for _ in range(TRIES):
            time.sleep(max(0.0, self._client.free_at(unit, question) - clock.now()))
            try:
                return self._client.ask(unit, question, self._patience_for(question))
            except Refused as error:
                if error.exception_code in ABSENT:
                    raise Absent(str(error)) from error
                return pdu.exception_pdu(question.function, error.exception_code)
            except NoAnswer:
                raise damaged or NoAnswer(f"unit {unit} does not answer") from None
            except BadAnswer as error:
                damaged = damaged or error
        raise damaged or NoAnswer(f"unit {unit} does not answer")

    def expected(self, question: Question = PROBE) -> float:
        """Seconds that a question to a missing unit takes, as far as known."""
        if self.has_heard_gateway:
            return self.off_takes + self._client.request_gap
        return self._client.patience(self._patience_for(question)) + self._client.request_gap + self._quiet

    def _patience_for(self, question: Question) -> float:
        """Seconds to wait for an answer; longer if silent units block the gateway."""
        return max(self._time(question), self._held_up)

    def _time(self, question: Question) -> float:
        """Seconds for a whole answer: until it begins, and the time of both frames on the line."""
        size = len(question.pdu) + (question.size or LONGEST_IDENTIFICATION) + 6  # unit, CRC of both
        return self.patience * self._timeout + size * self._character
