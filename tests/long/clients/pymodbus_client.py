"""A master that is pymodbus: KIND PORT; prints what it gets as JSON."""

import json
import sys

from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient, ModbusUdpClient

kind, port = sys.argv[1], int(sys.argv[2])
make = ModbusUdpClient if kind == "udp" else ModbusTcpClient
framer = FramerType.RTU if kind == "rtuovertcp" else FramerType.SOCKET
client = make("127.0.0.1", port=port, framer=framer, timeout=2, retries=3)
assert client.connect()
found = {"reads": []}
for number in range(200):
    address, count = number * 13 % 800, 1 + number % 100
    found["reads"].append([address, client.read_holding_registers(address, count=count, device_id=1).registers])
client.write_register(950, 4711, device_id=1)
found["written"] = client.read_holding_registers(950, count=1, device_id=1).registers
found["refused"] = client.read_holding_registers(5000, count=2, device_id=1).exception_code
named = client.read_device_information(read_code=1, object_id=0, device_id=1).information
found["named"] = [named[number].decode() for number in (0, 1, 2)]
client.close()
print(json.dumps(found))
