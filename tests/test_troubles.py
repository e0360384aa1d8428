"""Troubles of a house on the side of the meters: how each is made, and the first sentence that a person reads of it.

It has to be the first one in the log, in `status`, in `doctor` beside the running splitter and in `top --once`, and
the same everywhere, but for how long it has lasted and what is stale because of it.
"""

import contextlib

import pytest

from softsplit.protocol import adu
from tests.support import until
from tests.support.bus import good_answer
from tests.support.house import LONGEST, House, Trouble, first_sentence
from tests.support.troublemakers import (TIMEOUT, accepts_and_is_silent, answers_late, answers_slowly, at,
                                         banner, faulty, full_gateway, gateway, goes_off, good, hangs_up,
                                         hears_late, held_adapter, needs_a_gap, nobody, noise, only,
                                         other_dialect, refusal, says_more, scripted, silent_datagrams,
                                         swallows_the_first, twice, web_server)

METER = '[[block]]\nname = "powers"\naddress = 100\ncount = 4\nevery = 0.2\n'
HELD = "something else may hold the gateway's only connection (the old master, a Cerbo, evcc?)"
ARE_THEY = ("are they on, are these their unit ids, are they set to *, are A and B the right way round, is the line "
            "terminated?")
IS_IT = "is it on, is this its unit id, is it set to *, are A and B the right way round, is the line terminated?"
GARBAGE = 'NAME: bytes arrive that are no Modbus: baud rate or parity; "softsplit scan" finds it'
RUBBISH = b"\xf8\x3e\x07\x99\x1c\xe0\x7b\x33"

UNREACHABLE = [
    Trouble("the gateway is off", nobody,
            "NAME: cannot reach tcp://PLACE: Connection refused; is it on, at this address and port?"),
    Trouble("nobody listens for datagrams", at("udp://127.0.0.1:9"),
            "NAME: cannot reach udp://PLACE: Connection refused; is it on, at this address and port?"),
    Trouble("who gets datagrams is silent", silent_datagrams,
            f"NAME: no unit answers; does the other end speak UDP, or is its url tcp://PLACE? Or the line is silent: {ARE_THEY}"),
    Trouble("the gateway takes no more connections", full_gateway,
            f"NAME: cannot reach tcp://PLACE: timed out; is it on, at this address? {HELD}"),
    Trouble("the name of the gateway is wrong", at("tcp://gateway.invalid:502"), "NAME: cannot reach tcp://PLACE: *; is the name right, and known to the DNS server of this machine? An address needs none"),
    Trouble("the adapter is not plugged in", at("rtu://DIRECTORY/no-adapter"), "NAME: cannot reach rtu://PLACE: there is no such device; is it plugged in?"),
    Trouble("another program holds the adapter", held_adapter,
            "NAME: cannot reach rtu://PLACE: another program uses the device; stop it, or name another device"),
    Trouble("the adapter is a file", at("rtu://DIRECTORY/meter.toml"), "NAME: cannot reach rtu://PLACE: this is no serial device"),
]

STRANGERS = [
    Trouble("a gateway passes bytes through and the url says tcp", other_dialect,
            "NAME: the gateway answers Modbus RTU: its url is rtuovertcp://PLACE"),
    Trouble("a gateway speaks Modbus TCP and the url says rtuovertcp", lambda place: gateway(place, scheme="rtuovertcp"),
            "NAME: the gateway answers Modbus TCP: its url is tcp://PLACE"),
    Trouble("a web server is at the port", web_server, "NAME: a web server answers at PLACE; is the port right?"),
    Trouble("a login is at the port", banner(b"SSH-2.0-OpenSSH_9.6\r\n"),
            'NAME: no Modbus device answers at PLACE, but one that says "SSH-2.0-OpenSSH_9.6"; is the port right?'),
    Trouble("a login is at the port of an rtu url", banner(b"Welcome to EW11\r\nlogin: ", "rtuovertcp"),
            'NAME: no Modbus device answers at PLACE, but one that says "Welcome to EW11 login:"; is the port right?'),
    Trouble("telnet is at the port", banner(b"\xff\xfd\x18\xff\xfd\x20"),
            "NAME: a telnet server answers at PLACE; is the port right?"),
]

