"""Lines that echo, and lines that do not: what comes back of our own answers is never executed, what a master says is."""

import os
import select
import signal
import socket
from contextlib import ExitStack, contextmanager

import pytest

from softsplit import Downstream, Profile, Unit, Upstream, clock
from softsplit.commands.simulate.pty import Cable
from softsplit.downstream.servers.echo import Echo
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from tests.support import SOFTSPLIT, Child, free_port, read_request, running, splitting, until
from tests.support.bus import Bus
from tests.test_forwarding import Device

PROFILE = Profile("writable", (Read(Block(Table.HOLDING_REGISTERS, 0, 4), "polled", 0.1),),
                  readable=(Block(Table.HOLDING_REGISTERS, 0, 1000), Block(Table.COILS, 0, 64)), functions=(1, 3, 5, 6, 16, 22, 23))
WRITE = b"\x06\x00\x10\x12\x34"
KINDS = ("rtu", "rtuovertcp")


class EchoingCable(Cable):
    """A cable whose left adapter hears what it sends, after some noise, in lumps of so many bytes."""

    noise, lump = b"", 1000

    def carry(self, sender: int, receiver: int, data: bytes) -> None:
        super().carry(sender, receiver, data)
        if sender == self._ends[0][0]:
            heard = self.noise + data
            for at in range(0, len(heard), self.lump):
                os.write(sender, heard[at:at + self.lump])
                self.pause(0.016 if at + self.lump < len(heard) else 0)


