"""The first house: one meter bus, and a Victron and a Maxem that both need to be its only master.

You have   two ABB B23/B24 meters (units 100 and 2) on one RS-485 line behind an Elfin EW-11,
           a Victron Cerbo GX on the network, a Maxem EV load balancer on a USB RS-485 adapter.
You get    both of them reading both meters, each as if it were alone.

    ABB 100 --+                             +-- tcp, port 502 ---- Victron
              +-- RS-485 -- EW-11 -- softsplit
    ABB 2   --+                             +-- /dev/ttyUSB0 ----- Maxem

Change     the address of the gateway, the unit ids, the name of the adapter ("ls /dev/serial/by-id").
Port 502 needs root or CAP_NET_BIND_SERVICE.
"""

from softsplit import Downstream, Splitter, Unit, Upstream

meters = Upstream("tcp://192.168.1.140:8899", units=[Unit(100, "abb-b23"), Unit(2, "abb-b23")], name="meters")
victron = Downstream("tcp://0.0.0.0:502", [meters], name="victron")
maxem = Downstream("rtu:///dev/ttyUSB0", [meters], baudrate=19200, mode="8E1", name="maxem")
Splitter([victron, maxem]).run()
