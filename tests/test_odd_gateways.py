"""Modbus TCP gateways and devices that do not do as they should: served honestly by an option, or named."""

import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from click.testing import CliRunner

from softsplit import Downstream, Profile, Read, Unit, Upstream
from softsplit.cli import main
from softsplit.config.line import Answers
from softsplit.config.loader import parse_config
from softsplit.config.url import parse_url
from softsplit.errors import BadAnswer, ConfigError, NoAnswer, Refused, WrongUnit
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import read_question
from softsplit.upstream.clients.choice import client_for
from softsplit.upstream.clients.peer import Peer
from softsplit.upstream.clients.tcpframes import Frames
from tests.support import SLOWNESS, ScriptedGateway, TcpMaster, read_request, splitting, until
from tests.support.bus import good_answer
from tests.support.oddgateway import KINDS, OddGateway, read_at_random

TIMEOUT = 0.3 * SLOWNESS
ONE, SAME_SHAPE, OTHER = (Block(Table.HOLDING_REGISTERS, *where) for where in ((100, 4), (300, 4), (500, 6)))
IGNORE = Answers(transaction_ids="ignore")


def good(transaction: int, unit: int, pdu: bytes) -> bytes:
    return adu.tcp_frame(transaction, unit, good_answer(unit, pdu))


def right(unit: int, block: Block) -> bytes:
    return good_answer(unit, read_request(block.address, block.count))[2:]


@contextmanager
def asking(reply, answers=Answers(), timeout=TIMEOUT, **delays):
    """A gateway that answers with `reply`, and a client of it."""
    with ScriptedGateway(reply) as gateway:
        client = client_for(gateway.url, timeout, answers=answers, **delays)
        try:
            yield gateway, client
        finally:
            client.close()


# Transaction ids.

IDS = {
    "own": lambda transaction, count: count + 1,
    "zero": lambda transaction, count: 0,
    "swapped": lambda transaction, count: transaction >> 8 | (transaction & 0xFF) << 8,
}


@pytest.mark.parametrize("kind", IDS)
def test_a_wrong_transaction_id_is_named_with_what_helps_and_by_option_it_is_ignored(kind):
    def reply(transaction, unit, pdu):
        return good(IDS[kind](transaction, len(gateway.requests)), unit, pdu)

    with asking(reply, timeout=TIMEOUT / 3) as (gateway, client):
        with pytest.raises(BadAnswer, match='answers came with transaction id [0-9]+ instead of [0-9]+; set transaction_ids = "ignore"'):
            client.read(1, ONE, TIMEOUT / 3)
    with asking(reply, IGNORE) as (gateway, client):
        for block in (ONE, SAME_SHAPE, OTHER, ONE):
            assert client.read(1, block, TIMEOUT) == right(1, block)
        assert gateway.connections == 1 and not client.wrong_ids


def test_frames_that_nobody_asked_for_are_no_sign_of_wrong_ids_where_a_unit_is_merely_silent():
    def reply(transaction, unit, pdu):
        return adu.tcp_frame(7, unit, b"\x2b\x0e\x01") + (good(transaction, unit, pdu) if unit == 1 else b"")

    with asking(reply, timeout=TIMEOUT / 3) as (_, client):
        with pytest.raises(NoAnswer):
            client.read(2, ONE, TIMEOUT / 3)
        assert client.read(1, ONE, TIMEOUT) == right(1, ONE) and not client.wrong_ids


def test_where_ids_are_ignored_a_late_answer_is_never_taken_for_the_one_to_another_request():
    late = []

    def reply(transaction, unit, pdu):
        if len(gateway.requests) == 1:
            late.append(good(0, unit, pdu))
            return b""
        return b"".join(late.pop() for _ in late[:1]) + good(0, unit, pdu)

    with asking(reply, IGNORE) as (gateway, client):
        with pytest.raises(NoAnswer):
            client.read(1, ONE, TIMEOUT / 3)
        assert client.read(1, SAME_SHAPE, TIMEOUT) == right(1, SAME_SHAPE)
        assert gateway.requests[1][1] != read_request(300, 4), "something of another shape was asked before"


