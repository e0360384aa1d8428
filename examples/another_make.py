"""Another make: a charger that knows only an Eastron SDM630, and a house whose meter is an ABB.

You have   an ABB meter behind an RS-485 gateway; a charger whose manual lists an SDM630 on its own serial line.
You get    a derived unit: to the charger it is an SDM630, with the values of the ABB.

    ABB 100 --- gateway --- softsplit --- /dev/ttyUSB0 (unit 1 is an SDM630) --- charger

Change     the make, to any profile that names registers ("softsplit profile list"), and the mode, to that of the
           charger. "softsplit check" of a configuration file shows what each register is made from, and what a
           master gets for the others; see the README, "A meter your charger knows".
"""

from softsplit import Derived, Downstream, Splitter, Unit, Upstream

meters = Upstream("tcp://192.168.1.140:8899", units=[Unit(100, "abb-b23")], name="meters")
sdm630 = Derived("eastron-sdm630", source=(meters, 100), name="sdm630")
charger = Downstream("rtu:///dev/ttyUSB0", units={1: sdm630}, baudrate=9600, mode="8N1", name="charger")
Splitter([charger]).run()
