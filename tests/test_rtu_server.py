"""The RTU server on a pseudo-terminal, byte by byte, and with its adapter pulled."""

import fcntl
import os
import termios
import threading
import time

import pytest

from softsplit.commands.simulate.pty import Cable
from softsplit.config.line import Line
from softsplit.config.url import parse_url
from softsplit.downstream.databank import Databank
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.store import PolledStore
from softsplit.downstream.servers.rtu import RtuServer
from softsplit.errors import DownstreamError
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.transport import serialport as adapter_module
from tests.support import SLOWNESS, RtuMaster, read_request, running, until
from tests.support.outcomes import reading

READ = Read(Block(Table.HOLDING_REGISTERS, 100, 4), "four", 1.0)
DATA = bytes.fromhex("0001000200030004")
REQUEST = read_request(100, 4)
ANSWER = bytes((3, 8)) + DATA


write = os.write


def server_at(path: str, mode: str = "8N1", **options) -> RtuServer:
    mirror = Mirror(100, PolledStore((READ,), 1000.0), frozenset({Table.HOLDING_REGISTERS}))
    mirror.update(reading(100, READ.block, 1e9, data=DATA))
    databank = Databank("maxem", [mirror], unknown_unit=None)
    return RtuServer("maxem", parse_url(f"rtu://{path}", ("rtu",)), Line(mode=mode, **options), databank)


@pytest.fixture
def cable():
    cable = Cable()
    with running(cable):
        yield cable


@pytest.fixture
def master(cable):
    server = server_at(cable.left)
    server.open()
    with running(server), RtuMaster(cable.right) as master:
        yield master
    assert server.error is None


@pytest.mark.parametrize("pdu, answer", [
    (REQUEST, ANSWER), (read_request(101, 1), bytes.fromhex("03020002")),
    (read_request(100, 5), b"\x83\x02"), (read_request(100, 4, function=4), b"\x84\x01"),
    (read_request(100, 0), b"\x83\x03"), (b"\x06\0\x64\0\1", b"\x86\x01"), (b"\x03\0", b"\x83\x03"),
])
def test_each_request_gets_the_answer_of_the_specification(master, pdu, answer):
    assert master.ask(100, pdu) == answer


@pytest.mark.parametrize("frame", [
    adu.rtu_frame(5, REQUEST), adu.rtu_frame(0, b"\x06\0\x64\0\1"), adu.rtu_frame(100, REQUEST)[:-1] + b"\0",
    adu.rtu_frame(100, b"\x83\x02"), b"\x00", b"\x64\x03", bytes.fromhex("00 08 00 00 55 55 1e b5"),
], ids=["foreign unit", "broadcast", "wrong CRC", "function 0x83", "noise", "short", "baud rate search"])
def test_nobody_else_is_answered_and_the_next_request_is(master, frame):
    master.port.write(frame)
    assert master.hears_nothing()
    assert master.ask(100, REQUEST) == ANSWER


def test_a_bug_costs_one_request_and_is_logged_once(cable, caplog, monkeypatch):
    server = server_at(cable.left)
    server.open()
    with running(server), RtuMaster(cable.right) as master:
        monkeypatch.setattr(server.databank, "answer", lambda unit, pdu, master="": 1 / 0)
        for _ in range(3):
            master.port.write(adu.rtu_frame(100, REQUEST))
            assert master.hears_nothing()
        monkeypatch.undo()
        assert master.ask(100, REQUEST) == ANSWER
    assert caplog.text.count("ZeroDivisionError: ") == 1


def test_nothing_is_sent_when_the_next_request_has_begun_to_arrive(cable, monkeypatch):
    server = server_at(cable.left)
    server.open()
    with running(server), RtuMaster(cable.right) as master:
        answer = server.databank.answer

        def slow_answer(unit, pdu, who):
            if pdu == REQUEST:
                master.port.write(adu.rtu_frame(100, read_request(101, 1)))
                until(lambda: server.selector.select(0))
            return answer(unit, pdu, who)

        monkeypatch.setattr(server.databank, "answer", slow_answer)
        assert master.ask(100, REQUEST) == bytes.fromhex("03020002"), "only the second request is answered"
        assert master.hears_nothing()


def test_a_line_that_takes_no_bytes_is_survived(cable, monkeypatch):
    server = server_at(cable.left)
    server.open()
    with running(server), RtuMaster(cable.right) as master:
        with monkeypatch.context() as patch:
            patch.setattr(adapter_module.os, "write", lambda fd, data: 3 if fd == server._serial.fd else write(fd, data))
            master.port.write(adu.rtu_frame(100, REQUEST))
            assert master.hears_nothing()
        assert master.ask(100, REQUEST) == ANSWER
    assert server.error is None


