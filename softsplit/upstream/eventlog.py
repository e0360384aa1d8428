"""Log the events of one wire: its gateway, units, blocks, load and other masters."""

import logging
from collections.abc import Collection, Mapping
from functools import partial

from softsplit import clock
from softsplit.bounded import BoundedDict
from softsplit.errors import NothingAnswers, UpstreamError
from softsplit.logs.conditions import Condition, TokenBucket, show_some
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import describe_pdu
from softsplit.protocol.outcome import Outcome
from softsplit.upstream.clients.gatewaywait import GatewayWait
from softsplit.upstream.clients.heard import Skipped
from softsplit.upstream.words import DOUBLE, LATE, OVERLOADED, fails, lacks, refuses, smaller

log = logging.getLogger("softsplit")

TRIED_AGAIN = "; it is tried again every few seconds"
MANY_SKIPPED = 3  # skipped answers of one kind, after which they are logged
MOST_FORWARDED = 100  # requests of masters whose failures are remembered
MOST_LINES = 50  # lines of log at once, at most; the TokenBucket then adds 144 a day
LONG_WAIT = 0.5  # s that a gateway may spend on a unit which is off before that is logged
LASTING = 10.0  # s for which the wire has to be overloaded, or a unit busy, before that is logged
TOO_MUCH, CARRIED = 1.05, 0.95  # demands of the plan that the wire cannot carry, and can carry again


