"""Which values of a device matter most to people, by their names in profiles. Pure."""

import re
from collections.abc import Iterable

from softsplit.profiles.register import Register

RANKS = [re.compile(each) for each in (  # the most important first; others in the order of the profile
    "state_of_charge", "state", "active_power_total", r"active_power_l\d", r"(system_)?voltage(_l\d_n)?",
    r"(system_)?current(_l\d)?", r"monoblock_voltage_\d+", "(alarm|error).*", ".*temperature.*", "frequency",
    "active_energy_import_total", "active_energy_export_total")]
SHORTLIST = [re.compile(each) for each in (  # if there is room for a few
    "state_of_charge", "state", r"(active_)?power(_total)?", r"active_power_l\d",
    "active_energy_import_total", "active_energy_export_total")]


def rank(name: str) -> int:
    """Return a number: the lower, the more the value matters."""
    return _place(name, RANKS)


def shortlist(registers: Iterable[Register], most: int) -> list[Register]:
    """Return the registers to show if there is room only for `most`; among equals, numbers first."""
    def order(each: Register) -> tuple[int, int, bool]:
        return _place(each.name, SHORTLIST), rank(each.name), each.row.number is None

    return sorted(registers, key=order)[:most]


def _place(name: str, patterns: list[re.Pattern[str]]) -> int:
    return next((place for place, each in enumerate(patterns) if each.fullmatch(name)), len(patterns))