@pytest.mark.parametrize("kind", IDS)
def test_where_ids_are_ignored_what_comes_twice_or_after_connecting_is_dropped(kind):
    def reply(transaction, unit, pdu):
        return 2 * good(IDS[kind](transaction, len(gateway.requests)), unit, pdu)

    with asking(reply, IGNORE) as (gateway, client):
        for block in (ONE, SAME_SHAPE) * 4:
            assert client.read(1, block, TIMEOUT) == right(1, block)
    with greeting(good(0, 1, read_request(300, 4))) as url:
        client = client_for(url, TIMEOUT, answers=IGNORE)
        assert client.read(1, ONE, TIMEOUT) == right(1, ONE)
        client.close()


def test_where_ids_are_ignored_an_exception_that_may_belong_to_something_earlier_is_not_believed():
    def reply(transaction, unit, pdu):
        return adu.tcp_frame(0, unit, b"\x83\x02") if len(gateway.requests) > 1 else b""

    with asking(reply, IGNORE) as (gateway, client):
        with pytest.raises(NoAnswer):
            client.read(1, ONE, TIMEOUT / 3)
        with pytest.raises(BadAnswer, match="late answer to an earlier question"):
            client.read(1, OTHER, TIMEOUT)
        with pytest.raises(Refused):
            client.read(1, OTHER, TIMEOUT)


def test_who_babbles_instead_of_being_quiet_is_hung_up_on():
    with greeting(b"", babble=good(0, 1, read_request(300, 4))) as url:
        client = client_for(url, TIMEOUT, answers=IGNORE)
        with pytest.raises(BadAnswer, match="sends bytes that nobody asked for"):
            client.read(1, ONE, TIMEOUT)
        client.close()


def test_what_nobody_asked_for_between_two_requests_ends_no_thread():
    with asking(lambda transaction, unit, pdu: good(0, unit, pdu), IGNORE) as (gateway, client):
        assert client.read(1, ONE, TIMEOUT) == right(1, ONE)
        gateway.open_sockets[-1].sendall(b"no Modbus at all")
        until(lambda: client.listen() or not client._is_opened)
        assert client.read(1, ONE, TIMEOUT) == right(1, ONE) and gateway.connections == 2


@pytest.mark.parametrize("answers", [Answers(), IGNORE], ids=["ids match", "ids are ignored"])
def test_what_came_while_this_thread_waited_for_a_processor_is_seen_before_it_gives_up(answers, monkeypatch):
    with asking(good, answers) as (gateway, client):
        assert client.read(1, ONE, TIMEOUT) == right(1, ONE)
        wire, receive = client._wire, client._wire.receive

        def starved(timeout: float) -> bytes:
            if not timeout:
                return receive(0)
            select.select([wire], [], [], timeout)  # it has come, and yet the time is over
            raise TimeoutError

        monkeypatch.setattr(wire, "receive", starved)
        assert client.read(1, SAME_SHAPE, 0.2 * SLOWNESS) == right(1, SAME_SHAPE)


# Unit ids of answers.

@pytest.mark.parametrize("answering", [0, 1, 255])
@pytest.mark.parametrize("ids", ["match", "ignore"])
def test_an_answer_with_another_unit_id_is_named_and_by_option_it_is_accepted(answering, ids):
    def reply(transaction, unit, pdu):
        return adu.tcp_frame(transaction, answering, good_answer(unit, pdu))

    with asking(reply, Answers(ids), timeout=TIMEOUT / 3) as (_, client):
        with pytest.raises(WrongUnit, match=f"unit 7: the answer has unit {answering} instead of 7"):
            client.read(7, ONE, TIMEOUT / 3)
    for accepted in (answering, "any"):
        with asking(reply, Answers(ids, accepted)) as (_, client):
            assert client.read(7, ONE, TIMEOUT) == right(7, ONE)
    with asking(reply, Answers(ids, 200), timeout=TIMEOUT / 3) as (_, client):
        with pytest.raises(WrongUnit):
            client.read(7, ONE, TIMEOUT / 3)


