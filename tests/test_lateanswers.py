"""A master whose answer has to come from the unit itself: it ends its side, it is idle meanwhile, or a gateway says no."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from softsplit import Downstream, Unit, Upstream, clock
from softsplit.commands.simulate.pty import Cable
from softsplit.downstream.servers import tcp as tcp_module
from softsplit.protocol import adu
from softsplit.protocol.pdu import GATEWAY_NO_ANSWER
from tests.support import SLOWNESS, RtuMaster, TcpMaster, read_request, running, splitting, until
from tests.support.bus import Bus
from tests.test_forwarding import PROFILE, Device

POLLED, OTHER = read_request(0, 4), read_request(100, 4)


def served(tmp_path, device, kind="tcp", **options):
    """The wiring of a bus with one writable unit, behind a downstream of some kind; gives both."""
    bus = Bus("tcp", tmp_path, device)
    meters = Upstream(bus.url, [Unit(1, PROFILE)], 1.0, "meters")
    return bus, Downstream(f"{kind}://127.0.0.1:0", [meters], allow_writes=["meters/1 holding registers 0+100"], **options)


def frame(kind: str, pdu: bytes) -> bytes:
    return adu.tcp_frame(1, 1, pdu) if kind == "tcp" else adu.rtu_frame(1, pdu)


@pytest.mark.parametrize("kind", ["tcp", "rtuovertcp"])
def test_a_write_that_the_end_follows_at_once_is_done_once_and_answered(tmp_path, kind):
    device = Device()
    bus, wiring = served(tmp_path, device, kind)
    bus.fault = lambda say, frame, unit, pdu: (time.sleep(0.02), say(frame(unit, device(unit, pdu))))
    with bus, splitting(wiring) as splitter:
        until(lambda: bus.requests)
        for number in range(20):
            write = frame(kind, bytes((6, 0, 16, 0, number)))
            with socket.create_connection(("127.0.0.1", splitter.servers[0].url.port), 5) as sock:
                sock.sendall(write)
                sock.shutdown(socket.SHUT_WR)
                assert sock.makefile("rb").read() == write
        assert [pdu[4] for _, pdu in device.written] == list(range(20))


def test_several_writes_that_the_end_follows_are_all_done(tmp_path):
    device = Device()
    bus, wiring = served(tmp_path, device)
    writes = b"".join(frame("tcp", bytes((6, 0, 16, 0, number))) for number in range(4))
    with bus, splitting(wiring) as splitter, socket.create_connection(("127.0.0.1", splitter.servers[0].url.port), 5) as sock:
        sock.sendall(writes)
        sock.shutdown(socket.SHUT_WR)
        assert sock.makefile("rb").read() == writes and len(device.written) == 4


def test_idle_is_not_who_waits_for_an_answer_nor_who_just_got_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tcp_module, "TICK", 0.02)
    device = Device()
    bus, wiring = served(tmp_path, device, idle_timeout=0.3)
    bus.fault = lambda say, frame, unit, pdu: (pdu == OTHER and time.sleep(0.6), say(frame(unit, device(unit, pdu))))
    with bus, splitting(wiring) as splitter, socket.create_connection(("127.0.0.1", splitter.servers[0].url.port), 5) as sock:
        sock.sendall(frame("tcp", OTHER))
        assert sock.recv(100) == frame("tcp", device(1, OTHER))
        answered_at = clock.now()
        assert sock.recv(100) == b"", "in the end it is idle"
        assert clock.now() - answered_at > 0.25


@pytest.mark.parametrize("pdu", [OTHER, b"\x14\x07\x06\x00\x04\x00\x01\x00\x02"], ids=["registers", "file records"])
def test_silent_is_silent_when_a_gateway_says_that_the_unit_does_not_answer(tmp_path, pdu):
    device = Device()
    bus, wiring = served(tmp_path, device, when_stale="silent")
    bus.fault = lambda say, frame, unit, asked: say(
        frame(unit, bytes((asked[0] | 0x80, GATEWAY_NO_ANSWER)) if asked == pdu else device(unit, asked)))
    with bus, splitting(wiring) as splitter, socket.create_connection(("127.0.0.1", splitter.servers[0].url.port), 5) as sock:
        polled = frame("tcp", read_request(0, 4))
        good = frame("tcp", device(1, read_request(0, 4)))

        def is_polled() -> bool:
            sock.sendall(polled)
            return sock.recv(100) == good

        sock.settimeout(0.2)
        until(lambda: splitter.servers[0].databank.mirrors[1].data(PROFILE.reads[0].block))
        assert is_polled()
        for _ in range(2):  # the second from memory
            sock.sendall(frame("tcp", pdu))
            with pytest.raises(TimeoutError):
                sock.recv(100)
            assert is_polled()


def test_over_rtu_an_abandoned_answer_that_comes_does_not_shorten_the_silence_before_the_next(tmp_path):
    device, cable, may_answer = Device(), Cable(), threading.Event()
    bus, _ = served(tmp_path, device)
    bus.fault = lambda say, frame, unit, pdu: (pdu != POLLED and may_answer.wait(5), say(frame(unit, device(unit, pdu))))
    meters = Upstream(bus.url, [Unit(1, PROFILE)], 5.0, "meters")
    with bus, running(cable), splitting(Downstream(f"rtu://{cable.left}", [meters], mode="8N1", baudrate=1200)) as splitter, \
            RtuMaster(cable.right) as master:
        line, = splitter.servers[0].masters.values()
        until(lambda: master.ask(1, POLLED) == device(1, POLLED))
        for address in range(100, 105):
            may_answer.clear()
            abandoned = line.silent
            master.port.write(adu.rtu_frame(1, read_request(address, 1)))
            until(lambda: bus.requests[-1][1] == read_request(address, 1))
            begin = clock.now()
            master.port.write(adu.rtu_frame(1, POLLED))
            until(lambda: line.silent > abandoned)  # it has come
            may_answer.set()
            assert master.answer(1) == device(1, POLLED) and clock.now() - begin >= adu.frame_silence(1200, "8N1")


def test_a_serial_server_that_floods_takes_no_other_masters_turn_and_is_told_that_the_wire_is_busy(tmp_path):
    device = Device()
    bus, wiring = served(tmp_path, device, "rtuovertcp")
    bus.fault = lambda say, frame, unit, pdu: (time.sleep(0.01), say(frame(unit, device(unit, pdu))))
    other = Downstream("tcp://127.0.0.1:0", wiring.serves)
    is_over, heard = threading.Event(), []

    def flood(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            sock.settimeout(0.004)
            for number in range(10_000):
                if is_over.is_set():
                    return
                sock.sendall(frame("rtuovertcp", read_request(100 + number % 800, 1 + number // 800)))
                with suppress(TimeoutError):
                    heard.append(sock.recv(4096))

    with bus, splitting(wiring, other) as splitter, ThreadPoolExecutor(1) as pool, TcpMaster(splitter.servers[1].url.port) as master:
        flooding = pool.submit(flood, splitter.servers[0].url.port)
        try:
            until(lambda: len(bus.requests) > 20)
            for address in range(900, 908):
                begin = clock.now()
                assert master.ask(1, read_request(address, 2)) == device(1, read_request(address, 2))
                assert clock.now() - begin < 0.5 * SLOWNESS
            until(lambda: any(b"\x83\x06" in each for each in heard))
        finally:
            is_over.set()
        flooding.result()
