"""Masters that get nothing: why, as a person reads it in the log, in `status`, in `doctor` and in `top --once`."""

import socket
import threading
from contextlib import contextmanager

import pytest
import serial
from click.testing import CliRunner

from softsplit.cli import main
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.status.status import read_status
from softsplit.profiles import load_profile
from softsplit.protocol.adu import rtu_frame, tcp_frame
from tests.support import (
    SOFTSPLIT,
    Child,
    free_port,
    read_request,
    running,
    simulated_gateway,
    until,
)

REQUEST = read_request(0x5B00, 2)
UNIT_1 = "maxem: a master asks for unit 1, which is not served here; served are 100 and 2"
BAUD = "maxem: bytes without a request: is the baud rate 19200 8N1?"
SPEAKS_TCP = "maxem: bytes without a request: does the master speak Modbus TCP? Then this is to be a tcp:// url"
SPEAKS_RTU = ("maxem: bytes without a request: does the master speak Modbus RTU over TCP? "
              "Then this is to be a rtuovertcp:// url")
SPEAKS_RTU_OVER_UDP = "maxem: bytes without a request: does the master speak Modbus RTU? Over UDP only Modbus UDP is served"
TROUBLES = [  # url of the downstream, what its master sends, the sentence
    ("rtu", rtu_frame(1, REQUEST), UNIT_1),
    ("rtu", b"\xf8\x80\xfe\x00\x1e", BAUD),
    ("rtuovertcp", rtu_frame(1, REQUEST), UNIT_1),
    ("rtuovertcp", tcp_frame(7, 100, REQUEST), SPEAKS_TCP),
    ("tcp", tcp_frame(7, 1, REQUEST), UNIT_1),
    ("tcp", rtu_frame(100, REQUEST), SPEAKS_RTU),
    ("udp", tcp_frame(7, 1, REQUEST), UNIT_1),
    ("udp", rtu_frame(100, REQUEST), SPEAKS_RTU_OVER_UDP),
]


@contextmanager
def house(place, scheme: str):
    """A running splitter whose downstream `maxem` is of a scheme; gives its configuration, the program, and a port to it."""
    cable, port = Cable(), free_port()
    url = f"rtu://{cable.left}" if scheme == "rtu" else f"{scheme}://127.0.0.1:{port}"
    line = 'mode = "8N1"' if scheme == "rtu" else ""
    with running(cable), simulated_gateway(load_profile("abb-b23")) as gateway:
        config = place / "house.toml"
        config.write_text(f'[upstream.meters]\nurl = "{gateway.url}"\nunits = {{ 100 = "abb-b23", 2 = "abb-b23" }}\n'
                          f'[downstream.maxem]\nurl = "{url}"\n{line}\n')
        with Child([*SOFTSPLIT, "run", "-c", str(config)]) as child:
            until(lambda: "serving maxem" in child.log(), 10)
            yield config, child, {"rtu": lambda: serial.Serial(cable.right, 19200), "udp": lambda: datagrams(port)}.get(
                scheme, lambda: socket.create_connection(("127.0.0.1", port), 5))


def datagrams(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", port))
    return sock


def send(connect, data: bytes) -> None:
    """Say something on a connection of its own, and wait until the server has had time to see that it is over."""
    with connect() as end:
        (end.write if isinstance(end, serial.Serial) else end.sendall)(data)
        threading.Event().wait(0.06)  # more than a silence between two frames


def screens(config) -> dict[str, str]:
    return {command: CliRunner().invoke(main, [*command.split(), "-c", str(config)]).output
            for command in ("status", "doctor", "top --once")}


def is_shown(config, sentence: str) -> bool:
    health = read_status(config).health
    return sentence in " ".join((*health.troubles, *health.notes))


@pytest.mark.parametrize("scheme, data, sentence", TROUBLES)
def test_a_master_that_gets_nothing_is_told_with_its_cause(tmp_path, scheme, data, sentence):
    with house(tmp_path, scheme) as (config, child, connect):
        def is_told() -> bool:
            send(connect, data)
            return sentence in child.log()

        until(is_told, 10)
        for _ in range(3):
            send(connect, data)
        until(lambda: is_shown(config, sentence), 10)
        shown = screens(config)
        assert child.log().count(sentence) == 1, "once"
    for command, text in shown.items():
        assert sentence in " ".join(text.split()), f"{command}: {text}"
    assert f"WRONG  {sentence}" in shown["doctor"] and "no master has asked yet" not in shown["doctor"]


def test_a_master_that_is_served_and_asks_for_more_is_only_noted(tmp_path):
    with house(tmp_path, "tcp") as (config, child, connect):
        for unit in (100, 1, 1, 1):
            send(connect, tcp_frame(7, unit, REQUEST))
        until(lambda: is_shown(config, UNIT_1), 10)
        shown = screens(config)
    assert f"note   {UNIT_1}" in shown["doctor"] and "all is well" in shown["status"]
