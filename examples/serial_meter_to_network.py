"""A meter on a USB adapter, for the whole network: softsplit as the gateway.

You have   an ABB B21 (unit 1) on a USB RS-485 adapter at this machine, 9600 8N1.
You get    Modbus TCP for one master, and RTU over TCP for another that expects a serial server.

                                                +-- tcp, port 502 ----------- Victron
    ABB 1 --- RS-485 -- /dev/ttyUSB0 -- softsplit
                                                +-- rtu over tcp, port 5021 - evcc

Change     the name of the adapter, the baud rate and mode (see the meter's menu), and the ports.
"""

from softsplit import Downstream, Splitter, Unit, Upstream

meter = Upstream("rtu:///dev/ttyUSB0", units=[Unit(1, "abb-b21")], baudrate=9600, mode="8N1", name="meter")
victron = Downstream("tcp://0.0.0.0:502", [meter], name="victron")
evcc = Downstream("rtuovertcp://0.0.0.0:5021", [meter], name="evcc")
Splitter([victron, evcc]).run()
