"""Troubles of a house: how each is made, and the first sentence that a person reads of it, wherever that person looks.

A row has a name, what makes the trouble - a context manager which gives the upstream's url, or a table of its keys -
and the parts of the sentence, between which "for 10 s" may stand. The sentence is looked for in the log, in
`status`, in `doctor` beside the running splitter, and in `top --once`.
"""

import contextlib
import http.server
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from softsplit.cli import main
from softsplit.protocol import adu
from tests.support import SLOWNESS, SOFTSPLIT, Child, ScriptedGateway, free_port, until
from tests.support.bus import Bus, good_answer

TIMEOUT = 0.15 * SLOWNESS
METER = '[[block]]\nname = "powers"\naddress = 100\ncount = 4\nevery = 0.1\n'
HELD = "something else may hold the gateway's only connection (the old master, a Cerbo, evcc?)"
LINE = "are A and B the right way round, is the line terminated?"
TOLD_IN = ("log", "status", "doctor", "top")


@dataclass(frozen=True)
class Trouble:
    """`says` are the parts of the first sentence; {name} in them stands for the upstream, {place} for its HOST:PORT."""

    name: str
    make: Callable
    says: tuple[str, ...]
    told_in: tuple[str, ...] = TOLD_IN

    @property
    def name_in_file(self) -> str:
        return re.sub("[^a-z]+", "-", self.name.lower())


@contextmanager
def gateway_that_is_off(directory):
    yield f"tcp://127.0.0.1:{free_port()}"


@contextmanager
def unknown_host(directory):
    yield "tcp://gateway.invalid:502"


class Line(Bus):
    """A bus that ignores what is no request, as devices on a line do."""

    def _answer(self, heard, say):
        return super()._answer(heard, say) if self.kind == "tcp" or adu.is_rtu_frame(heard) else b""


@contextmanager
def bus(directory, kind="rtuovertcp", scheme=None, fault=None, there=(100, 2), **keys):
    """A bus on which the units `there` answer, or all of it does as `fault` wants; its url says `scheme`."""
    def only_some(say, frame, unit, pdu):
        if unit in there:
            say(frame(unit, good_answer(unit, pdu)))

    with Line(kind, directory) as found:
        found.fault = fault or only_some
        yield {"url": found.url.replace(f"{kind}://", f"{scheme or kind}://"), **keys}


def faulty(fault, kind="rtu", **keys):
    """A bus that answers with `fault(frame, unit, pdu)`."""
    def make(directory):
        return bus(directory, kind, fault=lambda say, frame, unit, pdu: say(fault(frame, unit, pdu)), **keys)
    return make


def only(*there, kind="rtu", **keys):
    """A bus on which only these units are."""
    return lambda directory: bus(directory, kind, there=there, **keys)


@contextmanager
def tcp_gateway(directory, reply=None, scheme="tcp", **keys):
    """A Modbus TCP gateway, whatever its url says."""
    with ScriptedGateway(reply or good) as found:
        yield {"url": str(found.url).replace("tcp://", f"{scheme}://"), **keys}


def scripted(answer, **keys):
    """A Modbus TCP gateway that answers with `answer(number, unit, pdu)`."""
    return lambda directory: tcp_gateway(directory, answer, **keys)


@contextmanager
def web_server(directory):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    server.handle_error = lambda *_: None  # who hangs up
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"tcp://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@contextmanager
def listener(directory, serve: Callable[[socket.socket], None], scheme="tcp"):
    """Somebody at a port who does `serve` with each connection, in a thread of its own."""
    def accept():
        with contextlib.suppress(OSError):
            while True:
                sock, _ = server.accept()
                threading.Thread(target=attend, args=(sock,), daemon=True).start()

    def attend(sock):
        with sock, contextlib.suppress(OSError):
            serve(sock)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def banner(text: bytes, scheme="tcp"):
    def greet(sock):
        sock.sendall(text)
        while sock.recv(100):
            pass
    return lambda directory: listener(directory, greet, scheme)


def hangs_up(directory):
    return listener(directory, lambda sock: None)


def accepts_and_is_silent(directory):
    def ignore(sock):
        while sock.recv(100):
            pass
    return listener(directory, ignore)


def hears_late(what_it_does_before):
    """A gateway that is ready half a second after connecting; `what_it_does_before` gets an earlier request."""
    def serve(sock):
        connected_at = time.monotonic()
        while request := sock.recv(300):
            if time.monotonic() - connected_at < 0.5:
                what_it_does_before(sock)
            else:
                sock.sendall(good(int.from_bytes(request[:2], "big"), request[6], request[7:]))
    return lambda directory: listener(directory, serve)


def refusal(code):
    return lambda number, unit, pdu: adu.tcp_frame(number, unit, bytes((pdu[0] | 0x80, code)))


def good(number, unit, pdu):
    """The right answer; none to what is no Modbus TCP."""
    return adu.tcp_frame(number, unit, good_answer(unit, pdu)) if len(pdu) == 5 else b""


