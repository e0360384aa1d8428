"""Conclude from the failures of one wire on their cause, or on what to check. Pure.

An error says what happened; the cause or the checks follow a semicolon, so that "for 10 min" can stand
between.
"""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import replace

from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.errors import (BadAnswer, Garbage, NoAnswer, NothingAnswers, NotSent, Refused, Stranger,
                              Unreachable, UpstreamError, WrongUnit)
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import GATEWAY_EXCEPTIONS
from softsplit.upstream.causes.firstrequests import FirstRequests
from softsplit.upstream.causes.gaps import QUICK, REQUEST_GAP, Gaps

HELD = "something else may hold the gateway's only connection (the old master, a Cerbo, evcc?)"
IS_IT_ON = "is it on, at this address and port?"
NAME = "is the name right, and known to the DNS server of this machine? An address needs none"
UNKNOWN_NAME = "not known", "name resolution", "No address associated"  # how gai_strerror(3) says it
WEAK = "termination, shield, or a second master on the line?"
GARBAGE = 'bytes arrive that are no Modbus: baud rate or parity; "softsplit scan" finds it'
HUNG_UP = "hung up", "reset by peer"  # ends of errors
SOON = 2.0  # s after connecting, in which a hang-up is that of a gateway that needs a pause, or has no room
CONNECT_DELAY, LONG_DELAY = 1, 3  # s to set then: if it is known to help, if not
OFTEN_LATE = 3  # late answers of a unit, after which it gets advice although it answers
KEEP_LATE = 600.0  # s for which a late answer counts
TIMEOUTS = (0.5, 1, 2, 3, 5, 10, 20, 30)  # s, values to advise
ROOM = 1.2  # of the time that was needed


def look_at(line: Line | None, are_many: bool = False) -> str:
    """Say what to check when a unit, or many, do not answer, and nothing else is known."""
    setting = f"{line.baudrate} {line.mode}" if line else "the gateway's baud rate and mode"
    whose = "are they on, are these their unit ids, are they" if are_many else "is it on, is this its unit id, is it"
    return f"{whose} set to {setting}, are A and B the right way round, is the line terminated?"


def look_for(url: Url, error: UpstreamError) -> str:
    """Say what to check when there is no connection; most errors of an adapter name their own cure."""
    if url.is_serial:
        return "is it plugged in?" if "no such device" in str(error) else ""
    if any(each in str(error) for each in UNKNOWN_NAME):
        return NAME
    return f"is it on, at this address? {HELD}" if "timed out" in str(error) else IS_IT_ON


def with_advice(error: Unreachable, url: Url) -> Unreachable:
    """Return an error for a person, which also says what to check."""
    return Unreachable("; ".join(filter(None, (str(error), look_for(url, error)))))


def look_at_wire(url: Url, line: Line | None, are_many: bool = False) -> str:
    """Say what to check when nobody has ever answered on a wire, in either dialect."""
    look = look_at(line, are_many)
    if url.kind.has_datagrams:
        other = replace(url, scheme="tcp")
        return f"does the other end speak UDP, or is its url {other}? Or the line is silent: {look}"
    return look if url.is_serial else f"{HELD} Or the line is silent: {look}"


def is_it_the_id(unit: int, answering: Collection[int]) -> str:
    """Say what to check when only other units answer on the same wire."""
    return f"unit {min(answering)} answers, so is {unit} its unit id, and is it on?"


def is_late(unit: int, took: float, timeout: float) -> str:
    """Say which time-out a unit needs that `took` so many seconds."""
    enough = next((each for each in TIMEOUTS if each >= ROOM * took), TIMEOUTS[-1])
    return f"unit {unit} answers {took - timeout:.1f} s after the time-out; set timeout = {enough:g}"


def needs_pause(url: Url) -> str:
    """Say what to set for a gateway that needs a pause after connecting."""
    return f"the gateway at {url} needs a pause after connecting; set connect_delay = {CONNECT_DELAY}"


