"""A master that is tmodbus: KIND PORT; prints what it gets as JSON."""

import asyncio
import json
import sys

import tmodbus
from tmodbus.exceptions import ModbusResponseError


async def ask(kind: str, port: int) -> dict:
    make = {"tcp": tmodbus.create_async_tcp_client, "udp": tmodbus.create_async_udp_client,
            "rtuovertcp": tmodbus.create_async_rtu_over_tcp_client}[kind]
    found = {"reads": []}
    async with make("127.0.0.1", port, unit_id=1, timeout=5) as client:
        for number in range(200):
            address, count = number * 13 % 800, 1 + number % 100
            found["reads"].append([address, await client.read_holding_registers(address, count)])
        await client.write_single_register(950, 4711)
        found["written"] = await client.read_holding_registers(950, 1)
        try:
            await client.read_holding_registers(5000, 2)
        except ModbusResponseError as error:
            found["refused"] = int(error.error_code)
        named = await client.read_device_identification(1, 0)
        found["named"] = [named[number].decode() for number in (0, 1, 2)]
    return found


print(json.dumps(asyncio.run(ask(sys.argv[1], int(sys.argv[2])))))