CONFIG = '[upstream.m]\nurl = "tcp://a"\nunits = {{ 1 = "abb-b23"{more} }}\n{keys}\n[downstream.d]\nurl = "tcp://0.0.0.0:1502"'


@pytest.mark.parametrize("keys, more, message", [
    ("answers_as = 256", "", 'answers_as: 256 is no unit id; allowed are 0 to 255, or "any"'),
    ("answers_as = true", "", "answers_as: true is no unit id"),
    ("answers_as = 255", ', 2 = "abb-b23"', "answers_as: is possible only with one unit"),
    ('transaction_ids = "ignor"', "", 'transaction_ids: unknown word "ignor"; did you mean "ignore"?'),
    ('transaction_ids = "ignore"\nurl = "udp://a"', "", 'transaction_ids: is for tcp:// only; leave it out'),
    ('answers_as = 255\nurl = "rtuovertcp://a:1"', "", 'answers_as: is for tcp:// only; leave it out'),
])
def test_what_cannot_be_meant_is_refused(keys, more, message):
    text = CONFIG.format(keys=keys, more=more)
    if "\nurl" in keys:
        text = text.replace('url = "tcp://a"\n', "")
    with pytest.raises(ConfigError) as raised:
        parse_config(text, "house.toml", None)
    assert str(raised.value).startswith(f"house.toml: upstream.m.{message}")


def test_an_upstream_may_say_both():
    upstream, = parse_config(CONFIG.format(more="", keys='transaction_ids = "ignore"\nanswers_as = "any"'), "", None).upstreams
    assert upstream.answers == Answers("ignore", "any")


# Exceptions, and lengths that are wrong.

@contextmanager
def greeting(hello: bytes, babble: bytes = b""):
    """A gateway that says something to who connects, and goes on with it; all requests are answered well."""
    def attend(sock):
        try:
            sock.sendall(hello)
            while babble:  # without a pause in which it could seem to be over
                sock.sendall(50 * babble)
            while header := sock.recv(7, socket.MSG_WAITALL):
                pdu = sock.recv(header[5] - 1, socket.MSG_WAITALL)
                sock.sendall(good(int.from_bytes(header[:2], "big"), header[6], pdu))
        except OSError:
            pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        def accept():
            try:
                while True:
                    threading.Thread(target=attend, args=(server.accept()[0],), daemon=True).start()
            except OSError:
                pass
        threading.Thread(target=accept, daemon=True).start()
        yield parse_url(f"tcp://127.0.0.1:{server.getsockname()[1]}", ("tcp",))
        server.shutdown(socket.SHUT_RDWR)


def head(transaction: int, unit: int, length: int) -> bytes:
    return adu.HEADER.pack(transaction, 0, length, unit)


EXCEPTIONS = {  # how a device sends exception 0x02, and the code that it means
    "one too many": (lambda transaction, unit: head(transaction, unit, 4) + b"\x83\x02", 2),
    "one too few": (lambda transaction, unit: head(transaction, unit, 2) + b"\x83\x02", 2),
    "without a code": (lambda transaction, unit: head(transaction, unit, 2) + b"\x83", 4),
    "one byte more": (lambda transaction, unit: head(transaction, unit, 4) + b"\x83\x02\x00", 2),
    "one byte more that is not counted": (lambda transaction, unit: head(transaction, unit, 3) + b"\x83\x02\x00", 2),
}


