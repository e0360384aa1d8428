"""A wiring to try at the desk: no meter, no adapter, two masters over TCP.

You have   nothing but this machine. In another terminal, first, two simulated meters on a simulated line:
               softsplit simulate abb-b23 tcp://127.0.0.1:8899 --unit 100 --unit 2 --baudrate 19200
You get    both meters at two ports, for two masters with different requirements.

    simulated 100 --+                                +-- port 5020 -- exception 0x0B if data is older than 5 s
                    +-- 127.0.0.1:8899 -- softsplit
    simulated 2   --+                                +-- port 5021 -- silence if data is older than 20 s

Try        softsplit read -a 127.0.0.1:5020 -u 100 0x5B00 8
Change     end the simulation, and see both ports refuse data that is too old.
"""

from softsplit import Downstream, Splitter, Unit, Upstream

meters = Upstream("tcp://127.0.0.1:8899", units=[Unit(100, "abb-b23"), Unit(2, "abb-b23")], name="meters")
strict = Downstream("tcp://127.0.0.1:5020", [meters], max_age=5, name="strict")
silent = Downstream("tcp://127.0.0.1:5021", [meters], max_age=20, when_stale="silent", name="silent")
Splitter([strict, silent]).run()
