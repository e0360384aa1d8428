"""The master thread: owns one wire, reads the blocks that are due, and forwards requests of masters."""

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from queue import Queue

from softsplit import clock
from softsplit.config.upstream import Unit, Upstream
from softsplit.errors import NoAnswer, Unreachable
from softsplit.polling.fairness import WireShares
from softsplit.polling.plan import Plan
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.pdu import read_question
from softsplit.rates import Rates
from softsplit.upstream.causes.causes import Causes
from softsplit.upstream.clients.choice import client_of
from softsplit.upstream.counters import Counters
from softsplit.upstream.eventlog import EventLog
from softsplit.upstream.forwarding import Forwarding
from softsplit.upstream.handover import HandOver
from softsplit.upstream.learner import Learner
from softsplit.upstream.locator import Locator
from softsplit.upstream.queue import Forward, RequestQueue
from softsplit.upstream.report import UpstreamStatus, report
from softsplit.upstream.results import Results
from softsplit.worker import HUNG, Worker

log = logging.getLogger("softsplit")

REACH_AGAIN, OPEN_AGAIN = 1.5, 1.0  # s between attempts to reach a gateway, or an adapter, that is away
LOOK_AFTER = 0.15  # s of a pause after which we look for frames of another master: by then they are answered


class Poller(Worker):
    """Polls these units of one upstream, and puts the outcome of each read into `readings`.

    Servers hand in requests of masters by `forward` and `note`; `served_as` names the downstream units that
    serve each unit.
    """

    def __init__(self, upstream: Upstream, units: Sequence[Unit], readings: Queue,
                 served_as: Mapping[int, tuple[str, ...]] = {}):
        super().__init__(f"poller {upstream.name}")
        self._upstream = upstream
        self._client = client_of(upstream, connect_delay=upstream.connect_delay, request_gap=upstream.gap,
                                 pause=self.pause)
        self._client.lets_gateway_finish = True
        self._reads = {unit.unit: unit.reads for unit in units}
        self._client.keep_shape = {(unit.unit, read_question(block).pdu)
                                   for unit in units for block in unit.profile.alone}
        self._plan = Plan(self._reads, upstream.timeout, clock.now(), self._client.request_gap,
                          self._client.free_at,
                          self._client.patience)
        self.counters = Counters(self._reads)
        self.counters.skipped = self._client.skipped
        self._eventlog = EventLog(upstream.name, str(upstream.url), self._reads, served_as=served_as)
        self._rates = Rates()  # main thread
        self.hung_after = HUNG + 4 * upstream.timeout  # a look-up and connecting take one each, twice at most
        self._down_until = 0.0  # when a gateway that is down is tried again
        self._wake = threading.Event()  # set when there is something to do
        self._queue = RequestQueue(self._wake.set)
        self._shares = WireShares()
        self._learner = Learner(self._plan, self.counters, self._eventlog)
        profiles, places = {unit.unit: unit.profile for unit in units}, self.counters.places
        hand_over = HandOver(upstream.name, readings, self.stopping.is_set,
                             lambda unit: profiles[unit].located(places.get(unit)).registers)
        self._locator = Locator(units, self._client, self._plan, self.counters, self._eventlog, hand_over,
                                upstream.timeout)
        self._causes = Causes(upstream, self._client, self.counters, self._eventlog, self.pause)
        self._results = Results(upstream.name, self._client, self._plan, self.counters, self._eventlog,
                                self._shares,
                                hand_over, self._causes, self._locator)
        self._forwarding = Forwarding(upstream, self._client, self._plan, self._queue, self._learner,
                                      hand_over, self._results)

    def forward(self, forward: Forward) -> Future:  # server thread
        """Send a request of a master once; the future gets the answer PDU, or an UpstreamError."""
        return self._queue.hand_in(forward)

    def give_up_late(self, now: float) -> None:  # deadlines thread
        """Fail requests that have waited long enough."""
        self._queue.give_up_late(now)

    def note(self, unit: int, block: Block) -> None:  # server thread
        """Note that a master has asked for a block that is not polled, to learn it if that happens often."""
        self._learner.note(unit, block)

    def is_idle(self) -> bool:  # server thread
        """Whether the wire has time for reads that are not necessary."""
        return self._queue.is_empty and self._learner.has_room

    def wake(self) -> None:  # any thread
        self._wake.set()

    def step(self) -> None:
        now = clock.now()
        self._learner.look(now)
        self._eventlog.catch_up()
        self._queue.give_up(NoAnswer("the unit does not answer"),
                               lambda each: not self._plan.may_ask(each.unit, now))
        if now < self._down_until:
            self._queue.give_up(Unreachable(self.counters.unreachable))
            self._wait(self._down_until - now)
            return
        if error := self._locator.look(now):
            self._unreachable(error, now)
            return
        due = self._plan.next(now)
        is_pollings = self._shares.is_pollings(due is not None) or due and self._plan.is_owed(*due, now)
        forward = None if is_pollings else self._forwarding.take()
        if forward:
            self._forward(forward)
        elif due:
            self._read(*due)
        else:
            self._wait(min(self._plan.pause(now) or 1.0, 1.0, self._queue.pause))

    def close(self) -> None:
        self._queue.give_up(NoAnswer("softsplit stops"))
        self._client.close()
        name, counters = self._upstream.name, self.counters
        if counters.asked_at is not None:
            log.info("%s: the wire was busy %.1f %% of the time", name, 100 * counters.utilisation)
            for unit in counters.blocks:
                log.info("%s: unit %s: %s", name, unit, counters.describe(unit))

    def report(self, now: float) -> UpstreamStatus:  # main thread
        busy = self._rates.update({"busy": self.counters.busy}, now)["busy"]
        return replace(report(self._upstream, self.counters, busy, now),
                       certificate=self._client.certificate())

    def _wait(self, seconds: float) -> None:
        """Pause until there is something to do; on a line, look for frames of others meanwhile."""
        if seconds > LOOK_AFTER and not self._client.tells_late and not self._wake.wait(LOOK_AFTER):
            seconds -= LOOK_AFTER
            self._client.listen()
            self._results.listen()
        self._wake.wait(max(0.0, seconds))
        self._wake.clear()

    def _read(self, unit: int, read: Read) -> None:
        self.pause(self._causes.pause_before(unit))
        tried_at = clock.now()
        self._forwarding.polls(unit, read)
        outcome = self._client.outcome(unit, read_question(read.block), self._plan.timeout(unit))
        if isinstance(outcome.error, Unreachable):
            self._unreachable(outcome.error, tried_at)
        elif not (outcome.error and self.stopping.is_set()):
            self._results.take(read, outcome)
            self._results.listen()

    def _forward(self, forward: Forward) -> None:
        tried_at = clock.now()
        try:
            self._forwarding.send(forward)
        except Unreachable as error:
            self._unreachable(error, tried_at)
        else:
            self._results.listen()

    def _unreachable(self, error: Unreachable, tried_at: float) -> None:
        pause = OPEN_AGAIN if self._upstream.url.is_serial else REACH_AGAIN
        self._down_until = max(clock.now(), tried_at + pause)
        self._results.unreachable(error)
