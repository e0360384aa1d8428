"""An unknown device, shared by two masters.

You have   a device (unit 7) that speaks Modbus, whose registers you do not know.
You get    softsplit forwards each read of your masters, once for all of them, and polls frequent ones. "softsplit
           profile learned" then prints a profile of these.

    ? 7 --- RS-485 -- gateway -- softsplit -- tcp, port 502 -- two masters, or more

Change     the address, the unit id. To let a master write, too: allow_writes=["boiler/7 holding registers 0+100"].
"""

from softsplit import Downstream, Splitter, Unit, Upstream

boiler = Upstream("tcp://192.168.1.150:502", units=[Unit(7, "any")], name="boiler")
masters = Downstream("tcp://0.0.0.0:502", [boiler], name="masters")
Splitter([masters]).run()
