"""Many masters on one TCP server: how many, who, for how long, and answers that come later."""

import os
import random
import select
import socket
import struct
import threading
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from softsplit import clock
from softsplit.config.access import Access
from softsplit.downstream.mirrors.forwarding import outcome
from softsplit.downstream.mirrors.answering import KNOWN_ANSWERS
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.store import PolledStore
from softsplit.downstream.servers import connection as connection_module
from softsplit.downstream.servers import rtuovertcp as rtuconnection_module
from softsplit.downstream.servers import server as server_module
from softsplit.downstream.servers import tcp as tcp_module
from softsplit.downstream.servers.addressfilter import AddressFilter
from softsplit.downstream.servers.rtuovertcp import RtuOverTcpServer
from softsplit.downstream.servers.server import Events
from softsplit.downstream.servers.tcp import TcpServer
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from tests.support import TcpMaster, read_request, running, until
from tests.support.fuzz import fuzz_rtu, fuzz_tcp
from tests.support.outcomes import reading
from tests.test_tcp_server import ANSWER, READ, REQUEST, server_at


@contextmanager
def serving(kind=TcpServer, **options):
    """A running server; gives it."""
    scheme = "rtuovertcp" if kind is RtuOverTcpServer else "tcp"
    server = server_at(f"{scheme}://127.0.0.1:0", kind, **options)
    server.open()
    with running(server):
        yield server
    assert server.error is None


class RawMaster:
    """A socket, and whether it is still served."""

    def __init__(self, server, address: str = "127.0.0.1", receive_buffer: int | None = None):
        self.sock = socket.socket()
        self.sock.settimeout(5)
        if receive_buffer:  # bytes; the kernel grants a master many megabytes by itself
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if address != "127.0.0.1":
            self.sock.bind((address, 0))
        self.sock.connect(("127.0.0.1", server.url.port))

    def ask(self) -> bool:
        self.sock.sendall(REQUEST)
        return self.sock.recv(100) == ANSWER

    def is_closed(self) -> bool:
        self.sock.settimeout(0.01)
        try:
            return self.sock.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        finally:
            self.sock.settimeout(5)


def connect(server, count: int) -> list[RawMaster]:
    masters = []
    for _ in range(count):
        masters.append(RawMaster(server))
        until(lambda: len(server.connections) >= min(len(masters), 3))
    return masters


def test_a_newcomer_beyond_the_limit_takes_the_place_of_one_that_never_asked():
    with serving(max_connections=3) as server:
        first, silent, third = connect(server, 3)
        assert first.ask() and third.ask()
        newcomer = RawMaster(server)
        assert newcomer.ask() and silent.is_closed()
        assert first.ask() and third.ask() and newcomer.ask()


def test_or_else_of_the_one_whose_last_request_is_oldest():
    with serving(max_connections=3) as server:
        masters = connect(server, 3)
        for master in (masters[0], masters[1], masters[2], masters[0]):
            assert master.ask()
        newcomer = RawMaster(server)
        assert newcomer.ask() and masters[1].is_closed()
        assert masters[0].ask() and masters[2].ask()


def test_one_that_is_evicted_while_its_own_request_waits_is_no_trouble(monkeypatch):
    """Both events come out of one select(): the newcomer first, then the rest of a request of the one it replaces."""
    with serving(max_connections=1) as server:
        first = RawMaster(server)
        first.sock.sendall(REQUEST[:5])
        until(lambda: [each for each in server.connections if each._inbox])
        hold, may_go_on = threading.Event(), threading.Event()
        pause = server._pause
        monkeypatch.setattr(server, "_pause", lambda: hold.set() or may_go_on.wait(5) and pause())
        until(hold.is_set)
        newcomers = [RawMaster(server) for _ in range(3)]
        until(lambda: select.select([server._sock], [], [], 0)[0])
        first.sock.sendall(REQUEST[5:])
        may_go_on.set()
        until(lambda: newcomers[-1].ask())
        assert first.is_closed() and len(server.connections) == 1


def test_half_a_request_does_not_count_as_one():
    with serving(max_connections=3) as server:
        masters = connect(server, 3)
        assert masters[0].ask() and masters[1].ask()
        masters[2].sock.sendall(REQUEST[:9])
        assert RawMaster(server).ask() and masters[2].is_closed()


