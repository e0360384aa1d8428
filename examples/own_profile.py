"""A device with a profile of your own, written here instead of in a file.

You have   a boiler (unit 7) whose manual names two ranges of input registers worth reading.
You get    both polled, the temperatures every 2 s, the counters once a minute; reads of other registers are forwarded
           to the boiler.

    boiler 7 --- RS-485 -- gateway -- softsplit -- tcp, port 502 -- masters

Change     the blocks: table, protocol address from 0, count. The same as a file: README, "Profiles".
"""

from softsplit import Block, Downstream, Profile, Read, Splitter, Table, Unit, Upstream

temperatures = Read(Block(Table.INPUT_REGISTERS, 0x0010, 12), "temperatures", every=2.0)
counters = Read(Block(Table.INPUT_REGISTERS, 0x0100, 8), "counters", every=60.0)
everything = Block(Table.INPUT_REGISTERS, 0x0000, 1000)
profile = Profile("my boiler", reads=(temperatures, counters), readable=(everything,))

boiler = Upstream("tcp://192.168.1.150:502", units=[Unit(7, profile)], name="boiler")
masters = Downstream("tcp://0.0.0.0:502", [boiler], name="masters")
Splitter([masters]).run()
