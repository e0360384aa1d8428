"""Makes that chargers know, made from an ABB B23: decoded here by plain offsets, as somebody else's driver does it."""

import math
import random
import struct

import pytest

from softsplit import Derived, Downstream, Unit, Upstream
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.unit import SimulatedUnit
from softsplit.downstream.deriving.choice import Derivers
from softsplit.profiles import Answer, load_profile
from tests.support import Clock, read_request
from tests.support.outcomes import reading

PHASES = (1, 2, 3)


def floats(address: int, *names: str, factor: float = 1.0) -> dict[str, tuple]:
    return {name: (address + 2 * number, ">f", factor) for number, name in enumerate(names)}


def each_phase(name: str) -> list[str]:
    return [name.replace("*", f"l{phase}") for phase in PHASES]


# name: address, form (as struct has it), what one is worth; "<l" are two words, the low one first
SDM630 = {**floats(0x0000, *each_phase("voltage_*_n"), *each_phase("current_*"), *each_phase("active_power_*"),
                   *each_phase("apparent_power_*"), *each_phase("reactive_power_*"), *each_phase("power_factor_*")),
          **floats(0x0034, "active_power_total"), **floats(0x0046, "frequency", "active_energy_import_total", "active_energy_export_total"),
          **floats(0x00E0, "current_n"), **floats(0x015A, *each_phase("active_energy_import_*"))}
DTSU666 = {**floats(0x2006, *each_phase("voltage_*_n"), factor=0.1), **floats(0x200C, *each_phase("current_*"), factor=0.001),
           **floats(0x2012, "active_power_total", *each_phase("active_power_*"), factor=0.1),
           **floats(0x202A, "power_factor_total", *each_phase("power_factor_*"), factor=0.001),
           **floats(0x2044, "frequency", factor=0.01), **floats(0x401E, "active_energy_import_total"),
           **floats(0x4028, "active_energy_export_total")}
EM24 = {name: (address, "<l", factor) for address, name, factor in (
    *((2 * phase - 2, f"voltage_l{phase}_n", 0.1) for phase in PHASES), *((10 + 2 * phase, f"current_l{phase}", 0.001) for phase in PHASES),
    *((0x10 + 2 * phase, f"active_power_l{phase}", 0.1) for phase in PHASES), (0x28, "active_power_total", 0.1),
    (0x34, "active_energy_import_total", 0.1), (0x4E, "active_energy_export_total", 0.1),
    *((0x3E + 2 * phase, f"active_energy_import_l{phase}", 0.1) for phase in PHASES))}


B23 = {"frequency": (0x5B2C, "H", 0.01), "current_n": (0x5B12, "I", 0.01), "active_energy_import_total": (0x5000, "Q", 0.01),
       "active_energy_export_total": (0x5004, "Q", 0.01), "power_factor_total": (0x5B3A, "h", 0.001)}
for at, name in enumerate(("voltage_*_n", "-", "current_*", "-")):
    for phase in PHASES:
        B23[name.replace("*", f"l{phase}")] = 0x5AFE + 6 * at + 2 * phase, "I", 0.1 if at < 2 else 0.01
for at, name in enumerate(("active_power", "reactive_power", "apparent_power")):
    B23[f"{name}_total"] = 0x5B14 + 8 * at, "i", 0.01
    for phase in PHASES:
        B23[f"{name}_l{phase}"] = 0x5B14 + 8 * at + 2 * phase, "i", 0.01
for phase in PHASES:
    B23[f"power_factor_l{phase}"] = 0x5B3A + phase, "h", 0.001
    B23[f"active_energy_import_l{phase}"] = 0x545C + 4 * phase, "Q", 0.01
MOST = {"I": 60_000, "i": 2_000_000, "H": 5_100, "h": 1_000, "Q": 90_000_000}  # counts


