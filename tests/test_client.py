"""The upstream client against a gateway that does everything a gateway can do wrong."""

import itertools
import threading
import time

import pytest

from softsplit.config.url import parse_url
from softsplit.errors import BadAnswer, NoAnswer, Refused, Unreachable
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.upstream.clients.tcp import TcpClient
from tests.support import SLOWNESS, ScriptedGateway, good_answer, until

BLOCK = Block(Table.HOLDING_REGISTERS, 0x5B14, 2)
TIMEOUT = 0.3 * SLOWNESS


@pytest.fixture
def ask():
    """Return a function that reads from a gateway once more; its client is closed in the end."""
    clients = {}

    def ask(gateway, unit=1, block=BLOCK, timeout=TIMEOUT):
        client = clients.setdefault(gateway, TcpClient(gateway.url, timeout))
        ask.client = client
        return client.read(unit, block, timeout)

    yield ask
    for client in clients.values():
        client.close()


def test_an_answer_is_returned_as_it_came(ask):
    with ScriptedGateway(good_answer) as gateway:
        assert ask(gateway) == bytes.fromhex("00070007")
        assert ask(gateway, block=Block(Table.INPUT_REGISTERS, 0, 125)) == bytes.fromhex("0007") * 125
        assert [pdu.hex() for _, pdu in gateway.requests] == ["035b140002", "040000007d"]
        assert gateway.connections == 1


def test_bits_are_returned_packed(ask):
    with ScriptedGateway(lambda transaction, unit, pdu: adu.tcp_frame(transaction, unit, b"\x01\x02\xcd\x01")) as gateway:
        assert ask(gateway, block=Block(Table.COILS, 3, 10)) == b"\xcd\x01"


@pytest.mark.parametrize("code", [1, 2, 4, 6, 0x0A, 0x0B])
def test_an_exception_is_told_with_its_code_and_keeps_the_connection(ask, code):
    with ScriptedGateway(lambda transaction, unit, pdu: adu.tcp_frame(transaction, unit, bytes((0x83, code)))) as gateway:
        for _ in range(5):
            with pytest.raises(Refused) as raised:
                ask(gateway)
            assert raised.value.exception_code == code
        assert gateway.connections == 1


@pytest.mark.parametrize("reply, fault", [
    (lambda transaction, unit, pdu: good_answer(transaction, unit + 1, pdu), "unit 2 instead of 1"),
    (lambda transaction, unit, pdu: good_answer(transaction, unit, b"\x04" + pdu[1:]), "function 4 instead of 3"),
    (lambda transaction, unit, pdu: good_answer(transaction, unit, pdu[:4] + b"\x01"), "2 bytes of data instead of 4"),
    (lambda transaction, unit, pdu: good_answer(transaction, unit, pdu[:4] + b"\x03"), "6 bytes of data instead of 4"),
    (lambda transaction, unit, pdu: adu.tcp_frame(transaction, unit, b"\x03\x04\0\0"), "2 bytes of data"),
    (lambda transaction, unit, pdu: adu.tcp_frame(transaction, unit, b"\x03"), "bytes of data"),
    (lambda transaction, unit, pdu: b"HTTP/1.1 400 Bad Request\r\n\r\n", "a web server answers at"),
    (lambda transaction, unit, pdu: adu.HEADER.pack(transaction, 1, 3, unit) + b"\x83\x02", "protocol id 0001"),
    (lambda transaction, unit, pdu: adu.HEADER.pack(transaction, 0, 255, unit), "length 255"),
])
def test_what_is_not_the_answer_is_never_taken_for_it(ask, reply, fault):
    with ScriptedGateway(reply) as gateway:
        with pytest.raises(BadAnswer, match=fault):
            ask(gateway)
        gateway.reply = good_answer
        assert ask(gateway) == bytes.fromhex("00070007")


def test_one_answer_with_a_foreign_id_does_not_put_those_in_doubt_that_follow_on_another_connection(ask):
    numbers = itertools.count(1)
    with ScriptedGateway(lambda transaction, unit, pdu: good_answer(0 if next(numbers) == 2 else transaction, unit, pdu)) as gateway:
        assert ask(gateway) == bytes.fromhex("00070007")
        for _ in range(2):  # the second one could be the first, if ids meant nothing
            with pytest.raises(BadAnswer, match="transaction id 0 instead of"):
                ask(gateway)
        for _ in range(3):
            assert ask(gateway) == bytes.fromhex("00070007")
        assert gateway.connections == 2


