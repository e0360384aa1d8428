"""`softsplit simulate`: simulate devices from a profile or a recording."""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from softsplit.commands.record.recording import RECORDING, read_house
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.pty import SimulatedLine
from softsplit.commands.simulate.replay import recorded_server
from softsplit.commands.simulate.servers import faulty_server, wire_time_at
from softsplit.commands.simulate.unit import SimulatedUnit
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.downstream.servers.server import Server
from softsplit.errors import ConfigError
from softsplit.logs.setup import set_up_logging
from softsplit.profiles import Profile, load_profile
from softsplit.protocol.addresses import parse_unit
from softsplit.worker import Worker, run_until_signal


def simulated_server(profile: Profile, units: Sequence[int], url: Url, faults: Faults | None = None,
                     baudrate: int | None = None, mode: str = "8E1") -> Server:
    """Return a server, not yet open, with these units.

    `baudrate` is that of the serial line, whose wire time is imitated over TCP and on a pseudo-terminal.
    Raises ConfigError if a unit is given twice, or a fault names an unknown unit.
    """
    faults = faults or Faults()
    faults.require(units)
    wire_time = wire_time_at(url, baudrate, mode)
    simulated = [SimulatedUnit(unit, profile, faults, wire_time) for unit in units]
    return faulty_server(f"simulated {profile.name}", url, simulated, Line(baudrate or 19200, mode))


def run_simulation(what: str, units: Iterable[str], url: Url, faults: Faults, baudrate: int | None, mode: str,
                   speed: float | None) -> None:
    """Simulate devices until SIGINT, SIGTERM or SIGHUP. Raises SoftsplitError."""
    set_up_logging()
    line = SimulatedLine(url.path, baudrate) if url.scheme == "pty" else None
    place = Url("rtu", path=line.left) if line else url
    server = _server_of(what, list(map(parse_unit, units)), speed)(place, faults, baudrate, mode)
    workers: list[Server | SimulatedLine] = [server]
    if line:
        server.url = Url("rtu", path=url.path)  # where masters find it
        workers.append(line)

    def build() -> Sequence[Worker]:
        for worker in workers:
            worker.open()
        return workers

    run_until_signal(build)


def _server_of(what: str, units: Sequence[int], speed: float | None) -> Callable[..., Server]:
    """Return a function that makes the server of a recording, FILE.jsonl, or of a profile."""
    if RECORDING in os.path.basename(what):  # also FILE.jsonl.1
        return partial(recorded_server, read_house(what), units, speed=1.0 if speed is None else speed)
    if speed is not None:
        raise ConfigError(f"only a recording, FILE{RECORDING}, can be played faster", "--speed")
    if not units:
        raise ConfigError("give at least one unit id", "--unit")
    return partial(simulated_server, load_profile(what), units)
