"""A simulated energy meter: its values as a pure function of time.

The loads of the phases come and go; energy is the integral of power, so it only grows. Each unit is a meter
with different loads. Values of phases are rounded first, and totals are sums of these, so that registers can
be checked against each other.
"""

from math import atan2, cos, degrees, hypot, pi, sin, sqrt

PHASES = ("l1", "l2", "l3")
EPOCH = 1_704_067_200  # 2024-01-01 00:00 UTC, when counting began
BASE = (300.0, 450.0, 200.0)  # W, constant
SWING = (2200.0, 900.0, 1500.0)  # W, varying
PERIOD = (61.0, 97.0, 43.0)  # s
REACTIVE = (0.10, 0.25, -0.05)  # var for each W
VOLTAGE_ANGLE = (0.0, -119.9, 119.9)  # deg
TARIFF_SHARES = (0.7, 0.3, 0.0, 0.0)


def shown_by_meter(unit: int, t: float, phases: int = 3) -> dict[str, float | None]:
    """Return the values at wall time `t` by register name, in units of measure; None if it has none."""
    each = [_phase(phase, unit, t) for phase in range(phases)]
    shown: dict[str, float] = {}
    for phase, name in enumerate(PHASES[:phases]):
        shown |= {f"{what}_{name}": value for what, value in each[phase].items()}
    for name in each[0]:
        shown[f"{name}_total"] = sum(phase[name] for phase in each)
    shown |= _angles(shown, (*PHASES[:phases], "total"))
    shown |= _voltages(unit, t, phases)
    shown["frequency"] = 50 + 0.03 * sin(t / 17)
    shown["current_n"] = 0.1 * shown["current_total"]
    shown["current_average"] = shown["current_total"] / phases
    return {**shown, **_counters(shown)}


def _phase(phase: int, unit: int, t: float) -> dict[str, float]:
    omega = 2 * pi / PERIOD[phase]
    base, swing = (watts * (1 + unit % 9 / 10) for watts in (BASE[phase], SWING[phase]))
    power = base + swing * (1 + sin(omega * t + unit)) / 2
    wave = (cos(omega * EPOCH + unit) - cos(omega * t + unit)) / omega
    age = t - EPOCH
    energy = (base * age + swing * (age + wave) / 2) / 3_600_000  # kWh: the integral of power
    reactive = REACTIVE[phase]
    apparent = hypot(1, reactive)
    return {
        "active_power": round(power, 2),
        "reactive_power": round(power * reactive, 2),
        "apparent_power": round(power * apparent, 2),
        "current": round(power * apparent / _voltage(phase, unit, t), 2),
        "active_energy_import": round(energy, 2),
        "reactive_energy_import": round(energy * max(reactive, 0), 2),
        "reactive_energy_export": round(energy * max(-reactive, 0), 2),
        "apparent_energy_import": round(energy * apparent, 2),
    }


def _voltage(phase: int, unit: int, t: float) -> float:
    return round(231 + 1.5 * sin(t / 29 + 2 * phase + unit), 1)


def _voltages(unit: int, t: float, phases: int) -> dict[str, float]:
    to_neutral = [_voltage(phase, unit, t) for phase in range(phases)]
    shown = {f"voltage_{PHASES[phase]}_n": voltage for phase, voltage in enumerate(to_neutral)}
    shown |= {f"phase_angle_voltage_{PHASES[phase]}": VOLTAGE_ANGLE[phase] for phase in range(phases)}
    if phases == 3:
        for one, other in ((0, 1), (2, 1), (0, 2)):
            a, b = to_neutral[one], to_neutral[other]
            shown[f"voltage_{PHASES[one]}_{PHASES[other]}"] = sqrt(a * a + b * b + a * b)  # 120 deg apart
        shown["phase_sequence"] = 0  # L1-L2-L3
        shown["voltage_average"] = sum(shown[f"voltage_{pair}"] for pair in ("l1_l2", "l3_l2", "l1_l3")) / 3
    shown["voltage_average_n"] = sum(to_neutral) / phases
    return shown


def _angles(shown: dict[str, float], whose) -> dict[str, float]:
    found = {}
    for who in whose:
        active, reactive = shown[f"active_power_{who}"], shown[f"reactive_power_{who}"]
        angle = degrees(atan2(reactive, active))
        found[f"phase_angle_power_{who}"] = angle
        found[f"power_factor_{who}"] = active / hypot(active, reactive)
        found[f"current_quadrant_{who}"] = 1 if reactive >= 0 else 4
        if who != "total":
            found[f"phase_angle_current_{who}"] = VOLTAGE_ANGLE[PHASES.index(who)] - angle
    return found


def _counters(shown: dict[str, float]) -> dict[str, float | None]:
    """Tariffs, resettable and converted energies, nets and sums; this house never exports active energy."""
    found: dict[str, float | None] = {}
    for kind in ("active_energy", "reactive_energy", "apparent_energy"):
        for who in (name.rpartition("_")[2] for name in shown if name.startswith(f"{kind}_import_")):
            exported = shown.get(f"{kind}_export_{who}")
            found[f"{kind}_export_{who}"] = exported
            found[f"{kind}_net_{who}"] = shown[f"{kind}_import_{who}"] - (exported or 0)
            found[f"{kind}_sum_{who}"] = shown[f"{kind}_import_{who}"] + (exported or 0)
    for kind in ("active_energy_import", "reactive_energy_import", "reactive_energy_export"):
        for number, share in enumerate(TARIFF_SHARES, 1):
            found[f"{kind}_tariff_{number}"] = shown[f"{kind}_total"] * share
        found[f"{kind}_resettable"] = shown[f"{kind}_total"]
    for number in range(1, 5):
        found[f"active_energy_export_tariff_{number}"] = None
    found["active_energy_export_resettable"] = None
    found["active_energy_import_co2"] = 0.4 * shown["active_energy_import_total"]
    found["active_energy_import_currency"] = 0.3 * shown["active_energy_import_total"]
    return found