class Master:
    """A master on a line that is a file or a socket; on a socket it is the serial server which echoes, too."""

    def __init__(self, fd: int, echoes: bool = False):
        self._fd = fd
        self._echoes = echoes

    def say(self, pdu: bytes) -> None:
        os.write(self._fd, adu.rtu_frame(1, pdu))

    def hears(self, seconds: float = 5.0) -> bytes:
        """Return the PDU that comes next, nothing when none does."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return b""
        frame = os.read(self._fd, 4096)
        if self._echoes:
            os.write(self._fd, frame)
        return adu.take_apart(frame)[1]

    def ask(self, pdu: bytes) -> bytes:
        self.say(pdu)
        return self.hears()


@contextmanager
def line(tmp_path, kind: str, echoes: bool = True, cable=EchoingCable, **options):
    """A writable unit behind a line of which nothing is known, since nobody has said anything; gives the unit and a master."""
    device = Device()
    with ExitStack() as stack:
        bus = stack.enter_context(Bus("tcp", tmp_path, device))
        meters = Upstream(bus.url, [Unit(1, PROFILE)], 1.0, "meters")
        if kind == "rtu":
            wire = stack.enter_context(running_one(cable() if echoes else Cable()))
            url = f"rtu://{wire.left}"
            options |= {"mode": "8N1", "baudrate": 2400}  # slow enough for echoes on a busy machine
        else:
            url = "rtuovertcp://127.0.0.1:0"
        writes = ["meters/1 holding registers 0+100", "meters/1 coils 0+10"]
        splitter = stack.enter_context(splitting(Downstream(url, [meters], allow_writes=writes, **options)))
        until(lambda: splitter.servers[0].databank.mirrors[1].data(PROFILE.reads[0].block))
        if kind == "rtu":
            fd = os.open(wire.right, os.O_RDWR | os.O_NOCTTY)
            stack.callback(os.close, fd)
            yield device, Master(fd)
        else:
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", splitter.servers[0].url.port)))
            yield device, Master(sock.fileno(), echoes)


@contextmanager
def running_one(worker):
    with running(worker):
        yield worker


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pdu", [b"\x05\x00\x03\xff\x00", WRITE, b"\x16\x00\x02\x00\xff\x00\x01"], ids=["coil", "register", "mask"])
def test_the_first_request_ever_is_a_write_and_is_executed_once(tmp_path, kind, pdu):
    with line(tmp_path, kind) as (device, master):
        assert master.ask(pdu) == pdu
        assert master.hears(0.4) == b"" and device.written == [(1, pdu)]
        assert master.ask(read_request(0, 4)) == device(1, read_request(0, 4)) and master.hears(0.2) == b""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pdu", [b"\x17\x00\x32\x00\x05\x00\x10\x00\x01\x02\x00\x09", read_request(0, 24, 1)], ids=["registers", "24 coils"])
def test_an_answer_with_the_shape_of_a_request_is_not_answered(tmp_path, kind, pdu):
    with line(tmp_path, kind) as (device, master):
        device.registers[1, 0x35] = 2  # where a request to write and read tells how long it is
        answer = master.ask(pdu)
        frame = adu.rtu_frame(1, answer)
        assert adu.request_length(frame) == len(frame)
        assert master.hears(0.4) == b""


@pytest.mark.parametrize("noise, lump", [(b"\0", 1000), (b"", 3), (b"\xff", 3)])
def test_an_echo_in_lumps_or_after_noise_is_one(tmp_path, noise, lump):
    class Worse(EchoingCable):
        pass

    Worse.noise, Worse.lump = noise, lump
    with line(tmp_path, "rtu", cable=Worse) as (device, master):
        assert master.ask(WRITE) == WRITE
        assert master.hears(0.2) == b"" and device.written == [(1, WRITE)]


def test_an_echo_that_comes_behind_noise_and_in_lumps_is_no_sign_that_there_is_none():
    frame = adu.rtu_frame(1, WRITE)
    for sent in (frame, adu.rtu_frame(1, b"\x03\x08" + bytes(range(8)))):
        for noise in (b"\0", b"\xff"):
            for at in range(1, len(sent)):
                echo = Echo()
                echo.expect(sent, 1.0)
                assert not echo.strip(noise + sent[:at], 1.0) and not echo.strip(sent[at:], 1.01)
                echo.nothing_came(2.0)
                assert echo.is_heard is not False


def test_bytes_without_a_meaning_are_no_sign_that_nothing_echoes():
    echo = Echo()
    echo.expect(adu.rtu_frame(1, b"\x03\x02\x00\x07"), 1.0)
    echo.strip(b"\x55", 1.0)
    echo.nothing_came(2.0)
    assert echo.is_heard is None


def test_a_write_goes_round_a_few_times_at_most_where_a_late_echo_was_taken_for_none():
    frame, echo = adu.rtu_frame(1, WRITE), Echo(False)
    executed = 0
    for number in range(20):
        echo.expect(frame, number)
        if not echo.strip(frame, number + 0.005):
            break
        executed += 1
    assert 3 < executed < 10 and echo.is_heard is None
    assert echo.strip(frame, number + 0.1) == frame, "the next one comes from a master"


@pytest.mark.parametrize("echoes", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_write_a_second_later_is_a_write(tmp_path, kind, echoes):
    with line(tmp_path, kind, echoes) as (device, master):
        for seconds in (1.0, 0.1):
            assert master.ask(WRITE) == WRITE
            assert master.hears(seconds) == b""
        assert device.written == [(1, WRITE)] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_where_a_read_has_shown_that_nothing_echoes_the_same_write_at_once_is_a_write(tmp_path, kind):
    with line(tmp_path, kind, echoes=False) as (device, master):
        assert master.ask(read_request(0, 4)) == device(1, read_request(0, 4))
        assert [master.ask(WRITE) for _ in range(3)] == [WRITE] * 3 and len(device.written) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_where_a_read_was_echoed_the_same_write_again_at_once_is_a_write_too(tmp_path, kind):
    with line(tmp_path, kind) as (device, master):
        assert master.ask(read_request(0, 4)) == device(1, read_request(0, 4))
        assert [master.ask(WRITE) for _ in range(3)] == [WRITE] * 3 and len(device.written) == 3


def test_an_echo_that_came_while_the_program_stood_still_is_one(tmp_path):
    device, port = Device(), free_port()
    with Bus("tcp", tmp_path, device) as bus:
        (tmp_path / "any.toml").write_text('functions = [3, 6]\nreadable = [{ table = "holding registers", address = 0, count = 1000 }]\n')
        config = tmp_path / "softsplit.toml"
        config.write_text(f'[upstream.meters]\nurl = "{bus.url}"\nunits = {{ 1 = "any.toml" }}\n[downstream.behind]\n'
                          f'url = "rtuovertcp://127.0.0.1:{port}"\nallow_writes = ["meters/1 holding registers 0+100"]\n')
        with Child([*SOFTSPLIT, "run", "-c", str(config)]) as child:
            until(lambda: "serving" in child.log(), timeout=10)
            with socket.create_connection(("127.0.0.1", port), 5) as sock:
                sock.sendall(adu.rtu_frame(1, WRITE))
                heard = sock.recv(100)
                child.process.send_signal(signal.SIGSTOP)
                sock.sendall(heard)
                begin = clock.now()
                until(lambda: clock.now() - begin > 0.6)
                child.process.send_signal(signal.SIGCONT)
                sock.settimeout(0.4)
                with pytest.raises(TimeoutError):
                    sock.recv(100)
                assert device.written == [(1, WRITE)]
