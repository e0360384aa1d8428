"""Scan a bus: try unit ids and line settings until a unit answers, then all unit ids."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from softsplit import clock
from softsplit.commands.scan.examiner import Examiner, Found
from softsplit.commands.scan.prober import PROBE, Prober
from softsplit.commands.scan.progress import Progress
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.errors import BadAnswer, Stranger
from softsplit.profiles import Identify, Profile
from softsplit.protocol import pdu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import Question

STRANGERS = (83, 139, 211)  # unusual unit ids; a device that answers for all of them ignores unit ids
SILENT_UNITS = 10  # after which the other dialect is tried
LATE_UNIT_TIMEOUTS = 5  # time-outs for a unit that answered too late
MOST_AGAIN = 60.0  # s to ask silent units with other functions; if it takes longer, they are not asked
OTHERWISE = (*(pdu.read_question(Block(table, 0, 1))
               for table in (Table.INPUT_REGISTERS, Table.COILS, Table.DISCRETE_INPUTS)),
             pdu.identification_question(0))
LATE_GATEWAY_TIMEOUTS = 3  # time-outs at the end, for answers that a busy gateway may delay


class Scan:
    """A scan of one wire for `units`, with each of the line settings `ways` until a unit answers.

    `timeout` is in seconds; `profiles` recognise devices, the first `named` of them are from the command
    line; `gap` is the seconds between an answer and the next request. Its results can be read at any time.
    """

    def __init__(self, url: Url, units: Sequence[int], ways: Sequence[Line | None], timeout: float,
                 profiles: Sequence[Profile], gap: float = 0.0, named: int = 0):
        self.url = url
        self.ways = ways
        self.timeout = timeout
        self.found: list[Found] = []
        self.tried: list[Line | None] = []  # ways; the last is the present one
        self.asked: list[int] = []  # units, with the present setting
        self.damaged: dict[Line | None, dict[int, str]] = {}  # errors in answers, by setting and unit
        self.foreign = ""  # traffic of another master
        self.ignores_units = False  # one device answers for all ids
        self.stranger = ""  # what answers in another dialect, or no Modbus at all
        self.has_heard_gateway = False  # a gateway has answered, also that units are missing
        self.unit = 0  # the one that was asked last
        self.is_again = False  # asking silent units with other functions now
        self.silent_left = 0  # silent units that were not asked again, being too many
        self._units = units
        self._profiles = profiles
        self._gap, self._named = gap, named
        self.progress = Progress(len(units), [self._prober(way).expected() for way in ways])

    def steps(self) -> Iterator[Found | None]:
        """Ask one unit at each step, and yield it if it answers. Raises Unreachable."""
        for way in self.ways:
            self.tried.append(way)
            self.asked = []
            self.progress.begin()
            with self._prober(way) as prober:
                yield from self._ask_all(prober)
                is_last = self.found or len(self.ways) == 1
                if is_last and not self.stranger:
                    yield from self._ask_otherwise(prober)
            if is_last or self.stranger:
                return
        for later, way in zip(range(len(self.ways) - 1, -1, -1), self.ways):
            with self._prober(way) as prober:
                self.tried.append(way)
                yield from self._ask_otherwise(prober, later)
            if self.found:
                return

    def _prober(self, way: Line | None) -> Prober:
        return Prober(self.url, self.timeout, way, self._gap)

    def _ask_all(self, prober: Prober) -> Iterator[Found | None]:
        late: set[int] = set()
        waited: dict[int, float] = {}  # s, for units that were silent
        for unit in self._units:
            began = clock.now()
            found = self._ask(prober, unit)
            waited[unit] = prober.waited
            self._note(prober, clock.now() - began, found is None)
            self.asked.append(unit)
            late |= prober.take_late()
            self.has_heard_gateway = self.has_heard_gateway or prober.has_heard_gateway
            yield found
            if self.ignores_units or self._finds_stranger(prober):
                return
        prober.await_late(LATE_GATEWAY_TIMEOUTS)
        late |= prober.take_late()
        prober.patience = LATE_UNIT_TIMEOUTS
        for unit in self._missing(late):
            yield self._ask(prober, unit)
        prober.patience = 1
        for unit in self._missing(unit for unit in self._units if waited[unit] < prober.off_takes):
            yield self._ask(prober, unit)

    def _missing(self, units: Iterable[int]) -> list[int]:
        """Those of the units that were not found yet."""
        return [] if self.ignores_units else sorted({*units}.intersection(self._units).difference(
            found.unit for found in self.found))

    def _note(self, prober: Prober, took: float, is_silent: bool) -> None:
        """Update the progress after a unit was asked."""
        progress = self.progress
        progress.asked(took, is_silent)
        progress.plan(prober.expected())
        progress.later = not self.found
        again = (len(self._units) - len(self.found)) * self._otherwise_takes(prober) * self._rounds
        progress.besides = again if again <= MOST_AGAIN else 0.0
        if self.ignores_units:
            progress.end()

    @property
    def _otherwise(self) -> Sequence[Question]:
        """The further questions to silent units: for the named profiles, other tables, and identification."""
        own = [pdu.read_question(each.register.block) for profile in self._profiles[:self._named]
               for each in profile.identify if isinstance(each, Identify)]
        return (*own, *OTHERWISE)

    def _otherwise_takes(self, prober: Prober) -> float:
        """Seconds for all further questions to a missing unit."""
        return sum(map(prober.expected, self._otherwise))

    def _ask_otherwise(self, prober: Prober, later: int = 0) -> Iterator[Found | None]:
        """Ask silent units the further questions; `later` is the number of line settings after this one."""
        silent = [unit for unit in self._missing(self._units)
                  if unit not in self.damaged.get(self.tried[-1], {})]
        seconds = len(silent) * self._otherwise_takes(prober)
        if self.ignores_units or seconds * self._rounds > MOST_AGAIN:
            self.silent_left = 0 if self.ignores_units else len(silent)
            return
        self.is_again = True
        self.progress.begin_again(len(silent), seconds / max(len(silent), 1), later * seconds)
        for unit in silent:
            began = clock.now()
            found = self._ask(prober, unit, self._otherwise)
            self.progress.asked(clock.now() - began, found is None)
            yield found
        self.is_again = False

    @property
    def _rounds(self) -> int:
        """The number of line settings with which silent units are asked again."""
        return 1 if self.found else len(self.ways)

    def _finds_stranger(self, prober: Prober) -> bool:
        """Whether something else answers; after some silent units, the other dialect is tried once."""
        is_silent = not (self.found or self.damaged or self.foreign or prober.has_heard_modbus)
        if is_silent and len(self.asked) == min(SILENT_UNITS, len(self._units)):
            self.stranger = prober.ask_otherwise(self.asked)
        return self.stranger != ""

    def _ask(self, prober: Prober, unit: int, questions: Sequence[Question] = (PROBE,)) -> Found | None:
        """Ask a unit until it answers, then identify it."""
        self.unit = unit
        for question in questions:
            try:
                answer = prober.ask(unit, question)
            except Stranger as error:
                self.stranger = str(error)
                return None
            except BadAnswer as error:
                self.damaged.setdefault(self.tried[-1], {})[unit] = str(error)
                return None
            finally:
                self.foreign = self.foreign or "".join(prober.take_foreign()[:1])
            if answer is not None:
                return self._take(prober, unit, question, answer)
        return None

    def _take(self, prober: Prober, unit: int, question: Question, answer: bytes) -> Found:
        """Note and identify a unit that answered."""
        if not self.found and question == PROBE:
            strangers = [each for each in STRANGERS if each != unit]
            self.ignores_units = all(self._is_alike(prober, each, answer) for each in strangers)
        self.found.append(replace(Examiner(prober).examine(unit, self._profiles), function=question.function))
        return self.found[-1]

    @staticmethod
    def _is_alike(prober: Prober, unit: int, answer: bytes) -> bool:
        """Whether another unit id gets the same kind of answer; its values may change at any time."""
        try:
            return (prober.probe(unit) or b"")[:2] == answer[:2]
        except BadAnswer:
            return False
