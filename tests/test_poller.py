"""The poller's promises about outages, in real time."""

from queue import Queue

import pytest

from softsplit import Unit, Upstream, clock
from softsplit.config.url import parse_url
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.store import PolledStore
from softsplit.downstream.mirrors.sync import Sync
from softsplit.polling import plan as plan_module
from softsplit.profiles.loader import parse_profile
from softsplit.protocol import adu
from softsplit.transport import wire as wire_module
from softsplit.upstream import poller as poller_module
from softsplit.upstream.clients.tcp import TcpClient
from softsplit.upstream.poller import Poller
from tests.support import ScriptedGateway, good_answer, read_request, running, until

FAST_AND_RARE = parse_profile("""
    block = [{ address = 0, count = 4, every = 0.05 }, { address = 100, count = 4, every = 600 }]""", "two")
FAST, RARE = read_request(0, 4), read_request(100, 4)


class Wire:
    """A poller, the sync thread and one mirror for each unit, against a scripted gateway."""

    def __init__(self, gateway, units=(1,), profile=FAST_AND_RARE, max_age: float = 0.5, timeout: float = 0.2):
        readings: Queue = Queue()
        upstream = Upstream(str(gateway.url), [Unit(unit, profile) for unit in units], timeout, "bus")
        self.mirrors = {unit: Mirror(unit, PolledStore(profile.reads, max_age), profile.tables) for unit in units}
        self.poller = Poller(upstream, upstream.units, readings)
        self.workers = (self.poller, Sync(readings, {("bus", unit): [each] for unit, each in self.mirrors.items()}))

    def serves(self, pdu: bytes, unit: int = 1) -> bool:
        return self.mirrors[unit].handle_request(pdu)[0] == 3


def test_rare_blocks_turn_stale_too_when_the_gateway_is_gone():
    with ScriptedGateway(good_answer) as gateway:
        wire = Wire(gateway)
        with running(*wire.workers):
            until(lambda: wire.serves(FAST) and wire.serves(RARE))
            gateway.close()
            until(lambda: not wire.serves(RARE), timeout=6)
            assert not wire.serves(FAST)


def test_a_gateway_that_is_down_is_not_tried_all_the_time(monkeypatch):
    tries = []

    def connect(host, port, timeout, *_):
        tries.append(clock.now())
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(wire_module.names, "connect", connect)
    monkeypatch.setattr(poller_module, "REACH_AGAIN", 0.5)
    with ScriptedGateway(good_answer) as gateway:
        with running(*Wire(gateway).workers):
            until(lambda: len(tries) == 3, timeout=10)
    assert all(later - earlier >= 0.49 for earlier, later in zip(tries, tries[1:]))


def test_a_mute_unit_is_tried_at_once_when_the_gateway_is_back(monkeypatch):
    monkeypatch.setattr(plan_module, "RETRIES", (0.1, 0.2, 60.0))

    def reply(transaction, unit, pdu):
        return good_answer(transaction, unit, pdu) if unit == 1 else b""

    with ScriptedGateway(reply) as gateway:
        wire = Wire(gateway, units=(1, 2))
        with running(*wire.workers):
            until(lambda: sum(unit == 2 for unit, _ in gateway.requests) == 4)  # 60 s until the next try
            gateway.close()
            until(lambda: wire.poller._down_until, timeout=5)
            gateway.reply = good_answer
            gateway.listen()
            until(lambda: wire.serves(FAST, 2), timeout=3)


def test_a_block_that_is_never_answered_is_named_once(caplog):
    def reply(transaction, unit, pdu):
        return good_answer(transaction, unit, pdu) if pdu[1:3] == b"\0\0" else b""

    with ScriptedGateway(reply) as gateway:
        wire = Wire(gateway)
        with running(*wire.workers):
            until(lambda: "(0x0064)" in caplog.text)
            assert wire.serves(FAST)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "bus: unit 1 does not answer (0x0064)"]


def test_connecting_has_the_whole_timeout_even_for_a_mute_unit(monkeypatch):
    given = []

    def connect(host, port, timeout, *_):
        given.append(timeout)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(wire_module.names, "connect", connect)
    client = TcpClient(parse_url("tcp://127.0.0.1:1", ("tcp",)), timeout=1.5)
    with pytest.raises(ConnectionError):
        client.read(1, FAST_AND_RARE.reads[0].block, timeout=0.1)
    assert given == [1.5]


@pytest.mark.parametrize("pdu, lives", [("8302", True), ("830b", False), ("830a", False), ("0308" + "00" * 8, True)])
def test_a_late_answer_shows_that_a_unit_lives_unless_it_is_the_gateways(pdu, lives):
    transactions = []

    def reply(transaction, unit, request):
        transactions.append(transaction)
        if len(gateway.requests) == 1:
            return b""
        return adu.tcp_frame(transactions[0], 9, bytes.fromhex(pdu)) + good_answer(transaction, unit, request)

    with ScriptedGateway(reply) as gateway:
        client = TcpClient(gateway.url, 1.0)
        block = FAST_AND_RARE.reads[0].block
        with pytest.raises(TimeoutError):
            client.read(9, block, 0.1)
        assert client.read(1, block, 1.0)
        assert set(client.take_late()) == ({9} if lives else set())
        client.close()
