"""Gateways as they are: slower than our tries, with transaction ids of their own, busy."""

import re
import time
from queue import Queue

import pytest

from softsplit import Profile, Unit, Upstream, clock
from softsplit.commands.scan.scan import plan_scan
from softsplit.commands.shared.reader import read_patiently
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.store import PolledStore
from softsplit.downstream.mirrors.sync import Sync
from softsplit.errors import BadAnswer, NoAnswer, Refused
from softsplit.polling import backoff
from softsplit.polling.plan import Plan
from softsplit.profiles.loader import parse_profile
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.upstream.clients.gatewaywait import GatewayWait
from softsplit.upstream.clients.tcp import TcpClient
from softsplit.upstream.poller import Poller
from tests.support import SLOWNESS, ScriptedGateway, read_request, running, until
from tests.support import good_answer as seven
from tests.support.bus import good_answer
from tests.support.outcomes import outcome
from tests.support.queueinggateway import QueueingGateway

TIMEOUT = 0.2 * SLOWNESS
ONE, OTHER = Block(Table.HOLDING_REGISTERS, 100, 4), Block(Table.HOLDING_REGISTERS, 300, 4)
PROFILE = parse_profile(f"block = [{{ address = 100, count = 4, every = {0.1 * SLOWNESS} }}]", "one block")


class Copy:
    """A poller of some units, with a mirror for each."""

    def __init__(self, url, units=(1, 2), profile: Profile = PROFILE, timeout: float = TIMEOUT):
        readings: Queue = Queue()
        upstream = Upstream(str(url), [Unit(unit, profile) for unit in units], timeout, "bus")
        self.mirrors = {unit: Mirror(unit, PolledStore(profile.reads, 60.0), profile.tables) for unit in units}
        self.readings = readings
        self.poller = Poller(upstream, upstream.units, readings)
        self.workers = (self.poller, Sync(readings, {("bus", unit): [each] for unit, each in self.mirrors.items()}))

    def taken_at(self, unit: int, block: Block = ONE) -> float:
        return self.mirrors[unit]._store._polled[block].taken_at

    def age(self, unit: int) -> float:
        return clock.now() - self.taken_at(unit)


@pytest.mark.parametrize("silent", [False, True])
def test_at_most_one_request_is_inside_a_gateway_that_is_slower_than_our_tries(silent, caplog, monkeypatch):
    wait = 2.2 * TIMEOUT
    monkeypatch.setattr(backoff, "RETRIES", (2.5 * TIMEOUT,))
    with QueueingGateway(wait, silent=silent) as gateway:
        copy = Copy(gateway.url)
        caplog.set_level("INFO")
        with running(*copy.workers):
            until(lambda: gateway.asked(2) >= 4 and copy.age(1) < 60)  # by then it has shown how long it waits
            learned, tries, ages = len(gateway.inside), gateway.asked(2), []
            until(lambda: ages.append(copy.age(1)) or gateway.asked(2) >= tries + 2)
        known = copy.poller.counters.gateway_wait
    assert max(gateway.inside) <= 3 and max(gateway.inside[learned:]) <= 1 + silent  # it has to be tried out
    assert max(ages) < wait + 4 * TIMEOUT, "no older than the wait of the gateway explains"
    assert 0.6 * wait < known < 1.5 * wait
    told = [record.message for record in caplog.records if "the gateway needs" in record.message]
    assert [re.sub(r"needs [\d.]+ s", "needs * s", each) for each in told] == (
        [] if silent else ["bus: the gateway needs * s to report that unit 2 is off"])[:len(told)]


def test_how_long_a_gateway_waits_is_learned_although_two_units_that_are_off_make_it_silent_for_twice_as_long():
    wait = 4 * TIMEOUT
    with QueueingGateway(wait) as gateway:
        copy = Copy(gateway.url, units=(1, 2, 3))
        with running(*copy.workers):
            until(lambda: copy.age(1) < 60)
            until(lambda: gateway.asked(2) and gateway.asked(3) and copy.poller.counters.gateway_wait)
            silent_for = []
            until(lambda: silent_for.append(copy.age(1)) or copy.age(1) < 2 * TIMEOUT)
    assert gateway.connections == 1 and max(silent_for) < 2 * wait + 6 * TIMEOUT


def test_while_all_units_are_off_nothing_heaps_up_inside_a_gateway_and_who_is_back_is_served_soon():
    wait = 1.3 * TIMEOUT
    with QueueingGateway(wait, there=()) as gateway:
        copy = Copy(gateway.url, units=(1, 2, 3))
        with running(*copy.workers):
            until(lambda: gateway.asked(1) + gateway.asked(2) + gateway.asked(3) >= 8, timeout=15)
            gateway.there.add(2)
            begin = time.monotonic()
            until(lambda: copy.age(2) < 60)
            assert time.monotonic() - begin < 4 * wait + 5 * TIMEOUT
    assert max(gateway.inside) <= 3