GATEWAYS = [
    Trouble("the old master holds the gateway which hangs up on others", hangs_up,
            f"NAME: the gateway at tcp://PLACE hangs up after connecting; {HELD} Or it needs a pause first: set "
            "connect_delay = 3"),
    Trouble("the gateway hangs up on who asks at once", hears_late(lambda sock: sock.shutdown(2)),
            "NAME: the gateway at tcp://PLACE needs a pause after connecting; set connect_delay = 1"),
    Trouble("the gateway loses the first requests", swallows_the_first,
            "NAME: the first requests after connecting are lost; set connect_delay = *"),
    Trouble("the old master holds the gateway which ignores others", accepts_and_is_silent,
            f"NAME: no unit answers; {HELD} Or the line is silent: {ARE_THEY}"),
    Trouble("a unit id is wrong behind a silent gateway", scripted(
        lambda number, unit, pdu: good(number, unit, pdu) if unit == 2 else b""),
        "NAME: unit 100 does not answer; unit 2 answers, so is 100 its unit id, and is it on?"),
    Trouble("a unit id is wrong behind a gateway that says so", scripted(
        lambda number, unit, pdu: (good if unit == 2 else refusal(0x0B))(number, unit, pdu)),
        "NAME: unit 100: exception 0x0B (gateway target did not answer); unit 2 answers, so is 100 its unit id, and is it on?"),
    Trouble("all units behind a gateway are off", scripted(refusal(0x0B)),
            f"NAME: unit *: exception 0x0B (gateway target did not answer); {IS_IT}"),
]

SILENCE = [
    Trouble("nothing is on the serial line", only(), f"NAME: no unit answers; {ARE_THEY}"),
    Trouble("the baud rate is wrong", faulty(lambda frame, unit, pdu: RUBBISH), GARBAGE),
    Trouble("the baud rate behind a gateway is wrong", faulty(lambda frame, unit, pdu: RUBBISH, kind="rtuovertcp"), GARBAGE),
    Trouble("a unit id is wrong", only(2), "NAME: unit 100 does not answer; unit 2 answers, so is 100 its unit id, and is it on?"),
    Trouble("a unit answers after its time", answers_late, "NAME: unit 100 answers * s after the time-out; set timeout = *"),
    Trouble("one of two units goes off", goes_off, "NAME: unit 2 does not answer"),
    Trouble("a unit needs a pause", needs_a_gap,
            "NAME: unit * loses requests that follow an answer at once; set request_gap = 0.1*"),
]

ANSWERS = [
    Trouble("the gateway returns other transaction ids", scripted(lambda number, unit, pdu: good(number + 1 & 0xFFFF, unit, pdu)),
            'NAME: answers came with transaction id *; set transaction_ids = "ignore"'),
    Trouble("the gateway sends every answer twice", scripted(twice), "NAME: answers come twice; the second one is ignored"),
    Trouble("another unit answers", scripted(lambda number, unit, pdu: adu.tcp_frame(number, 7, good_answer(unit, pdu))),
            "NAME: unit 100: the answer has unit 7 instead of 100*"),
    Trouble("another unit answers on the line", faulty(lambda frame, unit, pdu: frame(7, good_answer(unit, pdu)), units=(100,)),
            "NAME: unit 100: the answer has unit 7 instead of 100"),
    Trouble("answers have a wrong length", scripted(lambda number, unit, pdu: adu.tcp_frame(number, unit, b"\x03\x02\0\1")),
            "NAME: unit 100: the answer has 2 bytes of data instead of 8"),
    Trouble("the headers of answers say a wrong length", scripted(
        lambda number, unit, pdu: adu.HEADER.pack(number, 0, 12, unit) + good_answer(unit, pdu)),
        "NAME: tcp://PLACE: an answer says length 12 instead of 11 in its header*"),
    Trouble("answers have a wrong length on the line", faulty(lambda frame, unit, pdu: frame(unit, b"\x03\x02\0\1"), units=(100,)),
            "NAME: unit 100: the answer has 2 bytes of data instead of *"),
    Trouble("answers are damaged", faulty(lambda frame, unit, pdu: frame(unit, good_answer(unit, pdu))[:-1] + b"\x55"),
            "NAME: unit 100: the answer has a wrong CRC; termination, shield, or a second master on the line?"),
    Trouble("it is another make of meter", scripted(refusal(2)),
            "NAME: unit 100 refuses powers with exception 0x02 (illegal data address); is its profile right?"),
]

