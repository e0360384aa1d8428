"""A bus that keeps its master: listen to it, and serve copies.

You have   a load balancer that polls an ABB B23 (unit 2) on RS-485 and must not be changed, and a Victron that needs
           the same meter.
You get    a tap: softsplit serves the answers that the load balancer gets to the Victron, and sends nothing to the
           line. It can serve only what the load balancer reads; "softsplit status" shows what that is.

    ABB 2 --- RS-485 --+-- load balancer, which polls as before
                       |
                  /dev/ttyUSB0, a tap
                       |
                   softsplit -- tcp, port 502 -- Victron

Change     the name of the adapter, and the baud rate and mode of the line ("softsplit sniff --detect" finds them).
"""

from softsplit import Downstream, Splitter, Unit, Upstream

tap = Upstream("listen:///dev/ttyUSB0", units=[Unit(2, "abb-b23")], baudrate=19200, mode="8E1", name="tap")
victron = Downstream("tcp://0.0.0.0:502", [tap], name="victron")
Splitter([victron]).run()
