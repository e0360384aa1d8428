"""A device that is tmodbus: KIND PORT; its registers hold their own addresses, or what was written."""

import asyncio
import sys

from tmodbus.exceptions import IllegalDataAddressError
from tmodbus.pdu import ReadHoldingRegistersPDU, WriteSingleRegisterPDU
from tmodbus.server import AsyncRtuOverTcpServer, AsyncTcpServer, AsyncUdpServer, ModbusRequestRouter

router, written = ModbusRequestRouter(), {}


@router.register(ReadHoldingRegistersPDU)
async def read(unit_id, request):
    if request.start_address + request.quantity > 1000:
        raise IllegalDataAddressError(3)
    return [written.get(address, address) for address in range(request.start_address, request.start_address + request.quantity)]


@router.register(WriteSingleRegisterPDU)
async def write(unit_id, request):
    written[request.address] = request.value
    return request.value


async def serve(kind: str, port: int) -> None:
    server = {"tcp": AsyncTcpServer, "udp": AsyncUdpServer, "rtuovertcp": AsyncRtuOverTcpServer}[kind]
    await server("127.0.0.1", router, port=port).serve_forever()


asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