def test_preferred_masters_keep_their_place():
    with serving(max_connections=2, prefer=["127.0.0.2"]) as server:
        preferred = [RawMaster(server, "127.0.0.2") for _ in range(2)]
        until(lambda: len(server.connections) == 2)
        until(lambda: RawMaster(server).is_closed())
        assert all(master.ask() for master in preferred)
        preferred[0].sock.close()
        until(lambda: len(server.connections) == 1)
        other = RawMaster(server)
        assert other.ask()
        assert RawMaster(server, "127.0.0.2").ask() and other.is_closed()


def test_who_is_not_allowed_is_closed_at_once_and_named_once(caplog):
    with serving(allow=["127.0.0.2", "127.0.1.0/24"]) as server:
        for _ in range(3):
            until(lambda: RawMaster(server).is_closed())
        for address in ("127.0.0.2", "127.0.1.77"):
            assert RawMaster(server, address).ask()
    assert [record.message for record in caplog.records] == [
        "test: 127.0.0.1 may not connect; allow = [...] does not list it"]


@pytest.mark.parametrize("address, is_admitted", [
    ("192.168.1.7", True), ("192.168.2.7", False), ("::ffff:192.168.1.7", True), ("fe80::1%eth0", True),
    ("2001:db8::1", False), ("10.0.0.7", True), ("10.0.0.8", False)])
def test_addresses_are_matched_as_people_mean_them(address, is_admitted):
    access = Access(allow=["192.168.1.0/24", "fe80::/10", "10.0.0.7"])
    assert AddressFilter("test", access).admits(address) is is_admitted


@pytest.fixture
def brisk(monkeypatch):
    """A server that looks around more often."""
    monkeypatch.setattr(tcp_module, "TICK", 0.1)


def test_half_a_frame_and_untaken_answers_are_dropped_after_a_while(monkeypatch, brisk):
    monkeypatch.setattr(connection_module, "HANGING", 0.3)
    with serving() as server:
        half, good = connect(server, 2)
        half.sock.sendall(REQUEST[:9])
        greedy = RawMaster(server, receive_buffer=4096)
        greedy.sock.setblocking(False)

        def is_dropped() -> bool:
            try:
                greedy.sock.send(REQUEST * 1000)
            except BlockingIOError:
                pass
            except ConnectionError:
                return True
            return False

        until(is_dropped)
        until(half.is_closed)
        assert good.ask() and len(server.connections) == 1


def test_half_a_frame_and_then_the_end_closes_at_once():
    with serving() as server:
        master = RawMaster(server)
        until(lambda: server.connections)
        master.sock.sendall(REQUEST[:9])
        master.sock.shutdown(socket.SHUT_WR)
        until(lambda: not server.connections, timeout=2)


def test_a_master_that_drips_is_dropped_too_but_not_one_that_asks_in_pieces(monkeypatch, brisk):
    monkeypatch.setattr(connection_module, "HANGING", 0.5)
    with serving() as server:
        dripping, slow = connect(server, 2)
        begin = clock.now()
        for number in range(1000):
            try:
                dripping.sock.sendall(b"\0")
            except OSError:
                break
            assert slow.ask() and clock.now() < begin + 5
            slow.sock.sendall(REQUEST[:6])
            slow.sock.sendall(REQUEST[6:])
            assert slow.sock.recv(100) == ANSWER
            until(lambda: clock.now() > begin + 0.2 * number)
        assert slow.ask()


def test_an_idle_connection_is_closed(brisk):
    with serving(idle_timeout=0.3) as server:
        idle, busy = connect(server, 2)
        assert idle.ask()
        until(lambda: busy.ask() and idle.is_closed())
        assert busy.ask()


def test_descriptors_make_room_for_many_connections():
    with serving(max_connections=2000) as server:
        masters = [RawMaster(server) for _ in range(1100)]
        until(lambda: len(server.connections) == 1100)
        assert masters[-1].ask() and masters[0].ask()
        for master in masters:
            master.sock.close()
        until(lambda: not server.connections)