class EchoingCable(Cable):
    """A cable whose left adapter hears what it sends itself, as it was sent or damaged."""

    def __init__(self, damage: int = 0):
        super().__init__()
        self.damage = damage

    def carry(self, sender: int, receiver: int, data: bytes) -> None:
        super().carry(sender, receiver, data)
        if sender == self._ends[0][0]:
            os.write(sender, bytes((data[0] ^ self.damage,)) + data[1:])


@pytest.mark.parametrize("damage, options", [(0, {}), (0, {"echo": True}), (0x10, {"echo": True})])
def test_an_adapter_that_hears_itself_does_not_answer_itself(damage, options, monkeypatch):
    cable = EchoingCable(damage)
    server = server_at(cable.left, **options)
    server.open()
    asked = []
    answer = server.databank.answer
    monkeypatch.setattr(server.databank, "answer", lambda unit, pdu, master="": asked.append(pdu) or answer(unit, pdu, master))
    with running(cable), running(server), RtuMaster(cable.right) as master:
        for _ in range(3):
            assert master.ask(100, REQUEST) == ANSWER
        assert master.hears_nothing()
        assert asked == [REQUEST] * 3
        monkeypatch.setattr(server.databank, "answer", lambda unit, pdu, master="": asked.append(pdu) or pdu)
        master.port.write(adu.rtu_frame(100, b"\x06\0\x64\0\1"))  # a write, whose answer equals the request
        assert master.port.read(8) == adu.rtu_frame(100, b"\x06\0\x64\0\1")
        assert master.hears_nothing() and len(asked) == 4


@pytest.mark.parametrize("hears_itself", [False, True])
def test_the_same_write_again_at_once_is_not_taken_for_an_echo(hears_itself, monkeypatch):
    write = b"\x06\0\x64\0\1"
    cable = EchoingCable() if hears_itself else Cable()
    server = server_at(cable.left, echo=hears_itself)
    server.open()
    asked = []
    with running(cable), running(server), RtuMaster(cable.right) as master:
        assert master.ask(100, REQUEST) == ANSWER, "which shows whether the line echoes"
        monkeypatch.setattr(server.databank, "answer", lambda unit, pdu, master: asked.append(pdu) or pdu)
        assert [master.ask(100, write) for _ in range(4)] == [write] * 4
        assert master.hears_nothing() and len(asked) == 4


def test_a_request_soon_after_an_echo_that_was_cut_short_is_answered():
    class CuttingCable(EchoingCable):
        def carry(self, sender, receiver, data):
            Cable.carry(self, sender, receiver, data)
            if sender == self._ends[0][0]:
                os.write(sender, data[:-1])

    cable = CuttingCable()
    server = server_at(cable.left, echo=True)
    server.open()
    with running(cable), running(server), RtuMaster(cable.right) as master:
        for _ in range(5):
            assert master.ask(100, REQUEST) == ANSWER
            begin = time.monotonic()
            until(lambda: time.monotonic() > begin + 0.01)


@pytest.mark.parametrize("gap", [0.008, 0.016])
def test_a_request_in_lumps_is_answered(cable, gap):
    server = server_at(cable.left)
    server.open()
    frame = adu.rtu_frame(100, REQUEST)
    with running(server), RtuMaster(cable.right) as master:
        for cut in range(1, len(frame)):
            answers = (ask_in_lumps(master, frame, cut, gap) for _ in range(5))  # a machine held up makes the gap longer
            assert next(filter(None, answers), b"") == ANSWER


def ask_in_lumps(master, frame: bytes, cut: int, gap: float) -> bytes:
    """Write a frame in two pieces with a gap between them; return the answer, if any."""
    begin = time.monotonic()
    master.port.write(frame[:cut])
    until(lambda: time.monotonic() > begin + gap)
    master.port.write(frame[cut:])
    return master.answer(100)


@pytest.mark.parametrize("before", [
    b"\0", b"\xff", adu.rtu_frame(5, REQUEST), adu.rtu_frame(5, ANSWER), adu.rtu_frame(100, REQUEST)[:-1],
    bytes.fromhex("0008000055551eb5") * 12, adu.rtu_frame(5, ANSWER) + b"\0",
], ids=["zero", "noise", "foreign request", "foreign reply", "damaged request", "baud rate search", "reply and noise"])
def test_a_request_glued_to_something_else_is_answered(master, before):
    master.port.write(before + adu.rtu_frame(100, REQUEST))
    assert master.answer(100) == ANSWER
    assert master.hears_nothing()


