"""Troubles of a house on the side of the masters: how each is made, and the first sentence that a person reads of it.

As for those of the meters it has to be the first one, and the same, in the log, `status`, `doctor` and `top --once`.
"""

import contextlib
import fcntl
import os
import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import serial

from softsplit.commands.simulate.pty import Cable
from softsplit.profiles import load_profile
from softsplit.protocol.adu import rtu_frame, tcp_frame
from tests.support import TcpMaster, free_port, read_request, running, simulated_gateway, until
from tests.support.house import House, Trouble, said_by

REQUEST = read_request(0x5B00, 2)
UNIT_1 = "NAME: a master asks for unit 1, which is not served here; served are 100 and 2"
SPEAKS_TCP = ("NAME: bytes without a request: does the master speak Modbus TCP? Then make this a tcp:// url; or is the "
              "baud rate of its serial server wrong?")
SPEAKS_RTU = ("NAME: bytes without a request: does the master speak Modbus RTU over TCP? Then make this a "
              "rtuovertcp:// url")


class Port:
    """A downstream of a kind that a master can reach; `ask` says something there, on a connection of its own."""

    def __init__(self, scheme: str, request: bytes = b"", keys: str = ""):
        self.scheme, self.request, self.keys = scheme, request, keys

    @contextlib.contextmanager
    def __call__(self, directory):
        with contextlib.ExitStack() as ends:
            if self.scheme == "rtu":
                cable = Cable()
                ends.enter_context(running(cable))
                url, connect = f"rtu://{cable.left}", lambda: serial.Serial(cable.right, 19200)
            else:
                port = free_port()
                url = f"{self.scheme}://127.0.0.1:{port}"
                connect = (lambda: datagrams(port)) if self.scheme == "udp" else (
                    lambda: socket.create_connection(("127.0.0.1", port), 5))
            yield f'url = "{url}"\n{self.keys}', lambda: self.say(connect)

    def say(self, connect) -> None:
        with contextlib.suppress(ConnectionError), connect() as end:
            (end.write if isinstance(end, serial.Serial) else end.sendall)(self.request)
            time.sleep(0.06)  # more than a silence between two frames


