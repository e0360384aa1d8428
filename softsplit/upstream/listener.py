"""Fill mirrors from the traffic between another master and its units, without sending."""

from collections.abc import Mapping, Sequence
from queue import Queue

from softsplit import clock
from softsplit.config.upstream import Unit, Upstream
from softsplit.decoder.decoder import Decoder
from softsplit.decoder.outcomes import COUNTED, outcome_of, read_of
from softsplit.decoder.periods import Periods
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.decoder.writes import done_at, is_ambiguous, written, written_by
from softsplit.errors import Unreachable
from softsplit.polling.silence import Silence
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block, in_both_tables
from softsplit.protocol.outcome import Outcome
from softsplit.rates import Rates
from softsplit.transport.receiver import Receiver, TapReader
from softsplit.upstream.counters import Counters
from softsplit.upstream.eventlog import EventLog
from softsplit.upstream.handover import HandOver
from softsplit.upstream.locator import HeardBases
from softsplit.upstream.report import UpstreamStatus, report
from softsplit.worker import Worker

TICK = 0.1  # s
OPEN_AGAIN = 1.0  # s between attempts to open a tap that was never open
STALLED = 0.25  # s between two reads, after which the times of the bytes are unknown; usually it is far less
CAUGHT_UP = 0.005  # s without a byte, after which no such byte is left; the kernel hands them over in pieces
LONGEST_REPLY = 5.0  # s for which a reply is expected at least: we do not know when the other master gives up
SILENCE_TIMEOUT = 10.0  # s without a byte, after which the other master is missing
JUDGED_BYTES = 2000  # latest bytes that are judged to be noise or not
NOISE = 0.5  # share of noise among them that is trouble