TIME = [  # of some it is only sure after 10 s
    Trouble("a unit is always busy", scripted(refusal(6), units=(100,)), "NAME: unit 100: exception 0x06 (device busy)"),
    Trouble("too much is polled", answers_slowly,
            'NAME: the wire cannot carry all reads at their periods, so the periods are stretched; "softsplit check" shows what to change'),
    Trouble("another master is on the line", faulty(says_more),
            "NAME: another master is on this line: *; take it off, softsplit has to be the only one"),
    Trouble("another client is on the serial server", faulty(
        lambda frame, unit, pdu: frame(unit, good_answer(unit, pdu)) + frame(7, good_answer(7, b"\3\1\54\0\6")),
        kind="rtuovertcp"), "NAME: another master is on this line: an answer from unit 7; take it off, softsplit has to be the only one"),
    Trouble("the tap hears nothing", only(scheme="listen"),
            "NAME: nothing is heard at listen://PLACE; is the other master on, and the tap connected?"),
    Trouble("the tap hears noise", noise,
            "NAME: what is heard at listen://PLACE is mostly noise; is the line 19200 8E1, are A and B the right way round?"),
]

TROUBLES = [*UNREACHABLE, *STRANGERS, *GATEWAYS, *SILENCE, *ANSWERS, *TIME]


def upstream(trouble: Trouble, found, directory) -> str:
    """The part of a configuration that has a trouble: what was made is the url, or keys, of an upstream."""
    name = trouble.name_in_file
    keys = {"url": found} if isinstance(found, str) else dict(found)
    numbers = keys.pop("units", (100, 2))
    if not keys["url"].startswith("listen"):
        keys = {"timeout": TIMEOUT} | keys
    units = ", ".join(f'{unit} = "{directory}/meter.toml"' for unit in numbers)
    served = ", ".join(f'{unit} = "{name}/{unit}"' for unit in numbers)
    return "\n".join([f"[upstream.{name}]", *(f"{key} = {value!r}" for key, value in keys.items()), f"units = {{ {units} }}",
                      f"[downstream.to-{name}]", 'url = "tcp://127.0.0.1:0"', f"units = {{ {served} }}"])


def names_of(trouble: Trouble) -> tuple[str, str]:
    """The upstream that has a trouble, and the downstream that serves it."""
    return trouble.name_in_file, f"to-{trouble.name_in_file}"


def house_with(troubles: list[Trouble]):
    """A fixture: a splitter that has these troubles, and the places of its upstreams, by trouble."""
    @pytest.fixture(scope="module")
    def house(tmp_path_factory):
        directory = tmp_path_factory.mktemp("house")
        (directory / "meter.toml").write_text(METER)
        with contextlib.ExitStack() as ends:
            parts, places = [], {}
            for trouble in troubles:
                found = ends.enter_context(trouble.make(directory))
                places[trouble.name] = (found if isinstance(found, str) else found["url"]).partition("://")[2]
                parts.append(upstream(trouble, found, directory))
            config = directory / "house.toml"
            config.write_text("\n".join(parts))
            splitter = ends.enter_context(House(config))
            with contextlib.suppress(AssertionError):  # the tests say what is missing
                until(lambda: all(first_sentence(splitter.child.log(), names_of(each)) for each in troubles), LONGEST)
            yield splitter, places
    return house


def each_of(troubles: list[Trouble]):
    return pytest.mark.parametrize("trouble", troubles, ids=lambda trouble: trouble.name)


def first_of_all(trouble: Trouble, house) -> None:
    """Wait until this trouble is named by the first sentence, wherever a person looks."""
    splitter, places = house
    splitter.comes_to_say(lambda said: trouble.is_told(said, places[trouble.name]), names_of(trouble))


unreachable = house_with(UNREACHABLE)
strangers = house_with(STRANGERS)
gateways = house_with(GATEWAYS)
silence = house_with(SILENCE)
answers = house_with(ANSWERS)
what_takes_time = house_with(TIME)


@each_of(UNREACHABLE)
def test_the_first_sentence_names_what_cannot_be_reached(trouble, unreachable):
    first_of_all(trouble, unreachable)


@each_of(STRANGERS)
def test_the_first_sentence_names_who_else_is_at_the_port(trouble, strangers):
    first_of_all(trouble, strangers)


@each_of(GATEWAYS)
def test_the_first_sentence_names_what_a_gateway_does(trouble, gateways):
    first_of_all(trouble, gateways)


@each_of(SILENCE)
def test_the_first_sentence_names_why_a_unit_is_silent(trouble, silence):
    first_of_all(trouble, silence)


@each_of(ANSWERS)
def test_the_first_sentence_names_what_is_wrong_with_answers(trouble, answers):
    first_of_all(trouble, answers)


@each_of(TIME)
def test_the_first_sentence_names_what_takes_time_to_see(trouble, what_takes_time):
    first_of_all(trouble, what_takes_time)
