"""The master thread: owns one wire, and reads from it what the plan says is due."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from queue import Queue

from softsplit.errors import Refused, Unreachable, UpstreamError
from softsplit.protocol import frames
from softsplit.protocol.blocks import Read, Reading
from softsplit.protocol.pdus import OWN_EXCEPTIONS, describe_exception, describe_request, read_question
from softsplit.protocol.plan import Plan
from softsplit.rates import Rates
from softsplit.topology import Unit, Upstream
from softsplit.trouble import Allowance, Condition
from softsplit.upstream.clients import client_for
from softsplit.upstream.report import report
from softsplit.upstream.tally import Tally
from softsplit.worker import HUNG, Worker

log = logging.getLogger("softsplit")

REACH_AGAIN, OPEN_AGAIN = 1.5, 1.0  # s between tries to reach a gateway, or an adapter, that is away
PATIENCE = 5.0  # s to hand over a reading; a sync thread that is slower has failed
LOOK_UP = 60.0  # s the system may take to look up a host
TRIED_AGAIN = "; it is tried again every few seconds"
BURST = 50  # lines of log at once, at most; with what an allowance adds in a day fewer than 200
FOREIGN, FOREIGN_WITHIN = 3, 60.0  # so many foreign frames within so many seconds are another master
TOO_MUCH, ENOUGH = 1.05, 0.95  # demands of the wire that a plan cannot have, and can again


class Poller(Worker):
    """Polls these units of one upstream, and puts what each read brings home into `readings`."""

    def __init__(self, upstream: Upstream, units: Sequence[Unit], readings: Queue):
        super().__init__(f"poller {upstream.name}")
        self._upstream = upstream
        self._readings = readings
        self._client = client_for(upstream.url, upstream.timeout, upstream.line,
                                  connect_delay=upstream.connect_delay, request_gap=upstream.request_gap,
                                  pause=self.pause)
        self._reads = {unit.unit: unit.reads for unit in units}
        self._plan = Plan(self._reads, upstream.timeout, time.monotonic(), self._client.request_gap,
                          lambda unit, block: self._client.free_at(unit, read_question(block)))
        self.tally = Tally(self._reads)
        self._rates = Rates()  # main thread
        self.hung_after = HUNG + LOOK_UP + 4 * upstream.timeout  # connecting takes a time-out per address
        self._tried_at = 0.0
        self._down_until: float | None = None  # when a gateway that is down is tried again
        allowance = Allowance(burst=min(5 + len(units), BURST))  # as many as a start takes, and an outage
        self._gateway = Condition(allowance)
        self._load = Condition(allowance, well_at_first=True, tries="")
        self._line = Condition(allowance, well_at_first=True, tries="")
        self._foreign_at: deque[float] = deque(maxlen=FOREIGN)
        self._foreigner = ""  # what is said of another master on our line
        self._units = {unit: Condition(allowance) for unit in self._reads}
        self._blocks = {(unit, read.block): Condition(allowance, well_at_first=True)
                        for unit, reads in self._reads.items() for read in reads}

    def step(self) -> None:
        now = time.monotonic()
        if self._down_until is not None and now < self._down_until:
            self.stopping.wait(self._down_until - now)
        elif due := self._plan.next(now):
            self._read(*due)
        else:
            self.stopping.wait(min(self._plan.pause(now), 1.0))

    def close(self) -> None:
        self._client.close()
        name, tally = self._upstream.name, self.tally
        if tally.asked_at is not None:
            log.info("%s: the wire was busy %.1f %% of the time", name, 100 * tally.utilisation)
            for unit in tally.blocks:
                log.info("%s: unit %d: %s", name, unit, tally.describe(unit))

    def report(self, now: float) -> dict:  # main thread
        """What `status.json` says of this upstream."""
        busy = self._rates.update({"busy": self.tally.busy}, now)["busy"]
        return report(self._upstream, self._reads, self.tally, busy, now)

    def _read(self, unit: int, read: Read) -> None:
        self._tried_at = time.monotonic()
        try:
            data = self._client.read(unit, read.block, self._plan.timeout(unit))
        except Unreachable as error:
            self._unreachable(error)
            return
        except UpstreamError as error:
            if self.stopping.is_set():
                return
            self._count(unit, read, error)
            if isinstance(error, Refused) and error.exception_code in OWN_EXCEPTIONS:
                self._answered(unit, read, exception=error.exception_code)
            else:
                self._unanswered(unit, read, error)
        else:
            self._count(unit, read)
            self._answered(unit, read, data)
        for late in self._client.take_late():
            self._plan.heard(late, time.monotonic())
        for frame in self._client.take_foreign():
            self._notice(frame)

    def _count(self, unit: int, read: Read, error: UpstreamError | None = None) -> None:
        """Note a request and what came of it: the gateway, at least, was there."""
        self.tally.count(unit, read.block, self._client.asked_at, error, self._client.request_gap)
        self._gateway.well(f"{self._upstream.name}: connected to {self._upstream.url}")
        if self._down_until is not None:
            self._down_until = None
            self._plan.restart(time.monotonic())

    def _notice(self, frame: bytes) -> None:
        """Something was said on our line that we did not ask for; often enough, it is another master."""
        self.tally.foreign += 1
        self._foreign_at.append(time.monotonic())
        is_request = frames.request_length(frame) == len(frame)
        what = f"asks for {describe_request(frame[1:-2])}" if is_request else "is made to answer"
        self._foreigner = self._foreigner or (
            f"{self._upstream.name}: another master is on this line: unit {frame[0]} {what}; take it off, "
            "softsplit has to be the only one")
        if self._foreign_at[-1] - self._foreign_at[0] < FOREIGN_WITHIN and len(self._foreign_at) == FOREIGN:
            self._line.trouble(self._foreigner)
            self.tally.foreigner, self.tally.foreigner_at = self._foreigner, self._foreign_at[-1]

    def _answered(self, unit: int, read: Read, data: bytes | None = None,
                  exception: int | None = None) -> None:
        self._plan.answered(unit, read, self._client.asked_at, time.monotonic())
        self._weigh()
        self._hand_over(unit, read, data, exception)
        who, block = f"{self._upstream.name}: unit {unit}", self._blocks[unit, read.block]
        self.tally.mute.discard(unit)
        self._units[unit].well(f"{who} answers")
        if exception is None:
            block.well(f"{who} answers {read.block} again")
        else:
            block.trouble(f"{who} refuses {read.block} with {describe_exception(exception)}")

    def _unanswered(self, unit: int, read: Read, error: UpstreamError) -> None:
        self._plan.unanswered(unit, read, self._client.asked_at, time.monotonic())
        self._hand_over(unit, read)
        if self._plan.is_mute(unit):
            self.tally.mute.add(unit)
            self._units[unit].trouble(f"{self._upstream.name}: {error}", TRIED_AGAIN)
        elif self._plan.is_failing(unit, read):
            self._blocks[unit, read.block].trouble(f"{self._upstream.name}: {read.block}: {error}")

    def _weigh(self) -> None:
        """Say when the wire cannot carry the plan, and when it can again."""
        if self._plan.demand > TOO_MUCH:
            self._load.trouble(f"{self._upstream.name}: the wire cannot carry all reads in their periods, "
                               'which are stretched; "softsplit check" says what to change')
        elif self._plan.demand < ENOUGH:
            self._load.well(f"{self._upstream.name}: the wire carries all reads in their periods again")

    def _unreachable(self, error: Unreachable) -> None:
        now = time.monotonic()
        self._down_until = max(now, self._tried_at + (OPEN_AGAIN if self._upstream.url.path else REACH_AGAIN))
        self.tally.miss(error)
        self._gateway.trouble(f"{self._upstream.name}: {error}", TRIED_AGAIN)
        for unit, reads in self._reads.items():
            self._hand_over(unit, reads[0])

    def _hand_over(self, unit: int, read: Read, data: bytes | None = None,
                   exception: int | None = None) -> None:
        reading = Reading(self._upstream.name, unit, read.block, self._client.asked_at, data, exception)
        self._readings.put(reading, timeout=PATIENCE)
