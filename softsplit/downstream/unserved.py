"""Requests for units that a server does not serve, and bytes that are no request.

The server's thread counts and logs them; the main thread reads.
"""

import logging
from collections.abc import Collection, Iterable

from softsplit import clock
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.downstream.report import UnservedStatus
from softsplit.logs.conditions import TokenBucket

log = logging.getLogger("softsplit")

SURE = 3  # requests for a unit without any answer, after which it is no slip
MOST_UNITS = 250  # counted units
STRAYS, STRAY_BYTES = 5, 10  # times that bytes came, and bytes, without a whole frame, that count as garbled
RECENT = 600.0  # s for which they count


class Unserved:
    """Counts requests for units not served, and bytes that are no frame; `question` asks why these come."""

    def __init__(self, name: str, units: Collection[int], question: str = "",
                 bucket: TokenBucket | None = None):
        self.units = units
        self.stray_bytes = 0
        self._name = name
        self._question = question
        self._asked: dict[int, tuple[int, float]] = {}  # by unit: requests, when the last one came
        self._elsewhere: set[int] = set()  # units of other devices on the line
        self._told: set[int] = set()
        self._bucket = bucket or TokenBucket(burst=20)
        self._is_told_garbled = False
        self._strays = self._stray_since_frame = 0
        self._strayed_at = float("-inf")

    def ask(self, unit: int, sure: int = 1) -> None:  # server thread
        """Count a request for a unit that nobody serves here; log it after `sure` requests."""
        if unit in self._elsewhere or unit not in self._asked and len(self._asked) >= MOST_UNITS:
            return
        count = self._asked.get(unit, (0, 0.0))[0] + 1
        self._asked[unit] = count, clock.now()
        if count >= sure and unit not in self._told and self._bucket.take():
            self._told.add(unit)
            log.warning("%s: %s", self._name, describe_unserved([unit], self.units))

    def answers_elsewhere(self, unit: int) -> None:  # server thread
        """Note that another device on the line is this unit."""
        if len(self._elsewhere) < MOST_UNITS:
            self._elsewhere.add(unit)
        self._asked.pop(unit, None)

    def stray(self, count: int) -> None:  # server thread
        """Count bytes that are no frame, nor the beginning of one."""
        self.stray_bytes += count
        self._strays += 1
        self._stray_since_frame += count
        self._strayed_at = clock.now()
        if self._is_garbled and not self._is_told_garbled and self._bucket.take():
            self._is_told_garbled = True
            log.warning("%s: %s", self._name, self._question)

    def frame(self) -> None:  # server thread
        """Note that a whole frame has come, of anybody."""
        if self._strays:
            self._strays = self._stray_since_frame = 0
        if self._is_told_garbled:
            self._is_told_garbled = False
            log.info("%s: valid frames are received again", self._name)

    @property
    def _is_garbled(self) -> bool:
        return self._strays >= STRAYS and self._stray_since_frame >= STRAY_BYTES

    def garbled(self, now: float) -> str:  # main thread
        """Return the question if only bytes without a frame have come lately, else ""."""
        return self._question if self._is_garbled and now - self._strayed_at < RECENT else ""

    def asked(self, now: float) -> tuple[UnservedStatus, ...]:  # main thread
        return tuple(UnservedStatus(unit=str(unit), requests=count, age=round(max(0.0, now - at), 3))
                     for unit, (count, at) in sorted(dict(self._asked).items()))


def describe_unserved(units: Iterable[object], served: Iterable[object]) -> str:
    """Say that masters ask for the wrong units."""
    names, known = [str(unit) for unit in units], [str(unit) for unit in served]
    what = f"unit {names[0]}, which is" if len(names) == 1 else f"units {_and(names)}, which are"
    return f"a master asks for {what} not served here; served {'is' if len(known) == 1 else 'are'} {_and(known)}"


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def question_for(url: Url, line: Line | None) -> str:
    """Return the question to ask when bytes come to a server that are no request."""
    if url.is_serial:
        line = line or Line()
        return f"bytes without a request: is the baud rate {line.baudrate} {line.mode}?"
    if url.kind.has_datagrams:
        return "bytes without a request: does the master speak Modbus RTU? Over UDP only Modbus UDP is served"
    if url.kind.has_mbap:
        return ("bytes without a request: does the master speak Modbus RTU over TCP? Then make this a "
                "rtuovertcp:// url")
    return ("bytes without a request: does the master speak Modbus TCP? Then make this a tcp:// url; "
            "or is the baud rate of its serial server wrong?")
