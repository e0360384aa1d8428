"""A battery over Modbus TCP, for more readers than its management system can serve.

You have   an Anzen BMS at 192.168.1.160, and a screen, a data logger and an inverter that all want its values.
You get    one connection to the battery, and one read of each of its eight blocks per period, for any number of them.

    Anzen BMS 1 -- 192.168.1.160 -- softsplit -- tcp, port 502 -- screen, data logger, inverter

Try        softsplit read -a 127.0.0.1 -p anzen-bms -d
Change     the address. Without a battery: softsplit simulate anzen-bms tcp://127.0.0.1:5020 --unit 1
"""

from softsplit import Downstream, Splitter, Unit, Upstream

battery = Upstream("tcp://192.168.1.160:502", units=[Unit(1, "anzen-bms")], name="battery")
readers = Downstream("tcp://0.0.0.0:502", [battery], name="readers")
Splitter([readers]).run()
