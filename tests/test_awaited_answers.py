"""A master whose answer has to come from the unit itself: it ends its side, it is idle meanwhile, or a gateway says no."""

import socket
import time

import pytest

from softsplit import Downstream, Unit, Upstream, clock
from softsplit.downstream import tcp as tcp_module
from softsplit.protocol import adu
from softsplit.protocol.pdu import GATEWAY_NO_ANSWER
from tests.bus import Bus
from tests.support import read_request, splitting, until
from tests.test_forwarding import PROFILE, Device

OTHER = read_request(100, 4)


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
