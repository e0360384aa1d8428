"""The UDP client against devices and networks that lose, double, swap and delay datagrams."""

import time

import pytest

from softsplit import Unit, Upstream, clock
from softsplit.config.line import Answers
from softsplit.config.url import parse_url
from softsplit.errors import BadAnswer, ConfigError, NoAnswer, Refused, Unreachable, WrongUnit
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import read_question
from softsplit.protocol.requests import parse_write
from softsplit.upstream.clients.choice import client_for
from tests.support import SLOWNESS, free_port
from tests.support.bus import good_answer
from tests.support.datagramdevice import BadNetwork, DatagramDevice

TIMEOUT = 0.1 * SLOWNESS
LONG = 3.0 * SLOWNESS  # of which a quick answer takes nothing
BLOCK = Block(Table.HOLDING_REGISTERS, 100, 3)
QUESTION = read_question(BLOCK)
DATA = good_answer(1, QUESTION.pdu)[2:]


def frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    return adu.tcp_frame(transaction, unit, good_answer(unit, pdu))


@pytest.fixture
def client_of():
    """Return a function that makes a client of a device; all are closed in the end."""
    clients = []

    def client_of(url, timeout=TIMEOUT, **options):
        clients.append(client_for(url, timeout, **options))
        return clients[-1]

    yield client_of
    for client in clients:
        client.close()


def test_an_answer_comes_as_it_was_sent_and_an_exception_with_its_code(client_of):
    with DatagramDevice() as device:
        client = client_of(device.url)
        assert client.read(1, BLOCK, LONG) == DATA
        device.reply = lambda transaction, unit, pdu: adu.tcp_frame(transaction, unit, b"\x83\x02")
        with pytest.raises(Refused) as raised:
            client.read(1, BLOCK, TIMEOUT)
        assert raised.value.exception_code == 2 and len(device.requests) == 2


def test_a_read_without_an_answer_is_sent_once_more_and_is_as_old_as_the_datagram_that_was_answered(client_of):
    with DatagramDevice(lambda *_: []) as device:
        client = client_of(device.url)
        device.reply = lambda transaction, unit, pdu: [] if len(device.requests) < 2 else frame(transaction, unit, pdu)
        begin = clock.now()
        outcome = client.outcome(1, QUESTION, LONG)
        assert outcome.data == DATA and outcome.asked_at - begin >= TIMEOUT
        ids = [transaction for transaction, _, _ in device.requests]
        assert len(set(ids)) == 2, "each has an id of its own"

        heard: list[tuple[float, bytes]] = []

        def answer_the_first(transaction, unit, pdu):  # at the time of the second
            heard.append((clock.now(), frame(transaction, unit, pdu)))
            return heard[0][1] if len(heard) > 1 else []

        device.reply = answer_the_first
        begin = clock.now()
        outcome = client.outcome(1, QUESTION, LONG)
        assert outcome.data == DATA and begin <= outcome.asked_at < heard[1][0] <= outcome.asked_at + outcome.took


def test_two_timeouts_end_the_waiting_and_a_write_is_sent_once(client_of):
    write = parse_write(bytes.fromhex("0600640001")).question
    with DatagramDevice(lambda *_: []) as device:
        client = client_of(device.url)
        for question, may_repeat, sent in ((QUESTION, True, 2), (write, False, 1)):
            device.requests.clear()
            begin = time.monotonic()
            with pytest.raises(NoAnswer, match="unit 1 does not answer"):
                client.ask(1, question, TIMEOUT, may_repeat)
            assert 2 * TIMEOUT <= time.monotonic() - begin < 10 * TIMEOUT and len(device.requests) == sent


def test_doubled_and_swapped_answers_are_no_answer_to_anything_else(client_of):
    others = [Block(Table.HOLDING_REGISTERS, address, 3) for address in (200, 300, 400, 500)]
    with DatagramDevice() as device:
        client = client_of(device.url)
        told: list[bytes] = []

        def reply(transaction, unit, pdu):
            told.append(frame(transaction, unit, pdu))
            return [*told[::-1], *told]  # all that was ever said, twice

        device.reply = reply
        for block in (BLOCK, *others, BLOCK):
            assert client.read(1, block, LONG) == good_answer(1, read_question(block).pdu)[2:]


def test_a_late_answer_is_a_reading_of_the_time_when_it_was_asked_for(client_of):
    with DatagramDevice(lambda *_: []) as device:
        client = client_of(device.url)
        with pytest.raises(NoAnswer):
            client.read(1, BLOCK, TIMEOUT)
        for transaction, unit, pdu in device.requests:
            device.say(frame(transaction, unit, pdu))
        assert client.await_late(LONG)
        first, second = client.take_late_answers()
        assert second.asked_at - first.asked_at >= TIMEOUT and first.answer[2:] == DATA
        assert client.take_late()[1] >= TIMEOUT