class EventLog:
    """Logs each change once, and lasting trouble at growing intervals. For the thread that owns the wire.

    `tries` is false if we only listen; `served_as` names the downstream units that serve each unit.
    """

    def __init__(self, name: str, url: str, units: Collection[int], tries: bool = True,
                 served_as: Mapping[int, tuple[str, ...]] = {}):
        self._name = name
        self._served_as = served_as
        self._url = url
        self._outlook, counted = (TRIED_AGAIN, "tries") if tries else ("", "")
        self._bucket = TokenBucket(burst=min(6 + len(units), MOST_LINES))  # enough for a start and an outage
        self._gateway = Condition(self._bucket, tries=counted)
        self._load = Condition(self._bucket, well_at_first=True, tries="")
        self._line = Condition(self._bucket, well_at_first=True, tries="")
        self._units = {unit: Condition(self._bucket, tries=counted) for unit in units}
        self._nobody_condition = partial(Condition, self._bucket, well_at_first=True, tries=counted)
        self._nobody = self._nobody_condition()
        self._advice = Condition(self._bucket, well_at_first=True, tries="")
        self._blocks_that_are_written = Condition(self._bucket, well_at_first=True, tries="writes")
        self._blocks: dict[tuple[int, Block | None], Condition] = {}
        self._forwarded: BoundedDict[tuple[int, bytes], Condition] = BoundedDict(MOST_FORWARDED)
        self._ids = Condition(self._bucket, well_at_first=True, tries="")
        self._places: dict[int, Condition] = {}  # of registers that have to be found
        self._told_wait = LONG_WAIT / 2  # s
        self._carried_at = clock.now()
        self._busy_since: dict[int, float] = {}
        self._told_skipped: set[str] = set()

    def reached(self) -> None:
        self._gateway.well(f"{self._name}: connected to {self._url}")

    def unreachable(self, error: UpstreamError) -> None:
        self._gateway.trouble(f"{self._name}: {error}", f"{self._stale(*self._units)}{self._outlook}")

    def gateway_wait(self, unit: int, gateway: GatewayWait | None) -> None:
        """Log how long the gateway takes to report a unit as off; log it again when that time has doubled."""
        wait = gateway.says_off_after if gateway else None
        if wait and wait > 2 * self._told_wait and self._bucket.take():
            self._told_wait = wait
            log.info("%s: the gateway needs %.1f s to report that unit %s is off", self._name, wait, unit)

    def wrong_ids(self, what: str) -> None:
        """Log what is wrong with transaction ids, or that nothing is."""
        if what:
            self._ids.trouble(f"{self._name}: {what}", self._stale(*self._units))
        else:
            self._ids.well(f"{self._name}: the gateway returns our transaction ids again")

    def advise(self, what: str) -> None:
        """Log once what to set in the configuration, and when that is not needed any more."""
        if what:
            self._advice.trouble(f"{self._name}: {what}")
        else:
            self._advice.well(f"{self._name}: no answer is lost or late any more")

    def answers(self, unit: int) -> None:
        if not self._nobody.is_well:  # the line about this unit says more
            self._nobody.forget()
            self._nobody = self._nobody_condition()
        self._busy_since.pop(unit, None)
        self._units[unit].well(f"{self._name}: unit {unit} answers")

    def located(self, unit: int, what: str, at: int | None) -> None:
        """Log where a unit has what its profile describes, or that it does not have it."""
        condition = self._places.setdefault(unit, Condition(self._bucket, tries=""))
        if at is None:
            condition.trouble(f"{self._name}: {lacks(unit, what)}", self._stale(unit))
        else:
            condition.well(f"{self._name}: unit {unit}: {what} begins at 0x{at:04X}")

    def mute(self, outcome: Outcome) -> None:
        nobody = isinstance(outcome.error, NothingAnswers)
        condition = self._nobody if nobody else self._units[outcome.unit]
        condition.trouble(f"{self._name}: {outcome.error}", f"{self._stale(outcome.unit)}{self._outlook}")

    def busy(self, outcome: Outcome) -> None:
        """Log a unit that only says that it is busy, once that lasts."""
        unit, now = outcome.unit, clock.now()
        if now - self._busy_since.setdefault(unit, now) > LASTING:
            self._units[unit].trouble(f"{self._name}: {outcome.error}", f"{self._stale(unit)}{self._outlook}")

    def block(self, outcome: Outcome, name: str, has_answered: bool) -> None:
        """Log when a unit refuses or does not answer a block of this name, and when it answers again."""
        unit, block = outcome.unit, outcome.block
        if outcome.answer is None:
            code = outcome.own_exception
            what = f"{outcome.error} ({name})" if code is None else refuses(unit, name, code, has_answered)
            condition = self._blocks.setdefault((unit, block), Condition(self._bucket, well_at_first=True))
            condition.trouble(f"{self._name}: {what}", self._stale(unit) if code is None else smaller(block))
        elif (unit, block) in self._blocks:
            self._blocks[unit, block].well(f"{self._name}: unit {unit} answers {block} again")

    def forwarded(self, outcome: Outcome) -> None:
        """Log when a forwarded read is not answered, and when it is answered again."""
        if outcome.question is None:
            return
        key, what = (outcome.unit, outcome.question.pdu), describe_pdu(outcome.question.pdu)
        if not outcome.is_of_unit:
            if key not in self._forwarded:
                self._forwarded[key] = Condition(self._bucket, well_at_first=True)
            self._forwarded[key].trouble(f"{self._name}: {fails(f'{what}: {outcome.error}')}")
        elif key in self._forwarded:
            self._forwarded[key].well(f"{self._name}: unit {outcome.unit} answers again: {what}")

    def forget_block(self, unit: int, block: Block) -> None:
        if condition := self._blocks.pop((unit, block), None):
            condition.forget()

    def catch_up(self) -> None:
        """Log lasting states that exceeded the limit when they began; call it about once a second."""
        self._bucket.catch_up()

    def unclear_write(self, outcome: Outcome) -> None:
        """Log a write of which nobody knows whether it was done."""
        what = describe_pdu(outcome.question.pdu) if outcome.question else "a write"
        self._blocks_that_are_written.trouble(
            f"{self._name}: unit {outcome.unit}: {what}: {outcome.error}; whether it was done is not known")

    def weigh(self, demand: float) -> bool:
        """Log when the wire cannot carry the plan for long, and when it can again; return whether it cannot.

        While the log has its cause, such as late answers, that is enough.
        """
        now = clock.now()
        if demand < TOO_MUCH:
            self._carried_at = now
        if demand > TOO_MUCH and now - self._carried_at > LASTING and self._advice.is_well and self._line.is_well:
            self._load.trouble(f"{self._name}: {OVERLOADED}")
        elif demand < CARRIED:
            self._load.well(f"{self._name}: the wire carries all reads at their periods again")
        return not self._load.is_well

    def unlisted(self, unit: int) -> None:
        if self._bucket.take():
            log.info("%s: unit %s is also on this line; add it to units to serve it", self._name, unit)

    def other_master(self, what: str) -> None:
        self._line.trouble(what)

    def skipped(self, skipped: Skipped) -> None:
        """Log once each kind of answers that are skipped."""
        for count, what in ((skipped.double, DOUBLE), (skipped.late, LATE)):
            if count >= MANY_SKIPPED and what not in self._told_skipped and self._bucket.take():
                self._told_skipped.add(what)
                log.warning("%s: %s", self._name, what)

    def _stale(self, *units: int) -> str:
        """Say what gets stale without these units."""
        names = list(dict.fromkeys(name for unit in units for name in self._served_as.get(unit, ())))
        return f"; stale: {show_some(names)}" if names else ""
