"""Derived units in softsplit.toml and in scripts: what expressions mean, and what is wrong with them."""

from decimal import Decimal
from pathlib import Path

import pytest

from softsplit import Derived, Downstream, Unit, Upstream
from softsplit.config.deriving.quantities import MEASURES
from softsplit.config.loader import parse_config
from softsplit.config.topology import Topology
from softsplit.config.written import read_content, topology_content
from softsplit.errors import ConfigError
from softsplit.profiles import load_profile, shipped_profiles

HOUSE = """
[upstream.meters]
url = "tcp://192.168.1.140:8899"
units = { 100 = "abb-b23", 2 = "abb-b23" }

[derived.charger]
profile = "eastron-sdm630"
from = "meters/100"
values = { active_power_total = '''EXPRESSION''' }

[downstream.charger]
url = "tcp://0.0.0.0:1502"
units = { 1 = "derived/charger", 2 = "meters/2" }
"""
MINUS = "meters/100.active_power_total - meters/2.active_power_total"


def parse(text: str) -> Topology:
    return parse_config(text, "softsplit.toml", Path("."))


def house(expression: str = MINUS) -> Topology:
    return parse(HOUSE.replace("EXPRESSION", expression))


def made(topology: Topology, name: str = "active_power_total"):
    return next(each for each in topology.derived[0].made if each.register.name == name)


def value(expression: str, **said: str) -> Decimal | None:
    """What an expression for the total power comes to; `said` are registers, those of unit 2 end with _2."""
    found = made(house(expression)).expression
    values = {each: said[each.register.name + ("_2" if each.unit == 2 else "")] for each in found.inputs}
    return found.value({each: None if text is None else Decimal(text) for each, text in values.items()})


def test_registers_of_the_same_name_are_taken_over_and_values_say_what_is_different():
    topology = house()
    charger, = topology.derived
    assert [str(each) for each in made(topology).inputs] == ["meters/100.active_power_total", "meters/2.active_power_total"]
    assert [(str(each), each.every) for each in made(topology, "active_energy_import_total").inputs] == \
        [("meters/100.active_energy_import_total", 5.0)]
    assert [each.register.name for each in charger.made if not each.has_source] == [
        "voltage_average_n", "current_average", "current_total", "voltage_average", "active_energy_sum_total",
        "reactive_energy_sum_total", "active_energy_sum_l1", "active_energy_sum_l2", "active_energy_sum_l3"]
    assert [(upstream.name, unit.unit) for upstream, unit in charger.units] == [("meters", 100), ("meters", 2)]
    served, = topology.downstreams
    assert [each.derived for each in served.derived] == [charger] and [each.unit for each in served.served] == [2]
    assert charger.skew(made(topology)) == 1.5
    assert charger.skew(made(topology, "active_energy_import_total")) == 7.5


def test_a_script_means_the_same():
    meters = Upstream("tcp://192.168.1.140:8899", [Unit(100, "abb-b23"), Unit(2, "abb-b23")], name="meters")
    charger = Derived("eastron-sdm630", source=(meters, 100), values={"active_power_total": MINUS})
    topology = Topology([Downstream("tcp://0.0.0.0:1502", units={1: charger})])
    assert (charger.name, topology.derived, topology.upstreams) == ("eastron-sdm630", (charger,), (meters,))
    assert str(made(topology)) == MINUS


def test_what_a_script_wires_is_known_to_other_processes():
    solar = Upstream("tcp://192.168.1.9", [Unit(1, "victron-gx")])
    meters = Upstream("tcp://192.168.1.140:8899", [Unit(100, "abb-b23")], name="my meters")
    values = {"active_power_total": f"-{solar.name}/1.pv_dc_power - my meters/100.active_power_total", "frequency": "50 Hz"}
    charger = Derived("eastron-sdm630", (meters, 100), values, [solar], max_skew=3, name="charger")
    content = topology_content(Topology([Downstream("tcp://0.0.0.0:1502", units={1: charger})]))
    again = read_content(content)
    assert topology_content(again) == content
    assert [str(each) for each in made(again).inputs] == [f"{solar.name}/1.pv_dc_power", "my meters/100.active_power_total"]