@contextmanager
def answers_late(directory):
    """A gateway whose one unit needs a third more time than it has."""
    late = threading.Event()
    def reply(number, unit, pdu):
        late.wait(1.35 * TIMEOUT)
        return good(number, unit, pdu)
    with tcp_gateway(directory, reply, units=(100,)) as found:
        yield found


@contextmanager
def needs_a_gap(directory):
    """A gateway which loses requests that follow an answer at once."""
    answered_at = [0.0]

    def reply(number, unit, pdu):
        if time.monotonic() - answered_at[0] < 0.06:
            return b""
        answered_at[0] = time.monotonic()
        return good(number, unit, pdu)
    with tcp_gateway(directory, reply) as found:
        yield found


@contextmanager
def goes_off(directory):
    """A gateway behind which unit 2 answers once, and never again."""
    asked = []

    def reply(number, unit, pdu):
        asked.append(unit)
        return good(number, unit, pdu) if unit != 2 or asked.count(2) < 3 else b""
    with tcp_gateway(directory, reply) as found:
        yield found


TROUBLES = [
    Trouble("the gateway is off", gateway_that_is_off,
            ("{name}: cannot reach tcp://{place}: Connection refused", "is it on, at this address and port?")),
    Trouble("the name of the gateway is wrong", unknown_host, ("{name}: cannot reach tcp://{place}: ", "is it on")),
    Trouble("a gateway passes bytes through, the url says tcp", lambda place: bus(place, scheme="tcp"),
            ("{name}: the gateway answers Modbus RTU: its url is rtuovertcp://{place}",)),
    Trouble("a gateway speaks Modbus TCP, the url says rtuovertcp",
            lambda place: tcp_gateway(place, scheme="rtuovertcp"),
            ("{name}: the gateway answers Modbus TCP: its url is tcp://{place}",)),
    Trouble("a web server is at the port", web_server, ("{name}: a web server answers at {place}", "is the port right?")),
    Trouble("a login is at the port", banner(b"SSH-2.0-OpenSSH_9.6\r\n"),
            ("{name}: no Modbus device answers at {place}, but one that says \"SSH-2.0-OpenSSH_9.6\"", "is the port right?")),
    Trouble("a login is at the port of an RTU url", banner(b"Welcome to EW11\r\nlogin: ", "rtuovertcp"),
            ("{name}: no Modbus device answers at {place}, but one that says \"Welcome to EW11 login:\"",)),
    Trouble("the old master holds the gateway, which hangs up on others", hangs_up,
            ("{name}: the gateway at tcp://{place} hangs up after connecting", HELD, "set connect_delay = 3")),
    Trouble("the gateway hangs up on who asks at once", hears_late(lambda sock: sock.shutdown(socket.SHUT_RDWR)),
            ("{name}: the gateway at tcp://{place} needs a pause after connecting", "set connect_delay = 1")),
    Trouble("the old master holds the gateway, which ignores others", accepts_and_is_silent,
            ("{name}: no unit answers", HELD)),
    Trouble("nothing is on the serial line", only(), ("{name}: no unit answers", "set to 19200 8E1", LINE)),
    Trouble("the baud rate is wrong", faulty(lambda frame, unit, pdu: b"\xf8\x3e\x07\x99\x1c\xe0\x7b\x33"),
            ("bytes arrive that are no Modbus: baud rate or parity", '"softsplit scan" finds it')),
    Trouble("the baud rate behind a gateway is wrong",
            faulty(lambda frame, unit, pdu: b"\xf8\x3e\x07\x99\x1c\xe0\x7b\x33", kind="rtuovertcp"),
            ("bytes arrive that are no Modbus: baud rate or parity", '"softsplit scan" finds it')),
    Trouble("a unit id is wrong", only(2), ("{name}: unit 100 does not answer", "unit 2 answers, so is 100 its unit id")),
    Trouble("a unit id is wrong behind a gateway that is silent", scripted(
        lambda number, unit, pdu: good(number, unit, pdu) if unit == 2 else b""),
        ("{name}: unit 100 does not answer", "unit 2 answers, so is 100 its unit id")),
    Trouble("a unit id is wrong behind a gateway that says so", scripted(
        lambda number, unit, pdu: (good if unit == 2 else refusal(0x0B))(number, unit, pdu)),
        ("{name}: unit 100: exception 0x0B (gateway target did not answer)", "unit 2 answers, so is 100 its unit id")),
    Trouble("all units behind a gateway are off", scripted(refusal(0x0B)),
            ("exception 0x0B (gateway target did not answer)", LINE)),
    Trouble("a unit answers after its time", answers_late, ("{name}: unit 100 answers", "s after the time-out", "set timeout = ")),
    Trouble("one of two units goes off", goes_off, ("{name}: unit 2 does not answer",)),
    Trouble("a unit needs a pause", needs_a_gap, ("{name}: unit ", "loses requests that follow an answer at once", "request_gap = 0.1")),
    Trouble("the gateway returns other transaction ids", scripted(
        lambda number, unit, pdu: good(number + 1 & 0xFFFF, unit, pdu)),
        ("{name}: ", "answers came with transaction id ", " instead of ", 'set transaction_ids = "ignore"')),
    Trouble("another unit answers", scripted(lambda number, unit, pdu: adu.tcp_frame(number, 7, good_answer(unit, pdu))),
            ("{name}: unit 100: the answer has unit 7 instead of 100",)),
    Trouble("the one unit there answers as another", scripted(
        lambda number, unit, pdu: adu.tcp_frame(number, 255, good_answer(unit, pdu)), units=(100,)),
            ("{name}: unit 100: the answer has unit 255 instead of 100", "set answers_as = 255")),
    Trouble("another unit answers on the line", faulty(lambda frame, unit, pdu: frame(7, good_answer(unit, pdu)), units=(100,)),
            ("{name}: unit 100: the answer has unit 7 instead of 100",)),
    Trouble("answers have a wrong length", scripted(
        lambda number, unit, pdu: adu.tcp_frame(number, unit, b"\x03\x02\0\1")),
        ("{name}: unit 100: the answer has 2 bytes of data instead of 8",)),
    Trouble("the headers of answers say a wrong length", scripted(
        lambda number, unit, pdu: adu.HEADER.pack(number, 0, 12, unit) + good_answer(unit, pdu)),
        ("{name}: tcp://{place}: an answer says length 12 instead of 11 in its header",)),
    Trouble("another client is on the serial server", faulty(
        lambda frame, unit, pdu: frame(unit, good_answer(unit, pdu)) + frame(7, good_answer(7, b"\3\1\54\0\6")),
        kind="rtuovertcp"), ("{name}: another master is on this line: an answer from unit 7",)),
    Trouble("answers are damaged", faulty(lambda frame, unit, pdu: frame(unit, good_answer(unit, pdu))[:-1] + b"\x55"),
            ("{name}: unit 100: the answer has a wrong CRC",)),
    Trouble("it is another make of meter", scripted(refusal(2)),
            ("{name}: unit 100 refuses", "exception 0x02 (illegal data address)")),
]


