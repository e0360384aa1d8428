"""Functions beyond reading and writing: sent once where they are allowed, answered from the profile, else refused."""

import random
import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from softsplit import Downstream, Unit, Upstream, clock
from softsplit.commands.check.wiring import draw
from softsplit.commands.scan.examiner import Examiner
from softsplit.commands.scan.prober import Prober
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.simulate.simulate import simulated_server
from softsplit.config.topology import Topology
from softsplit.config.url import parse_url
from softsplit.downstream.servers.framing import Framer
from softsplit.downstream.unserved import Unserved
from softsplit.errors import ConfigError
from softsplit.profiles.loader import parse_profile
from softsplit.protocol import adu, pdu
from softsplit.protocol.nameplate import Nameplate
from tests.support import SLOWNESS, RtuMaster, TcpMaster, read_request, running, splitting, until
from tests.support.bus import good_answer
from tests.support.datagramdevice import DatagramDevice

OWN, OWN_ANSWER = b"\x41\x07\x01\x02", b"\x41\x00\x99what only it knows\x01"
IDENTIFY, NAME = b"\x2b\x0e\x01\x00", b"\x2b\x0e\x01\x81\x00\x00\x02\x00\x04ACME\x01\x02B2"
SERVER_ID = b"\x11\x04\x17\xffhi"
ANSWERS = {OWN: OWN_ANSWER, IDENTIFY: NAME, b"\x11": SERVER_ID, b"\x2b\x0d\x01": b"\x2b\x0dabc", b"\x07": b"\x07\x55"}
ALL = ["meters/1 0x41", "meters/1 43", "meters/1 17", "meters/1 7"]
PLAIN = parse_profile("block = [{ address = 0, count = 4, every = 0.1 }]", "plain")
KNOWN = parse_profile('vendor = "ACME"\nproduct = "M2"\nrevision = "1.0"\nblock = [{ address = 0, count = 4, every = 0.1 }]', "known")


class Serial(RtuMaster):
    """A master on a serial line that reads an answer up to a silence."""

    def answer(self, unit: int) -> bytes:
        frame = self.port.read(1)
        while more := self.port.read(self.port.in_waiting):
            frame += more
            is_over.wait(0.02)
        assert frame[0] == unit and adu.is_rtu_frame(frame), frame.hex(" ")
        return frame[1:-2]


is_over = threading.Event()  # never, in this module: a wait is a pause


class SerialServer:
    """A device behind a serial server that passes bytes through; `say(sock, frame)` puts an answer on the wire."""

    def __init__(self):
        self.requests: list[bytes] = []
        self.say = lambda sock, frame: sock.sendall(frame)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtuovertcp://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            while data := sock.recv(4096):
                unit, request = adu.take_apart(data)
                self.requests.append(request)
                if answer := answer_of(unit, request):
                    self.say(sock, adu.rtu_frame(unit, answer))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def answer_of(unit: int, request: bytes) -> bytes | None:
    return good_answer(unit, request) if request[0] in (3, 4) else ANSWERS.get(request, pdu.exception_pdu(request[0], 1))


@contextmanager
def device_of(kind: str):
    """A device on this kind of wire; gives its url, and the requests that it has heard."""
    if kind == "udp":
        with DatagramDevice(lambda transaction, unit, request: adu.tcp_frame(transaction, unit, answer_of(unit, request))) as device:
            yield str(device.url), lambda: [request for _, _, request in device.requests]
    else:
        with SerialServer() as device:
            yield device.url, lambda: device.requests


@contextmanager
def house(url: str, profile=PLAIN, timeout: float = 0.4 * SLOWNESS, **keys):
    """A splitter of one unit, whose masters ask over TCP and over a serial line."""
    meters, cable = Upstream(url, [Unit(1, profile)], timeout, name="meters"), Cable()
    here = [Downstream("tcp://127.0.0.1:0", [meters], name="tcp", **keys),
            Downstream(f"rtu://{cable.left}", [meters], mode="8N1", name="serial", **keys)]
    with running(cable), splitting(*here) as splitter, TcpMaster(splitter.servers[0].url.port) as tcp, \
            Serial(cable.right) as serial:
        until(lambda: tcp.ask(1, read_request(0, 4))[0] == 3)
        yield tcp, serial


@pytest.mark.parametrize("kind", ["udp", "rtuovertcp"])
def test_an_allowed_function_is_sent_once_and_never_kept(monkeypatch, kind):
    monkeypatch.setattr(adu, "STREAM_JOIN", 0.03)
    with device_of(kind) as (url, requests), house(url, allow_functions=ALL) as masters:
        for master in masters:
            for _ in range(2):
                before = {request: requests().count(request) for request in ANSWERS}
                for request, answer in ANSWERS.items():
                    assert master.ask(1, request) == answer
                    assert requests().count(request) == before[request] + 1
            assert master.ask(1, b"\x41\x00") == b"\xc1\x01", "as the device says"


