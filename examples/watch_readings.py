"""Look at the readings yourself, in the process that splits the bus.

You have   the wiring of any other example, and something of your own to do with the values: print them here.
You get    once a second the powers as the masters of a downstream get them; what is too old is not among them.

    ABB 1 --- RS-485 -- gateway -- softsplit -- tcp, port 502 -- masters
                                       |
                                   your eyes

Change     the last line. What it calls runs in the main thread, beside all the serving.
"""

from softsplit import Downstream, Splitter, Unit, Upstream

meters = Upstream("tcp://192.168.1.140:502", units=[Unit(1, "abb-b23")], name="meters")
masters = Downstream("tcp://0.0.0.0:502", [meters], name="masters")
splitter = Splitter([masters])
power = "active_power_total"
splitter.run(attend=lambda status: print(power, splitter.values(masters, 1).get(power, "is too old"), flush=True))
