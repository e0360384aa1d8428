"""Masters and devices that somebody else wrote, as child processes; those that are not installed are skipped.

SOFTSPLIT_TEST_PEERS names a Python that has them, if it is not the one that runs the tests.
"""

import os
import subprocess
import sys
from contextlib import contextmanager
from functools import cache

import pytest

from softsplit import Downstream, Unit, Upstream
from tests.support import free_port, until
from tests.support.certificates import certificates, has_openssl
from tests.support.splitters import brisk_profile, simulated_gateway, splitting, upstream_of

PYTHON = os.environ.get("SOFTSPLIT_TEST_PEERS", sys.executable)
TLS_CONTEXT = """
import ssl, sys
def context(side, name, directory):
    made = ssl.SSLContext(side)
    made.check_hostname = False  # pymodbus gives no name
    made.load_cert_chain(f"{directory}/{name}.crt", f"{directory}/{name}.key")
    made.load_verify_locations(f"{directory}/authority.crt")
    made.verify_mode = ssl.CERT_REQUIRED
    return made
"""
PYMODBUS_CLIENT = TLS_CONTEXT + """
from pymodbus.client import ModbusTlsClient
client = ModbusTlsClient("127.0.0.1", port=int(sys.argv[1]), sslctx=context(ssl.PROTOCOL_TLS_CLIENT, "operator", sys.argv[2]))
assert client.connect()
for _ in range(3):
    answer = client.read_holding_registers(0x5B14, count=4, device_id=1)
    assert not answer.isError(), answer
print(answer.registers)
assert client.write_register(0x5B14, 7, device_id=1).isError()
"""
PYMODBUS_SERVER = TLS_CONTEXT + """
import asyncio
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusTlsServer
async def main():
    device = ModbusDeviceContext(hr=ModbusSequentialDataBlock(1, [0x1234] * 0x7000))
    server = ModbusTlsServer(ModbusServerContext(devices=device, single=True), address=("127.0.0.1", 0),
                             sslctx=context(ssl.PROTOCOL_TLS_SERVER, "server", sys.argv[1]))
    await server.listen()
    print(server.transport.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


TMODBUS_CLIENT = TLS_CONTEXT + """
import asyncio
from tmodbus import create_async_tcp_client
async def main():
    made = context(ssl.PROTOCOL_TLS_CLIENT, "operator", sys.argv[2])
    client = create_async_tcp_client("127.0.0.1", int(sys.argv[1]), unit_id=1, ssl=made, server_hostname="127.0.0.1")
    await client.connect()
    print(list(await client.read_holding_registers(0x5B14, 4)))
    await client.disconnect()
asyncio.run(main())
"""
TMODBUS_SERVER = TLS_CONTEXT + """
import asyncio
from tmodbus.pdu import ReadHoldingRegistersPDU
from tmodbus.server import AsyncTcpServer, ModbusRequestRouter
router = ModbusRequestRouter()
@router.register(ReadHoldingRegistersPDU)
async def read(unit_id, request):
    return [0x1234] * request.quantity
async def main():
    server = AsyncTcpServer("127.0.0.1", router, port=int(sys.argv[2]), ssl_context=context(ssl.PROTOCOL_TLS_SERVER, "server", sys.argv[1]))
    await server.start()
    print(sys.argv[2], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@cache
def has(package: str) -> bool:
    return subprocess.run([PYTHON, "-c", f"import {package}"], capture_output=True).returncode == 0


def needs(package: str) -> None:
    if not has(package):
        pytest.skip(f"{package} is not installed")


@contextmanager
def program(code: str, *arguments: object):
    with subprocess.Popen([PYTHON, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def tls(name: str) -> dict:
    directory = certificates()
    return {"certificate": directory / f"{name}.crt", "key": directory / f"{name}.key", "authorities": directory / "authority.crt"}


@pytest.mark.skipif(not has_openssl, reason="openssl is not installed")
@pytest.mark.parametrize("package, code", [("pymodbus", PYMODBUS_CLIENT), ("tmodbus", TMODBUS_CLIENT)])
def test_a_client_that_is_not_ours_reads_inside_tls(package, code):
    needs(package)
    profile = brisk_profile()
    with simulated_gateway(profile, units=(1,)) as gateway, \
            splitting(Downstream("mbaps://127.0.0.1:0", [upstream_of(gateway, profile, (1,))], name="plant",
                                 roles={"operator": ["read"]}, **tls("server"))) as splitter:
        until(lambda: splitter.values("plant", 1))
        done = subprocess.run([PYTHON, "-c", code, str(splitter.servers[0].url.port), str(certificates())],
                              capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stdout.startswith("["), done.stderr


@pytest.mark.skipif(not has_openssl, reason="openssl is not installed")
@pytest.mark.parametrize("package, code", [("pymodbus", PYMODBUS_SERVER), ("tmodbus", TMODBUS_SERVER)])
def test_a_server_that_is_not_ours_is_read_inside_tls(package, code):
    needs(package)
    needs("cryptography" if package == "tmodbus" else package)  # by which that reads our role
    with program(code, certificates(), free_port()) as server:
        port = int(server.stdout.readline())
        upstream = Upstream(f"mbaps://127.0.0.1:{port}", [Unit(1, brisk_profile())], name="plant", **tls("operator"))
        with splitting(Downstream("tcp://127.0.0.1:0", [upstream], name="near")) as splitter:
            values = until(lambda: splitter.values("near", 1), timeout=10)
    assert values["voltage_l1_n"] == pytest.approx(0x12341234 / 10)