def sections(trouble: Trouble, found, directory: Path) -> str:
    """The part of a configuration that has a trouble: what was made is it, or is the url or keys of an upstream."""
    name = trouble.name_in_file
    if isinstance(found, str) and found.startswith("["):
        return found
    keys = {"url": found} if isinstance(found, str) else dict(found)
    numbers = keys.pop("units", (100, 2))
    units = ", ".join(f'{unit} = "{directory}/meter.toml"' for unit in numbers)
    served = ", ".join(f'{unit} = "{name}/{unit}"' for unit in numbers)
    lines = [f"{key} = {value!r}" for key, value in ({"timeout": TIMEOUT} | keys).items()]
    return "\n".join([f"[upstream.{name}]", *lines, f"units = {{ {units} }}",
                      f"[downstream.to-{name}]", 'url = "tcp://127.0.0.1:0"', f"units = {{ {served} }}"])


class House:
    """A splitter with the troubles that can be in one house, and what it says wherever a person looks."""

    def __init__(self, directory: Path, troubles: list[Trouble]):
        self._directory = directory
        self._troubles = troubles
        self._said = dict.fromkeys(TOLD_IN, "")
        self._ends = contextlib.ExitStack()
        self.places: dict[str, str] = {}  # HOST:PORT, or path, by trouble

    def __enter__(self):
        (self._directory / "meter.toml").write_text(METER)
        parts = []
        for trouble in self._troubles:
            found = self._ends.enter_context(trouble.make(self._directory))
            self.places[trouble.name] = (found if isinstance(found, str) else found["url"]).partition("://")[2]
            parts.append(sections(trouble, found, self._directory))
        self._config = self._directory / "house.toml"
        self._config.write_text("\n".join(parts))
        self._child = self._ends.enter_context(Child([*SOFTSPLIT, "run", "-c", str(self._config)]))
        return self

    def __exit__(self, *_):
        self._ends.close()

    def says(self, where: str, parts: tuple[str, ...]) -> bool:
        """Whether these parts of a sentence are said there, by now."""
        if not stand_in(self._said[where], parts):
            self._said[where] = self._look(where)
        return stand_in(self._said[where], parts)

    def said(self, where: str, name: str) -> str:
        """What is said there of one upstream."""
        return "\n".join(each for each in self._said[where].split("\n") if name in each)

    def _look(self, where: str) -> str:
        if where == "log":
            return self._child.log()
        command = {"top": ("top", "--once")}.get(where, (where,))
        return CliRunner().invoke(main, [*command, "-c", str(self._config)], env={"COLUMNS": "1000"}).output


def stand_in(text: str, parts: tuple[str, ...]) -> bool:
    """Whether the parts stand in one line of a text, in their order."""
    return re.search(".*".join(map(re.escape, parts)), text) is not None


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with House(tmp_path_factory.mktemp("house"), TROUBLES) as found:
        yield found


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_the_first_sentence_names_the_trouble(trouble, house):
    name, place = trouble.name_in_file, house.places[trouble.name]
    parts = tuple(part.format(name=name, place=place) for part in trouble.says)
    for where in trouble.told_in:
        try:
            until(lambda: house.says(where, parts))
        except AssertionError:
            pytest.fail(f"{where} does not say {parts}, but:\n{house.said(where, name)}")
