"""One vocabulary of names: what a name says is the same in every shipped profile."""

import re
from collections import defaultdict

import pytest

from softsplit.profiles import load_profile, shipped_profiles
from softsplit.profiles.loader import parse_profile
from softsplit.protocol import values

FAMILIES = {f"{prefix}{measure}": measure for measure in ("W", "VA", "var", "Wh", "VAh", "varh", "V", "A", "Hz")
            for prefix in ("", "m", "k", "M")}
QUANTITIES = (  # the first that fits tells the unit of measure; names of three-phase meters first
    (r"(phase_angle_\w+)", "deg"),
    (r"(active_energy_import_co2)", "kg"), (r"(active_energy_import_currency)", "currency"),
    (r"active_energy_\w+", "Wh"), (r"reactive_energy_\w+", "varh"), (r"apparent_energy_\w+", "VAh"),
    (r"reactive_power_\w+", "var"), (r"apparent_power_\w+", "VA"), (r"(\w+_)?power_factor_\w+", ""), (r"cos_phi_\w+", ""),
    (r"current_(quadrant_\w+|tariff)", ""), (r"active_power_\w+|(\w+_)?power(_l[123])?", "W"),
    (r"(\w+_)?voltage(_\w+)?", "V"), (r"(\w+_)?current(_\w+)?", "A"), (r"frequency", "Hz"),
)
ENDINGS = r"(l[123](_n|_l[123])?|n|pe_n|average(_n)?|total|resettable|tariff_[1-4]|demand(_peak)?|co2|currency)"
ENDING = (r"(?:(?:active|reactive|apparent)_power(?:_import|_export)?"
          rf"|(?:active|reactive|apparent)_energy_(?:import|export|net|sum)|voltage|current|power_factor|cos_phi)_{ENDINGS}")
OF_A_METER = r"(active|reactive|apparent)_(power|energy)_.*|(voltage|current|power_factor|cos_phi)_.*"
WITHOUT_AN_ENDING = {"current_tariff", "current_quadrant_total", *(f"current_quadrant_l{phase}" for phase in (1, 2, 3))}


def registers_of(profile):
    return [(profile.name, register) for register in profile.registers]


SHIPPED = [each for name in shipped_profiles() for each in registers_of(load_profile(name))]


def kind_of(register) -> tuple[str, str]:
    """What kind of value it is, and the unit of measure without its prefix."""
    measure = values.parse_resolution(register.resolution)[1]
    return (register.type if register.type in values.COUNTED else "number"), FAMILIES.get(measure, measure)


def differing(registers) -> dict[str, set]:
    """Names that are one thing here and another there."""
    kinds = defaultdict(set)
    for _, register in registers:
        kinds[register.name].add(kind_of(register))
    return {name: found for name, found in kinds.items() if len(found) > 1}


def misnamed(registers) -> list[str]:
    """Names that a meter's value may not have."""
    return [f"{profile}: {register.name}" for profile, register in registers
            if re.fullmatch(OF_A_METER, register.name) and register.name not in WITHOUT_AN_ENDING
            and not re.fullmatch(ENDING, register.name)]


def mismeasured(registers) -> list[str]:
    """Names of quantities whose unit of measure is another's."""
    found = []
    for profile, register in registers:
        measures = [measure for pattern, measure in QUANTITIES if re.fullmatch(pattern, register.name)]
        if measures and kind_of(register) != ("number", measures[0]):
            found.append(f"{profile}: {register.name} in {kind_of(register)}, not {measures[0]}")
    return found


def test_the_same_name_is_the_same_quantity_in_every_shipped_profile():
    assert differing(SHIPPED) == {}


def test_a_name_says_the_quantity_and_whose_it_is():
    assert mismeasured(SHIPPED) == [] and misnamed(SHIPPED) == []


def test_what_is_negative_where_import_is_positive_is_a_signed_number():
    """An unsigned active power would be import alone, which is called so."""
    unsigned = [f"{profile}: {register.name}" for profile, register in SHIPPED
                if register.name.startswith(("active_power_l", "active_power_total")) and register.type.startswith("u")]
    assert unsigned == ["keba-p30: active_power_total"], "a charger only draws"


@pytest.mark.parametrize("name, resolution, wrong", [
    ("active_power_l1", "1 kW", None), ("active_power_l1", "1 var", "active_power_l1"), ("active_power_l4", "1 W", "active_power_l4"),
    ("active_power", "1 W", None), ("active_energy_import", "1 Wh", "active_energy_import"), ("voltage_l1", "1 V", None),
    ("voltage_l1_n", "1 A", "voltage_l1_n"), ("current_phase_1", "1 A", "current_phase_1"), ("battery_power", "1 W", None),
    ("battery_power", "1 V", "battery_power"), ("power_factor_total", "1 %", "power_factor_total"), ("frequency", "1 A", "frequency"),
])
def test_a_word_of_ones_own_is_found_out(name, resolution, wrong):
    profile = parse_profile(f"""block = [{{ address = 0, count = 2 }}]
        register = [{{ name = "{name}", address = 0, type = "f32", resolution = "{resolution}" }}]""", "own")
    found = misnamed(registers_of(profile)) + mismeasured(registers_of(profile))
    assert bool(found) == bool(wrong) and all(wrong in each for each in found)


def test_two_meanings_of_a_name_are_found_out():
    other = parse_profile("""block = [{ address = 0, count = 2 }]
        register = [{ name = "frequency", address = 0, type = "text", count = 2 }]""", "other")
    assert set(differing(SHIPPED + registers_of(other))) == {"frequency"}
