"""Ask a unit id whether a unit is there and what it is, without writing."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from softsplit import clock
from softsplit.commands.shared.reader import late_answer
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.errors import BadAnswer, NoAnswer, Refused, Unreachable, UpstreamError
from softsplit.printable import printable
from softsplit.profiles import Identify, Named, Profile
from softsplit.profiles.identify import OBJECTS
from softsplit.protocol import adu, pdu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import Question
from softsplit.protocol.values import Value
from softsplit.upstream.causes.dialect import ask_otherwise
from softsplit.upstream.clients.choice import client_for

PROBED = Block(Table.HOLDING_REGISTERS, 0, 1)  # who has no such register says so
PROBE = pdu.read_question(PROBED)
PAUSE = 0.02  # s between an answer and the next request, at least
TRIES = 2  # of a question whose answer comes damaged
ABSENT = (pdu.GATEWAY_NO_PATH, pdu.GATEWAY_NO_ANSWER)  # what a gateway says in the place of a unit
LONGEST_OFF = 3.4  # time-outs in which a gateway is done with a unit that is off; usual are 1 to 3 s
MOST_IN_VAIN = 3  # units for which it is waited so long before anybody has answered
LONGEST_IDENTIFICATION = 100  # bytes; usual ones are half of that


class Absent(NoAnswer):
    """The gateway answers in place of a unit: it is not there."""


@dataclass(frozen=True)
class Found:
    """A unit that answers: the profile it is recognised by, because `said` is what such a device says.

    It calls itself what `named` says: vendor, product, revision; and it answered to this `function`.
    """

    unit: int
    profile: Profile | None = None
    said: Value | None = None
    named: tuple[tuple[str, str], ...] = ()
    function: int = PROBE.function

    def __str__(self) -> str:
        said = f'"{self.said}"' if isinstance(self.said, str) else str(self.said)
        what = f"{self.profile.title or self.profile.name}, says {said}" if self.profile else "unknown device"
        odd = (f"answers function {self.function}",) if self.function != PROBE.function else ()
        return printable("; ".join((what, *odd, *(f'{name} "{text}"' for name, text in self.named))))


class Prober:
    """Asks units on one wire, with one protocol, baud rate and mode.

    `timeout` is in seconds, until an answer begins; who is known to be slow gets `patience` times as much.
    """

    patience = 1

    def __init__(self, url: Url, timeout: float, line: Line | None = None, gap: float = 0.0):
        self._character = adu.character_time(line.baudrate, line.mode) if line else 0.0
        self._timeout = timeout
        self._url = url
        self._names: dict[int, dict[str, str]] = {}  # what each unit calls itself
        self._client = client_for(url, self._time(PROBE), line, request_gap=max(PAUSE, gap))
        self.there: int | None = None  # a unit that answers
        self._in_vain = 0  # units for which was waited long
        self.is_sure = False  # whether the gateway was done with the unit that was asked last

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.close()

    def probe(self, unit: int) -> bytes | None:
        """Return what a unit answers, be it an exception, or None. Raises BadAnswer or Unreachable."""
        return self.ask(unit, PROBE)

    def ask(self, unit: int, question: Question) -> bytes | None:
        """Return what a unit answers to a question, as `probe` does."""
        self.is_sure = True
        try:
            answer = self._ask(unit, question)
        except Absent:
            return None
        except NoAnswer:
            return self._late_word(unit, question)
        self.there = unit if self.there is None else self.there
        return answer

    @property
    def has_heard_gateway(self) -> bool:
        """Whether a gateway has spoken, be it only to say that a unit is not there."""
        gateway = self._client.gateway
        return gateway is not None and gateway.says_off_after is not None

    def _late_word(self, unit: int, question: Question) -> bytes | None:
        """Wait until a gateway is done with a silent unit; return what that said after all.

        It is done when it says so, or when it answers for another one. Where it does neither, not everybody
        is waited for.
        """
        if self._client.gateway is None:
            return None
        longest = LONGEST_OFF * self._timeout
        if self.there is not None and not self.has_heard_gateway:
            with suppress(UpstreamError):
                self._client.ask(self.there, PROBE, longest)
        elif self.has_heard_gateway or self._in_vain < MOST_IN_VAIN:
            self._client.await_late(longest)
        else:
            self.is_sure = False
            return None
        answers = self._client.take_late_answers()
        late = next((each for each in answers if each.question == question and each.unit == unit), None)
        self._in_vain += late is None and self.there is None
        return late.answer if late and late.answer is not None else None if late is None or late.own_exception is None \
            else pdu.exception_pdu(question.function, late.own_exception)

    def ask_otherwise(self, unit: int) -> str:
        """Ask a unit in the other dialect, or a web server; say who answers, or nothing."""
        if self._client.await_late(self._timeout) or self.has_heard_gateway:
            return ""
        self._client.close()
        return ask_otherwise(self._url, unit, PROBED, self._timeout)

    def await_late(self, timeouts: float) -> None:
        """Wait for units whose answers a busy gateway may hold up."""
        self._client.await_late(timeouts * self._timeout)

    def take_late(self) -> set[int]:
        """Return the units which have answered too late since the last call."""
        return set(self._client.take_late())

    def take_foreign(self) -> list[str]:
        """Return what another master said, or made said, since the last call."""
        return self._client.take_foreign()

    def examine(self, unit: int, profiles: Iterable[Profile]) -> Found:
        """Find out what a unit is. Raises Unreachable."""
        profile, said = self._recognise(unit, profiles)
        return Found(unit, profile, said, tuple(self._named(unit).items()))

    def _recognise(self, unit: int, profiles: Iterable[Profile]) -> tuple[Profile | None, Value | None]:
        answers: dict[Block, bytes] = {}
        for profile in profiles:
            said: Value | None = None
            for identify in profile.identify:
                said = self._says(unit, identify, answers)
                if said is None:
                    break
            if said is not None:
                return profile, said
        return None, None

    def _says(self, unit: int, identify: Identify | Named, answers: dict[Block, bytes]) -> Value | None:
        """Return what the unit says that such a device says, or None; `answers` are what it has said already."""
        if isinstance(identify, Named):
            named = self._named(unit)
            return " ".join(named.values()) if identify.fits(named) else None
        register = identify.register
        if register.block not in answers:
            answers[register.block] = self._learn(unit, pdu.read_question(register.block))
        data = answers[register.block][2:]
        said = register.decode(data) if data else None
        return said if identify.fits(said) else None

    def _named(self, unit: int) -> dict[str, str]:
        """Return what a unit calls itself, if it knows how to (MAP 6.21): vendor, product, revision."""
        if unit not in self._names:
            self._names[unit] = dict(self._identification(unit))
        return self._names[unit]

    def _identification(self, unit: int) -> Iterable[tuple[str, str]]:
        following = 0
        named: dict[int, bytes] = {}
        for _ in OBJECTS:
            answer = self._learn(unit, pdu.identification_question(following))
            if not answer:
                break
            objects, following = pdu.parse_identification(answer)
            named |= objects
            if not following:
                break
        for number, name in OBJECTS.items():
            if text := printable(named.get(number, b"").decode("utf-8", "replace").strip("\0")).strip():
                yield name, text

    def _learn(self, unit: int, question: Question) -> bytes:
        """Return the PDU of a good answer, or nothing. Raises Unreachable."""
        try:
            answer = self._ask(unit, question)
        except Unreachable:
            raise
        except NoAnswer:  # though it is there: a gateway may still be busy with another unit
            late = late_answer(self._client, unit, question, self._timeout)
            return late.answer or b"" if late else b""
        except UpstreamError:
            return b""
        return b"" if answer[0] >= 0x80 else answer

    def _ask(self, unit: int, question: Question) -> bytes:
        """Return the PDU of an answer, be it an exception. Raises NoAnswer, BadAnswer or Unreachable."""
        damaged: BadAnswer | None = None
        for _ in range(TRIES):
            time.sleep(max(0.0, self._client.free_at(unit, question) - clock.now()))
            try:
                return self._client.ask(unit, question, self.patience_for(question))
            except Refused as error:
                if error.exception_code in ABSENT:
                    raise Absent(str(error)) from error
                return pdu.exception_pdu(question.function, error.exception_code)
            except Absent:
                raise
            except NoAnswer:
                raise damaged or NoAnswer(f"unit {unit} does not answer") from None
            except BadAnswer as error:
                damaged = damaged or error
        raise damaged or NoAnswer(f"unit {unit} does not answer")

    def patience_for(self, question: Question) -> float:
        """Seconds for an answer of which a gateway has shown how long it may take."""
        seconds = self._time(question)
        gateway = self._client.gateway
        return self._client.patience(seconds) if gateway and gateway.known else seconds

    def _time(self, question: Question) -> float:
        """Seconds for a whole answer: until it begins, and what it and the question take on the line."""
        size = len(question.pdu) + (question.size or LONGEST_IDENTIFICATION) + 6  # unit, CRC of both
        return self.patience * self._timeout + size * self._character
