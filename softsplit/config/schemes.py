"""The url schemes, a row for each way to carry Modbus.

A new transport is one row here, a client in `upstream/clients/choice.py` and a server in
`downstream/servers/choice.py`. A framing that is neither that of Modbus TCP nor that of RTU also needs a
field here, its frames in `protocol/adu.py`, and where requests end in `downstream/servers/framing.py`.
"""

from dataclasses import dataclass

from softsplit.protocol.addresses import BROADCAST, UNITS

MODBUS_PORT = 502  # MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 4.3.1
SECURE_PORT = 802  # MODBUS/TCP Security v36, 1


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way to carry Modbus.

    `has_mbap`: frames of Modbus TCP with transaction ids, instead of RTU frames with a CRC. `has_datagrams`:
    no connection, but datagrams of one frame each. `has_line`: we set baud rate and mode. A network url needs
    a port unless there is a `default_port`.
    """

    name: str
    example: str
    has_mbap: bool = False
    has_datagrams: bool = False
    is_secure: bool = False  # inside TLS, with certificates on both sides
    is_serial: bool = False
    has_line: bool = False
    default_port: int | None = None
    is_upstream: bool = True
    is_downstream: bool = True
    is_heard: bool = False  # nothing is ever sent there
    unit_sizes: tuple[int, ...] = (1,)  # possible sizes of a unit address in bytes

    @property
    def has_transactions(self) -> bool:
        """Whether it has connections and transaction ids."""
        return self.has_mbap and not self.has_datagrams

    @property
    def units(self) -> range:
        """The unit ids of one byte that a device may have; not 0 on a serial line, which is the broadcast."""
        return UNITS if self.has_mbap else UNITS[BROADCAST + 1:]


SCHEMES = {row.name: row for row in (
    Scheme("tcp", "tcp://HOST:502", has_mbap=True, default_port=MODBUS_PORT),
    Scheme("udp", "udp://HOST:502", has_mbap=True, has_datagrams=True, default_port=MODBUS_PORT),
    Scheme("mbaps", "mbaps://HOST:802", has_mbap=True, is_secure=True, default_port=SECURE_PORT),
    Scheme("rtuovertcp", "rtuovertcp://HOST:PORT", unit_sizes=(1, 4)),
    Scheme("rtu", "rtu:///dev/ttyUSB0", is_serial=True, has_line=True, unit_sizes=(1, 4)),
    Scheme("listen", "listen:///dev/ttyUSB0", has_line=True, is_downstream=False, is_heard=True),
    Scheme("pty", "pty:///tmp/line", is_serial=True, is_upstream=False, is_downstream=False),  # simulated
    Scheme("http", "http://0.0.0.0:8502", is_upstream=False, is_downstream=False),  # the status page
)}
UPSTREAM = tuple(row.name for row in SCHEMES.values() if row.is_upstream)
DOWNSTREAM = tuple(row.name for row in SCHEMES.values() if row.is_downstream)
ASKED = tuple(row.name for row in SCHEMES.values() if row.is_upstream and not (row.is_heard or row.is_secure))
SIMULATED = (*(row.name for row in SCHEMES.values() if row.is_downstream and not row.is_secure), "pty")
TAPPED = ("rtu", "rtuovertcp")  # can be listened to
WITH_LONG_UNITS = tuple(row.name for row in SCHEMES.values() if 4 in row.unit_sizes)


def named(names: tuple[str, ...]) -> str:
    """Put schemes into a sentence, as "rtu:// and rtuovertcp://"."""
    return " and ".join(f"{name}://" for name in sorted(names))