def test_what_is_not_listed_is_refused_and_nothing_is_sent():
    with device_of("udp") as (url, requests), house(url, allow_functions=["meters/1 43/14"]) as masters:
        for master in masters:
            assert master.ask(1, IDENTIFY) == NAME
            for request in (OWN, b"\x11", b"\x2b\x0d\x01", b"\x07", b"\x08\x00\x00\x00\x00"):
                assert master.ask(1, request) == bytes((request[0] | 0x80, 1))
        assert {request[0] for request in requests()} == {3, 43}


def test_an_answer_over_rtu_ends_where_silence_follows():
    inner = adu.rtu_frame(1, b"\x41abc")  # a whole frame, with a CRC of its own
    whole = adu.rtu_frame(1, inner[1:] + b"and more")

    def in_pieces(sock, frame):
        if frame[1] == 0x41:
            sock.sendall(inner)
            is_over.wait(0.005)
            frame = whole[len(inner):]
        sock.sendall(frame)

    with SerialServer() as device, house(device.url, allow_functions=ALL) as (master, _):
        device.say = in_pieces
        assert master.ask(1, OWN) == whole[1:-2]
        device.say = lambda sock, frame: sock.sendall(frame[:-1] + bytes((frame[-1] ^ 1,)) if frame[1] == 0x41 else frame)
        assert master.ask(1, OWN) == b"\xc1\x0b", "damaged"
        device.say = lambda sock, frame: sock.sendall(frame)
        assert master.ask(1, OWN) == OWN_ANSWER


def test_a_request_that_a_usb_adapter_delivers_in_lumps_is_one_although_its_function_does_not_tell_its_length():
    framer, frame = Framer(Unserved("serial", [1])), adu.rtu_frame(1, OWN)
    assert framer.segment(frame[:4], 10.0, 10.004) is None and framer.expires_at > 10.02
    assert framer.segment(frame[4:], 10.02, 10.024) == frame and framer.expires_at is None
    assert framer.segment(frame[:4], 11.0, 11.004) is None and framer.expire() is None
    good = adu.rtu_frame(1, read_request(0, 4))
    assert framer.segment(frame[:4] + good, 12.0, 12.01) == good, "after noise"
    assert framer.segment(frame[:4], 13.0, 13.004) is None and framer.segment(good, 13.02, 13.03) == good


def test_a_function_that_is_not_answered_is_not_repeated(caplog):
    with SerialServer() as device, house(device.url, allow_functions=ALL) as (master, serial):
        device.say = lambda sock, frame: frame[1] == 0x41 or sock.sendall(frame)
        assert master.ask(1, OWN) == b"\xc1\x0b"
        assert device.requests.count(OWN) == 1
        assert "whether it was done is not known" in caplog.text


def test_who_asks_what_a_device_is_gets_what_its_profile_says():
    with device_of("udp") as (url, requests), house(url, KNOWN) as masters:
        for master in masters:
            assert master.ask(1, IDENTIFY) == b"\x2b\x0e\x01\x81\x00\x00\x03\x00\x04ACME\x01\x02M2\x02\x031.0"
            assert master.ask(1, b"\x11") == b"\x11\x0d\x01\xffACME M2 1.0"
        assert {request[0] for request in requests()} == {3}
    with device_of("udp") as (url, requests), house(url, KNOWN, allow_functions=["meters/1 43/14"]) as (master, _):
        assert master.ask(1, IDENTIFY) == NAME, "its own word goes before"


def test_a_unit_that_is_gone_is_not_named_any_more(tmp_path):
    with device_of("rtuovertcp") as (url, _):
        meters = Upstream(url, [Unit(1, KNOWN)], 0.05, name="meters")
        with splitting(Downstream("tcp://127.0.0.1:0", [meters], max_age=0.2)) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            until(lambda: master.ask(1, read_request(0, 4))[0] == 3)
            assert master.ask(1, b"\x11")[0] == 0x11
            mirror = splitter.servers[0].databank.mirrors[1]
            mirror._store.unit._silence.unanswered, mirror._store.unit._answered_at = 2, clock.now() - 1
            assert mirror.handle_request(b"\x11") == b"\x91\x0b" and mirror.handle_request(IDENTIFY) == b"\xab\x0b"


