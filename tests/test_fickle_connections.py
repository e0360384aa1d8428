"""Gateways that drop connections, vanish without a word, move to another address, or queue; masters as they come.

What the field has of both is served as promised: nothing here is wrong, or older than the cause explains.
"""

import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from softsplit import Downstream, Profile, Read, Unit, Upstream
from softsplit.commands.simulate.pty import Cable
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from tests.support import (SLOWNESS, RtuMaster, ScriptedGateway, TcpMaster, read_request, running, splitting,
                           until)
from tests.support.bus import Bus, HangUp, good_answer
from tests.test_upstreams import Copy

TIMEOUT = 0.15 * SLOWNESS


def good(transaction: int, unit: int, pdu: bytes) -> bytes:
    return adu.tcp_frame(transaction, unit, good_answer(unit, pdu))


# Connections.

@pytest.mark.parametrize("kind, every", [("tcp", 1), ("tcp", 10), ("rtuovertcp", 10)])
def test_a_connection_that_is_dropped_after_each_answer_or_now_and_then_costs_nothing(tmp_path, kind, every):
    with Bus(kind, tmp_path) as bus:
        def answer_and_drop(say, frame, unit, pdu):
            say(frame(unit, good_answer(unit, pdu)))
            if len(bus.requests) % every == 0:
                raise HangUp

        bus.fault = answer_and_drop
        copy, ages = Copy(bus.url, timeout=TIMEOUT), []
        with running(*copy.workers):
            until(lambda: copy.is_fresh(0.0))
            count = len(bus.requests)
            until(lambda: ages.append(max(copy.age(1), copy.age(2))) or copy.check() or len(bus.requests) > count + 40)
        assert max(ages) < 3 * 0.2 * SLOWNESS + TIMEOUT
        assert not any(unit.no_answer + unit.damaged for unit in copy.counters.values()) or kind != "tcp"


def test_a_gateway_that_is_gone_without_a_word_and_back_is_asked_on_a_new_connection():
    """As after a power cut: the old connection stays half open, and nobody says that it is over."""
    dead, asked = set(), set()  # threads of connections

    def reply(transaction, unit, pdu):
        asked.add(threading.current_thread())
        return b"" if threading.current_thread() in dead else good(transaction, unit, pdu)

    with ScriptedGateway(reply) as gateway:
        copy = Copy(str(gateway.url), timeout=TIMEOUT / 6)
        with running(*copy.workers):
            until(lambda: copy.is_fresh(0.0))
            dead |= asked
            cut_at = max(state.taken_at for state in copy.mirrors[1].states(0.0))
            until(lambda: copy.is_fresh(cut_at) or copy.check(), timeout=12)
            assert gateway.connections == 2


def test_a_gateway_that_has_another_address_after_a_restart_is_found_there(monkeypatch):
    """As by DHCP: its name leads to another address, and where it was nobody is."""
    where = ["127.0.0.1"]
    with ScriptedGateway(good) as gateway:
        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *others, **more: real(
            where[-1] if host == "gateway.house" else host, *others, **more))
        copy = Copy(f"tcp://gateway.house:{gateway.port}", timeout=TIMEOUT)
        with running(*copy.workers):
            until(lambda: copy.is_fresh(0.0))
            gateway.close()
            until(lambda: copy.poller.counters.unreachable)
            with socket.create_server(("127.0.0.2", gateway.port)) as server:
                where.append("127.0.0.2")
                threading.Thread(target=serve_once, args=(server,), daemon=True).start()
                since = max(state.taken_at for state in copy.mirrors[1].states(0.0))
                until(lambda: copy.is_fresh(since) or copy.check(), timeout=8)


def serve_once(server: socket.socket) -> None:
    with suppress(OSError):
        sock, _ = server.accept()
        with sock:
            while header := sock.recv(7, socket.MSG_WAITALL):
                pdu = sock.recv(header[5] - 1, socket.MSG_WAITALL)
                sock.sendall(good(int.from_bytes(header[:2], "big"), header[6], pdu))


# Masters.

