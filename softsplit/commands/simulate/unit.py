"""A simulated unit, whose registers are encoded by the same profile as those of a real one are decoded."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import sin

from softsplit.commands.simulate.battery import shown_by_battery
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.meter import shown_by_meter
from softsplit.commands.simulate.servers import FaultyUnit
from softsplit.profiles import Identify, Profile, Register
from softsplit.profiles.base import LAST, MARK
from softsplit.profiles.encoding import encode
from softsplit.profiles.scaling import scale_of
from softsplit.protocol import pdu as pdus
from softsplit.protocol import values
from softsplit.protocol.blocks import Block
from softsplit.protocol.values import Value

USUAL = {"V": 230, "A": 5, "W": 1000, "var": 100, "VA": 1005, "Hz": 50, "%": 50, "degC": 25}
EXPONENTS = {"A": -2, "V": -1, "W": 0, "VA": 0, "var": 0, "Hz": -2, "%": -2,
             "degC": -1}  # powers of ten, as devices have
RATIOS = {"ct_ratio": 40}  # of transformers, by name; usual are none
FIRST_MODEL = 40069  # the address of the SunSpec model after the common one
ADDRESS = "192.168.1.10"


class SimulatedUnit(FaultyUnit):
    """A unit that answers reads inside its profile's `readable`, and refuses others as a device does.

    Registers without a name read as 0xFFFF.
    """

    def __init__(self, unit: int, profile: Profile, faults: Faults, *others):
        super().__init__(unit, faults, *others)
        self._chain = chain_of(profile.base.models[0], profile.base.relative) if profile.base else {}
        self._profile = profile = profile.located(FIRST_MODEL)
        self._is_battery = any(register.name == "state_of_charge" for register in profile.registers)
        self._phases = 3 if any(register.name == "active_power_l2" for register in profile.registers) else 1
        self._named = {(each.type, each.place): each for each in profile.registers}
        self._told = {(where.register.type, where.register.place): where.equals[0]
                      for each in profile.registers for where in each.where}
        self._exponents = self._choose_exponents()

    def answer(self, pdu: bytes) -> bytes:  # server thread
        nameplate = self._profile.nameplate
        if nameplate and (named := nameplate.answer(self.unit, pdu)):
            return named
        asked = pdus.asked_block(pdu, self._profile.tables, self._profile.step)
        if isinstance(asked, int):
            return pdus.exception_pdu(pdu[0], asked)
        if not any(readable.contains(asked) for readable in self._profile.readable):
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_ADDRESS)
        if not asked.table.holds_bits and asked.count > self._profile.max_count:
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_VALUE)
        return pdus.read_answer(asked, self.data(asked, time.time()))

    def data(self, block: Block, t: float) -> bytes:
        """Return the data of a block at wall time `t`, as on the wire."""
        shown = self._shown_by_house(t)
        if block.table.holds_bits:
            return self._bits(block, shown)
        for identify in self._profile.identify:
            if isinstance(identify, Identify) and block == identify.register.block and identify.equals:
                return encode(identify.register, identify.equals[0],
                              nearest=True)  # read alone it may stand for itself
        words: dict[int, bytes] = {}
        for identify in self._profile.identify:
            if isinstance(identify, Identify) and identify.equals \
                    and identify.register.block not in self._profile.alone:
                _lay(words, identify.register, encode(identify.register, identify.equals[0], nearest=True))
        for register in self._profile.registers:
            if any(part.overlaps(block) for part in register.needs):
                self._put(words, register, shown, t)
        words |= self._chain
        step, unused = block.step, b"\xff\xff"
        return b"".join(words.get(address, unused) for address in range(block.address, block.end, step))

    def shown(self, t: float) -> dict[str, Value | None]:
        """Return the values at wall time `t` by register name, before they are rounded for the register."""
        house = self._shown_by_house(t)
        return {register.name: self._value(register, house, t) for register in self._profile.registers}

    def _shown_by_house(self, t: float) -> dict:
        if self._is_battery:
            return shown_by_battery(self.unit, t)
        return shown_by_meter(self.unit, t, self._phases)

    def _bits(self, block: Block, shown: dict) -> bytes:
        """Pack the bits of a block; those without a value are off."""
        bits = bytearray(block.count)
        for register in self._profile.registers:
            if block.contains(register.block):
                bits[block.span(register.block)] = bytes([shown.get(register.name) is True] * register.block.count)
        return pdus.pack_bits(bits)

    def _put(self, words: dict[int, bytes], register: Register, shown: dict, t: float) -> None:
        """Write a register, and the registers on which it depends, into `words`."""
        value = self._value(register, shown, t)
        said = {each: self._said_by(each, register, value, shown, t) for each in register.factors}
        for each, its in said.items():
            if (each.type, each.place) not in self._named:
                _lay(words, each, encode(each, its, into=_into(words, each), nearest=True))
        scale = scale_of(register, said)
        factor = scale.factor if scale else Decimal(1)
        if value is None and not register.not_available:
            value = 0
        _lay(words, register, encode(register, value, factor, _into(words, register), nearest=True))

    def _said_by(self, factor: Register, register: Register, value: Value | None, shown: Mapping,
                 t: float) -> Value:
        """The value of `factor`, a register on which `register` depends."""
        if named := self._named.get((factor.type, factor.place)):
            return self._value(named, shown, t) or 0
        if (factor.type, factor.place) in self._told:
            return self._told[factor.type, factor.place]
        if register.sign and factor is register.sign.register:
            is_negative = isinstance(value, (int, float)) and value < 0
            return register.sign.negative if is_negative else register.sign.positive
        if factor in register.plus:
            return 0
        return self._exponents[factor.place] if factor is register.exponent else 1

    def _choose_exponents(self) -> dict[tuple, int]:
        """Choose a power of ten for each exponent register that suits all registers with it."""
        found: dict[tuple, int] = {}
        for register in self._profile.registers:
            if register.exponent:
                exponent = EXPONENTS.get(values.parse_resolution(register.resolution)[1], 0)
                place = register.exponent.place
                found[place] = max(exponent, found.get(place, exponent))
        return found

    def _value(self, register: Register, shown: Mapping, t: float) -> Value | None:
        """The value of a register: that of the simulated device under its name, or else something usual."""
        house = shown.get(register.name)
        if isinstance(house, bool) and register.type == "bits":
            return (house,)
        if register.name in shown and register.row.number:  # another make may have a text of this name
            return int(house) if isinstance(house, bool) else house
        if (register.type, register.place) in self._told:
            return self._told[register.type, register.place]
        for identify in self._profile.identify:
            if isinstance(identify, Identify) and identify.register.parts == register.parts and identify.equals:
                return identify.equals[0]
        if register.row.number is None:
            return self._usual_text(register, t)
        return self._usual(register, t)

    def _usual_text(self, register: Register, t: float) -> Value:
        """A usual value for a register that holds no number."""
        match register.type:
            case "text":
                room = register.count if register.characters else 2 * register.count
                return self._text(register)[:room]
            case "time":
                return f"{datetime.fromtimestamp(t, UTC):%Y-%m-%d %H:%M:%S}"
            case "bits":
                return ()
            case "ipv4":
                return ADDRESS
        return "" if register.type == "hex" else bytes(2 * register.count)

    def _text(self, register: Register) -> str:
        model = self._profile.title.split()[-1] if self._profile.title else self._profile.name
        return {"type_designation": f"{model} 312-100", "firmware_version": "1.0.0"}.get(register.name, model)

    def _usual(self, register: Register, t: float) -> float | str:
        if register.name == "serial_number":
            return 1_000_000 + self.unit
        if register.states:
            states = sorted(register.states)
            return register.states[states[int(t / 30) % len(states)]]
        if register.name in RATIOS:
            return RATIOS[register.name]
        usual = USUAL.get(values.parse_resolution(register.resolution)[1])
        return usual * (1 + 0.05 * sin(t / 11 + register.block.address)) if usual else 1


def chain_of(model: int, relative: Profile) -> dict[int, bytes]:
    """Return the words of a chain of SunSpec models by address: the common one, empty, and this one."""
    length = max((each.block.end for each in relative.reads), default=2) - 2
    said = {40002: 1, 40003: FIRST_MODEL - 40004, FIRST_MODEL: model, FIRST_MODEL + 1: length,
            FIRST_MODEL + 2 + length: LAST, FIRST_MODEL + 3 + length: 0}
    return {40000: MARK[:2], 40001: MARK[2:]} | {address: each.to_bytes(2, "big")
                                                 for address, each in said.items()}


def _into(words: Mapping[int, bytes], register: Register) -> bytes:
    """The present words of a register."""
    return b"".join(words.get(address, b"\0\0") for part in register.parts
                    for address in range(part.address, part.end, part.step))


def _lay(words: dict[int, bytes], register: Register, encoded: bytes) -> None:
    addresses = (address for part in register.parts for address in range(part.address, part.end, part.step))
    words |= {address: encoded[at:at + 2] for at, address in zip(range(0, len(encoded), 2), addresses)}