@pytest.mark.parametrize("expression, said, expected", [
    (MINUS, ("10.5", "3"), "7.5"),
    ("active_power_total", ("10.5", None), "10.5"),
    ("-active_power_total * 40", ("10.5", None), "-420.0"),
    ("active_power_total / 4 - 2 * (active_power_total - 1 kW)", ("1004", None), "243"),
    ("max(0 W, meters/2.active_power_total,\n active_power_total - 100 mW)", ("-3", "-2"), "0"),
    ("min(3 W, active_power_total)", ("2", None), "2"),
    ("abs(active_power_total)", ("-2.25", None), "2.25"),
    ("clamp(active_power_total, -1 kW, 0.1e1 kW)", ("-2000", None), "-1000"),
    ("sum_of(active_power_total, meters/2.active_power_total, 1 W)", ("0.1", "0.2"), "1.3"),
    ("50 % * active_power_total", ("8", None), "4.00"),
    ("230 V * 2 A", (None, None), "460"),
    ("1 kWh / 2 h", (None, None), "500"),
    ("6 W/meters/2.active_power_total*active_power_total", ("2", "4"), "3.0"),
    (MINUS, ("10.5", None), None),
    ("sum_of(active_power_total, meters/2.active_power_total)", (None, "1"), None),
    ("max(0 W, active_power_total)", (None, None), None),
    ("100 W / (active_power_total / meters/2.active_power_total)", ("0", "1"), None),
    ("clamp(5 W, active_power_total, meters/2.active_power_total)", ("3", "1"), None),
])
def test_expressions_are_computed_exactly_or_not_at_all(expression, said, expected):
    found = value(expression, active_power_total=said[0], active_power_total_2=said[1])
    assert found == (None if expected is None else Decimal(expected))


def test_units_of_measure_are_converted():
    topology = parse(HOUSE.replace("EXPRESSION", MINUS).replace("active_power_total =", "active_energy_import_total =")
                     .replace(MINUS, "clamp(active_energy_import_total, 0 Wh, 3 MWh)").replace("eastron-sdm630", "schneider-pm5xxx"))
    found = made(topology, "active_energy_import_total")
    assert found.register.resolution.endswith(" Wh")
    assert found.expression.value({each: Decimal("12.34") for each in found.inputs}) == 12340


def test_a_whole_value_may_be_a_number_of_the_user():
    topology = house("1 kW")
    assert made(topology).is_stated and made(topology).expression.value({}) == 1000
    assert not made(topology, "frequency").is_stated


@pytest.mark.parametrize("expression, message", [
    ("meters/100.active_power_total + meters/2.current_l1", ": W and A do not go together"),
    ("active_power_total + reactive_power_total", ": W and var do not go together"),
    ("active_power_total + 2 * (active_power_total - 3 V)",
     '"active_power_total - 3 V" at character 27 of "active_power_total + 2 * (active_power_total - 3 V)": W and V do not go'),
    ("max(0, active_power_total)", ": a number without a unit of measure and W do not go together; write 0 W"),
    ("voltage_l1_n", ': is in V, but "active_power_total" is in W'),
    ("voltage_l1_n / current_l1", ': is in A^-1 V, but "active_power_total" is in W'),
    ("50", ': is a number without a unit of measure, but "active_power_total" is in W; write 50 W'),
    ("3 parsec", ': unknown unit of measure "parsec"'),
    ("active_pwr_total", ': unknown register "active_pwr_total"; similar are active_power_total'),
    ("3 W + meters/2.foo", '"meters/2.foo" at character 7 of "3 W + meters/2.foo": unknown register "foo" of meters/2'),
    ("metres/2.frequency", ': unknown unit "metres/2"; did you mean "meters/2"?'),
    ("derived/other.frequency", ": a derived unit cannot be made from another one; name registers of devices"),
    ("type_designation", ": is no number"),
    ("active_power_total ** 2", ": a power (**) is not possible; possible are names of registers, numbers, + - * / ( )"),
    ("active_power_total % 2", ": a remainder (%) is not possible"), ("active_power_total // 2", ": a whole quotient (//) is not"),
    ("active_power_total if frequency else 1 W", '"if" at character 20 of "active_power_total if frequency else 1 W": if is not'),
    ("active_power_total < 3 W", ": a comparison is not possible"), ("+active_power_total", ": a sign + is not possible"),
    ("active_power_total[0]", ": [ ] is not possible"), ("active_power_total, 3 W", ": a comma outside a function is not"),
    ("active_power_total (3)", ': unknown function "active_power_total"'), ("(active_power_total)(3)", ": a call of what is no function"),
    ("active_power_total + 'x'", "\"'x'\" at character 22"), ("active_power_total # all", '"#" at character 20'),
    ("lambda: 3 W", "lambda is not possible"), ("sum(active_power_total)", ': unknown function "sum"; did you mean "sum_of"?'),
    ("min(3 W)", ": min takes 2 to 100 values, not 1"), ("abs()", ": abs takes 1 value, not 0"),
    ("clamp(active_power_total, 5 W, 3 W)", ": the least value of clamp is greater than the greatest"),
    ("active_power_total / 0", ": divides by 0"), ("1 W / (3 - 3)", ": divides by 0"), ("1e400 W", ": is no number that occurs"),
    ("1e99999999999999999999 W", ": is no number that occurs"), ("0e-99999999999999999999 W", ": is no number that occurs"),
    ("1e18 W" + " * 1e18" * 20, "cannot say 1e+378"),
    ("active_power_total +", ": cannot be understood; possible are"), ("3 W 4", '"4" at character 5 of "3 W 4": cannot be understood'),
    ("-" * 100 + "3 W", "more than 60 operations are inside each other"), ("(" * 300 + "3 W" + ")" * 300, "cannot be understood"),
    ("1 W + " * 1000 + "1 W", "an expression of 6003 characters is not possible; allowed are 1 to 4000"), ("", "0 characters"),
])
def test_each_misuse_names_the_expression_and_the_place(expression, message):
    with pytest.raises(ConfigError) as raised:
        house(expression)
    assert str(raised.value).startswith("softsplit.toml: derived.charger.values.active_power_total: ")
    assert message in str(raised.value)


