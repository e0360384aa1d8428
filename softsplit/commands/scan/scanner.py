"""Try unit ids and line settings until a unit answers, then all unit ids."""

from collections.abc import Iterator, Sequence

from softsplit.commands.scan.prober import Found, Prober
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.errors import BadAnswer, Stranger
from softsplit.profiles import Profile

STRANGERS = (83, 139, 211)  # units that hardly any bus has; one that has them all looks at no unit id
SILENT_UNITS = 10  # after which the other dialect is tried
LATE_UNIT_TIMEOUTS = 5  # time-outs for a unit that has answered too late
LATE_GATEWAY_TIMEOUTS = 3  # time-outs to wait in the end for answers that a busy gateway may hold up


class Scan:
    """A search on one wire for `units`, in these `ways` to speak there, until one finds somebody.

    `timeout` is in seconds; `profiles` say how to recognise their devices. What it has found so far can be
    looked at at any time.
    """

    def __init__(self, url: Url, units: Sequence[int], ways: Sequence[Line | None], timeout: float,
                 profiles: Sequence[Profile]):
        self.url = url
        self.ways = ways
        self.timeout = timeout
        self.found: list[Found] = []
        self.tried: list[Line | None] = []  # ways; the last is the present one
        self.asked: list[int] = []  # units, in the present way
        self.damaged: dict[Line | None, dict[int, str]] = {}  # what was wrong with an answer, by way and unit
        self.foreign = ""  # what another master said
        self.ignores_units = False  # whether one device answers for all
        self.stranger = ""  # who is there instead of a gateway that speaks as the url says
        self.left = len(units) * len(ways)  # units to ask, in all ways
        self._units = units
        self._profiles = profiles

    def steps(self) -> Iterator[Found | None]:
        """Ask for one unit at each step, and give it if it is there. Raises Unreachable."""
        for way in self.ways:
            self.tried.append(way)
            self.asked = []
            with Prober(self.url, self.timeout, way) as prober:
                yield from self._ask_all(prober)
            if self.found or self.stranger:
                return

    def _ask_all(self, prober: Prober) -> Iterator[Found | None]:
        late: set[int] = set()
        for unit in self._units:
            found = self._ask(prober, unit)
            self.asked.append(unit)
            late |= prober.take_late()
            self.left -= 1
            if self.found:
                self.left = 0 if self.ignores_units else len(self._units) - len(self.asked)
            yield found
            if self.ignores_units or self._finds_stranger(prober):
                return
        prober.await_late(LATE_GATEWAY_TIMEOUTS)
        late |= prober.take_late()
        prober.patience = LATE_UNIT_TIMEOUTS
        for unit in sorted(late.intersection(self._units).difference(found.unit for found in self.found)):
            if not self.ignores_units:
                yield self._ask(prober, unit)

    def _finds_stranger(self, prober: Prober) -> bool:
        """Whether somebody else is there; after some silent units the other dialect is tried, once."""
        is_silent = not (self.found or self.damaged or self.foreign)
        if is_silent and len(self.asked) == min(SILENT_UNITS, len(self._units)):
            self.stranger = prober.ask_otherwise(self.asked[0])
        return self.stranger != ""

    def _ask(self, prober: Prober, unit: int) -> Found | None:
        try:
            answer = prober.probe(unit)
        except Stranger as error:
            self.stranger = str(error)
            return None
        except BadAnswer as error:
            self.damaged.setdefault(self.tried[-1], {})[unit] = str(error)
            return None
        finally:
            self.foreign = self.foreign or "".join(prober.take_foreign()[:1])
        if answer is None:
            return None
        if not self.found:
            strangers = [each for each in STRANGERS if each != unit]
            self.ignores_units = all(self._is_alike(prober, each, answer) for each in strangers)
        self.found.append(prober.examine(unit, self._profiles))
        return self.found[-1]

    @staticmethod
    def _is_alike(prober: Prober, unit: int, answer: bytes) -> bool:
        """Whether a unit answers the same kind of thing; the numbers in it may change any time."""
        try:
            return (prober.probe(unit) or b"")[:2] == answer[:2]
        except BadAnswer:
            return False
