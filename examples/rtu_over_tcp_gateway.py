"""A serial server that passes bytes through: Modbus RTU on a TCP connection.

You have   an Eastron SDM630 (unit 1) behind a serial server (Elfin EW-11, USR-TCP232 and the like) that is set to
           pass through, not to translate. "softsplit doctor" tells the two apart.
You get    Modbus TCP, for as many masters as you like.

    SDM630 1 --- RS-485 -- serial server -- softsplit -- tcp, port 502 -- masters
                             port 8899

Change     the address; baudrate, which is only for "softsplit check" to count whether the line carries it all.
"""

from softsplit import Downstream, Splitter, Unit, Upstream

meter = Upstream("rtuovertcp://192.168.1.141:8899", units=[Unit(1, "eastron-sdm630")], baudrate=9600, name="meter")
masters = Downstream("tcp://0.0.0.0:502", [meter], name="masters")
Splitter([masters]).run()
