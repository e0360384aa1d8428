"""A simulated bus behind a Modbus TCP gateway, with true wire time, whose meters show the time.

A process of its own: it prints its port, and for each line on its stdin the requests it had and the seconds in which
its wire was busy.
"""

import json
import struct
import sys
import threading

from softsplit import clock
from softsplit.commands.simulate.faults import Fault, Faults
from softsplit.commands.simulate.simulate import SimulatedUnit
from softsplit.config.url import parse_url
from softsplit.downstream.servers.choice import server_for
from softsplit.profiles import load_profile
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.worker import run_until_signal

UNITS = (100, 2)
totals = {"requests": 0, "busy": 0.0}


class Clock(SimulatedUnit):
    """A meter in which every pair of registers holds the monotonic time in milliseconds."""

    def handle_request(self, request_pdu: bytes, broadcast: bool = False) -> bytes:
        totals["requests"] += 1
        return super().handle_request(request_pdu, broadcast)

    def _occupy_wire(self, pdu: bytes) -> None:
        super()._occupy_wire(pdu)
        totals["busy"] += self._wire_time(len(pdu) + 3) if pdu else 0.0

    def data(self, block: Block, t: float) -> bytes:
        stamp = struct.pack(">I", int(1000 * clock.now()) & 0xFFFFFFFF)
        return (stamp * block.count)[:2 * block.count]


def report() -> None:
    for _ in sys.stdin:
        print(json.dumps(totals), flush=True)


def main(baudrate: int, mute: int) -> None:
    faults = Faults([Fault("silent", unit=mute)] if mute else [])
    meter = load_profile("abb-b23")
    units = [Clock(unit, meter, faults, lambda size: adu.wire_time(size, baudrate, "8E1")) for unit in UNITS]
    server = server_for("bus", parse_url("tcp://127.0.0.1:0", ("tcp",), 0), units)
    server.open()
    print(server.url.port, flush=True)
    threading.Thread(target=report, daemon=True).start()
    run_until_signal(lambda: [server])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
