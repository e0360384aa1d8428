"""The TCP server, byte by byte."""

import os
import resource
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from selectors import EVENT_READ

import pytest

from softsplit import clock
from softsplit.config.access import Access
from softsplit.config.url import parse_url
from softsplit.downstream.databank import Databank
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.store import PolledStore
from softsplit.downstream.servers import sockets
from softsplit.downstream.servers.tcp import Connection, TcpServer
from softsplit.errors import DownstreamError
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from tests.support import TcpMaster, read_request, running, until
from tests.support.outcomes import reading

READ = Read(Block(Table.HOLDING_REGISTERS, 100, 4), "four", 1.0)
DATA = bytes.fromhex("0001000200030004")
REQUEST = bytes.fromhex("0007 0000 0006 64 03 0064 0004")
UNPRIVILEGED = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
ANSWER = bytes.fromhex("0007 0000 000b 64 03 08") + DATA


def mirror_of() -> Mirror:
    """Unit 100 with four registers, fresh for long."""
    mirror = Mirror(100, PolledStore((READ,), 1000.0), frozenset({Table.HOLDING_REGISTERS}))
    mirror.update(reading(100, READ.block, 1e9, data=DATA))
    return mirror


def server_at(url: str, kind=TcpServer, **options) -> TcpServer:
    databank = Databank("test", [mirror_of()], unknown_unit=0x0A if kind is TcpServer else None)
    return kind("test", parse_url(url, ("tcp", "rtuovertcp"), 0), databank, Access(**options))


@pytest.fixture
def server():
    server = server_at("tcp://127.0.0.1:0")
    server.open()
    with running(server):
        yield server
    assert server.error is None


@pytest.fixture
def master(server):
    with TcpMaster(server.url.port) as master:
        yield master


@pytest.mark.parametrize("request_hex, answer_hex", [
    ("0007 0000 0006 64 03 0064 0004", ANSWER.hex()),
    ("ffff 0000 0006 64 03 0065 0001", "ffff 0000 0005 64 03 02 0002"),
    ("0001 0000 0006 64 04 0064 0004", "0001 0000 0003 64 84 01"),
    ("0001 0000 0006 64 06 0064 0001", "0001 0000 0003 64 86 01"),
    *((f"0001 0000 0006 64 {function:02x} 0064 0001", f"0001 0000 0003 64 {function | 0x80:02x} 01")
      for function in (0, 1, 2, 5, 7, 8, 9, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43, 65, 100, 127)),
    ("0001 0000 0009 64 10 0064 0001 02 0001", "0001 0000 0003 64 90 01"),
    ("0001 0000 0008 64 0f 0064 0001 01 01", "0001 0000 0003 64 8f 01"),
    ("0001 0000 0008 64 16 0064 ffff 0000", "0001 0000 0003 64 96 01"),
    ("0001 0000 000d 64 17 0064 0001 0064 0001 02 0001", "0001 0000 0003 64 97 01"),
    ("0001 0000 0006 00 06 0064 0001", "0001 0000 0003 00 86 0a"),
    ("0001 0000 0002 64 07", "0001 0000 0003 64 87 01"),
    ("0001 0000 0002 64 00", "0001 0000 0003 64 80 01"),
    ("0001 0000 0006 64 03 0064 0000", "0001 0000 0003 64 83 03"),
    ("0001 0000 0006 64 03 0064 007e", "0001 0000 0003 64 83 03"),
    ("0001 0000 0003 64 03 00", "0001 0000 0003 64 83 03"),
    ("0001 0000 0007 64 03 0064 0004 00", "0001 0000 0003 64 83 03"),
    ("0001 0000 0006 64 03 0064 0005", "0001 0000 0003 64 83 02"),
    ("0001 0000 0006 64 03 ffff 0002", "0001 0000 0003 64 83 02"),
    ("0001 0000 0006 05 03 0064 0004", "0001 0000 0003 05 83 0a"),
    ("0001 0000 0006 00 03 0064 0004", "0001 0000 0003 00 83 0a"),
    ("0001 0000 0006 ff 06 0064 0004", "0001 0000 0003 ff 86 0a"),
])
def test_each_request_gets_the_answer_of_the_specification(master, request_hex, answer_hex):
    answer = bytes.fromhex(answer_hex)
    master.sock.sendall(bytes.fromhex(request_hex))
    assert master.receive(len(answer)) == answer
    master.sock.sendall(REQUEST)
    assert master.receive(len(ANSWER)) == ANSWER


@pytest.mark.parametrize("discarded", [
    "0001 0001 0006 64 03 0064 0004", "0001 0000 0006 64 83 0064 0004", "0001 0000 0006 05 ff 0064 0004",
])
def test_what_can_have_no_answer_is_discarded(master, discarded):
    master.sock.sendall(bytes.fromhex(discarded) + REQUEST)
    assert master.receive(len(ANSWER)) == ANSWER


@pytest.mark.parametrize("length", [0, 1, 255, 0xFFFF])
def test_an_impossible_length_closes_the_connection_after_what_came_before_was_answered(master, length):
    master.sock.sendall(REQUEST + b"\0\1\0\0" + length.to_bytes(2, "big") + b"\x64\x03")
    assert master.receive(len(ANSWER)) == ANSWER
    with pytest.raises(ConnectionError):
        master.receive(1)


def test_a_frame_may_come_byte_by_byte_and_others_are_served_meanwhile(server, master):
    for byte in REQUEST:
        master.sock.sendall(bytes((byte,)))
        with TcpMaster(server.url.port) as other:
            assert other.ask(100, REQUEST[7:]) == ANSWER[7:]
    assert master.receive(len(ANSWER)) == ANSWER


