"""The cause of silence, from what was seen on one wire: observations in, a sentence out."""

import socket
import threading
from contextlib import closing, suppress

import pytest

from softsplit.config.line import IGNORE, Answers
from softsplit.config.url import parse_url
from softsplit.errors import NoAnswer, NothingAnswers, Refused, Stranger
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import read_question
from softsplit.upstream.causes.diagnosis import CONNECT_DELAY, Diagnosis, is_late, needs_pause
from softsplit.upstream.causes.dialect import ask_otherwise
from softsplit.upstream.causes.strangers import describe_stranger
from softsplit.upstream.clients.choice import client_for
from tests.support.scriptedgateway import ScriptedGateway
from tests.support.troublemakers import good

GATEWAY = parse_url("tcp://10.0.0.5:502", ("tcp",))
LINE = parse_url("rtuovertcp://10.0.0.5:8899", ("rtuovertcp",))
QUESTION = read_question(Block(Table.HOLDING_REGISTERS, 0, 1))
BLOCK = Block(Table.HOLDING_REGISTERS, 0x5B00, 2)
SILENCE = NoAnswer("unit 2 does not answer")


def seen(*outcomes) -> Diagnosis:
    diagnosis = Diagnosis(GATEWAY, None, (1, 2), 1.0, 0.0)
    for number, (unit, answer, error) in enumerate(outcomes):
        diagnosis.count(Outcome(unit, QUESTION, float(number), 0.1, answer, error))
    return diagnosis


def test_the_other_dialect_is_no_cause_any_more_once_somebody_has_answered():
    silent = seen((2, None, SILENCE), (2, None, SILENCE))
    assert silent.is_mute
    said = silent.explain(2, SILENCE, 9.0, "the gateway answers Modbus RTU", 5.0)
    assert isinstance(said, NothingAnswers) and str(said) == "the gateway answers Modbus RTU"
    for first in ((1, b"\3\2\0\1", None), (1, None, Refused("no path", 0x0A))):
        alive = seen(first, (2, None, SILENCE), (2, None, SILENCE))
        assert not alive.is_mute
        assert "unit 2 does not answer" in str(alive.explain(2, SILENCE, 9.0, "the gateway answers Modbus RTU", 5.0))


def test_a_late_answer_tells_which_timeout_is_enough():
    assert is_late(7, 1.2, 1.0) == "unit 7 answers 0.2 s after the time-out; set timeout = 2"
    diagnosis = seen((2, None, SILENCE))
    diagnosis.came_late({2: 1.2}, 5.0)
    assert str(diagnosis.explain(2, SILENCE, 9.0, "", 6.0)) == "unit 2 answers 0.2 s after the time-out; set timeout = 2"
    assert str(diagnosis.explain(2, SILENCE, 9.0, "", 5000.0)) == "unit 2 does not answer", "that is long ago"


@pytest.mark.parametrize("beginnings, told", [
    ((None, 1.2), 2), ((None, None, 0.8), 1), ((1.1, 1.2), 2), ((0.0, 1.0), None), ((None, 9.0), None),
])
def test_requests_that_are_lost_after_connecting_again_and_again_want_a_pause(beginnings, told):
    diagnosis = seen()
    for connected_at in (100.0, 200.0, 300.0):
        assert not diagnosis.advice(connected_at), "it takes three connections"
        for after in beginnings:
            asked_at = connected_at + (after or 0.0)
            answer, error = (None, SILENCE) if after is None else (b"\3\2\0\1", None)
            diagnosis.count(Outcome(2, QUESTION, asked_at, 0.1, answer, error), connected_at)
    assert list(diagnosis.advice(301.0)) == ([] if told is None else
                                             [f"the first requests after connecting are lost; set connect_delay = {told}"])


def gaps_after(*requests) -> Diagnosis:
    """What is seen after requests to unit 2, each so long after an answer of unit 1, in seconds."""
    diagnosis, now = seen(), 100.0
    for after, is_lost in requests:
        diagnosis.count(Outcome(1, QUESTION, now, 0.1, b"\3\2\0\1"))
        now += 0.1 + after
        diagnosis.count(Outcome(2, QUESTION, now, 0.1, *((None, SILENCE) if is_lost else (b"\3\2\0\1", None))))
        now += 1.0
    return diagnosis


def test_losses_that_vanish_with_a_pause_name_request_gap():
    told = ["unit 2 loses requests that follow an answer at once; set request_gap = 0.1"]
    assert list(gaps_after(*3 * ((0.0, True), (0.2, False))).advice(0.0)) == told
    assert not gaps_after(*2 * ((0.0, True), (0.2, False))).advice(0.0), "it takes three times"
    assert not gaps_after(*9 * ((0.0, True), (0.2, True))).advice(0.0), "the unit is off"
    assert not gaps_after(*9 * ((0.0, False), (0.2, True))).advice(0.0)
    assert not gaps_after(*3 * (*9 * ((0.0, False),), (0.0, True), (0.2, False))).advice(0.0), "one of ten is noise"