@pytest.mark.parametrize("kind", EXCEPTIONS)
@pytest.mark.parametrize("answers", [Answers(), IGNORE], ids=["ids match", "ids are ignored"])
def test_an_exception_is_the_units_whatever_its_length_says_and_nothing_else_suffers(kind, answers):
    frame, code = EXCEPTIONS[kind]

    def reply(transaction, unit, pdu):
        return frame(transaction, unit) if pdu == read_request(500, 6) else good(transaction, unit, pdu)

    with asking(reply, answers) as (gateway, client):
        for _ in range(3):
            begin = time.monotonic()
            with pytest.raises(Refused) as raised:
                client.read(1, OTHER, 10 * TIMEOUT)
            assert raised.value.exception_code == code and time.monotonic() - begin < 9 * TIMEOUT
            assert client.read(1, ONE, TIMEOUT) == right(1, ONE)
        assert gateway.connections == 1


def test_frames_are_cut_alike_in_whatever_pieces_they_come():
    sent = b"".join((good(1, 1, read_request(100, 4)), head(2, 1, 4) + b"\x83\x02", good(0x300, 1, read_request(0, 1)),
                     head(4, 1, 2) + b"\x83\x0b", good(5, 1, read_request(7, 2)), head(6, 1, 3) + b"\x83\x06\x00",
                     good(0x700, 1, read_request(9, 3)), head(8, 1, 2) + b"\x83", good(9, 1, read_request(9, 3))))
    for size in range(1, 40):
        frames, cut = Frames(), []
        for at in range(0, len(sent), size):
            frames.add(sent[at:at + size])
            while frame := frames.next():
                cut.append((int.from_bytes(frame[:2], "big"), frame[7:9]))
        numbers = [number for number, _ in cut]
        assert numbers[:7] == [1, 2, 0x300, 4, 5, 6, 0x700], (size, cut)
        assert [begin for number, begin in cut if number in (2, 4, 6)] == [b"\x83\x02", b"\x83\x0b", b"\x83\x06"]


@pytest.mark.parametrize("off", [1, 2, -1])
def test_data_whose_length_is_wrong_is_not_believed_told_at_once_and_the_next_request_does_not_suffer(off):
    def reply(transaction, unit, pdu):
        answer = good(transaction, unit, pdu)
        if pdu == read_request(500, 6):
            return answer[:4] + (int.from_bytes(answer[4:6], "big") + off).to_bytes(2, "big") + answer[6:]
        return answer

    with asking(reply) as (_, client):
        for _ in range(2):
            begin = time.monotonic()
            with pytest.raises(BadAnswer, match="length 16 instead of 15|length 17 instead of 15|11 bytes of data instead of 12"):
                client.read(1, OTHER, 10 * TIMEOUT)
            assert time.monotonic() - begin < 9 * TIMEOUT
            assert client.read(1, ONE, TIMEOUT) == right(1, ONE)


def test_two_frames_for_one_request_and_frames_after_connecting_belong_to_nothing():
    with asking(lambda *request: 2 * good(*request)) as (gateway, client):
        for block in (ONE, SAME_SHAPE) * 4:
            assert client.read(1, block, TIMEOUT) == right(1, block)
        assert gateway.connections == 1 and not client.wrong_ids
    with greeting(good(77, 1, read_request(300, 4))) as url:
        client = client_for(url, TIMEOUT)
        assert client.read(1, ONE, TIMEOUT) == right(1, ONE) and not client.wrong_ids
        client.close()


@pytest.mark.parametrize("answers", [Answers(), IGNORE], ids=["ids match", "ids are ignored"])
def test_an_answer_whose_last_byte_is_late_costs_nobody_else_anything(answers):
    def reply(transaction, unit, pdu):
        answer = good(transaction, unit, pdu)
        if pdu == read_request(500, 6):
            sock = gateway.open_sockets[-1]
            sock.sendall(answer[:-1])
            time.sleep(1.3 * TIMEOUT)
            return answer[-1:]
        return answer

    with asking(reply, answers) as (gateway, client):
        with pytest.raises(BadAnswer, match="left an answer incomplete"):
            client.read(1, OTHER, TIMEOUT)
        assert client.read(1, ONE, TIMEOUT) == right(1, ONE)