def test_sixteen_requests_in_one_segment_get_sixteen_answers_in_order(master):
    master.sock.sendall(b"".join(bytes((0, number)) + REQUEST[2:] for number in range(16)))
    for number in range(16):
        assert master.receive(len(ANSWER)) == bytes((0, number)) + ANSWER[2:]


def test_the_answer_comes_although_the_master_has_said_its_last_word(master):
    master.sock.sendall(REQUEST)
    master.sock.shutdown(socket.SHUT_WR)
    assert master.receive(len(ANSWER)) == ANSWER


def test_a_master_that_never_reads_is_not_listened_to_and_costs_the_others_nothing(server, master):
    master.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        while True:
            master.sock.sendall(REQUEST * 100)
    with TcpMaster(server.url.port) as other:
        for _ in range(50):
            assert other.ask(100, REQUEST[7:]) == ANSWER[7:]


def test_a_master_that_takes_answers_late_gets_all_of_them_remembered_ones_too(monkeypatch):
    """The server runs step by step, so that each request comes alone."""
    monkeypatch.setattr(sockets, "SEND_BUFFER", 4096)
    server, asked = server_at("tcp://127.0.0.1:0"), 0
    server.open()
    with socket.socket() as master:
        master.settimeout(5)
        master.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        master.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        master.connect(("127.0.0.1", server.url.port))
        server.step()
        connection, = server.connections
        connection.too_late = 0.05
        until(lambda: clock.now() > connection.opened_at + connection.too_late)
        while connection.events == EVENT_READ:
            master.sendall(asked.to_bytes(2, "big") + REQUEST[2:])
            server.step()
            asked += 1
        answers = master.makefile("rb")
        with running(server):
            for number in range(asked):
                assert answers.read(len(ANSWER)) == number.to_bytes(2, "big") + ANSWER[2:]


def test_a_bug_costs_one_connection_and_is_logged_once(server, caplog, monkeypatch):
    monkeypatch.setattr(server.databank, "answer", lambda unit, pdu, master="": 1 / 0)
    for _ in range(3):
        with TcpMaster(server.url.port) as master, pytest.raises(ConnectionError):
            master.ask(100, read_request(100, 4))
    monkeypatch.undo()
    with TcpMaster(server.url.port) as master:
        assert master.ask(100, REQUEST[7:]) == ANSWER[7:]
    assert caplog.text.count("ZeroDivisionError: ") == 1


@contextmanager
def few_descriptors():
    """Leave the process only a handful of free descriptors."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 12, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_connections_are_prompt_and_do_not_linger_when_the_master_is_gone(server, master):
    assert master.ask(100, REQUEST[7:]) == ANSWER[7:]
    accepted, = [key.fileobj for key in server.selector.get_map().values() if isinstance(key.data, Connection)]
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 300


def test_running_out_of_descriptors_refuses_newcomers_and_nothing_else(server, master, caplog, monkeypatch):
    assert master.ask(100, REQUEST[7:]) == ANSWER[7:]
    sockets = [socket.socket() for _ in range(6)]
    hogs: list[int] = []

    def is_refused() -> bool:
        try:
            while True:  # also what earlier tests give back meanwhile
                hogs.append(os.dup(0))
        except OSError:
            return "cannot accept a connection: Too many open files" in caplog.text

    tries = []
    accept = server._accept
    monkeypatch.setattr(server, "_accept", lambda: tries.append(time.monotonic()) or accept())
    with few_descriptors():
        assert not is_refused()
        sockets[0].connect(("127.0.0.1", server.url.port))
        until(lambda: is_refused() and time.monotonic() > tries[0] + 0.5)
        assert len(tries) == 1, "it spins"
        assert master.ask(100, REQUEST[7:]) == ANSWER[7:]
        for hog in hogs:
            os.close(hog)
    sockets[0].settimeout(5)
    sockets[0].sendall(REQUEST)
    assert sockets[0].recv(100) == ANSWER
    for sock in sockets:
        sock.close()


def test_a_port_that_is_taken_is_named_with_the_cure(server):
    with pytest.raises(DownstreamError, match="test: cannot serve on tcp://127.0.0.1:.*: the port is taken; stop"):
        server_at(str(server.url)).open()


@pytest.mark.parametrize("url, cause", [
    ("tcp://192.0.2.1:0", "this machine has no such address; 0.0.0.0 means all its addresses"),
    ("tcp://nowhere.invalid:0", "Name or service not known")])
def test_an_address_that_is_not_there_yet_is_told_once_and_waited_for(url, cause, caplog):
    server = server_at(url)
    server.open()
    assert server.state == f"away: {cause}"
    tries = []
    acquire, server.acquire = server.acquire, lambda: (tries.append(1), acquire())
    with running(server):
        until(lambda: len(tries) > 1)
    assert [record.message for record in caplog.records] == [f"test: {url}: {cause}; it is opened as soon as it can be"]
    assert server.error is None


@pytest.mark.skipif(not os.path.exists("/proc/sys/net/ipv6"), reason="no IPv6 here")
def test_ipv6_is_served():
    server = server_at("tcp://[::1]:0")
    server.open()
    with running(server), socket.create_connection(("::1", server.url.port)) as sock:
        sock.sendall(REQUEST)
        assert sock.recv(100) == ANSWER


@pytest.mark.skipif(os.getuid() != 0 or UNPRIVILEGED <= 1, reason="cannot take the right to low ports away here")
def test_a_forbidden_port_is_named_with_the_cure():
    script = ("import os; from tests.test_tcp_server import server_at; 'x'.encode('idna'); os.setuid(65534)\n"
              "server_at('tcp://127.0.0.1:1').open()")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "forbidden; a port below 1024 needs root" in done.stderr