def test_a_unit_that_has_lost_a_request_is_asked_again_after_a_pause():
    for is_lost in (True, False):
        diagnosis = gaps_after((0.0, is_lost))
        diagnosis.count(Outcome(1, QUESTION, 200.0, 0.1, b"\3\2\0\1"))
        assert diagnosis.pause_before(2, 200.12) == pytest.approx(0.08 if is_lost else 0.0)
        assert diagnosis.pause_before(1, 200.12) == 0.0


def test_a_unit_that_is_off_does_not_make_a_gateway_deaf_after_connecting():
    diagnosis = seen()
    for connected_at in (100.0, 200.0, 300.0, 400.0):
        diagnosis.count(Outcome(2, QUESTION, connected_at, 0.1, None, SILENCE), connected_at)
        diagnosis.count(Outcome(1, QUESTION, connected_at + 1, 0.1, b"\3\2\0\1"), connected_at)
    assert not diagnosis.advice(401.0)


@pytest.mark.parametrize("data, url, said", [
    (b"HTTP/1.1 400 Bad Request\r\n", GATEWAY, "a web server answers at 10.0.0.5:502"),
    (b"\x15\x03\x01\x00\x02\x02\x28", LINE, "a web server answers at 10.0.0.5:8899"),
    (b"\xff\xfd\x18\xff\xfd\x20", GATEWAY, "a telnet server answers"),
    (b"SSH-2.0-x\r\n" + b"y" * 99, GATEWAY, 'says "SSH-2.0-x ' + "y" * 30 + '"'),
    (b"evil \x1b[2Jtext", GATEWAY, ""),
    (adu.rtu_frame(1, b"\3\2\0\1"), GATEWAY, "the gateway answers Modbus RTU: its url is rtuovertcp://10.0.0.5:502"),
    (adu.tcp_frame(7, 1, b"\3\2\0\1"), LINE, "the gateway answers Modbus TCP: its url is tcp://10.0.0.5:8899"),
    (adu.tcp_frame(7, 1, b"\3\2\0\1"), GATEWAY, ""), (adu.rtu_frame(1, b"\3\2\0\1"), LINE, ""), (b"", GATEWAY, ""),
])
def test_who_speaks_no_modbus_is_named(data, url, said):
    found = describe_stranger(data, url)
    assert said in found and bool(found) is bool(said) and found.isprintable()


@pytest.mark.parametrize("scheme", ["tcp", "rtuovertcp"])
def test_a_silent_gateway_is_sent_nothing_but_reads_of_modbus(scheme):
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        def attend():
            with suppress(OSError):
                while True:
                    sock, _ = server.accept()
                    with sock, suppress(ConnectionResetError):
                        while data := sock.recv(1000):
                            heard.append(data)

        threading.Thread(target=attend, daemon=True).start()
        url = parse_url(f"{scheme}://127.0.0.1:{server.getsockname()[1]}", (scheme,))
        assert ask_otherwise(url, 100, BLOCK, 0.1, lambda seconds: None) == ""
        server.shutdown(socket.SHUT_RDWR)
    assert len(heard) == 3 and all(adu.is_rtu_frame(each) or adu.tcp_frame_length(each) == len(each) for each in heard)


@pytest.mark.parametrize("is_deaf", [True, False], ids=["the pause helped", "it had only been slow until then"])
def test_a_pause_after_connecting_is_only_advised_where_the_same_without_it_is_lost(is_deaf):
    paused = []

    def reply(number, unit, pdu):
        is_heard = paused[-1] == CONNECT_DELAY if is_deaf else CONNECT_DELAY in paused
        return good(number, unit, pdu) if is_heard else b""

    with ScriptedGateway(reply) as gateway:
        said = ask_otherwise(gateway.url, 100, BLOCK, 0.2, paused.append)
    assert said == (needs_pause(gateway.url) if is_deaf else "")


@pytest.mark.parametrize("url, answers", [("tcp", Answers()), ("tcp", Answers(transaction_ids=IGNORE)), ("rtuovertcp", Answers())])
def test_a_login_that_greets_once_and_after_the_time_out_is_told(url, answers):
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = parse_url(f"{url}://127.0.0.1:{server.getsockname()[1]}", (url,))
        with closing(client_for(place, 0.1, answers=answers)) as client:
            assert isinstance(client.outcome(1, QUESTION, 0.1).error, NoAnswer)
            with server.accept()[0] as login:
                login.sendall(b"Welcome to EW11\r\nlogin: ")
                if not client.tells_late:  # as the poller does
                    client.listen()
                error = client.outcome(1, QUESTION, 0.1).error
    assert isinstance(error, Stranger) and "Welcome to EW11" in str(error)
