"""A serial server that passes bytes through: Modbus RTU on a TCP connection.

You have   an Eastron SDM630 (unit 1) behind a serial server (such as Elfin EW-11 or USR-TCP232) that is set to pass
           bytes through, not to translate to Modbus TCP. "softsplit doctor" shows which it does.
You get    Modbus TCP, for as many masters as you like.

    SDM630 1 --- RS-485 -- serial server -- softsplit -- tcp, port 502 -- masters
                             port 8899

Change     the address, and the baud rate, by which "softsplit check" calculates the load of the line.
"""

from softsplit import Downstream, Splitter, Unit, Upstream

meter = Upstream("rtuovertcp://192.168.1.141:8899", units=[Unit(1, "eastron-sdm630")], baudrate=9600,
                 name="meter")
masters = Downstream("tcp://0.0.0.0:502", [meter], name="masters")
Splitter([masters]).run()
