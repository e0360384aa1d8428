"""`softsplit check` of derived units: what each register is made from, how old it gets, and what masters get otherwise."""

from functools import cache
from pathlib import Path

import pytest

from softsplit.commands.check.wiring import draw
from softsplit.config.loader import parse_config

HOUSE = """
[upstream.meters]
url = "rtu:///dev/ttyUSB0"
units = { 100 = "abb-b23", 2 = "abb-b23" }
[derived.charger]
profile = "eastron-sdm630"
from = "meters/100"
[derived.charger.values]
active_power_total = "meters/100.active_power_total - meters/2.active_power_total"
frequency = "50 Hz"
[downstream.charger]
url = "tcp://0.0.0.0:1502"
units = { 1 = "derived/charger" }
"""


@cache
def check(text: str = HOUSE) -> str:
    return draw(parse_config(text, "softsplit.toml", Path(".")), "softsplit.toml")


@pytest.mark.parametrize("line", [
    "derived/charger  eastron-sdm630  (Eastron SDM630)\n",
    "active_power_total            0x0034  = meters/100.active_power_total - meters/2.active_power_total  every 1 s, at worst 1.",
    "frequency                     0x0046  = 50 Hz, your own\n",
    "active_energy_import_total    0x0048  = meters/100.active_energy_import_total  every 5 s, at worst 5.",
    " │  0xFC02 identifies the make: 112\n", " │  no register, a master gets 0xFFFF where the make can be read\n",
    " │  no source, a master gets a float that is no number: voltage_average_n, current_average, current_total, voltage_average, ",
    " └─ unit 1  from derived/charger\n",
])
def test_each_register_is_shown_with_what_it_is_made_from(line):
    assert line in check() + "\n"


def test_units_that_are_only_inputs_are_polled():
    assert "NOT POLLED" not in check() and "TOO" not in check()
    assert check(f"{HOUSE}\n[diagnostics]\nunit = 247\n").endswith("\n\ndiagnostics  unit 247 of every downstream")
    assert "diagnostics" not in check()
    gateway = HOUSE.replace("rtu:///dev/ttyUSB0", "tcp://192.168.1.140")  # whose line nobody knows
    assert "NOT SERVED by any downstream" in check(gateway.replace('"derived/charger"', '"meters/100"'))


@pytest.mark.parametrize("old, new, told", [
    ('from = "meters/100"', 'from = "meters/100"\nmax_skew = 0.5',
     "TOO FAR APART: active_power_total is often stale, because its inputs are read up to 1."),
    ("active_power_total - meters/2.active_power_total", "active_power_total + meters/2.active_energy_import_total / 1 h",
     None),
    ('url = "rtu:///dev/ttyUSB0"', 'url = "rtu:///dev/ttyUSB0"\nbaudrate = 1200',
     "TOO FAR APART: active_power_total is often stale"),
])
def test_what_is_stale_most_of_the_time_is_told(old, new, told):
    found = check(HOUSE.replace(old, new, 1))
    assert (told in found) if told else "TOO FAR" not in found


def test_what_has_no_pattern_refuses_who_reads_over_it():
    text = HOUSE.replace("eastron-sdm630", "victron-gx-grid").replace("rtu:///dev/ttyUSB0", "tcp://192.168.1.140").replace('frequency = "50 Hz"', 'voltage_l1_n = "absent"')
    found = check("\n".join(line for line in text.splitlines() if not line.startswith("active_power_total")))
    assert " │  no source, a master gets 0x02, also for longer reads across it: voltage_l1_n\n │  no register, a master gets 0x02\n" in found
