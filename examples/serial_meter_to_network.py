"""A meter on a USB adapter, for the whole network: softsplit as the gateway.

You have   an ABB B21 (unit 1) on a USB RS-485 adapter at this machine, 9600 8N1.
You get    Modbus TCP for who speaks it, and RTU over TCP for who believes that there is a serial server.

                                                +-- tcp, port 502 ----------- Victron
    ABB 1 --- RS-485 -- /dev/ttyUSB0 -- softsplit
                                                +-- rtu over tcp, port 5021 - evcc

Change     the name of the adapter, baudrate and mode (they stand in the meter's menu), the ports.
"""

from softsplit import Downstream, Splitter, Unit, Upstream

meter = Upstream("rtu:///dev/ttyUSB0", units=[Unit(1, "abb-b21")], baudrate=9600, mode="8N1", name="meter")
victron = Downstream("tcp://0.0.0.0:502", [meter], name="victron")
evcc = Downstream("rtuovertcp://0.0.0.0:5021", [meter], name="evcc")
Splitter([victron, evcc]).run()
