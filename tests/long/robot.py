"""The robot suite of esp-modbus, through the program; skipped where it is absent.

$SOFTSPLIT_ROBOT_SUITE is its file ModbusTestSuiteMaster.robot, $SOFTSPLIT_FOREIGN_PYTHON a Python that has Robot
Framework and scapy.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from softsplit.protocol import pdu as pdus
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import asked_block, exception_pdu
from softsplit.protocol.requests import Write, parse_write
from tests.long.foreign import EVERYTHING, judged, program
from tests.support import connected, free_port, until
from tests.support.bus import Bus

ITEMS = {Table.COILS: 32, Table.DISCRETE_INPUTS: 32, Table.HOLDING_REGISTERS: 100, Table.INPUT_REGISTERS: 100}
CUSTOM, SLAVE_ID = 0x41, 0x11
CONFIG = """
[upstream.esp]
url = "{url}"
units = {{ 1 = "all.toml" }}
[downstream.tests]
url = "tcp://127.0.0.1:{port}"
allow_writes = ["esp/1 holding registers 0+65536", "esp/1 coils 0+65536"]
allow_functions = ["esp/1 0x41", "esp/1 17"]
"""


def device(unit: int, pdu: bytes) -> bytes:
    """A device such as the suite is for: a few items of each table, and two functions more."""
    if pdu[0] == CUSTOM:
        return pdu + b":Slave"
    if pdu[0] == SLAVE_ID:
        return exception_pdu(pdu[0], pdus.ILLEGAL_VALUE) if len(pdu) > 1 else b"\x11\x08\x01\xff\x01\x02\x03\x04\x05\x06"
    if isinstance(asked := asked_block(pdu, tuple(Table)), Block):
        return pdus.read_answer(asked, bytes(asked.byte_count)) if _has(asked) else exception_pdu(pdu[0], pdus.ILLEGAL_ADDRESS)
    write = parse_write(pdu) if asked == pdus.ILLEGAL_FUNCTION else asked
    if not isinstance(write, Write):
        return exception_pdu(pdu[0], write)
    return write.question.answer if all(map(_has, write.blocks)) else exception_pdu(pdu[0], pdus.ILLEGAL_ADDRESS)


def _has(block: Block) -> bool:
    return block.end <= ITEMS[block.table]


def check_the_robot_suite():
    """Nine tests of esp-modbus for a device: all of them hold."""
    suite, python = os.environ.get("SOFTSPLIT_ROBOT_SUITE"), os.environ.get("SOFTSPLIT_FOREIGN_PYTHON", sys.executable)
    if not suite or subprocess.run([python, "-c", "import robot, scapy"], capture_output=True).returncode:
        yield "skipped: there is no robot suite, or no Python that can run it"
        return
    with tempfile.TemporaryDirectory() as directory, Bus("tcp", Path(directory), device) as bus:
        port, there = free_port(), int(bus.url.rpartition(":")[2])
        with program(CONFIG.format(url=bus.url, port=port), EVERYTHING), judged({port: "mbtcp"}, {there: "mbtcp"}) as verdict:
            until(lambda: connected(port), timeout=10).sock.close()
            said = subprocess.run([python, "-m", "robot", "-d", directory, "--variable", f"MODBUS_DEF_PORT:{port}",
                                   "--pythonpath", str(Path(suite).parent), suite], capture_output=True, text=True,
                                  timeout=200, cwd=directory).stdout
    tests = re.findall(r"^(Test .*?)\s+\| (PASS|FAIL) \|", said, re.MULTILINE)
    yield f"{sum(how == 'PASS' for _, how in tests)} of {len(tests)} hold"
    assert len(tests) == 9 and all(how == "PASS" for _, how in tests), said[-3000:]
    yield from verdict()