def test_an_answer_that_comes_later_holds_up_its_own_connection_only(monkeypatch):
    later: list[Future] = []
    with serving() as server:
        answer = server.databank.answer

        def answer_or_wait(unit, pdu, master):
            if pdu == read_request(0x1000, 1):
                later.append(Future())
                return later[-1]
            return answer(unit, pdu, master)

        monkeypatch.setattr(server.databank, "answer", answer_or_wait)
        with TcpMaster(server.url.port) as waiting, TcpMaster(server.url.port) as other:
            waiting.sock.sendall(adu.tcp_frame(1, 100, read_request(0x1000, 1)) + REQUEST)
            until(lambda: later)
            for _ in range(20):
                assert other.ask(100, REQUEST[7:]) == ANSWER[7:]
            waiting.sock.settimeout(0.1)
            with pytest.raises(TimeoutError):
                waiting.receive(1)
            waiting.sock.sendall(REQUEST)
            waiting.sock.settimeout(5)
            later[0].set_result(bytes.fromhex("03020bad"))
            assert waiting.receive(11) == adu.tcp_frame(1, 100, bytes.fromhex("03020bad"))
            assert waiting.receive(2 * len(ANSWER)) == 2 * ANSWER


def test_a_later_answer_may_be_an_exception(monkeypatch):
    later: list[Future] = []
    with serving() as server, TcpMaster(server.url.port) as master:
        monkeypatch.setattr(server.databank, "answer", lambda unit, pdu, master: later.append(Future()) or later[-1])
        master.sock.sendall(REQUEST)
        until(lambda: later)
        later[0].set_result(b"\x83\x0b")
        assert master.receive(9) == adu.tcp_frame(7, 100, b"\x83\x0b")
        assert server.masters["127.0.0.1"].exceptions == {0x0B: 1}


def test_many_answers_that_are_there_at_once_do_not_stop_the_server(monkeypatch):
    def answer(unit, pdu, master):
        done = Future()
        done.set_result(b"\x83\x02")
        return done

    with serving() as server:
        monkeypatch.setattr(server.databank, "answer", answer)
        masters = [TcpMaster(server.url.port) for _ in range(8)]
        for master in masters:
            master.sock.sendall(REQUEST * 200)
        for master in masters:
            assert master.receive(200 * 9) == adu.tcp_frame(7, 100, b"\x83\x02") * 200
            master.sock.close()


def test_a_master_that_leaves_while_its_answer_is_awaited_is_forgotten(monkeypatch):
    later: list[Future] = []
    with serving(max_connections=2) as server:
        monkeypatch.setattr(server.databank, "answer", lambda unit, pdu, master: later.append(Future()) or later[-1])
        gone = RawMaster(server)
        gone.sock.sendall(REQUEST)
        until(lambda: later)
        gone.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.sock.close()
        later[0].set_result(b"\x83\x0b")
        until(lambda: not server.connections)


WRITE = b"\x06\x00\x10\x00\x01"


@contextmanager
def waiting(monkeypatch, kind, pdu):
    """A server whose master has asked what has to be forwarded; gives the master's socket, what is awaited, and the server."""
    monkeypatch.setattr(rtuconnection_module, "ANSWER_WITHIN", 5.0)
    later = Future()
    frame = adu.rtu_frame(100, pdu) if kind is RtuOverTcpServer else adu.tcp_frame(1, 100, pdu)
    with serving(kind) as server, socket.create_connection(("127.0.0.1", server.url.port), 5) as sock:
        monkeypatch.setattr(server.databank, "answer", lambda unit, pdu, master: outcome(later, lambda code: bytes((0x80 | pdu[0], code))))
        sock.sendall(frame)
        until(lambda: any(each._awaited for each in tuple(server.connections)))
        yield sock, later, server


@pytest.mark.parametrize("kind", [TcpServer, RtuOverTcpServer])
def test_a_write_that_was_not_sent_is_taken_back_when_its_master_hangs_up_after_a_while(monkeypatch, kind):
    monkeypatch.setattr(connection_module, "LAST_WORD", 0.05)
    with waiting(monkeypatch, kind, WRITE) as (sock, later, server):
        asked_at = next(iter(server.connections)).asked_at
        until(lambda: clock.now() - asked_at > 0.06)
        assert not later.cancelled()
        sock.shutdown(socket.SHUT_WR)
        until(later.cancelled)
        assert b"\x86\x0b" in sock.recv(100), "who still listens is told that it was not done"
        until(lambda: not server.connections)


@pytest.mark.parametrize("kind", [TcpServer, RtuOverTcpServer])
def test_a_write_that_was_not_sent_is_taken_back_when_its_connection_is_dropped(monkeypatch, kind):
    with waiting(monkeypatch, kind, WRITE) as (sock, later, server):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        until(later.cancelled)
        until(lambda: not server.connections)


