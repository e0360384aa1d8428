"""A wire that is busy all the time."""

from queue import Queue

from softsplit import Unit, Upstream, clock
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.simulate.simulate import simulated_server
from softsplit.config.url import parse_url
from softsplit.polling import busload
from softsplit.profiles import load_profile
from softsplit.upstream.poller import Poller
from tests.bench.upstream import PEERS, best_age, measure, saturated
from tests.long.house import UNITS
from tests.support import running, until


def check_a_saturated_wire():
    """p99 of the age within 1.1 times the best possible, the wire busy for 97 %, however many masters there are."""
    one, many = saturated(20), saturated(20, masters=4)
    crowd = measure(PEERS["softsplit, saturated"], 32, 0, 20)
    yield (f"age p99 {one['age p99']:.3f} s, best possible {best_age():.3f} s; busy {100 * one['busy']:.1f} %; "
           f"{one['requests']:.2f} requests per s for 1 master, {many['requests']:.2f} for 4, {crowd['requests']:.2f} for 32")
    assert one["age p99"] <= 1.1 * best_age() and one["busy"] >= 0.97
    assert abs(crowd["requests"] / one["requests"] - 1) < 0.02


def check_a_saturated_serial_line():
    """The same on a pseudo-terminal, where both ends keep the silences: as young as possible, the wire busy for 97 %."""
    cable, meter, readings = Cable(), load_profile("abb-b23"), Queue()
    server = simulated_server(meter, UNITS, parse_url(f"rtu://{cable.left}", ("rtu",)), None, 19200, "8N1")
    server.open()
    upstream = Upstream(f"rtu://{cable.right}", [Unit(unit, meter, {"instantaneous values": 0.1}) for unit in UNITS],
                        mode="8N1", name="bus")
    with running(cable, server, Poller(upstream, upstream.units, readings)):
        end = clock.now() + 25
        until(lambda: clock.now() > end, timeout=30)
    taken = [reading for reading in readings.queue if reading.taken_at > end - 15]
    takes = {read.block: busload.duration(read, 19200, "8N1", delay=0.0) for read in meter.reads}
    busy = sum(takes[reading.block] for reading in taken[:-1]) / (taken[-1].taken_at - taken[0].taken_at)
    fast = meter.reads[0].block
    best = 2 * takes[fast] + max(takes.values()) + takes[fast]
    times = [reading.taken_at for reading in taken if (reading.unit, reading.block) == (100, fast)]
    oldest = max(later - earlier for earlier, later in zip(times, times[1:])) + takes[fast]
    yield f"oldest {oldest:.3f} s, best possible {best:.3f} s; busy {100 * busy:.1f} %"
    assert oldest <= 1.1 * best and busy >= 0.97
