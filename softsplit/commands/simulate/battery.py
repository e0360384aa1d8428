"""A simulated battery management system: its values as a pure function of time.

It charges and discharges in a cycle of five minutes; each unit id is a different battery.
"""

from datetime import UTC, datetime
from math import cos, pi, sin

MONOBLOCKS = 38
RHYTHM = 300.0  # s from one full charge to the next
STANDBY, CHARGE, DISCHARGE = range(3)
REST = 2.0  # A, below which it is on standby


def shown_by_battery(unit: int, t: float) -> dict[str, float]:
    """Return its values at wall time `t` by register name, in units of measure; states are counts."""
    phase = 2 * pi * t / RHYTHM + unit
    charge = 55 + 40 * sin(phase)  # %
    current = 60 * cos(phase)  # A; positive while charging
    blocks = {number: _voltage(number, charge, unit) for number in range(1, MONOBLOCKS + 1)}
    shown = {f"monoblock_voltage_{number}": voltage for number, voltage in blocks.items()}
    shown |= {f"monoblock_temperature_{number}": 28 + 4 * sin(number + t / 97) for number in blocks}
    shown |= {f"system_temperature_{number}": 30 + 3 * sin(number + t / 61) for number in range(1, 6)}
    shown |= {f"{what}_current": current for what in ("system", "hall", "shunt")}
    total = sum(blocks.values())
    shown |= {"system_voltage": total, "inverter_voltage": total - 0.4, "psu_voltage": 24.4}
    shown |= {"state_of_charge": charge, "state_of_health": 97, "unconfirmed_value": 38,
              "state": STANDBY if abs(current) < REST else CHARGE if current > 0 else DISCHARGE}
    shown |= {f"unconfirmed_health_{number}": 0 for number in range(1, 7)}
    shown |= {"boolean_1": True, "boolean_3": True, "alarm_7": charge > 94}
    moment = datetime.fromtimestamp(t, UTC)
    for what in ("year", "month", "day", "hour", "minute", "second"):
        shown[f"clock_{what}"] = getattr(moment, what)
    return shown


def _voltage(number: int, charge: float, unit: int) -> float:
    """The voltage of one block of the battery; each is a little different."""
    return 12.4 + 0.9 * charge / 100 + 0.03 * sin(7 * number + unit)