class Diagnosis:
    """The failures of one wire; for the thread that owns it. Times are seconds of the clock."""

    def __init__(self, url: Url, line: Line | None, units: Collection[int], timeout: float,
                 request_gap: float,
                 connect_delay: float = 0.0):
        self._url = url
        self._line = line
        self._timeout = timeout
        self._has_no_gap = request_gap < QUICK
        self._gaps = Gaps()
        self._answering: set[int] = set()  # units that have answered ever
        self._is_alive = False  # whether anybody speaks Modbus there, even if only the gateway
        self._silent = 0  # unanswered requests in a row
        self._first = FirstRequests(timeout, connect_delay)
        self._are_many = len(units) > 1
        self._late: dict[int, deque[tuple[float, float]]] = {}  # by unit: when late answers came, seconds

    @property
    def is_mute(self) -> bool:
        """Whether nothing has answered so far, after more than one request."""
        return self._silent > 1 and not self._answering and not self._is_alive

    def count(self, outcome: Outcome, connected_at: float = 0.0, stood_still: bool = False) -> None:
        """Note an outcome on the connection of this time; softsplit may have `stood_still` since."""
        unit, error = outcome.unit, outcome.error
        if outcome.is_of_unit or isinstance(error, NoAnswer):
            self._first.count(connected_at, unit, outcome.asked_at, outcome.is_of_unit, stood_still)
        is_answered = error is None or isinstance(error, Refused)
        if not outcome.stood_still:
            self._gaps.count(unit, outcome.asked_at, outcome.took, is_answered, isinstance(error, NoAnswer))
        if is_answered:
            self._silent = 0
            self._is_alive |= outcome.exception in GATEWAY_EXCEPTIONS
            if outcome.is_of_unit:
                self._answering.add(unit)
        elif isinstance(error, BadAnswer) and not isinstance(error, (Garbage, Stranger)):
            self._is_alive = True
        elif isinstance(error, NoAnswer) and not outcome.stood_still:
            self._silent += 1

    def came_late(self, late: Mapping[int, float], now: float) -> None:
        """Note units whose answers were late, and the seconds they took."""
        for unit, took in late.items():
            self._answering.add(unit)
            times = self._late.setdefault(unit, deque(maxlen=OFTEN_LATE))
            if took not in [each for _, each in times]:  # the same answer may be noted twice
                times.append((now, took))

    def explain(self, unit: int, error: UpstreamError, connected_for: float, other_dialect: str,
                now: float) -> UpstreamError:
        """Return the error with its cause or with what to check, if either is known."""
        if isinstance(error, WrongUnit) and not self._are_many:
            return BadAnswer(f"{error}; if it is the one device there, set answers_as = {error.answering}")
        if isinstance(error, Garbage):
            return error if self._answering else Garbage(GARBAGE)
        if isinstance(error, NoAnswer) and not isinstance(error, NotSent):
            return self._explain_silence(unit, error, connected_for, other_dialect, now)
        if isinstance(error, BadAnswer) and str(error).endswith("a wrong CRC"):
            return BadAnswer(f"{error}; {WEAK}")
        is_gateways = isinstance(error, Refused) and error.exception_code in GATEWAY_EXCEPTIONS
        if is_gateways and unit not in self._answering:
            look = is_it_the_id(unit, self._answering) if self._answering else look_at(self._line)
            return Refused(f"{error}; {look}", error.exception_code)
        return error

    def explain_unreachable(self, error: Unreachable) -> Unreachable:
        look = look_for(self._url, error)
        return Unreachable(f"{error}; {look}") if look else error

    def advice(self, now: float) -> tuple[str, ...]:
        """Return what to set so that the wire loses fewer answers."""
        late = [is_late(unit, max(times), self._timeout) for unit in self._late
                if len(times := self._late_times(unit, now)) >= OFTEN_LATE]
        delay = None if self._url.is_serial else self._first.connect_delay
        early = () if delay is None else (f"the first requests after connecting are lost; set connect_delay = {delay}",)
        hasty = (f"unit {unit} loses requests that follow an answer at once; set request_gap = {REQUEST_GAP}"
                 for unit in self._answering if self._has_no_gap and self._gaps.is_needed(unit))
        return (*late, *early, *hasty)

    def pause_before(self, unit: int, now: float) -> float:
        """Return the seconds to wait before a unit is asked, which may lose requests that come too soon."""
        return self._gaps.pause_before(unit, now) if self._has_no_gap else 0.0

    def _late_times(self, unit: int, now: float) -> list[float]:
        """Return the seconds of late answers of a unit, but of requests with the full time-out only."""
        return [took for at, took in self._late.get(unit, ()) if now - at < KEEP_LATE
                and took > self._timeout]

    def _explain_silence(self, unit: int, error: NoAnswer, connected_for: float, other_dialect: str,
                         now: float) -> NoAnswer:
        if times := self._late_times(unit, now):
            return NoAnswer(is_late(unit, max(times), self._timeout))
        if other_dialect and not (self._answering or self._is_alive):
            return NothingAnswers(other_dialect)
        if str(error).lower().endswith(HUNG_UP) and connected_for < SOON and not self._url.is_serial:
            kind, what = ((NoAnswer, error) if self._answering or self._is_alive else
                          (NothingAnswers, f"the gateway at {self._url} hangs up after connecting"))
            return kind(f"{what}; {HELD} Or it needs a pause first: set connect_delay = {LONG_DELAY}")
        if unit in self._answering:
            return error
        if self._answering:
            return NoAnswer(f"{error}; {is_it_the_id(unit, self._answering)}")
        if self._is_alive:
            return NoAnswer(f"{error}; {look_at(self._line)}")
        what = "no unit answers" if self._are_many else error
        return NothingAnswers(f"{what}; {look_at_wire(self._url, self._line, self._are_many)}")