def test_no_answer_starts_before_the_silence_is_over(master):
    silence = adu.frame_silence(19200, "8N1")
    for _ in range(50):
        begin = time.monotonic()
        master.port.write(adu.rtu_frame(100, REQUEST))
        assert master.answer(100) == ANSWER
        assert time.monotonic() - begin >= silence


def test_a_request_that_no_silence_follows_is_not_answered(master):
    master.port.write(adu.rtu_frame(100, REQUEST) + adu.rtu_frame(5, ANSWER))
    assert master.hears_nothing()
    assert master.ask(100, REQUEST) == ANSWER


def test_a_babbler_is_survived_and_the_request_after_it_answered(cable):
    server = server_at(cable.left)
    server.open()
    with running(server), RtuMaster(cable.right) as master:
        master.port.write(b"\x64\x10\0" * 3000)
        master.port.write(b"\xff" + adu.rtu_frame(100, REQUEST))
        assert master.answer(100) == ANSWER
        is_over = threading.Event()
        babble = threading.Thread(target=lambda: [master.port.write(b"\xff" * 64) for _ in iter(is_over.is_set, True)])
        babble.start()
        until(lambda: server.selector.select(0))
        server.stop()
        assert server.join(2)
        is_over.set()
        babble.join()


def test_a_driver_without_rs485_is_named(cable):
    with pytest.raises(DownstreamError, match="the device does not take 19200 8N1 with rs485"):
        server_at(cable.left, rs485="kernel").open()


@pytest.mark.parametrize("hold", [lambda fd: fcntl.flock(fd, fcntl.LOCK_EX), lambda fd: fcntl.ioctl(fd, termios.TIOCEXCL)],
                         ids=["flock", "TIOCEXCL"])
def test_a_device_that_another_program_holds_is_left_as_it_is_and_served_when_it_is_free(cable, caplog, hold):
    caplog.set_level("INFO")
    held = os.open(cable.left, os.O_RDWR | os.O_NOCTTY)
    hold(held)
    settings = termios.tcgetattr(held)
    server = server_at(cable.left)
    server.open()
    with running(server):
        until(lambda: caplog.records)
        assert server.state == "away: another program uses the device; stop it, or name another device"
        assert termios.tcgetattr(held) == settings
        fcntl.ioctl(held, termios.TIOCNXCL)  # the other end of the cable keeps the device open
        os.close(held)
        until(lambda: server.state == "serving")
        with RtuMaster(cable.right) as master:
            assert master.ask(100, REQUEST) == ANSWER
    assert [record.message.split(" after ")[0] for record in caplog.records] == [
        f"maxem: rtu://{cable.left}: another program uses the device; stop it, or name another device; "
        "it is opened as soon as it can be", f"serving maxem on rtu://{cable.left}"]


def test_what_is_no_serial_device_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownstreamError, match="cannot serve on rtu:///.*/file: "):
        server_at(tmp_path / "file").open()


def test_an_adapter_that_is_absent_is_opened_when_it_appears(cable, tmp_path, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "ttyUSB0"
    server = server_at(path)
    server.open()
    with running(server):
        path.symlink_to(cable.left)
        until(lambda: f"serving maxem on rtu://{path}" in caplog.text, timeout=2)
        with RtuMaster(cable.right) as master:
            assert master.ask(100, REQUEST) == ANSWER
    assert [record.message.split(" after ")[0] for record in caplog.records] == [
        f"maxem: rtu://{path}: there is no such device; it is opened as soon as it can be",
        f"serving maxem on rtu://{path}"]


def test_an_adapter_may_be_pulled_and_returned(tmp_path, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "ttyUSB0"
    first, second = Cable(), Cable()
    path.symlink_to(first.left)
    server = server_at(path)
    server.open()
    with running(second), running(server):
        with running(first), RtuMaster(first.right) as master:
            assert master.ask(100, REQUEST) == ANSWER
        path.unlink()
        until(lambda: "it is opened as soon as it can be" in caplog.text, timeout=2)
        begin, burnt = time.monotonic(), time.process_time()
        until(lambda: time.monotonic() > begin + 0.5)
        assert time.process_time() - burnt < 0.25, "it spins"
        path.symlink_to(second.left)
        until(lambda: "after" in caplog.records[-1].message, timeout=2)
        with RtuMaster(second.right) as master:
            assert master.ask(100, REQUEST) == ANSWER
    assert len(caplog.records) == 3


def test_a_server_without_an_adapter_stops_at_once(tmp_path):
    server = server_at(tmp_path / "nothing")
    server.open()
    begin = time.monotonic()
    with running(server):
        pass
    assert time.monotonic() - begin < 0.5 * SLOWNESS
