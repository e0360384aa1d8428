"""Two buses that look like one: the units of both behind one port.

You have   a meter (unit 1) on a gateway in the house, another (unit 3) on one in the barn.
You get    one server with both. While the barn's gateway is down, the house's meter is still served.

    ABB 1 --- RS-485 -- gateway house --+
                                        +-- softsplit -- tcp, port 502 -- masters
    ABB 3 --- RS-485 -- gateway barn ---+

Change     the addresses. Two meters with the same unit id: see renamed_units.py.
"""

from softsplit import Downstream, Splitter, Unit, Upstream

house = Upstream("tcp://192.168.1.140:502", units=[Unit(1, "abb-b23")], name="house")
barn = Upstream("tcp://192.168.1.141:502", units=[Unit(3, "abb-b24")], name="barn")
everybody = Downstream("tcp://0.0.0.0:502", [house, barn], name="everybody")
Splitter([everybody]).run()
