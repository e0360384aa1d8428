"""Log the events of one wire: its gateway, units, blocks, load and other masters."""

import logging
from collections.abc import Collection
from functools import partial

from softsplit.errors import NothingAnswers, UpstreamError
from softsplit.logs.conditions import Condition, TokenBucket
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import describe_pdu
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import describe_exception
from softsplit.upstream.clients.gatewaywait import GatewayWait

log = logging.getLogger("softsplit")

TRIED_AGAIN = "; it is tried again every few seconds"
MOST_LINES = 50  # lines of log at once, at most; with what an allowance adds in a day fewer than 200
LONG_WAIT = 0.5  # s that a gateway may spend on a unit which is off without anybody being told
OVERLOADED, CARRIED = 1.05, 0.95  # demands of the wire that a plan cannot have, and can again


class EventLog:
    """Logs each change once, and lasting trouble at growing intervals. For the thread that owns the wire.

    `tries` is false if nothing is ever sent on the wire.
    """

    def __init__(self, name: str, url: str, units: Collection[int], tries: bool = True):
        self._name = name
        self._url = url
        self._outlook, counted = (TRIED_AGAIN, "tries") if tries else ("", "")
        self._bucket = TokenBucket(burst=min(6 + len(units), MOST_LINES))  # what a start takes, and an outage
        self._gateway = Condition(self._bucket, tries=counted)
        self._load = Condition(self._bucket, well_at_first=True, tries="")
        self._line = Condition(self._bucket, well_at_first=True, tries="")
        self._units = {unit: Condition(self._bucket, tries=counted) for unit in units}
        self._nobody_condition = partial(Condition, self._bucket, well_at_first=True, tries=counted)
        self._nobody = self._nobody_condition()
        self._advice = Condition(self._bucket, well_at_first=True, tries="")
        self._blocks_that_are_written = Condition(self._bucket, well_at_first=True, tries="writes")
        self._blocks: dict[tuple[int, Block | None], Condition] = {}
        self._ids = Condition(self._bucket, well_at_first=True, tries="")
        self._told_wait = LONG_WAIT / 2  # s

    def reached(self) -> None:
        self._gateway.well(f"{self._name}: connected to {self._url}")

    def unreachable(self, error: UpstreamError) -> None:
        self._gateway.trouble(f"{self._name}: {error}", self._outlook)

    def gateway_waits(self, unit: int, gateway: GatewayWait | None) -> None:
        """Log how long the gateway takes to report a unit as off; log it again when that time has doubled."""
        wait = gateway.says_off_after if gateway else None
        if wait and wait > 2 * self._told_wait and self._bucket.take():
            self._told_wait = wait
            log.info("%s: the gateway needs %.1f s to report that unit %s is off", self._name, wait, unit)

    def wrong_ids(self, what: str) -> None:
        """Log what is wrong with transaction ids, or that nothing is."""
        if what:
            self._ids.trouble(f"{self._name}: {what}")
        else:
            self._ids.well(f"{self._name}: the gateway returns our transaction ids again")

    def advise(self, what: str) -> None:
        """Tell once what to set in the configuration."""
        self._advice.trouble(f"{self._name}: {what}")

    def answers(self, unit: int) -> None:
        if not self._nobody.is_well:  # who answers says more
            self._nobody.forget()
            self._nobody = self._nobody_condition()
        self._units[unit].well(f"{self._name}: unit {unit} answers")

    def is_mute(self, outcome: Outcome) -> None:
        nobody = isinstance(outcome.error, NothingAnswers)
        condition = self._nobody if nobody else self._units[outcome.unit]
        condition.trouble(f"{self._name}: {outcome.error}", self._outlook)

    def block(self, outcome: Outcome) -> None:
        """Log when a unit refuses a block or leaves it unanswered, and when it answers it again."""
        unit, block = outcome.unit, outcome.block
        if outcome.answer is None:
            code = outcome.own_exception
            what = f"{block}: {outcome.error}" if code is None else (
                f"unit {unit} refuses {block} with {describe_exception(code)}")
            condition = self._blocks.setdefault((unit, block), Condition(self._bucket, well_at_first=True))
            condition.trouble(f"{self._name}: {what}")
        elif (unit, block) in self._blocks:
            self._blocks[unit, block].well(f"{self._name}: unit {unit} answers {block} again")

    def forgets_block(self, unit: int, block: Block) -> None:
        if condition := self._blocks.pop((unit, block), None):
            condition.forget()

    def catch_up(self) -> None:
        """Log lasting states that exceeded the limit when they began; call it about once a second."""
        self._bucket.catch_up()

    def does_not_say(self, outcome: Outcome) -> None:
        """Nobody knows what came of a write."""
        what = describe_pdu(outcome.question.pdu) if outcome.question else "a write"
        self._blocks_that_are_written.trouble(
            f"{self._name}: unit {outcome.unit}: {what}: {outcome.error}; whether it was done is not known")

    def weigh(self, demand: float) -> None:
        """Log when the wire cannot carry the plan, and when it can again."""
        if demand > OVERLOADED:
            self._load.trouble(f"{self._name}: the wire cannot carry all reads at their periods, so the periods "
                               'are stretched; "softsplit check" shows what to change')
        elif demand < CARRIED:
            self._load.well(f"{self._name}: the wire carries all reads at their periods again")

    def is_there_too(self, unit: int) -> None:
        if self._bucket.take():
            log.info("%s: unit %s is also on this line; add it to units to serve it", self._name, unit)

    def is_not_alone(self, what: str) -> None:
        self._line.trouble(what)