def test_silence_ends_after_the_timeout(ask):
    with ScriptedGateway(lambda *_: b"") as gateway:
        begin = time.monotonic()
        with pytest.raises(NoAnswer, match="unit 1 does not answer"):
            ask(gateway)
        assert time.monotonic() - begin < 2 * TIMEOUT


def test_the_timeout_is_for_the_whole_answer_not_for_each_byte(ask):
    is_over = threading.Event()

    def drip(transaction, unit, pdu):
        for byte in good_answer(transaction, unit, pdu):
            gateway.open_sockets[-1].sendall(bytes((byte,)))
            is_over.wait(0.5 * TIMEOUT)
        return b""

    with ScriptedGateway(drip) as gateway:
        begin = time.monotonic()
        with pytest.raises(BadAnswer, match="left an answer incomplete"):
            ask(gateway)
        assert time.monotonic() - begin < 2 * TIMEOUT
        is_over.set()


def test_a_late_answer_is_skipped_and_its_unit_is_known_to_live(ask):
    late = []

    def reply(transaction, unit, pdu):
        answer = good_answer(transaction, unit, pdu, word=len(gateway.requests))
        if len(gateway.requests) == 1:
            late.append(answer)
            return b""
        return b"".join(late) + answer

    with ScriptedGateway(reply) as gateway:
        with pytest.raises(NoAnswer):
            ask(gateway, unit=9)
        assert ask(gateway, unit=1) == bytes.fromhex("00020002")
        assert set(ask.client.take_late()) == {9} and not ask.client.take_late()
        assert gateway.connections == 1


def test_an_answer_in_pieces_or_glued_to_another_is_understood(ask):
    def reply(transaction, unit, pdu):
        answer = good_answer(transaction, unit, pdu)
        gateway.open_sockets[-1].sendall(good_answer(transaction + 5, unit, pdu, word=9) + answer[:8])
        return answer[8:]

    with ScriptedGateway(reply) as gateway:
        for _ in range(3):
            assert ask(gateway) == bytes.fromhex("00070007")


def test_a_connection_closed_while_idle_is_reopened_and_no_failure(ask):
    with ScriptedGateway(good_answer) as gateway:
        assert ask(gateway)
        gateway.open_sockets[0].shutdown(2)
        until(lambda: gateway.open_sockets[0].fileno() < 0)
        assert ask(gateway) == bytes.fromhex("00070007")
        assert (gateway.connections, len(gateway.requests)) == (2, 2)


def test_a_gateway_that_hangs_up_on_every_request_is_no_answer(ask):
    with ScriptedGateway(lambda *_: None) as gateway:
        with pytest.raises(NoAnswer, match="hung up"):
            ask(gateway)
        gateway.reply = good_answer
        assert ask(gateway) == bytes.fromhex("00070007")


def test_hanging_up_in_the_middle_of_an_answer_is_a_bad_answer(ask):
    def reply(transaction, unit, pdu):
        gateway.open_sockets[-1].sendall(good_answer(transaction, unit, pdu)[:9])

    with ScriptedGateway(reply) as gateway:
        with pytest.raises(BadAnswer, match="in the middle of an answer"):
            ask(gateway)


def test_a_connection_that_stays_silent_is_given_up(ask):
    timeout, began = 0.05, time.monotonic()

    def is_silent():
        with pytest.raises(NoAnswer):
            ask(gateway, timeout=timeout)
        return gateway.connections == 2

    with ScriptedGateway(lambda *_: b"") as gateway:
        until(is_silent, timeout=1)
        assert time.monotonic() - began > 8 * timeout, "and not before: late answers are lost with a connection"


def test_a_gateway_that_is_not_there_is_unreachable(ask):
    with ScriptedGateway(good_answer) as gateway:
        pass
    with pytest.raises(Unreachable, match="Connection refused"):
        ask(gateway)


def test_a_host_without_an_address_is_unreachable():
    client = TcpClient(parse_url("tcp://nowhere.invalid", ("tcp",)), TIMEOUT)
    with pytest.raises(Unreachable, match="nowhere.invalid"):
        client.read(1, BLOCK, TIMEOUT)
