"""Faults of a simulated bus and their schedule.

    KIND[:ARG][,unit=U][,every=N][,from=S][,to=S]

    exception:CODE  the unit refuses      damaged  its answer has a wrong CRC or function
    late:SECONDS    it answers too late   foreign  another unit answers
    silent          it does not answer
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from softsplit import checks, clock
from softsplit.errors import ConfigError
from softsplit.protocol.addresses import parse_unit

KINDS = ("exception", "late", "damaged", "foreign", "silent")
LONGEST_DELAY = 10.0  # s
FORM = "write it like exception:4 or late:1.5,unit=2,every=3,from=20,to=60"


@dataclass(frozen=True, eq=False)
class Fault:
    """A fault in the answer to every `every`-th request to `unit` (None: to any), from `begin` to `end`.

    These are in seconds after the start. `argument` is the code of an exception, or the seconds of a late
    answer; `text` is the fault as the user wrote it. Raises ConfigError.
    """

    kind: str
    argument: float = 0
    unit: int | None = None
    every: int = 1
    begin: float = 0.0
    end: float = inf
    text: str = ""

    def __post_init__(self):
        checks.require_word(self.kind, KINDS, "fault")
        if self.kind == "exception" and self.argument not in range(1, 256):
            raise ConfigError(f"{checks.show(self.argument)} is no exception code; allowed are 1 to 255")
        if self.kind == "late" and not 0 < self.argument <= LONGEST_DELAY:
            raise ConfigError(f"{checks.show(self.argument)} s is not possible; allowed is more than 0, up to "
                              f"{LONGEST_DELAY:g}")
        if self.every < 1:
            raise ConfigError(f"{checks.show(self.every)} is not possible; allowed is 1 and more", "every")
        if not (0 <= self.begin < self.end and isfinite(self.begin)):
            raise ConfigError(f"from {self.begin:g} s to {self.end:g} s is no span of time", "from")


class Faults:
    """The faults of one simulated bus; counts requests, and times since its creation."""

    def __init__(self, faults: Iterable[Fault] = ()):
        self.scheduled = list(faults)
        self.started_at = clock.now()
        self._requests: Counter[Fault] = Counter()

    def due(self, unit: int) -> list[Fault]:  # server thread
        """Return the faults in the answer to the request that this unit has just received."""
        now = clock.now() - self.started_at
        return [fault for fault in self.scheduled
                if fault.unit in (None, unit) and fault.begin <= now < fault.end and self._is_its_turn(fault)]

    def _is_its_turn(self, fault: Fault) -> bool:
        self._requests[fault] += 1
        return self._requests[fault] % fault.every == 0

    def require(self, units: Iterable[int]) -> None:
        """Raise ConfigError if a fault names a unit that is not one of these."""
        words = [str(unit) for unit in units]
        for fault in self.scheduled:
            if fault.unit is not None:
                checks.require_word(str(fault.unit), words, "unit", fault.text)


def parse_fault(text: str) -> Fault:
    """Parse a fault such as "damaged,unit=2,every=3". Raises ConfigError."""
    what, *selectors = text.split(",")
    kind, colon, argument = what.partition(":")
    with checks.inside(f"--fault {text}", ": "):
        checks.require_word(kind, KINDS, "fault", also=f"; {FORM}")
        if bool(colon) != (kind in ("exception", "late")):
            raise ConfigError(f"{kind} takes no argument; {FORM}" if colon else f"{kind} of what? {FORM}")
        given: dict[str, Any] = dict(map(_selector, selectors))
        if len(given) < len(selectors):
            raise ConfigError(f"something is given twice; {FORM}")
        number = _whole if kind == "exception" else _number
        return Fault(kind, number(argument) if colon else 0, text=f"--fault {text}", **given)


def _whole(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise ConfigError(f'{checks.show(text)} is not a whole number; {FORM}') from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f'{checks.show(text)} is not a number of seconds; {FORM}') from None


SELECTORS = {"unit": ("unit", parse_unit), "every": ("every", _whole), "from": ("begin", _number),
             "to": ("end", _number)}


def _selector(text: str) -> tuple[str, float]:
    word, _, value = text.partition("=")
    checks.require_word(word, SELECTORS, "word", also=f"; {FORM}")
    name, parse = SELECTORS[word]
    with checks.inside(word):
        return name, parse(value)


def parse_mute(text: str) -> Fault:
    """Parse a silence such as "2", "2@20" or "2@20-60": unit, from and to. Raises ConfigError."""
    unit, _, span = text.partition("@")
    begin, _, end = span.partition("-")
    try:
        return Fault("silent", 0, parse_unit(unit), 1, float(begin or 0), float(end or inf), f"--mute {text}")
    except ValueError:  # ConfigError is one
        raise ConfigError(f'{checks.show(text)} is no time to be mute; write it like 2, 2@20 or 2@20-60') from None
