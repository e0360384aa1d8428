"""Serial devices, and taps, which only hear them: opened again and again, and never made to speak."""

import os
import socket
import struct
import termios
from contextlib import closing

import pytest

from softsplit.config.line import Line
from softsplit.config.url import parse_url
from softsplit.transport.receiver import Receiver, TapReader
from softsplit.transport.serialport import Adapter
from softsplit.transport.tap import Marks, SerialTap, SocketTap
from tests.support import running, until
from tests.support.tappedcable import TappedCable


@pytest.fixture
def cable(tmp_path):
    """A cable with taps, none of which may say anything."""
    cable = TappedCable(tmp_path)
    with running(cable):
        yield cable
        assert cable.tap.said() == cable.request_tap.said() == cable.reply_tap.said() == b""


def url_of(tap):
    return parse_url(f"rtu://{tap.path}", ("rtu",))


@pytest.mark.parametrize("device", [Adapter, SerialTap])
@pytest.mark.parametrize("mode", ["8E1", "8N1", "8O2"])
def test_a_pseudo_terminal_can_be_opened_again_though_it_has_no_parity(cable, device, mode):
    for _ in range(3):
        opened = device(parse_url(f"rtu://{cable.left}", ("rtu",)), Line(9600, mode))
        opened.open()
        assert os.ttyname(opened.fileno()) == cable.left
        opened.close()


def test_the_kernel_refuses_to_write_to_a_tap(cable):
    tap = SerialTap(url_of(cable.tap), Line())
    tap.open()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(tap.fileno(), b"x")
    with pytest.raises(OSError, match="another program uses the device"):
        SerialTap(url_of(cable.tap), Line()).open()
    assert not termios.tcgetattr(cable.tap.fd)[2] & (termios.HUPCL | termios.CRTSCTS)  # which would move RTS and DTR
    cable.tap.hear(bytes(range(256)))
    assert until(tap.receive) == bytes(range(256))  # a byte ff is marked by the kernel, and no mark is left
    tap.close()


def test_rts_and_dtr_are_lowered_first_of_all_and_never_raised(cable, monkeypatch):
    asked = []
    monkeypatch.setattr("softsplit.transport.tap.fcntl.ioctl", lambda fd, request, argument: asked.append((request, argument)))
    tap = SerialTap(url_of(cable.tap), Line())
    tap.open()
    tap.close()
    lowered = (termios.TIOCMBIC, struct.pack("I", termios.TIOCM_RTS | termios.TIOCM_DTR))
    assert asked[:2] == [lowered] * 2
    assert {request for request, _ in asked[2:]} <= {termios.TIOCGSERIAL, termios.TIOCSSERIAL}


def test_a_network_that_has_failed_is_noticed_before_what_it_holds_back_is_old():
    with socket.create_server(("127.0.0.1", 0)) as server:
        tap = SocketTap(parse_url("rtuovertcp://127.0.0.1:%d" % server.getsockname()[1], ("rtuovertcp",)))
        tap.open()
        with closing(socket.socket(fileno=os.dup(tap.fileno()))) as sock:
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            idle, between, count = (sock.getsockopt(socket.IPPROTO_TCP, option) for option in options)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) and idle + count * between <= 5
        tap.close()


def test_marks_are_taken_out_wherever_they_are_cut():
    marked, meant = bytes.fromhex("01 ffff 02 ff0003 ff0000 ffff ff0041 ffff 00"), bytes.fromhex("01 ff 02 03 ff 41 ff 00")
    for cut in range(len(marked) + 1):
        marks = Marks()
        assert marks.strip(marked[:cut]) + marks.strip(marked[cut:]) == meant
        assert marks.errors == 3


def test_a_tap_is_waited_for_from_the_start(cable):
    told = []
    cable.tap.pull()
    receiver = Receiver(TapReader(url_of(cable.tap), Line(), told.append), TapReader(url_of(cable.reply_tap), Line(), told.append, "reply"))
    silence, = receiver.hear(0)
    assert silence.data == b"" and told == [f"rtu://{cable.tap.path}: there is no such device; waiting for it"]
    cable.reply_tap.hear(b"from the other")
    heard, = receiver.hear(1)
    assert (heard.data, heard.role) == (b"from the other", "reply") and heard.time > silence.time
    cable.tap.plug_in()
    until(lambda: receiver.hear(0.01) and len(told) == 2)
    cable.tap.hear(b"is back")
    assert receiver.hear(1)[0].data == b"is back" and told[1] == f"rtu://{cable.tap.path} is back"
    receiver.close()
