"""Host names: a name server that does not answer holds up nobody, and is never taken for a thread that has hung."""

import socket
import threading
import time

import pytest

from softsplit import Downstream, Unit, Upstream
from softsplit.config.url import parse_url
from softsplit.transport import names
from softsplit.transport.wire import SocketWire
from tests.support import SLOWNESS, TcpMaster, read_request, splitting, until

REAL = socket.getaddrinfo


class NameServer:
    """Knows where *.example is; says nothing until it is told to."""

    def __init__(self):
        self.speaks = threading.Event()
        self.asked = 0

    def getaddrinfo(self, host, port, *more, **options):
        if not host.endswith(".example") or options.get("flags"):
            return REAL(host, port, *more, **options)
        self.asked += 1
        self.speaks.wait(30)
        if host == "nowhere.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return REAL("127.0.0.1", port, **options)


@pytest.fixture
def name_server(monkeypatch):
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.speaks.set()
    until(lambda: not [each for each in threading.enumerate() if each.name.startswith("look-up")])
    names._lookups.clear()


def test_a_silent_name_server_is_waited_for_as_long_as_the_time_out_and_asked_once(name_server):
    wire = SocketWire(parse_url("tcp://gateway.example:502", ("tcp",)), timeout=0.1)
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(OSError, match="no name server answers where gateway.example is"):
            wire.open()
    assert time.monotonic() - began < SLOWNESS and name_server.asked == 1


def test_an_answer_that_comes_late_is_used_when_the_name_is_looked_up_again(name_server):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(TimeoutError):
            names.connect("gateway.example", port, 0.05)
        name_server.speaks.set()
        until(lambda: names._lookups["gateway.example", port].answer.done())
        names.connect("gateway.example", port, 1).close()
        assert name_server.asked == 1 and not names._lookups
        names.connect("gateway.example", port, 1).close()
        assert name_server.asked == 2, "a name may move"


def test_a_late_answer_is_not_kept_for_long(name_server, monkeypatch):
    monkeypatch.setattr(names, "LATE_ANSWER_FOR", -1.0)
    with pytest.raises(TimeoutError):
        names.addresses("gateway.example", 502, 0.05)
    name_server.speaks.set()
    until(lambda: names._lookups["gateway.example", 502].is_outdated)
    names.addresses("gateway.example", 502, 1)
    assert name_server.asked == 2


def test_a_name_that_does_not_exist_is_told_as_that(name_server):
    name_server.speaks.set()
    with pytest.raises(OSError, match="Name or service not known"):
        names.addresses("nowhere.example", 502, 1)
    with pytest.raises(OSError):
        names.addresses("a" * 64 + ".local", 502, 1)  # no such name can be
    assert names.addresses("::1", 502, 0)[0][4][:2] == ("::1", 502)


def test_all_addresses_of_a_host_share_the_time_to_connect(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.2", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:  # until the kernel takes no more, and does not say so
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        found = [REAL(*address, type=socket.SOCK_STREAM)[0] for address in (full.getsockname(), server.getsockname())]
        monkeypatch.setattr(names, "addresses", lambda *_: found)
        began = time.monotonic()
        names.connect("gateway.example", 502, 0.4).close()
        assert 0.15 < time.monotonic() - began < 0.4 * SLOWNESS
        for each in waiting:
            each.close()


@pytest.mark.parametrize("scheme, profile", [("listen", "any"), ("tcp", "abb-b23"), ("rtuovertcp", "abb-b23")])
def test_no_thread_stops_beating_while_a_name_is_looked_up(name_server, scheme, profile, monkeypatch):
    monkeypatch.setattr("softsplit.transport.tap.CONNECT", 0.3)
    upstream = Upstream(f"{scheme}://gateway.example:502", [Unit(1, profile)], timeout=0.3, name="meters")
    with splitting(Downstream("tcp://127.0.0.1:0", [upstream])) as splitter, TcpMaster(splitter.servers[0].url.port) as master:
        worker, beats = splitter.upstreams["meters"], set()
        until(lambda: beats.add(worker.beat) or len(beats) > 2, timeout=8)
        assert "no name server" in splitter.status().upstreams["meters"].error
        began = time.monotonic()
        assert master.ask(1, read_request(0, 2))[0] == 0x83 and time.monotonic() - began < 3 * SLOWNESS
        assert name_server.asked == 1
