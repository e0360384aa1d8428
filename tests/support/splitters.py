"""Splitters, workers and simulated gateways that run in the process of the test."""

from contextlib import contextmanager

from softsplit import Downstream, Profile, Splitter, Unit, Upstream
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.simulate import simulated_server
from softsplit.config.topology import Topology
from softsplit.config.url import parse_url
from softsplit.profiles import load_profile
from softsplit.protocol.blocks import Read
from softsplit.worker import start_all, stop_all


def brisk_profile(every: float = 0.05) -> Profile:
    """Powers and energies of the ABB meter, polled often."""
    meter = load_profile("abb-b23")
    reads = tuple(Read(read.block, read.name, every) for read in meter.reads[:2])
    registers = tuple(register for register in meter.registers
                      if any(read.block.contains(register.block) for read in reads))
    return Profile("brisk", reads, registers=registers)


@contextmanager
def running(*workers):
    """Run workers, which are open already, for a while."""
    start_all(workers)
    try:
        yield
    finally:
        stop_all(workers)


@contextmanager
def simulated_gateway(profile: Profile, units=(100, 2), port: int = 0, faults: Faults | None = None, baudrate=None):
    """A simulated gateway on loopback; gives its server."""
    server = simulated_server(profile, units, parse_url(f"tcp://127.0.0.1:{port}", ("tcp",), 0), faults, baudrate)
    server.open()
    with running(server):
        yield server


@contextmanager
def splitting(*wiring: Downstream | Topology):
    """A running splitter of downstreams, or of a topology; gives it."""
    splitter = Splitter(wiring[0] if isinstance(wiring[0], Topology) else wiring)
    splitter.start()
    try:
        yield splitter
        assert not [worker.error for worker in splitter.workers if worker.error]
    finally:
        splitter.stop()


def upstream_of(gateway, profile: Profile, units=(100, 2), timeout: float = 0.5) -> Upstream:
    return Upstream(str(gateway.url), [Unit(unit, profile) for unit in units], timeout=timeout, name="meters")