class House:
    """A B23 that has said something by chance, and a derived unit of another make; time stands still."""

    def __init__(self, make: str, chance: random.Random):
        unit = Unit(100, "abb-b23")
        meters = Upstream("tcp://a", [unit], name="meters")
        downstream = Downstream("tcp://127.0.0.1:0", units={1: Derived(make, (meters, 100))})
        derivers = Derivers()
        self.mirror = derivers.mirror(downstream, downstream.derived[0])
        taker, = (taker for _, taker in derivers.takers())
        self.said = {name: chance.randint(-MOST[form] if form.islower() else 0, MOST[form]) for name, (_, form, _) in B23.items()}
        for read in unit.reads:
            data = bytearray(b"\xff" * 2 * read.block.count)
            for name, (address, form, _) in B23.items():
                if read.block.address <= address < read.block.end:
                    struct.pack_into(f">{form}", data, 2 * (address - read.block.address), self.said[name])
            taker.update(reading(100, read.block, 1000.0, bytes(data)))

    def ask(self, address: int, count: int, function: int) -> bytes:
        answer = self.mirror.handle_request(read_request(address, count, function))
        assert answer[:2] == bytes((function, 2 * count)), answer.hex()
        return answer[2:]


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("softsplit.clock.now", clock)
    return clock


@pytest.mark.parametrize("make, function, places", [
    ("eastron-sdm630", 4, SDM630), ("chint-dtsu666", 3, DTSU666), ("carlo-gavazzi-em24-e1", 3, EM24), ("carlo-gavazzi-em24-e1", 4, EM24)])
def test_another_make_says_within_a_count_what_the_meter_says(make, function, places):
    for seed in range(5):
        house = House(make, random.Random(seed))
        for name, (address, form, factor) in places.items():
            data = house.ask(address, 2, function)
            found, = struct.unpack(">l", data[2:] + data[:2]) if form == "<l" else struct.unpack(form, data)
            expected = house.said[name] * B23[name][2]
            least = factor / 2 + 1e-9 if form == "<l" else abs(expected) * 1e-6
            assert abs(found * factor - expected) <= least, name


def test_what_is_read_in_one_piece_has_no_number_where_there_is_none():
    values = struct.unpack(">40f", House("eastron-sdm630", random.Random(1)).ask(0, 80, 4))
    assert [at for at, value in enumerate(values) if math.isnan(value)] == [21, 22, 23, 24, 25, 27, 29, 32, 34, 38, 39]
    chint = House("chint-dtsu666", random.Random(1))
    assert chint.ask(6, 2, 3) == struct.pack(">HH", 1, 10), "the ratios of its transformers"
    chint.ask(0x2000, 0x3A, 3)


def test_what_victrons_driver_asks_for_first_is_there():
    em24 = House("carlo-gavazzi-em24-e1", random.Random(1))
    assert [em24.ask(address, 1, 3).hex() for address in (0x000B, 0xA000, 0x1002, 0xA100)] == ["0670", "0007", "0000", "0003"]
    assert em24.ask(0x5000, 7, 3) == b"DERIVED".ljust(14, b"\0") and em24.ask(0x0000, 0x50, 3)


def test_what_a_sunspec_meter_says_of_its_maker_does_not_make_its_power_older(clock):
    """Its common model is read every ten minutes; whose power is import if positive, stands there."""
    profile = load_profile("sunspec-meter")
    common, model = (read.block for read in profile.reads)
    unit = SimulatedUnit(1, profile, Faults())
    meters = Upstream("tcp://a", [Unit(1, profile)], name="meters")
    downstream = Downstream("tcp://127.0.0.1:0", units={1: Derived("eastron-sdm630", (meters, 1))})
    derivers = Derivers()
    mirror = derivers.mirror(downstream, downstream.derived[0])
    taker, = (taker for _, taker in derivers.takers())

    def served(at: float) -> bytes:
        clock.now = at
        taker.update(reading(1, model, at, unit.data(model, at)))
        return mirror.handle_request(read_request(0x34, 2, 4))

    taker.update(reading(1, common, 1000.0, unit.data(common, 1000.0)))
    for at in (1000.0, 1100.0, 1500.0):
        power, = (each.value for register, each in profile.said([Answer(model, unit.data(model, at), at, 1.0), Answer(common, unit.data(common, at), at, 600.0)]).items()
                  if register.name == "active_power_total")
        assert served(at)[2:] == struct.pack(">f", power)
    clock.now = 1511.0  # what was polled each second is old by then
    assert mirror.handle_request(read_request(0x34, 2, 4)) == bytes((0x84, 0x0B))
