"""`softsplit simulate`: simulate devices from a profile or a recording."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import sin

from softsplit.commands.record.recording import RECORDING, read_house
from softsplit.commands.simulate.battery import shown_by_battery
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.meter import shown_by_meter
from softsplit.commands.simulate.pty import SimulatedLine
from softsplit.commands.simulate.replay import recorded_server
from softsplit.commands.simulate.servers import FaultyUnit, faulty_server, wire_time_at
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.downstream.servers.server import Server
from softsplit.errors import ConfigError
from softsplit.logs.setup import set_up_logging
from softsplit.profiles import Identify, Profile, Register, load_profile
from softsplit.protocol import pdu as pdus
from softsplit.protocol import values
from softsplit.protocol.addresses import parse_unit
from softsplit.protocol.blocks import Block
from softsplit.worker import Worker, run_until_signal

USUAL = {"V": 230, "A": 5, "W": 1000, "var": 100, "VA": 1005, "Hz": 50, "%": 50, "degC": 25}


class SimulatedUnit(FaultyUnit):
    """A unit which answers reads inside its profile's `readable`, and refuses all else as a device would.

    What no register of the profile covers reads as all bits one.
    """

    def __init__(self, unit: int, profile: Profile, faults: Faults, *others):
        super().__init__(unit, faults, *others)
        self._profile = profile
        self._is_battery = any(register.name == "state_of_charge" for register in profile.registers)
        self._phases = 3 if any(register.name == "active_power_l2" for register in profile.registers) else 1

    def answer(self, pdu: bytes) -> bytes:  # server thread
        asked = pdus.asked_block(pdu, self._profile.tables, self._profile.step)
        if isinstance(asked, int):
            return pdus.exception_pdu(pdu[0], asked)
        if not any(readable.contains(asked) for readable in self._profile.readable):
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_ADDRESS)
        return bytes((pdu[0], asked.byte_count)) + self.data(asked, time.time())

    def data(self, block: Block, t: float) -> bytes:
        """What the unit answers for a block at wall time `t`, as on the wire."""
        shown = self._shown(t)
        if block.table.holds_bits:
            return self._bits(block, shown)
        identify = self._profile.identify
        if identify and block == identify.register.block and identify.equals:
            return self._recognised(identify)
        data = bytearray(b"\xff\xff" * block.count)
        for register in self._profile.registers:
            if register.block.overlaps(block):
                self._put(data, block, register.block, self._encoded(register, shown, t))
        return bytes(data)

    def _shown(self, t: float) -> dict:
        """What the device shows at wall time `t`, by register name."""
        if self._is_battery:
            return shown_by_battery(self.unit, t)
        return shown_by_meter(self.unit, t, self._phases)

    def _bits(self, block: Block, shown: dict) -> bytes:
        """Bits are off, unless the device shows otherwise."""
        bits = bytearray(block.count)
        for register in self._profile.registers:
            if block.contains(register.block):
                bits[block.span(register.block)] = bytes([shown.get(register.name, 0)] * register.block.count)
        return pdus.pack_bits(bits)

    @staticmethod
    def _put(data: bytearray, block: Block, source: Block, encoded: bytes) -> None:
        """Copy what the two have in common."""
        first = max(block.address, source.address)
        count = (min(block.end, source.end) - first) // block.step
        common = Block(block.table, first, count, block.step)
        to, from_ = block.span(common), source.span(common)
        data[2 * to.start:2 * to.stop] = encoded[2 * from_.start:2 * from_.stop]

    def _encoded(self, register: Register, shown: dict, t: float) -> bytes:
        """The bytes of a register: what the house shows under its name, else something usual."""
        count = register.block.count
        if register.type == "text":
            return values.encode_text(self._text(register)[:2 * count], count, register.byte_order)
        if register.type in values.COUNTED:
            return bytes(2 * count)
        value = shown[register.name] if register.name in shown else self._usual(register, t)
        orders = register.word_order, register.byte_order
        if value is None and register.not_available is not None:
            return values.rearrange(register.type, register.not_available.to_bytes(2 * count, "big"), *orders)
        worth = float(values.parse_resolution(register.resolution)[0])
        return values.encode_nearest(register.type, ((value or 0) - register.offset) / worth, *orders)

    def _text(self, register: Register) -> str:
        model = self._profile.title.split()[-1] if self._profile.title else self._profile.name
        return {"type_designation": f"{model} 312-100", "firmware_version": "1.0.0"}.get(register.name, model)

    @staticmethod
    def _recognised(identify: Identify) -> bytes:
        """What the register says that tells this make of device; read alone, it may stand for itself."""
        register, value = identify.register, identify.equals[0]
        if isinstance(value, str):
            return values.encode_text(value, register.block.count, register.byte_order)
        return values.encode_nearest(register.type, value, register.word_order, register.byte_order)

    def _usual(self, register: Register, t: float) -> float:
        if register.name == "serial_number":
            return 1_000_000 + self.unit
        if register.states:
            states = sorted(register.states)
            return states[int(t / 30) % len(states)]
        usual = USUAL.get(values.parse_resolution(register.resolution)[1])
        return usual * (1 + 0.05 * sin(t / 11 + register.block.address)) if usual else 1


def simulated_server(profile: Profile, units: Sequence[int], url: Url, faults: Faults | None = None,
                     baudrate: int | None = None, mode: str = "8E1") -> Server:
    """Return a server, not yet open, behind which these units live.

    `baudrate` is that of the serial line; over TCP, and over a pseudo-terminal, its wire time is imitated.
    Raises ConfigError when a unit stands twice, or has a fault and is not there.
    """
    faults = faults or Faults()
    faults.require(units)
    wire_time = wire_time_at(url, baudrate, mode)
    simulated = [SimulatedUnit(unit, profile, faults, wire_time) for unit in units]
    return faulty_server(f"simulated {profile.name}", url, simulated, Line(baudrate or 19200, mode))


def run_simulation(what: str, units: Iterable[str], url: Url, faults: Faults, baudrate: int | None, mode: str,
                   speed: float | None) -> None:
    """Be the devices of a profile, or of a recording, until SIGINT, SIGTERM or SIGHUP. Raises SoftsplitError."""
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
    """Return what makes the server of these units: of a recording, FILE.jsonl, or of a profile."""
    if RECORDING in os.path.basename(what):  # an older part can be played alone
        return partial(recorded_server, read_house(what), units, speed=1.0 if speed is None else speed)
    if speed is not None:
        raise ConfigError(f"only a recording, FILE{RECORDING}, can be played faster", "--speed")
    if not units:
        raise ConfigError("give at least one unit id", "--unit")
    return partial(simulated_server, load_profile(what), units)
