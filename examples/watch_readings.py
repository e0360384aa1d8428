"""Use the readings yourself, in the process that splits the bus.

You have   the wiring of any other example, and your own use for the values: here, printing them.
You get    the power, once a second, as the masters of a downstream get it; stale values are missing.

    ABB 1 --- RS-485 -- gateway -- softsplit -- tcp, port 502 -- masters
                                       |
                                   your eyes

Change     the last line. The function runs in the main thread and does not delay the masters.
"""

from softsplit import Downstream, Splitter, Unit, Upstream

meters = Upstream("tcp://192.168.1.140:502", units=[Unit(1, "abb-b23")], name="meters")
masters = Downstream("tcp://0.0.0.0:502", [meters], name="masters")
splitter = Splitter([masters])
power = "active_power_total"
splitter.run(attend=lambda status: print(power, splitter.values(masters, 1).get(power, "is too old"), flush=True))
