"""One suite for every kind of upstream: whatever a bus does wrong, no value is, and all is well again soon."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import Queue

import pytest

from softsplit import Profile, Unit, Upstream, clock
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.store import PolledStore
from softsplit.downstream.mirrors.sync import Sync
from softsplit.profiles.loader import parse_profile
from softsplit.upstream.poller import Poller
from tests.support import SLOWNESS, read_request, running, until
from tests.support.bus import KINDS, Bus, HangUp, good_answer

TIMEOUT = 0.2
RECOVERY = 2.0  # s after the cause is gone
PROFILE = parse_profile("""
    block = [
        { address = 0, count = 4, every = 0.2 },
        { address = 100, count = 4, every = 0.2 },
        { table = "input registers", address = 50, count = 4, every = 0.2 },
        { table = "coils", address = 3, count = 10, every = 0.2 },
        { table = "discrete inputs", address = 0x0320, count = 20, every = 0.2 },
    ]""", "four tables")
REQUESTS = [read_request(read.block.address, read.block.count, read.block.table.function) for read in PROFILE.reads]


def at_periods_of(every: float) -> Profile:
    return Profile("four tables", tuple(replace(read, every=every) for read in PROFILE.reads))


class Copy:
    """Both units of a bus, as a splitter has them: a poller, the sync thread, mirrors."""

    def __init__(self, url: str, profile=PROFILE, timeout: float = TIMEOUT, max_age: float = 1.0, **options):
        readings: Queue = Queue()
        if url.startswith("rtu:"):
            options = {"mode": "8N1", **options}
        upstream = Upstream(url, [Unit(unit, profile) for unit in (1, 2)], timeout, "bus", **options)
        self.mirrors = {unit: Mirror(unit, PolledStore(profile.reads, max_age), profile.tables) for unit in (1, 2)}
        self.poller = Poller(upstream, upstream.units, readings)
        self.workers = (self.poller, Sync(readings, {("bus", unit): [each] for unit, each in self.mirrors.items()}))

    @property
    def counters(self):
        return {unit: self.poller.counters.unit(unit) for unit in self.poller.counters.blocks}

    def is_fresh(self, since: float, units=(1, 2)) -> bool:
        """Whether every block of these units was taken after `since`."""
        return all(state.taken_at > since for unit in units for state in self.mirrors[unit].states(0.0))

    def check(self) -> None:
        """No value that is served may be wrong."""
        for unit, mirror in self.mirrors.items():
            for request in REQUESTS:
                answer = mirror.handle_request(request)
                assert answer[0] >= 0x80 or answer == good_answer(unit, request), (unit, request.hex(), answer.hex())

    def age(self, unit: int) -> float:
        """The age of the oldest block of a unit."""
        return clock.now() - min(state.taken_at for state in self.mirrors[unit].states(0.0))


def exception(say, frame, unit, pdu):
    say(frame(unit, bytes((pdu[0] | 0x80, 4))))


def silence(say, frame, unit, pdu):
    pass


def damaged(say, frame, unit, pdu):
    """A wrong CRC; over Modbus TCP, which has none, what another protocol would send."""
    answer = frame(unit, good_answer(unit, pdu))
    say(answer[:-1] + bytes((answer[-1] ^ 1,)) if frame.__name__ == "rtu_frame" else answer[:3] + b"\1" + answer[4:])


def wrong_unit(say, frame, unit, pdu):
    say(frame(unit + 5, good_answer(unit, pdu)))


def wrong_function(say, frame, unit, pdu):
    say(frame(unit, bytes((pdu[0] ^ 7,)) + good_answer(unit, pdu)[1:]))


def short(say, frame, unit, pdu):
    answer = good_answer(unit, pdu)
    say(frame(unit, bytes((answer[0], answer[1] - 1)) + answer[2:-1]))


def cut_off(say, frame, unit, pdu):
    say(frame(unit, good_answer(unit, pdu))[:-3])


def late(say, frame, unit, pdu):
    threading.Timer(late.after, say, (frame(unit, good_answer(unit, pdu)),)).start()


late.after = 0.0  # s; set by suffer()


def glued(say, frame, unit, pdu):
    """Behind an answer of somebody else, and before another, in one piece."""
    answer = frame(unit, good_answer(unit, pdu))
    other = frame(7, good_answer(7, read_request(9, 30)))
    say(answer + other if frame.__name__ == "rtu_frame" and len(answer) % 2 else other + answer)


def noise(say, frame, unit, pdu):
    """Over Modbus TCP the stream cannot be trusted any more."""
    say(b"\0\x55\xff\x01\x03\xfa" + frame(unit, good_answer(unit, pdu)) + b"\0")


def hang_up(say, frame, unit, pdu):
    say(frame(unit, good_answer(unit, pdu))[:6])
    raise HangUp


def stall(say, frame, unit, pdu):
    """Whatever is asked waits in a queue, and is answered in order."""
    threading.Event().wait(2.2 * TIMEOUT)
    say(frame(unit, good_answer(unit, pdu)))


def vanish(bus: Bus) -> None:
    bus.vanish()


# What goes wrong: for one unit, or for all; what the counters must call it.
UNIT_FAULTS = {exception: "exceptions", silence: "no_answer", damaged: "damaged", wrong_unit: "damaged",
               wrong_function: "damaged", short: "damaged", cut_off: "damaged", late: "no_answer", glued: None,
               noise: None, hang_up: None}
BUS_FAULTS = {"silent bus": silence, "stalling": stall, "hanging up on all": hang_up, "gone": vanish}


def suffer(kind: str, fault, directory, timeout: float = TIMEOUT, seconds: float = 0.8) -> float:
    """One unit of a bus has a fault for a while: the other never has, and no value is ever wrong.

    Return the greatest age of the other's data; periods are as long as the time-out.
    """
    def faulty(say, frame, unit, pdu):
        fault(say, frame, unit, pdu) if unit == 2 else say(frame(unit, good_answer(unit, pdu)))

    late.after = 1.4 * timeout
    with Bus(kind, directory) as bus:
        copy = Copy(bus.url, at_periods_of(timeout), timeout, max_age=5 * timeout)
        with running(*copy.workers):
            until(lambda: copy.is_fresh(0.0))
            bus.fault, ages = faulty, []
            end = clock.now() + seconds
            until(lambda: copy.check() or ages.append(copy.age(1)) or clock.now() > end, timeout=2 * seconds + 5)
            assert seconds > 1 or max(ages) < 1.5 * SLOWNESS
            bus.fault = None
            if seconds < 1:  # or the unit is tried every 5 s only, by now
                recovers(copy)
        counted = UNIT_FAULTS[fault]
        assert not counted or getattr(copy.counters[2], counted), copy.counters[2]
        assert not copy.counters[1].exceptions and copy.counters[1].answers
        return max(ages)


def suffer_wholly(kind: str, name: str, directory) -> None:
    with Bus(kind, directory) as bus:
        copy = Copy(bus.url)
        with running(*copy.workers):
            until(lambda: copy.is_fresh(0.0))
            if name == "gone":
                bus.vanish()
            else:
                bus.fault = BUS_FAULTS[name]
            until(lambda: copy.check() or all(mirror.handle_request(REQUESTS[0])[0] == 0x83
                                              for mirror in copy.mirrors.values()))
            if name == "gone":
                bus.come_back()
            bus.fault = None
            recovers(copy)


def recovers(copy: Copy) -> None:
    fixed_at = clock.now()
    until(lambda: copy.check() or copy.is_fresh(fixed_at), timeout=RECOVERY + 3)  # the long check allows no more than it
    copy.check()
    assert not any(worker.error for worker in copy.workers)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """All scenarios at the same time: they spend theirs waiting."""
    directory = tmp_path_factory.mktemp("buses")
    with ThreadPoolExecutor(8) as pool:
        yield {(kind, key): pool.submit(play, kind, key, directory)
               for kind in KINDS for play, keys in ((suffer, UNIT_FAULTS), (suffer_wholly, BUS_FAULTS)) for key in keys}


@pytest.mark.parametrize("fault", UNIT_FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_a_faulty_unit(outcomes, kind, fault):
    outcomes[kind, fault].result()


@pytest.mark.parametrize("name", BUS_FAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_faulty_bus(outcomes, kind, name):
    outcomes[kind, name].result()