@pytest.mark.parametrize("old, new, message", [
    ('profile = "eastron-sdm630"', "", "derived.charger: profile is missing"),
    ('from = "meters/100"', 'from = "meter/100"', 'derived.charger.from: unknown upstream "meter"; did you mean "meters"?'),
    ('from = "meters/100"', 'from = "meters/3"', 'derived.charger.from: unknown unit of meters "3"'),
    ('from = "meters/100"', "", '"active_power_total" does not say of which unit; write it like "meters/100.active_power_total", or say from'),
    ('from = "meters/100"', 'froms = "meters/100"', 'derived.charger.froms: unknown key "froms"; did you mean "from"?'),
    ('from = "meters/100"', "max_skew = 0", "derived.charger.max_skew: 0 s is not possible"),
    ("active_power_total = ", "active_pwr_total = ", 'derived.charger.values.active_pwr_total: unknown register "active_pwr_total" of eastron-sdm630; similar'),
    ("'''EXPRESSION'''", "3", 'derived.charger.values.active_power_total: 3 is not text; write it like "meters/100.frequency"'),
    ('"derived/charger"', '"derived/chargr"', 'downstream.charger.units.1: unknown derived unit "chargr"; did you mean "charger"?'),
    ("[upstream.meters]", '[upstream.derived]\nurl = "tcp://a"\nunits = { 1 = "any" }\n[upstream.meters]',
     'upstream.derived: this name is reserved for derived units; choose another'),
    ('from = "meters/100"', 'from = "derived/charger"', 'derived.charger.from: unknown upstream "derived"'),
    ('"eastron-sdm630"', '"any"', "derived.charger.profile: any names no registers, so nothing can be derived"),
    ('100 = "abb-b23"', '100 = "any"', 'derived.charger.values: nothing is made from another unit; say from = "meters/100"'),
])
def test_a_wrong_section_says_what_to_change(old, new, message):
    text = HOUSE.replace(old, new).replace("EXPRESSION", "50 W" if new == '100 = "any"' else "active_power_total")
    with pytest.raises(ConfigError) as raised:
        parse(text)
    assert message in str(raised.value)


def test_what_is_derived_from_nothing_but_the_users_numbers_is_refused():
    meters = Upstream("tcp://a", [Unit(1, "abb-b23")])
    with pytest.raises(ConfigError, match="nothing is made from another unit"):
        Derived("eastron-sdm630", upstreams=[meters], values={"frequency": "50 Hz"})


def test_every_unit_of_measure_of_the_shipped_profiles_is_in_the_table_or_counts_something():
    measures = {each.resolution.partition(" ")[2] for name in shipped_profiles() for each in load_profile(name).registers}
    assert measures - {""} - set(MEASURES) <= {"kg", "currency", "pulses"}