HOLDING = Table.HOLDING_REGISTERS
PROFILE = Profile("meter", (Read(Block(HOLDING, 0, 40), "all", 0.1),))


@contextmanager
def house(tmp_path):
    """A meter behind a splitter that serves TCP and a serial line; gives the port and the other end of the line."""
    cable = Cable()
    with running(cable), Bus("tcp", tmp_path) as bus:
        meters = Upstream(bus.url, [Unit(1, PROFILE)], 0.5 * SLOWNESS, "meters")
        ends = [Downstream("tcp://127.0.0.1:0", [meters], name="tcp"), Downstream(f"rtu://{cable.left}", [meters], mode="8N1", name="line")]
        with splitting(*ends) as splitter:
            port = splitter.servers[0].url.port
            with TcpMaster(port) as master:
                until(lambda: master.ask(1, read_request(0, 40))[0] == 3)
            yield port, cable.right


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with house(tmp_path_factory.mktemp("house")) as found:
        yield found


def test_masters_that_pipeline_get_their_answers_in_order(served):
    with TcpMaster(served[0]) as master:
        asked = [(number, read_request(number, 2)) for number in range(16)]
        master.sock.sendall(b"".join(adu.tcp_frame(number, 255 if number % 2 else 1, pdu) for number, pdu in asked))
        for number, pdu in asked:
            expected = adu.tcp_frame(number, 255 if number % 2 else 1, good_answer(1, pdu))
            assert master.receive(len(expected)) == expected


def test_masters_that_connect_for_each_request_or_ask_one_register_after_the_other(served):
    for address in range(20):
        with TcpMaster(served[0]) as master:
            assert master.ask(1, read_request(address, 1)) == good_answer(1, read_request(address, 1))
    with TcpMaster(served[0]) as master:
        for address in range(40):
            assert master.ask(address % 2 * 255, read_request(address, 1)) == good_answer(1, read_request(address, 1))


def test_masters_with_50_ms_of_patience_are_answered_within_it(served):
    def ask(number: int) -> bytes:
        with TcpMaster(served[0]) as master:
            master.sock.settimeout(0.05 * SLOWNESS)
            return master.ask(1, read_request(number, 10))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(20))) == [good_answer(1, read_request(number, 10)) for number in range(20)]


def test_a_master_on_a_line_that_asks_every_20_ms_gets_every_answer(served):
    with RtuMaster(served[1]) as master:
        for number in range(25):
            assert master.ask(1, read_request(number % 20, 10)) == good_answer(1, read_request(number % 20, 10))
            threading.Event().wait(0.02)


PROBES = [  # what masters probe with, and what they get
    ("08 0000 1234", "88 01"), ("11", "91 01"), ("2b 0e 01 00", "ab 01"), ("03 0000 0000", "83 03"), ("03 0000 007e", "83 03"),
    ("04 0000 0001", "84 01"), ("07", "87 01"), ("00", "80 01"),
]


@pytest.mark.parametrize("probe, answer", PROBES)
@pytest.mark.parametrize("unit", [1, 0, 255])
def test_masters_that_probe_get_what_the_specification_wants_and_go_on(served, probe, answer, unit):
    with TcpMaster(served[0]) as master:
        assert master.ask(unit, bytes.fromhex(probe)) == bytes.fromhex(answer)
        assert master.ask(unit, read_request(0, 4)) == good_answer(1, read_request(0, 4))


@pytest.mark.parametrize("probe, answer", PROBES[:-1])
def test_masters_that_probe_over_a_line_get_the_same(served, probe, answer):
    with RtuMaster(served[1]) as master:
        assert master.ask(1, bytes.fromhex(probe)) == bytes.fromhex(answer)
        assert master.ask(1, read_request(0, 4)) == good_answer(1, read_request(0, 4))


def test_a_master_that_ends_its_side_or_breaks_off_harms_nobody(served):
    with TcpMaster(served[0]) as other:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", served[0])) as sock:
                sock.sendall(adu.tcp_frame(1, 255, read_request(0, 40))[:-3])
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            assert other.ask(255, read_request(0, 4)) == good_answer(1, read_request(0, 4))
