"""Runs Victron's own driver of an EM24 (dbus-modbus-client, from a directory) against a server; prints what it reads as JSON.

    python victron.py DIRECTORY PORT

Its D-Bus is left out: the driver probes the meter, sets it up and reads its registers in the blocks it packs itself.
It needs pymodbus 2, as on a GX device.
"""

import json
import logging
import sys
from importlib import import_module
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock


def main(directory: str, port: int) -> None:
    sys.path.insert(0, directory)
    for name in ("dbus", "settingsdevice", "vedbus", "gi", "gi.repository"):
        stub = sys.modules[name] = ModuleType(name)
        stub.__getattr__ = lambda each: MagicMock()
    logging.disable(logging.CRITICAL)
    import_module("carlo_gavazzi")
    em24, = import_module("probe").device_types
    modbus = import_module("client").TcpClient("127.0.0.1", port)
    meter = em24.probe(SimpleNamespace(method="tcp", target="127.0.0.1", port=port, unit=1), modbus)
    if meter is None:
        sys.exit("the driver does not take it for an EM24")
    meter.device_init()
    found = dict(meter.info)
    for packed in meter.pack_regs(meter.data_regs):
        for register in packed:
            register.max_age = 0
        meter.read_data_regs(packed, found)
    print(json.dumps({"model": meter.model} | {name: float(each) if isinstance(each, (int, float)) else str(each)
                                               for name, each in found.items() if each is not None}))


main(sys.argv[1], int(sys.argv[2]))
