"""A master that is tmodbus: KIND PORT; prints what it gets as JSON."""

import asyncio
import json
import sys

import tmodbus
from tmodbus.exceptions import ModbusResponseError, TModbusError


async def ask(kind: str, port: int) -> dict:
    make = {"tcp": tmodbus.create_async_tcp_client, "udp": tmodbus.create_async_udp_client,
            "rtuovertcp": tmodbus.create_async_rtu_over_tcp_client}[kind]
    found = {"reads": []}

    async def again(act, *arguments):
        """Ask up to four times, as on a line, where what takes longer than 0.4 s gets silence."""
        for _ in range(3):
            try:
                return await act(*arguments)
            except (TModbusError, TimeoutError) as error:
                if isinstance(error, ModbusResponseError):
                    raise
        return await act(*arguments)

    async with make("127.0.0.1", port, unit_id=1, timeout=2) as client:
        for number in range(200):
            address, count = number * 13 % 800, 1 + number % 100
            found["reads"].append([address, await again(client.read_holding_registers, address, count)])
        await again(client.write_single_register, 950, 4711)
        found["written"] = await again(client.read_holding_registers, 950, 1)
        try:
            await again(client.read_holding_registers, 5000, 2)
        except ModbusResponseError as error:
            found["refused"] = int(error.error_code)
        named = await again(client.read_device_identification, 1, 0)
        found["named"] = [named[number].decode() for number in (0, 1, 2)]
    return found


print(json.dumps(asyncio.run(ask(sys.argv[1], int(sys.argv[2])))))
