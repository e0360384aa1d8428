"""Two serial masters that both need to be the only master of one meter.

You have   an ABB B23 (unit 1) behind a Modbus TCP gateway, and two controllers that speak Modbus RTU only.
You get    each of them on its own USB RS-485 adapter, with the baud rate and parity that it needs.

                                             +-- /dev/ttyUSB0, 19200 8E1 -- heat pump
    ABB 1 --- RS-485 -- gateway -- softsplit
                                             +-- /dev/ttyUSB1,  9600 8N1 -- wallbox

Change     the address of the gateway; the names of the adapters ("ls /dev/serial/by-id" shows lasting ones).
"""

from softsplit import Downstream, Splitter, Unit, Upstream

meters = Upstream("tcp://192.168.1.140:502", units=[Unit(1, "abb-b23")], name="meters")
heat_pump = Downstream("rtu:///dev/ttyUSB0", [meters], baudrate=19200, mode="8E1", name="heat pump")
wallbox = Downstream("rtu:///dev/ttyUSB1", [meters], baudrate=9600, mode="8N1", name="wallbox")
Splitter([heat_pump, wallbox]).run()