@pytest.mark.parametrize("reply, fault", [
    (lambda transaction, unit, pdu: frame(transaction, unit + 1, pdu), "unit 2 instead of 1"),
    (lambda transaction, unit, pdu: adu.tcp_frame(transaction, unit, b"\x03\x04\0\0\0\0"), "4 bytes of data instead of 6"),
    (lambda transaction, unit, pdu: frame(7, unit, pdu), "transaction id 7 instead of"),
    (lambda transaction, unit, pdu: frame(transaction, unit, pdu)[:-1], "does not speak Modbus over UDP: 14 bytes"),
    (lambda transaction, unit, pdu: frame(transaction, unit, pdu) + b"\0", "does not speak Modbus over UDP: 16 bytes"),
    (lambda transaction, unit, pdu: adu.rtu_frame(unit, good_answer(unit, pdu)), "does not speak Modbus over UDP"),
    (lambda transaction, unit, pdu: b"", "does not speak Modbus over UDP: 0 bytes"),
])
def test_a_wrong_answer_is_named_and_the_next_request_does_not_suffer(client_of, reply, fault):
    with DatagramDevice(reply) as device:
        client = client_of(device.url)
        client._latest_id = 30000  # far away from the ids that are wrong
        with pytest.raises(BadAnswer, match=fault):
            client.read(1, BLOCK, TIMEOUT)
        device.reply = frame
        assert client.read(1, BLOCK, LONG) == DATA


def test_a_device_that_answers_as_another_unit_is_taken_where_that_is_said(client_of):
    with DatagramDevice(lambda transaction, unit, pdu: adu.tcp_frame(transaction, 255, good_answer(unit, pdu))) as device:
        client = client_of(device.url, answers=Answers(answers_as=255))
        assert client.read(1, BLOCK, LONG) == DATA
        with pytest.raises(WrongUnit):
            client_of(device.url, answers=Answers(answers_as=7)).read(1, BLOCK, LONG)
    assert Upstream(str(device.url), [Unit(1, "abb-b23")], answers_as="any").answers.answers_as == "any"
    with pytest.raises(ConfigError, match="transaction_ids: is for tcp:// only; leave it out"):
        Upstream(str(device.url), [Unit(1, "abb-b23")], transaction_ids="ignore")


def test_what_others_send_is_not_heard(client_of):
    with DatagramDevice() as device, DatagramDevice() as other:
        def reply(transaction, unit, pdu):
            other.peer = device.peer
            other.say(adu.tcp_frame(transaction, unit, b"\x03\x06" + b"\xee" * 6))
            return frame(transaction, unit, pdu)

        device.reply = reply
        assert client_of(device.url).read(1, BLOCK, LONG) == DATA


def test_where_nobody_listens_that_is_known_at_once_and_the_device_is_found_when_it_is_back(client_of):
    with DatagramDevice() as device:
        client = client_of(device.url)
        client.read(1, BLOCK, LONG)
        device.close()
        begin = time.monotonic()
        with pytest.raises(Unreachable, match="cannot reach udp://127.0.0.1:[0-9]+: Connection refused"):
            client.read(1, BLOCK, TIMEOUT)
        with pytest.raises(NoAnswer):  # which may have been done
            client.ask(1, parse_write(bytes.fromhex("0600640001")).question, TIMEOUT, False)
        assert time.monotonic() - begin < 2 * TIMEOUT


def test_of_a_host_with_several_addresses_the_one_is_used_where_the_device_is(client_of):
    with DatagramDevice() as device:
        client = client_of(parse_url(f"udp://localhost:{device.port}", ("udp",)))
        assert client.read(1, BLOCK, LONG) == DATA  # whichever of ::1 and 127.0.0.1 comes first
        client.close()
        assert client.read(1, BLOCK, LONG) == DATA


def test_no_answer_is_wrong_on_a_network_that_loses_doubles_swaps_and_delays(client_of):
    network = BadNetwork(seed=19)
    with DatagramDevice(network) as device:
        client = client_of(device.url, 0.002 * SLOWNESS)
        answered = 0
        for number in range(600):
            block = Block(Table.HOLDING_REGISTERS, number % 97, 3)
            outcome = client.outcome(1, read_question(block), 0.0)
            for late in client.take_late_answers():
                assert late.answer == good_answer(1, late.question.pdu)
            if outcome.answer is not None:
                answered += 1
                assert outcome.answer == good_answer(1, read_question(block).pdu)
    assert network.harmed > 60 and answered > 400


def test_udp_is_configured_like_a_gateway():
    upstream = Upstream(f"udp://meter.lan:{free_port()}", [Unit(1, "abb-b23")])
    assert str(Upstream("udp://192.168.1.140", [Unit(1, "abb-b23")]).url) == "udp://192.168.1.140:502"
    assert upstream.url.kind.has_datagrams