def datagrams(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", port))
    return sock


@contextlib.contextmanager
def held_adapter(directory):
    cable = Cable()
    with running(cable):
        fd = os.open(cable.left, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield f'url = "rtu://{cable.left}"', None
        os.close(fd)


@contextlib.contextmanager
def crowded(directory):
    """A downstream with room for one master, which two others want as well."""
    port = free_port()
    with contextlib.ExitStack() as masters:
        yield (f'url = "tcp://127.0.0.1:{port}"\nmax_connections = 1\nprefer = ["127.0.0.1"]',
               lambda: masters.enter_context(socket.create_connection(("127.0.0.1", port), 5)))


def away(url: str):
    return lambda directory: contextlib.nullcontext((f'url = "{url.replace("DIRECTORY", str(directory))}"', None))


TROUBLES = [
    Trouble("a serial master asks for another unit", Port("rtu", rtu_frame(1, REQUEST), 'mode = "8N1"'), UNIT_1),
    Trouble("a serial master has another baud rate", Port("rtu", b"\xf8\x80\xfe\x00\x1e", 'mode = "8N1"'),
            "NAME: bytes without a request: is the baud rate 19200 8N1?"),
    Trouble("a master of rtu over tcp asks for another unit", Port("rtuovertcp", rtu_frame(1, REQUEST)), UNIT_1),
    Trouble("a master speaks tcp where rtu is served", Port("rtuovertcp", tcp_frame(7, 100, REQUEST)), SPEAKS_TCP),
    Trouble("a master asks for another unit", Port("tcp", tcp_frame(7, 1, REQUEST)), UNIT_1),
    Trouble("a master speaks rtu where tcp is served", Port("tcp", rtu_frame(100, REQUEST)), SPEAKS_RTU),
    Trouble("a master over udp asks for another unit", Port("udp", tcp_frame(7, 1, REQUEST)), UNIT_1),
    Trouble("a master speaks rtu over udp", Port("udp", rtu_frame(100, REQUEST)),
            "NAME: bytes without a request: does the master speak Modbus RTU? Over UDP only Modbus UDP is served"),
    Trouble("a master is not allowed", Port("tcp", tcp_frame(7, 100, REQUEST), 'allow = ["10.0.0.1"]'),
            "NAME: 127.0.0.1 may not connect; allow = [...] does not list it"),
    Trouble("more masters come than have room", crowded,
            "NAME: all 1 connections are in use; the longest-idle one is closed"),
    Trouble("the adapter of the masters is not plugged in", away("rtu://DIRECTORY/no-adapter"),
            "NAME: rtu://DIRECTORY/no-adapter: there is no such device"),
    Trouble("another program holds the adapter of the masters", held_adapter,
            "NAME: rtu://*: another program uses the device; stop it, or name another device"),
    Trouble("the machine does not have the address", away("tcp://192.0.2.7:1502"),
            "NAME: tcp://192.0.2.7:1502: this machine has no such address; 0.0.0.0 means all its addresses"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A splitter with all of these downstreams; gives it, and what each master says besides, by trouble."""
    directory = tmp_path_factory.mktemp("house")
    with contextlib.ExitStack() as ends:
        gateway = ends.enter_context(simulated_gateway(load_profile("abb-b23")))
        parts, says = [f'[upstream.meters]\nurl = "{gateway.url}"\nunits = {{ 100 = "abb-b23", 2 = "abb-b23" }}'], {}
        for trouble in TROUBLES:
            keys, say = ends.enter_context(trouble.make(directory))
            if say:
                says[trouble.name] = say
            parts.append(f"[downstream.{trouble.name_in_file}]\n{keys}")
        config = directory / "house.toml"
        config.write_text("\n".join(parts))
        splitter = ends.enter_context(House(config))
        until(lambda: splitter.child.log().count("serving ") == len(says))
        with ThreadPoolExecutor(len(says)) as masters:
            list(masters.map(lambda say: [say() for _ in range(6)], says.values()))
        yield splitter, says, directory


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_the_first_sentence_names_the_trouble(trouble, house):
    splitter, says, directory = house
    trouble = Trouble(trouble.name, trouble.make, trouble.says.replace("DIRECTORY", str(directory)))
    names = [trouble.name_in_file]
    splitter.comes_to_say(trouble.is_told, names, says.get(trouble.name, int))
    log = splitter.child.log()
    ended = log.count(f"INFO {trouble.name_in_file}: valid frames are received again")  # the look of `doctor` is one
    assert log.count(f"WARNING {splitter.first('log', names)}") <= 1 + ended, "once"


def test_a_master_that_is_served_and_asks_for_more_is_only_noted(tmp_path):
    port = free_port()
    with simulated_gateway(load_profile("abb-b23")) as gateway:
        config = tmp_path / "house.toml"
        config.write_text(f'[upstream.meters]\nurl = "{gateway.url}"\nunits = {{ 100 = "abb-b23", 2 = "abb-b23" }}\n'
                          f'[downstream.maxem]\nurl = "tcp://127.0.0.1:{port}"\n')
        with House(config) as splitter:
            until(lambda: "serving maxem" in splitter.child.log())
            with TcpMaster(port) as master:
                for unit in (100, 1, 1, 1):
                    master.ask(unit, REQUEST)
            said = UNIT_1.replace("NAME", "maxem")
            until(lambda: f"note   {said}" in said_by("doctor", "-c", str(config)))
            until(lambda: "all is well" in said_by("status", "-c", str(config)))  # once unit 2 was read, too


def test_files_that_may_not_be_opened_any_more_are_told(tmp_path):
    port = free_port()
    with simulated_gateway(load_profile("abb-b23")) as gateway, contextlib.ExitStack() as masters:
        config = tmp_path / "house.toml"
        config.write_text(f'[upstream.meters]\nurl = "{gateway.url}"\nunits = {{ 100 = "abb-b23" }}\n'
                          f'[downstream.maxem]\nurl = "tcp://127.0.0.1:{port}"\n')
        with House(config, limits={resource.RLIMIT_NOFILE: 40}) as splitter:
            until(lambda: "serving maxem" in splitter.child.log())
            for _ in range(40):
                masters.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            until(lambda: ("maxem: cannot accept a connection: Too many open files; raise the limit of open files: "
                           "LimitNOFILE= of the service, ulimit -n") in splitter.child.log())
            splitter.look("log")
            assert splitter.first("log") == "the system allows 40 open files, too few for 64 connections"
