"""A bus that keeps its master: listen to it, and serve copies.

You have   a load balancer that polls an ABB B23 (unit 2) on RS-485, which nobody wants to touch, and a Victron that
           wants the same meter.
You get    a tap: whatever the load balancer asks and the meter answers is served to the Victron. Not a byte is sent to
           the line. What the load balancer does not read cannot be served; "softsplit status" shows what it reads.

    ABB 2 --- RS-485 --+-- load balancer, which polls as ever
                       |
                  /dev/ttyUSB0, only heard
                       |
                   softsplit -- tcp, port 502 -- Victron

Change     the name of the adapter, and the baud rate and mode of the line ("softsplit sniff --detect" finds them).
"""

from softsplit import Downstream, Splitter, Unit, Upstream

tap = Upstream("listen:///dev/ttyUSB0", units=[Unit(2, "abb-b23")], baudrate=19200, mode="8E1", name="tap")
victron = Downstream("tcp://0.0.0.0:502", [tap], name="victron")
Splitter([victron]).run()