def test_a_late_answer_is_a_reading_of_the_time_when_it_was_asked_for():
    late, rare = [], parse_profile("""
        block = [{ address = 100, count = 4, every = 600 }, { address = 300, count = 4, every = 600 }]""", "rare")

    def reply(transaction, unit, pdu):
        answer = adu.tcp_frame(transaction, unit, good_answer(unit, pdu))
        if not late:
            late.append((answer, clock.now()))
            return b""
        return late[0][0] + answer

    with ScriptedGateway(reply) as gateway:
        copy = Copy(gateway.url, units=(1,), profile=rare, timeout=TIMEOUT)
        with running(*copy.workers):
            until(lambda: all(copy.taken_at(1, block) > 0 for block in (ONE, OTHER)))
        asked_first = min((copy.taken_at(1, block), block.address) for block in (ONE, OTHER))
        assert 0 <= late[0][1] - asked_first[0] < TIMEOUT / 2
        assert len(gateway.requests) == 2, "and nobody has asked again"
        assert copy.mirrors[1].handle_request(read_request(asked_first[1], 4))[0] == 3


def test_what_was_asked_before_a_write_does_not_count_when_it_comes_late():
    with ScriptedGateway(lambda *_: b"") as gateway:
        copy = Copy(gateway.url, units=(1,))
        client = copy.poller._client
        with pytest.raises(NoAnswer):
            client.read(1, ONE, 0.01)
        sent, = client._sent._open.items()
        copy.poller._results.late.wrote(1)
        client._overhear(adu.tcp_frame(int.from_bytes(sent[0], "big"), 1, good_answer(1, read_request(100, 4))))
        copy.poller._results.late.take()
        assert copy.readings.empty() and copy.poller.counters.blocks[1][ONE].taken_at is None
        client.close()


def test_a_gateway_with_transaction_ids_of_its_own_gives_no_data_of_another_block():
    late = []

    def reply(transaction, unit, pdu):
        late.append((transaction, pdu))
        if len(late) == 1:
            return b""
        first, asked = late[0]
        return adu.tcp_frame(first + 1 & 0xFFFF, unit, good_answer(unit, asked))

    with ScriptedGateway(reply) as gateway:
        client = TcpClient(gateway.url, TIMEOUT)
        with pytest.raises(NoAnswer):
            client.read(1, ONE, TIMEOUT)
        with pytest.raises(BadAnswer, match="answers came with transaction id [0-9]+ instead of [0-9]+; set"):
            client.read(1, OTHER, TIMEOUT)
        assert "transaction id" in client.wrong_ids
        client.close()


def test_where_ids_mean_nothing_an_answer_counts_only_when_it_can_belong_to_nothing_else():
    def reply(transaction, unit, pdu):
        ids = [0] if len(gateway.requests) < 3 else [transaction]
        return b"".join(adu.tcp_frame(each, unit, good_answer(unit, pdu)) for each in ids)

    with ScriptedGateway(reply) as gateway:
        client = TcpClient(gateway.url, TIMEOUT)
        for _ in range(2):
            with pytest.raises(BadAnswer, match="transaction id 0 instead of"):
                client.read(1, ONE, TIMEOUT)
        with pytest.raises(BadAnswer, match="transaction id 0 instead of"):
            client.read(1, OTHER, TIMEOUT)
        assert client.read(2, OTHER, TIMEOUT) == good_answer(2, read_request(300, 4))[2:]
        client.close()


def test_transaction_ids_are_random():
    seen = []

    def reply(transaction, unit, pdu):
        seen.append(transaction)
        return seven(transaction, unit, pdu)

    with ScriptedGateway(reply) as gateway:
        client = TcpClient(gateway.url, TIMEOUT)
        for _ in range(50):
            client.read(1, ONE, TIMEOUT)
        client.close()
    steps = {later - earlier & 0xFFFF for earlier, later in zip(seen, seen[1:])}
    assert len(set(seen)) == 50 and len(steps) > 40 and 0 not in seen


def test_a_gateway_that_does_not_return_ids_is_told_in_log_and_status(caplog):
    with ScriptedGateway(lambda transaction, unit, pdu: seven(0, unit, pdu)) as gateway:
        copy = Copy(gateway.url, units=(1,))
        with running(*copy.workers):
            until(lambda: "bus: answers came with transaction id 0 instead of" in caplog.text)
            until(lambda: copy.poller.report(clock.now()).returns_ids is False)
    assert copy.taken_at(1) < 0


