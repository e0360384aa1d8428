"""A device that is not there: answers as its profile says, with values that are pure functions of time."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite, sin

from modbus_tk.modbus import Slave

from softsplit import checks
from softsplit.box.logbook import set_up_logging
from softsplit.downstream.server import Server
from softsplit.downstream.servers import server_for
from softsplit.errors import ConfigError
from softsplit.profiles import Identify, Profile, Register
from softsplit.protocol import frames, pdus, values
from softsplit.protocol.blocks import Block
from softsplit.protocol.pdus import SILENCE
from softsplit.line import Line
from softsplit.tools.battery import shown_by_battery
from softsplit.tools.cable import SimulatedLine
from softsplit.tools.house import shown_by_meter
from softsplit.url import Url
from softsplit.worker import Worker, run_until_signal

USUAL = {"V": 230, "A": 5, "W": 1000, "var": 100, "VA": 1005, "Hz": 50, "%": 50, "degC": 25}


@dataclass
class Faults:
    """What goes wrong on the simulated bus.

    `mute` maps a unit to the span of time, in seconds since the start, in which it does not answer; every
    `drop`-th answer is lost (0: none).
    """

    mute: dict[int, tuple[float, float]] = field(default_factory=dict)
    drop: int = 0
    started_at: float = field(default_factory=time.monotonic)
    _answers: int = 0

    def loses(self, unit: int) -> bool:  # server thread
        """Whether the next answer of this unit is lost; counts it."""
        begin, end = self.mute.get(unit, (0.0, 0.0))
        if begin <= time.monotonic() - self.started_at < end:
            return True
        self._answers += 1
        return self.drop > 0 and self._answers % self.drop == 0


def parse_mute(text: str) -> tuple[int, tuple[float, float]]:
    """Read "2", "2@20" or "2@20-60": unit, from and to in seconds after the start. Raises ConfigError."""
    unit, _, span = text.partition("@")
    begin, _, end = span.partition("-")
    try:
        times = float(begin or 0), float(end or "inf")
        if not (unit.isdecimal() and 0 <= times[0] < times[1] and isfinite(times[0])):
            raise ValueError
        return int(unit), times
    except ValueError:
        raise ConfigError(f'"{text}" is no time to be mute; write it like 2, 2@20 or 2@20-60') from None


class SimulatedUnit(Slave):
    """A unit which answers reads inside its profile's `readable`, and refuses all else as a device would.

    What no register of the profile covers reads as all bits one. `wire_time` tells for how many seconds a
    frame of so many bytes occupies the wire, where that is imitated.
    """

    def __init__(self, unit: int, profile: Profile, faults: Faults,
                 wire_time: Callable[[int], float] = lambda size: 0.0):
        super().__init__(unit)
        self.unit = unit
        self.known: dict = {}  # nothing: what it answers changes all the time
        self._profile = profile
        self._is_battery = any(register.name == "state_of_charge" for register in profile.registers)
        self._phases = 3 if any(register.name == "active_power_l2" for register in profile.registers) else 1
        self._faults = faults
        self._wire_time = wire_time

    def handle_request(self, request_pdu: bytes, broadcast: bool = False) -> bytes:  # server thread
        if broadcast or request_pdu[0] >= 0x80:
            return SILENCE
        self._occupy_wire(request_pdu)
        if self._faults.loses(self.unit):
            return SILENCE
        answer = self._answer(request_pdu)
        self._occupy_wire(answer)
        return answer

    def _occupy_wire(self, pdu: bytes) -> None:
        """Imitate the time of a frame: unit (1), PDU, CRC (2)."""
        time.sleep(self._wire_time(len(pdu) + 3))

    def _answer(self, pdu: bytes) -> bytes:
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
        if register.type == "text":
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
    Raises ConfigError when a unit stands twice, or is to be mute and is not there.
    """
    faults = faults or Faults()
    for unit in units:
        if units.count(unit) > 1:
            raise ConfigError(f"unit {unit} stands twice")
    for unit in faults.mute:
        checks.require_word(str(unit), map(str, units), "unit to be mute")
    simulated = [SimulatedUnit(unit, profile, faults, _wire_time(url, baudrate, mode)) for unit in units]
    return server_for(f"simulated {profile.name}", url, simulated, Line(baudrate or 19200, mode))


def _wire_time(url: Url, baudrate: int | None, mode: str) -> Callable[[int], float]:
    """Return the wire time to be imitated at `url`; on a pseudo-terminal both ends keep the silences."""
    if not baudrate or url.path and not os.path.realpath(url.path).startswith("/dev/pts/"):
        return lambda size: 0.0
    if url.path:
        return lambda size: size * frames.character_time(baudrate, mode)
    return lambda size: frames.wire_time(size, baudrate, mode)


def run_simulation(profile: Profile, units: Sequence[int], url: Url, faults: Faults, baudrate: int | None,
                   mode: str) -> None:
    """Run a `simulated_server` until SIGINT or SIGTERM. Raises ConfigError or DownstreamError."""
    set_up_logging()
    line = SimulatedLine(url.path, baudrate) if url.scheme == "pty" else None
    place = Url("rtu", path=line.left) if line else url
    server = simulated_server(profile, units, place, faults, baudrate, mode)
    workers = [server]
    if line:
        server.url = Url("rtu", path=url.path)  # where masters find it
        workers.append(line)

    def build() -> list[Worker]:
        for worker in workers:
            worker.open()
        return workers

    run_until_signal(build)