@pytest.mark.parametrize("kind", [TcpServer, RtuOverTcpServer])
@pytest.mark.parametrize("pdu", [WRITE, read_request(0x1000, 1)])
def test_what_was_sent_or_is_shared_is_not_taken_back(monkeypatch, kind, pdu):
    with waiting(monkeypatch, kind, pdu) as (sock, later, server):
        if pdu == WRITE:
            later.set_running_or_notify_cancel()
        sock.shutdown(socket.SHUT_WR)
        until(lambda: next(iter(server.connections))._has_ended)
        later.set_result(b"\x06\x00\x10\x00\x01" if pdu == WRITE else bytes.fromhex("03020bad"))
        assert later.result() in sock.recv(100), "the answer still comes"


def test_what_comes_while_an_answer_is_awaited_is_bounded(monkeypatch):
    with waiting(monkeypatch, TcpServer, read_request(0x1000, 1)) as (sock, later, server):
        sock.sendall(REQUEST * 500)
        connection = next(iter(server.connections))
        until(lambda: connection.events == connection_module.NOTHING)
        assert connection.piece <= len(connection._inbox) < 2 * connection.piece
        monkeypatch.undo()
        later.set_result(bytes.fromhex("03020bad"))
        answers = adu.tcp_frame(1, 100, bytes.fromhex("03020bad")) + 500 * ANSWER
        assert sock.makefile("rb").read(len(answers)) == answers


def test_an_answer_is_forgotten_when_a_reading_arrives():
    with serving() as server, TcpMaster(server.url.port) as master:
        mirror = server.databank.get_slave(100)
        for number in range(300):
            data = struct.pack(">4H", *[number] * 4)
            mirror.update(news(data))
            for _ in range(3):
                assert master.ask(100, REQUEST[7:]) == b"\x03\x08" + data


def test_an_answer_seen_before_turns_stale_like_any():
    with serving() as server, TcpMaster(server.url.port) as master:
        mirror = server.databank.get_slave(100)
        taken_at = clock.now() - 1000 + 0.4  # max_age is 1000 s
        mirror.update(news(bytes(8), taken_at))
        assert master.ask(100, REQUEST[7:]) == b"\x03\x08" + bytes(8)
        until(lambda: master.ask(100, REQUEST[7:]) == b"\x83\x0b")
        assert clock.now() >= taken_at + 1000


def test_while_something_happens_again_and_again_it_is_looked_for_without_sleeping(monkeypatch):
    monkeypatch.setattr(server_module, "SOON", 10.0)  # also on a busy machine
    ours, theirs = socket.socketpair()
    with ours, theirs, select.epoll() as watched:
        watched.register(ours, select.EPOLLIN)
        events, happened = Events(watched.fileno()), [(ours.fileno(), select.EPOLLIN)]
        theirs.send(b"!")
        for _ in range(server_module.SOON_AGAIN):
            assert list(events.wait(5.0)) == [happened]
        assert list(events.wait(5.0)) == server_module.LOOKS * [happened]
        ours.recv(1)
        assert list(events.wait(5.0)) == [] and list(events.wait(0.0)) == [[]], "then it sleeps as ever"
        events.close()


def test_nobody_is_forgotten_while_another_asks_again_at_once(monkeypatch):
    monkeypatch.setattr(server_module, "SOON", 10.0)
    with serving() as server, TcpMaster(server.url.port) as master:
        for number in range(3 * server_module.SOON_AGAIN):
            assert master.ask(100, REQUEST[7:]) == ANSWER[7:]
        with TcpMaster(server.url.port) as other:
            assert other.ask(100, REQUEST[7:]) == master.ask(100, REQUEST[7:]) == ANSWER[7:]
            server.databank.mirrors[100].doubt([READ.block])
            assert other.ask(100, REQUEST[7:]) == master.ask(100, REQUEST[7:]) == b"\x83\x0b"


def test_no_more_than_1000_answers_are_kept():
    read = Read(Block(Table.HOLDING_REGISTERS, 0, 125), "all")
    mirror = Mirror(1, PolledStore((read,), 10.0), frozenset({Table.HOLDING_REGISTERS}))
    mirror.update(reading(1, read.block, clock.now(), bytes(250)))
    for address in range(100):
        for count in range(1, 25):
            assert mirror.handle_request(read_request(address, count))[0] == 3
    assert len(mirror.known) == KNOWN_ANSWERS == 1000


def news(data: bytes, taken_at: float | None = None):
    return reading(100, READ.block, clock.now() if taken_at is None else taken_at, data)


# Modbus RTU on a TCP connection

RTU_REQUEST, RTU_ANSWER = adu.rtu_frame(100, REQUEST[7:]), adu.rtu_frame(100, ANSWER[7:])


