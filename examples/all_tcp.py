"""Everything on the network: a gateway that serves one Modbus TCP connection, and many masters.

You have   an ABB B24 (unit 1) behind a gateway that serves one connection at a time, and masters that all
           speak Modbus TCP.
You get    one port for all of them. The connection of the Victron is never closed for another.

                                             +-- 192.168.1.20, never disconnected -- Victron
    ABB 1 --- RS-485 -- gateway -- softsplit +-- anybody else of 192.168.1.0/24 ---- Home Assistant, evcc
                          one connection     +-- others cannot connect

Change     the addresses. Port 502 needs root or CAP_NET_BIND_SERVICE; ports from 1024 on do not.
"""

from softsplit import Downstream, Splitter, Unit, Upstream

meters = Upstream("tcp://192.168.1.140:502", units=[Unit(1, "abb-b24")], name="meters")
everybody = Downstream("tcp://0.0.0.0:502", [meters], allow=["127.0.0.1", "192.168.1.0/24"],
                       prefer=["192.168.1.20"],
                       name="everybody")
Splitter([everybody]).run()
