"""Minus the heat pump: a battery that must not see what the heat pump draws.

You have   a meter of the whole house and one of the heat pump, both ABB, on one bus; a Victron whose battery must not
           run the heat pump.
You get    a third meter, unit 1: the house without the heat pump. If the two were not read within a second and a half
           of each other, the Victron gets no value. Units 100 and 2 are served unchanged.

    ABB 100 house ----+                                +-- unit 1: 100 minus 2 ---+
                      +-- gateway --- softsplit -------+                          +-- Victron
    ABB 2 heat pump --+                                +-- units 100 and 2 -------+

Change     the ids, and what is subtracted: "meters/2.active_power_l1" is the first phase of unit 2.
"""

from softsplit import Derived, Downstream, Splitter, Unit, Upstream

meters = Upstream("tcp://192.168.1.140:8899", units=[Unit(100, "abb-b23"), Unit(2, "abb-b23")], name="meters")
minus = {name: f"{name} - meters/2.{name}" for name in (
    "active_power_total", "active_power_l1", "active_power_l2", "active_power_l3",
    "active_energy_import_total")}
rest = Derived("abb-b23", source=(meters, 100), values=minus, name="house without heat pump")
victron = Downstream("tcp://0.0.0.0:1502", units={1: rest, 100: (meters, 100), 2: (meters, 2)},
                     name="victron")
Splitter([victron]).run()