def loses_first_requests(gateway):
    """Make a gateway lose the first request on each connection; it counts requests by connection."""
    heard = {}

    def reply(transaction, unit, pdu):
        heard[gateway.connections] = heard.get(gateway.connections, 0) + 1
        return good(transaction, unit, pdu) if heard[gateway.connections] > 1 else b""
    return reply


def test_a_gateway_that_loses_the_first_request_on_each_connection_is_asked_once_more():
    with asking(None) as (gateway, client):
        gateway.reply = loses_first_requests(gateway)
        with pytest.raises(NoAnswer):
            client.read(1, ONE, TIMEOUT / 3)
        assert client.read(1, ONE, TIMEOUT) == right(1, ONE)
        for _ in range(2):
            client.close()
            assert client.read(1, ONE, TIMEOUT / 3) == right(1, ONE), "learned"
        client.close()
        with pytest.raises(NoAnswer):  # what writes is never sent twice
            client.ask(1, read_question(ONE), TIMEOUT / 3, may_repeat=False)
        gateway.reply = good
        client.close()
        assert client.read(1, ONE, TIMEOUT) == right(1, ONE)
        gateway.reply = lambda *_: b""
        client.close()
        asked = len(gateway.requests)
        with pytest.raises(NoAnswer):
            client.read(1, ONE, TIMEOUT / 3)
        assert len(gateway.requests) == asked + 1, "who answered the first one on the connection before is not asked twice"


@pytest.mark.parametrize("heard, loses", [
    ([("lose", 1), ("answer", 1)], True),
    ([("lose", 1), ("answer", 2), ("answer", 1)], True),
    ([("lose", 1), ("answer", 2)], False),
    ([("lose", 1), ("lose", 1), ("answer", 1)], False),
    ([("answer", 1), ("lose", 1), ("answer", 1)], False),
])
def test_only_the_first_request_of_a_unit_that_answers_the_next_was_lost_by_its_gateway(heard, loses):
    peer = Peer()
    peer.connect()
    for what, unit in heard:
        getattr(peer, what)(unit)
    assert peer.loses_first is loses


# All of it together; tests/long has a hundred thousand.

def test_whatever_a_gateway_does_no_answer_is_wrong():
    timeout = 0.03 * SLOWNESS

    def read(ids, answers, units) -> None:
        with OddGateway(5, timeout, ids) as gateway, closing(client_for(gateway.url, timeout, answers=answers)) as client:
            came = read_at_random(client, gateway, 7, 20, timeout, units)
        assert came["answered"] >= 4 and sum(came.values()) == 20, came

    with ThreadPoolExecutor(len(KINDS)) as pool:
        list(pool.map(read, *zip(*KINDS)))


@pytest.mark.parametrize("kind", IDS)
def test_masters_are_served_from_such_a_gateway_by_option(kind):
    def reply(transaction, unit, pdu):
        return adu.tcp_frame(IDS[kind](transaction, len(gateway.requests)), 255, good_answer(unit, pdu))

    profile = Profile("meter", (Read(ONE, "one", 0.1), Read(SAME_SHAPE, "other", 0.1)), readable=(ONE, SAME_SHAPE, OTHER))
    with ScriptedGateway(reply) as gateway:
        meters = Upstream(str(gateway.url), [Unit(7, profile)], TIMEOUT, "meters", transaction_ids="ignore", answers_as=255)
        with splitting(Downstream("tcp://127.0.0.1:0", [meters], name="masters")) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            for block in (ONE, SAME_SHAPE, OTHER):
                pdu = read_request(block.address, block.count)
                until(lambda: master.ask(255, pdu) == good_answer(7, pdu))
            status = splitter.status()
            assert not status.health.troubles and not status.upstreams["meters"].wrong_ids


def test_scan_says_what_is_wrong_with_transaction_ids():
    with ScriptedGateway(lambda transaction, unit, pdu: good(0, unit, pdu)) as gateway:
        done = CliRunner().invoke(main, ["scan", str(gateway.url), "--units", "1-2", "--timeout", str(TIMEOUT / 3)])
    assert done.exit_code == 1 and "answers came with transaction id 0 instead of" in done.output
