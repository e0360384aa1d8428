"""A device of which nothing is known, shared by two masters.

You have   something (unit 7) that speaks Modbus, and no idea which registers it has.
You get    whatever your masters ask for is asked of it, once for all of them; what they ask for often is polled.
           "softsplit status" then shows what that is, and with it what to write into a profile.

    ? 7 --- RS-485 -- gateway -- softsplit -- tcp, port 502 -- two masters, or more

Change     the address, the unit id. To let a master write, too: allow_writes=["boiler/7 holding registers 0+100"].
"""

from softsplit import Downstream, Splitter, Unit, Upstream

boiler = Upstream("tcp://192.168.1.150:502", units=[Unit(7, "any")], name="boiler")
masters = Downstream("tcp://0.0.0.0:502", [boiler], name="masters")
Splitter([masters]).run()