def test_a_simulated_device_names_itself_and_scan_tells():
    server = simulated_server(KNOWN, (1,), parse_url("udp://127.0.0.1:0", ("udp",), 0))
    server.open()
    with running(server), Prober(server.url, 2.0 * SLOWNESS) as prober:  # as scan does
        assert dict(Examiner(prober).examine(1, []).named) == {"vendor": "ACME", "product": "M2", "revision": "1.0"}


@pytest.mark.parametrize("asked, answer", [
    ("11", "11 0d 07 ff 41434d45204d3220312e30"),
    ("1100", "91 03"),
    ("2b0e0100", "2b 0e 01 81 00 00 03 00 04 41434d45 01 02 4d32 02 03 312e30"),
    ("2b0e0202", "2b 0e 02 81 00 00 01 02 03 312e30"),
    ("2b0e0380", "2b 0e 03 81 00 00 03 00 04 41434d45 01 02 4d32 02 03 312e30"),
    ("2b0e0401", "2b 0e 04 81 00 00 01 01 02 4d32"),
    ("2b0e0403", "ab 02"),
    ("2b0e0500", "ab 03"),
    ("2b0e01", "ab 03"),
    ("2b0d0000", "ab 01"),
    ("2b", "ab 01"),
])
def test_identification_answers_as_the_specification_says(asked, answer):
    nameplate = Nameplate("ACME", "M2", "1.0")
    found = nameplate.answer(7, bytes.fromhex(asked))
    assert found == bytes.fromhex(answer)
    if found[0] == 0x2B:
        assert pdu.identification_size(found) == len(found)
    assert nameplate.answer(7, b"\x03\0\0\0\1") is None


def test_whatever_is_asked_a_nameplate_answers_with_a_whole_pdu_or_nothing():
    dice, nameplate = random.Random(43), Nameplate("A" * 60, "B" * 60, "C" * 60)
    for _ in range(3000):
        asked = dice.choice((b"\x11", b"\x2b", b"\x2b\x0e", b"")) + dice.randbytes(dice.randint(1, 5))
        answer = nameplate.answer(1, asked)
        assert answer is None or 2 <= len(answer) <= 253 and (answer[0] & 0x7F) == asked[0]


@pytest.mark.parametrize("text, told", [
    ("meters/1", "names no function of a unit; write it like \"meters/100 43/14\""),
    ("meters/1 0", "there is no function 0; allowed are 1 to 127"),
    ("meters/1 128", "there is no function 128"),
    ("meters/1 3", "function 3 reads or writes data; reading needs no permission, and writing is permitted by allow_writes"),
    ("meters/1 0x10", "function 16 reads or writes data"),
    ("meters/1 17/1", "function 17 has no sub-function 1; leave it out"),
    ("meters/1 43/256", "function 43 has no sub-function 256"),
    ("meters/2 17", 'unknown unit of this downstream "meters/2"'),
    (17, "17 is not text"),
])
def test_a_function_that_cannot_be_meant_is_refused(text, told):
    meters = Upstream("tcp://127.0.0.1:1", [Unit(1, PLAIN)], name="meters")
    with pytest.raises(ConfigError) as raised:
        Downstream("tcp://127.0.0.1:0", [meters], allow_functions=[text])
    assert str(raised.value).startswith("allow_functions: ") and told in str(raised.value)


def test_check_says_which_functions_masters_may_use():
    meters = Upstream("tcp://127.0.0.1:1", [Unit(1, PLAIN)], name="meters")
    here = Downstream("tcp://127.0.0.1:0", [meters], allow_functions=["meters/1 43/0x0E", "meters/1 0x41", "meters/1 8/0"])
    assert "unit 1  from meters/1  masters may use functions 43/14, 65, 8/0" in draw(Topology([here]), "house")
    tap = Upstream("listen://127.0.0.1:1", [Unit(1, PLAIN)], name="meters")
    with pytest.raises(ConfigError, match="allow_functions: meters is only heard; nothing can be sent there"):
        Downstream("tcp://127.0.0.1:0", [tap], allow_functions=["meters/1 17"])


@pytest.mark.parametrize("text, told", [
    ('vendor = "ACME"', "product: is missing; vendor, product and revision belong together"),
    ('vendor = "ACME"\nproduct = "M2"\nrevision = 1', "revision: 1 is not text"),
    ('vendor = "ACME"\nproduct = "' + 61 * "x" + '"\nrevision = "1"', "is too long; allowed are 60 bytes"),
    ('vendor = "AC\\nME"\nproduct = "M2"\nrevision = "1"', "vendor: .* is no name"),
])
def test_a_profile_that_does_not_say_what_its_device_is_called_is_refused(text, told):
    with pytest.raises(ConfigError, match=told):
        parse_profile(f"{text}\nblock = [{{ address = 0, count = 4 }}]", "wrong")