def test_rtu_over_tcp_is_served():
    with serving(RtuOverTcpServer) as server, socket.create_connection(("127.0.0.1", server.url.port), 5) as master:
        for _ in range(3):
            master.sendall(RTU_REQUEST)
            assert master.recv(100) == RTU_ANSWER
        for noise in (b"\0", adu.rtu_frame(5, REQUEST[7:]), adu.rtu_frame(0, b"\x06\0\x64\0\1")):
            master.sendall(noise + RTU_REQUEST)
            assert master.recv(100) == RTU_ANSWER
        master.sendall(RTU_REQUEST[:4])
        master.sendall(RTU_REQUEST[4:])
        assert master.recv(100) == RTU_ANSWER


def test_rtu_over_tcp_answers_after_noise_that_looks_like_a_long_frame():
    with serving(RtuOverTcpServer) as server, socket.create_connection(("127.0.0.1", server.url.port), 5) as master:
        master.sendall(b"\x10\x10\x00\x00\x00\x7b\xf6" + RTU_REQUEST)
        assert master.recv(100) == RTU_ANSWER


def test_rtu_over_tcp_is_not_taken_for_modbus_tcp():
    """A foreign read of address 0 with a CRC that would be one of our units and its function."""
    with serving(RtuOverTcpServer) as server, socket.create_connection(("127.0.0.1", server.url.port), 5) as master:
        mirror = server.databank.mirrors[100]
        foreign = bytes.fromhex("0d0300000006c50400000002")
        mirror.known[foreign[2:]] = float("inf"), adu.tcp_frame(0, 0xC5, b"\x04\x04\0\0\0\0")[2:], foreign[6:]
        server.databank.mirrors[0xC5] = mirror
        master.sendall(foreign)
        master.settimeout(0.5)
        with pytest.raises(TimeoutError):
            master.recv(100)


@pytest.mark.parametrize("noise", [b"", b"\x10\x10\x00\x00\x00\x7b\xf6"])
def test_rtu_over_tcp_answers_although_the_master_has_said_its_last_word(noise):
    with serving(RtuOverTcpServer) as server, socket.create_connection(("127.0.0.1", server.url.port), 5) as master:
        master.sendall(noise + RTU_REQUEST)
        master.shutdown(socket.SHUT_WR)
        assert master.recv(100) == RTU_ANSWER


def test_rtu_over_tcp_survives_half_a_frame_and_a_reset():
    with serving(RtuOverTcpServer) as server:
        for _ in range(5):
            master = socket.create_connection(("127.0.0.1", server.url.port), 5)
            master.sendall(b"\x64\x03")
            until(lambda: server._expiring)
            master.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            master.close()
            until(lambda: not server.connections and not server._expiring)


def test_rtu_over_tcp_answers_after_a_lot_of_noise():
    noise = random.Random(3).randbytes(253)
    with serving(RtuOverTcpServer) as server, socket.create_connection(("127.0.0.1", server.url.port), 5) as master:
        for size in range(240, 253):
            master.sendall(noise[:size] + RTU_REQUEST)
            assert master.recv(100) == RTU_ANSWER


def test_rtu_over_tcp_waits_for_a_later_answer(monkeypatch):
    later: list[Future] = []
    with serving(RtuOverTcpServer) as server, socket.create_connection(("127.0.0.1", server.url.port), 5) as master:
        monkeypatch.setattr(server.databank, "answer", lambda unit, pdu, master: later.append(Future()) or later[-1])
        master.sendall(RTU_REQUEST)
        until(lambda: later)
        monkeypatch.undo()
        later[0].set_result(b"\x83\x0b")
        assert master.recv(100) == adu.rtu_frame(100, b"\x83\x0b")
        master.sendall(RTU_REQUEST)
        assert master.recv(100) == RTU_ANSWER


# Bytes at random

def test_random_and_mutated_frames_never_yield_an_ill_formed_reply():
    with serving() as server:
        fuzz_tcp(server, random.Random(1), 700)
    with serving(RtuOverTcpServer) as server:
        fuzz_rtu(server, random.Random(2), 100)


def test_connections_leave_nothing_behind():
    with serving() as server:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(300):
            with TcpMaster(server.url.port) as master:
                assert master.ask(100, REQUEST[7:]) == ANSWER[7:]
        until(lambda: not server.connections)
        assert len(os.listdir("/proc/self/fd")) == before