@pytest.mark.parametrize("code", [5, 6, 0x43])
def test_a_unit_that_is_busy_half_of_the_time_is_not_mute_and_is_asked_again_soon(code):
    every = 0.5 * SLOWNESS

    def reply(transaction, unit, pdu):
        if len(gateway.requests) % 4:
            return adu.tcp_frame(transaction, unit, bytes((pdu[0] | 0x80, code)))
        return seven(transaction, unit, pdu)

    with ScriptedGateway(reply) as gateway:
        profile = parse_profile(f"block = [{{ address = 100, count = 4, every = {every} }}]", "one block")
        copy, ages = Copy(gateway.url, units=(1,), profile=profile), []
        with running(*copy.workers):
            until(lambda: copy.age(1) < 60)
            until(lambda: ages.append(copy.age(1)) or len(gateway.requests) >= 12)
            assert not copy.poller.counters.mute and not copy.mirrors[1]._store.unit.is_mute
    assert max(ages) < 3 * every


def test_what_never_means_anything_is_no_answer_in_the_end():
    read, asked = PROFILE.reads[0], 0
    plan = Plan({1: [read]}, 1.0, 0.0)
    while not plan.take(read, outcome(1, read.block, 0.0, exception=0x43), 0.0):
        asked += 1
    assert 8 <= asked < 30
    assert not plan.take(read, outcome(1, read.block, 0.0, exception=6), 0.0)
    assert plan.take(read, outcome(1, read.block, 0.0, exception=0x0B), 0.0)


def test_scan_finds_every_unit_behind_a_slow_gateway():
    with QueueingGateway(2.6 * TIMEOUT, there=(2, 4)) as gateway:
        scan = plan_scan(gateway.url, range(1, 5), (), (), TIMEOUT, ())
        list(scan.steps())
    assert {found.unit for found in scan.found} == {2, 4}


def test_scan_recognises_a_unit_though_the_gateway_is_busy_with_another():
    type_of = "030c" + b"B23 312-100\0".hex()
    with QueueingGateway(2.6 * TIMEOUT, there=(1,)) as gateway:
        gateway.special[read_request(0x8960, 6)] = bytes.fromhex(type_of)
        scan = plan_scan(gateway.url, [1], (), (), TIMEOUT, ())
        found, = filter(None, scan.steps())
    assert found.profile and found.profile.name == "abb-b23"


@pytest.mark.parametrize("silent", [False, True])
def test_read_and_doctor_get_the_answer_that_a_busy_gateway_holds_up(silent):
    with QueueingGateway(2.5 * TIMEOUT, silent=silent) as gateway:
        client = TcpClient(gateway.url, TIMEOUT)
        with pytest.raises(NoAnswer):
            client.read(2, ONE, TIMEOUT)
        assert read_patiently(client, 1, ONE, TIMEOUT).answer == good_answer(1, read_request(100, 4))
        assert isinstance(read_patiently(client, 2, ONE, TIMEOUT).error, NoAnswer if silent else Refused)
        client.close()


def test_what_a_gateway_says_of_a_unit_that_is_off_tells_how_long_it_waits():
    wait = GatewayWait(1.0)
    assert wait.patience(0.5) == 0.5 and wait.known is None
    wait.note_answer(2.0, 0.0, is_gateway=True)
    assert wait.known == wait.says_off_after == 2.0 and 2.0 < wait.patience(0.5) < 3.0
    wait.note_answer(5.0, 4.9, is_gateway=False)
    assert wait.patience(0.5) > 2.0


def test_requests_that_wait_in_a_queue_do_not_make_a_gateway_seem_slower():
    wait = GatewayWait(1.0)
    for now in (2.0, 4.0, 6.0):
        wait.note_answer(now, 0.1, is_gateway=True)
    assert wait.known == 2.0


def test_a_silent_gateway_is_given_ever_more_time_up_to_a_bound():
    wait, times = GatewayWait(1.0), []
    for _ in range(10):
        wait.note_silence()
        times.append(wait.patience(0.5))
    assert times[0] == 0.5 and times == sorted(times) and 3.0 < times[-1] < 4.0
    wait.note_answer(20.0, 19.9, is_gateway=False)
    assert wait.patience(0.5) == 0.5


def test_what_holds_up_the_next_answer_is_how_long_a_silent_gateway_waits():
    wait, now = GatewayWait(1.0), 0.0
    for _ in range(5):
        wait.note_answer(now + 0.06, now, is_gateway=False)
        asked_at = now + 1.0
        tried = wait.patience(0.5)
        wait.note_silence()
        next_at = asked_at + tried
        now = max(asked_at + 3.0, next_at)
        wait.note_answer(now + 0.06, next_at, is_gateway=False, silent=[asked_at])
        now += 0.1
    assert 2.5 < wait.known < 3.5 and wait.says_off_after is None
    for _ in range(40):
        wait.note_answer(now + 0.06, now, is_gateway=False, silent=[now - 1.0])
        now += 1.0
    assert wait.known is None, "it does not wait any more"


def test_a_stall_does_not_make_everybody_wait():
    wait = GatewayWait(1.0)
    wait.note_answer(30.0, 0.0, is_gateway=False)
    assert wait.patience(1.0) == 1.0
    wait.note_answer(60.0, 31.0, is_gateway=False, silent=[30.5])
    assert wait.patience(1.0) < 3.0, "not before it happens again"
