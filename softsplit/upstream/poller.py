"""The master thread: owns one wire, and reads from it what the plan says is due."""

import time
from collections.abc import Sequence
from queue import Queue

from softsplit.errors import BadAnswer, NoAnswer, Refused, Unreachable, UpstreamError
from softsplit.protocol.blocks import Read, Reading
from softsplit.protocol.pdus import OWN_EXCEPTIONS, describe_exception
from softsplit.protocol.plan import Plan
from softsplit.topology import Unit, Upstream
from softsplit.upstream.client import TcpClient
from softsplit.trouble import Allowance, Condition
from softsplit.worker import Worker

REACH_AGAIN = 2.0  # s between tries to reach a gateway that is down
PATIENCE = 5.0  # s to hand over a reading; a sync thread that is slower has failed


class Poller(Worker):
    """Polls these units of one upstream, and puts what each read brings home into `readings`."""

    def __init__(self, upstream: Upstream, units: Sequence[Unit], readings: Queue):
        super().__init__(f"poller {upstream.name}")
        self._upstream = upstream
        self._readings = readings
        self._client = TcpClient(upstream.url, upstream.timeout)
        self._reads = {unit.unit: unit.profile.reads for unit in units}
        self._plan = Plan(self._reads, upstream.timeout, time.monotonic())
        self._down_until: float | None = None  # when a gateway that is down is tried again
        allowance = Allowance(burst=5 + len(units))  # as many as a start takes, and an outage
        self._gateway = Condition(allowance)
        self._units = {unit: Condition(allowance) for unit in self._reads}
        self._blocks = {(unit, read.block): Condition(allowance, well_at_first=True)
                        for unit, reads in self._reads.items() for read in reads}

    def step(self) -> None:
        now = time.monotonic()
        pause = max(self._plan.pause(now), (self._down_until or now) - now)
        if pause > 0:
            self.stopping.wait(min(pause, 1.0))
        else:
            self._read(*self._plan.next(now))

    def close(self) -> None:
        self._client.close()

    def _read(self, unit: int, read: Read) -> None:
        try:
            data = self._client.read(unit, read.block, self._plan.timeout(unit))
        except Unreachable as error:
            self._unreachable(error)
            return
        except (Refused, NoAnswer, BadAnswer) as error:
            self._reachable()
            if isinstance(error, Refused) and error.exception_code in OWN_EXCEPTIONS:
                self._answered(unit, read, exception=error.exception_code)
            else:
                self._unanswered(unit, read, error)
        else:
            self._reachable()
            self._answered(unit, read, data)
        for late in self._client.take_late():
            self._plan.heard(late, time.monotonic())

    def _answered(self, unit: int, read: Read, data: bytes | None = None,
                  exception: int | None = None) -> None:
        self._plan.answered(unit, read, self._client.asked_at, time.monotonic())
        self._hand_over(unit, read, data, exception)
        who, block = f"{self._upstream.name}: unit {unit}", self._blocks[unit, read.block]
        self._units[unit].well(f"{who} answers")
        if exception is None:
            block.well(f"{who} answers {read.block} again")
        else:
            block.trouble(f"{who} refuses {read.block} with {describe_exception(exception)}")

    def _unanswered(self, unit: int, read: Read, error: UpstreamError) -> None:
        self._plan.unanswered(unit, read, time.monotonic())
        self._hand_over(unit, read)
        if self._plan.is_mute(unit):
            self._units[unit].trouble(f"{self._upstream.name}: {error}; it is tried again every few seconds")
        elif self._plan.is_failing(unit, read):
            self._blocks[unit, read.block].trouble(f"{self._upstream.name}: {read.block}: {error}")

    def _unreachable(self, error: Unreachable) -> None:
        self._down_until = time.monotonic() + REACH_AGAIN
        self._gateway.trouble(f"{self._upstream.name}: {error}; it is tried again every {REACH_AGAIN:g} s")
        for unit, reads in self._reads.items():
            self._hand_over(unit, reads[0])

    def _reachable(self) -> None:
        self._gateway.well(f"{self._upstream.name}: connected to {self._upstream.url}")
        if self._down_until is not None:
            self._down_until = None
            self._plan.restart(time.monotonic())

    def _hand_over(self, unit: int, read: Read, data: bytes | None = None,
                   exception: int | None = None) -> None:
        reading = Reading(self._upstream.name, unit, read.block, self._client.asked_at, data, exception)
        self._readings.put(reading, timeout=PATIENCE)