class Listener(Worker):
    """Listens to one line, and puts the unambiguous readings of these units into `readings`."""

    def __init__(self, upstream: Upstream, units: Sequence[Unit], readings: Queue,
                 served_as: Mapping[int, tuple[str, ...]] = {}):
        super().__init__(f"listener {upstream.name}")
        self._upstream = upstream
        self._steps = {unit.unit: unit.profile.step for unit in units}
        self._receiver = receiver_for(upstream, self._hear_of_tap)
        self._line = upstream.own_line
        self._character_time = adu.character_time(self._line.baudrate, self._line.mode)
        self._roles_are_known = upstream.reply_url is not None
        self._reply_timeout = max(LONGEST_REPLY, upstream.timeout)
        self._doubted = 0  # the number of the latest request that was checked for writes
        self._pairing = self._begin()
        self._periods = {unit: Periods() for unit in self._steps}
        self._silences = {unit: Silence() for unit in self._steps}
        self._tries: dict[int, float] = {}  # by unit: when the unanswered request before was sent
        self.counters = Counters({unit: () for unit in self._steps})
        self._bases = HeardBases(units, self.counters)
        self._hand_over = HandOver(upstream.name, readings, self.stopping.is_set, self._bases.registers_of)
        self._eventlog = EventLog(upstream.name, str(upstream.url), self._steps, tries=False,
                                  served_as=served_as)
        self._rates = Rates()  # main thread
        self._is_open = self._is_behind = False
        self._lost = ""  # why a tap is lost
        self._looked_at = self._heard_at = clock.now()
        self._good, self._bad = 0, 0  # bytes
        self._unlisted: set[int] = set()

    def step(self) -> None:
        self._eventlog.catch_up()
        if not self._is_open and not self._open():
            self.pause(OPEN_AGAIN)
            return
        heard = self._receiver.hear(CAUGHT_UP if self._is_behind else TICK)
        now = clock.now()
        is_stalled, self._looked_at = now - self._looked_at > STALLED, now
        self._is_behind = is_stalled or self._is_behind and any(each.data for each in heard)
        if self._receiver.are_open and not self._is_behind:
            for each in heard:
                self._heard_at = now if each.data else self._heard_at
                found = self._pairing.feed(each.data, each.time, each.role) if each.data \
                    else self._pairing.idle(_known(each.time))
                for transaction in found:
                    self._take(transaction)
            self._doubt_open_requests()
        else:
            self._pairing, self._heard_at, self._doubted = self._begin(), now, 0
        self._report_health(now)

    def close(self) -> None:
        self._receiver.close()

    def report(self, now: float) -> UpstreamStatus:  # main thread
        busy = self._rates.update({"busy": self.counters.busy}, now)["busy"]
        return report(self._upstream, self.counters, busy, now, self._unlisted)

    def _begin(self) -> Decoder:
        """Return a new decoder, for bytes without a gap."""
        return Decoder(self._character_time, jitter=self._receiver.jitter, timeout=self._reply_timeout)

    def _open(self) -> bool:
        try:
            self._receiver.open()
        except Unreachable as error:
            self._receiver.close()
            self._trouble(str(error))
            return False
        self._is_open = True
        self._looked_at = self._heard_at = clock.now()
        return True

    def _hear_of_tap(self, text: str) -> None:
        """Note that a tap is lost, or back."""
        self._lost = text

    def _report_health(self, now: float) -> None:
        """Log and count whether the line brings readings, or why not."""
        if not self._receiver.are_open:
            self._trouble(self._lost)
        elif now - self._heard_at > SILENCE_TIMEOUT:
            self._trouble(f"nothing is heard at {self._upstream.url}; is the other master on, and the tap "
                      "connected?")
        elif self._bad > NOISE * (self._good + self._bad) and self._good + self._bad > JUDGED_BYTES / 4:
            self._trouble(f"what is heard at {self._upstream.url} is mostly noise; is the line "
                      f"{self._line.baudrate} {self._line.mode}, are A and B the right way round?")
        elif self.counters.asked_at is not None:
            self.counters.unreachable = ""
            self._eventlog.reached()

    def _trouble(self, why: str) -> None:
        if self.counters.unreachable != why:
            self.counters.miss(Unreachable(why))
        self._eventlog.unreachable(Unreachable(why))

    def _take(self, heard: Transaction) -> None:
        size = len(heard.request or b"") + len(heard.reply or b"")
        self.counters.busy += size * self._character_time
        self._judge(size, heard.kind is Kind.DAMAGED)
        if heard.kind is Kind.BROADCAST:
            for unit, step in self._steps.items():
                self._doubt(unit, written(heard, step), self._done_at(heard))
        elif heard.unit in self._steps:
            self._use_of_unit(heard.unit, heard)
        elif heard.unit is not None and heard.kind in (Kind.OK, Kind.EXCEPTION):
            self._note_unlisted(heard.unit)

    def _note_unlisted(self, unit: int) -> None:
        if unit not in self._unlisted:
            self._unlisted.add(unit)
            self._eventlog.unlisted(unit)

    def _judge(self, size: int, is_noise: bool) -> None:
        self._good, self._bad = self._good + size * (not is_noise), self._bad + size * is_noise
        if self._good + self._bad > JUDGED_BYTES:
            self._good, self._bad = self._good // 2, self._bad // 2

    def _use_of_unit(self, unit: int, heard: Transaction) -> None:
        """Use a transaction of one of our units."""
        step = self._steps[unit]
        outcome = outcome_of(heard, unit, step, self._asked_at(unit, heard))
        read = read_of(heard, outcome, step)
        if not heard.retry and (asked := (read or outcome).block):
            self._learn(unit, asked, _known(heard.time))
        is_counted = heard.kind in COUNTED and not is_ambiguous(heard, self._roles_are_known)
        if is_counted:
            self.counters.count(outcome)
            self._note_answer(outcome)
        self._doubt(unit, written(heard, step), self._done_at(heard))
        if is_counted and (placed := self._bases.hear(outcome, read)):
            self._hand_over.located(placed, self.counters.places[unit], ())
        if read and read.block:
            periods = self._periods[unit]
            self._hand_over.reading(read, periods.every(read.block), periods.beat(read.asked_at + STALLED),
                                    _known(heard.time) - read.asked_at)
        elif is_counted and not outcome.is_of_unit:
            self._hand_over.reading(outcome)

    def _asked_at(self, unit: int, heard: Transaction) -> float:
        """Return the earliest time at which the request of a reply was sent, perhaps by the try before."""
        tried_at = self._tries.pop(unit, None)
        if heard.kind is Kind.NO_REPLY:
            self._tries[unit] = _known(heard.time)
        asked_at = tried_at if heard.retry and tried_at else _known(heard.time)
        return asked_at - len(heard.request or b"") * self._character_time - STALLED

    def _learn(self, unit: int, block: Block, now: float) -> None:
        """Note a read of the other master, which may have a period."""
        periods = self._periods[unit]
        periods.note(block, now)
        self.counters.learn(unit, block, str(block), periods.every(block) or None)
        for forgotten in periods.forget(now):
            self.counters.forget(unit, forgotten)

    def _note_answer(self, outcome: Outcome) -> None:
        unit = outcome.unit
        self._silences[unit].note(outcome.is_of_unit)
        if outcome.is_of_unit:
            self.counters.mute.discard(unit)
            self._eventlog.answers(unit)
        elif self._silences[unit].is_mute:
            self.counters.mute.add(unit)
            self._eventlog.mute(outcome)

    def _doubt_open_requests(self) -> None:
        """Let no master get the blocks of a write from its request on.

        A read from before does not end that, although with two taps it may be decoded later.
        """
        for asked in self._pairing.open_requests():
            unit = asked.frame[0]
            if asked.number > self._doubted and unit in self._steps:
                self._doubt(unit, written_by(asked.frame, self._steps[unit]), _known(asked.time) - STALLED)
            self._doubted = max(self._doubted, asked.number)

    def _done_at(self, heard: Transaction) -> float:
        """Return when a write is done, in the time of readings."""
        return done_at(heard, self._reply_timeout, self._roles_are_known) - STALLED

    def _doubt(self, unit: int, blocks: list[Block], until: float) -> None:
        """Let no master get these blocks until a request sent after `until` has read them."""
        if blocks:
            self._hand_over.doubt(unit, blocks, until)
            self.counters.wrote(unit, in_both_tables(self._hand_over.touched(unit, blocks)), until)


def _known(time: float | None) -> float:
    """Return a time that a tap always gives; only a recording may have none."""
    if time is None:
        raise ValueError("a tap did not tell when something was heard")
    return time


def receiver_for(upstream: Upstream, tell) -> Receiver:
    """Return a receiver with one tap for everything, or one for requests and one for replies."""
    if upstream.reply_url is None:
        return Receiver(TapReader(upstream.url, upstream.own_line, tell))
    return Receiver(TapReader(upstream.url, upstream.own_line, tell, "request"),
                    TapReader(upstream.reply_url, upstream.own_line, tell, "reply"))
