"""Units under other ids: a master that asks only for unit 1, and two meters that are both unit 1.

You have   two meters, each unit 1 on its own line; a Victron that can distinguish them only by their ids, and a
           load balancer that asks only for unit 1.
You get    the house's meter as 1 and the barn's as 2 for the Victron; the barn's as 1 for the load balancer.

    ABB 1 --- gateway house --+                                  +-- port 1502: house 1, barn 2 -- Victron
                              +-- softsplit (each read once) ----+
    ABB 1 --- gateway barn ---+                                  +-- port 1503: barn 1 ----------- load balancer

Change     the numbers before the colons: these are the ids that the masters use.
"""

from softsplit import Downstream, Splitter, Unit, Upstream

house = Upstream("tcp://192.168.1.140:502", units=[Unit(1, "abb-b23")], name="house")
barn = Upstream("tcp://192.168.1.141:502", units=[Unit(1, "abb-b23")], name="barn")
victron = Downstream("tcp://0.0.0.0:1502", units={1: (house, 1), 2: (barn, 1)}, name="victron")
balancer = Downstream("tcp://0.0.0.0:1503", units={1: (barn, 1)}, name="balancer")
Splitter([victron, balancer]).run()
