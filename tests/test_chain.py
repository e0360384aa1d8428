"""The whole chain: simulated meters, gateway, splitter, and masters over TCP and RTU."""

import socket
import struct
import time
from contextlib import contextmanager

import pytest

from softsplit import Downstream, Splitter, Unit, Upstream, clock
from softsplit.commands.simulate.faults import Fault, Faults
from softsplit.commands.simulate.pty import Cable
from softsplit.errors import DownstreamError
from softsplit.profiles import load_profile
from softsplit.profiles.loader import parse_profile
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from tests.support import (SLOWNESS, RtuMaster, ScriptedGateway, TcpMaster, brisk_profile, good_answer,
                           read_request, running, simulated_gateway, splitting, until, upstream_of)
from tests.support.recordeddevice import ANZEN, Device, encoded

POWERS = read_request(0x5B00, 62)
STALE = bytes((0x83, 0x0B))

VICTRON_OVER_TCP = [(0x8960, 2), (0x8900, 2), (0x8908, 8), (0x5000, 8), (0x5460, 24), (0x5B00, 62)]
VICTRON_OVER_RTU = [(0x8960, 2), (0x8900, 2), (0x8908, 8), (0x5000, 8), (0x5460, 24), (0x5B00, 28), (0x5B2C, 1),
                    (0x5B3A, 4)]


def is_good(answer: bytes) -> bool:
    return answer[:1] == b"\x03"


@contextmanager
def house(profile, faults=None, max_age=10.0, **options):
    """The original house on loopback; gives its splitter, gateway, a TCP master and an RTU master."""
    cable = Cable()
    with simulated_gateway(profile, faults=faults) as gateway, running(cable):
        meters = upstream_of(gateway, profile)
        victron = Downstream("tcp://127.0.0.1:0", [meters], max_age=max_age, name="victron", **options)
        maxem = Downstream(f"rtu://{cable.left}", [meters], mode="8N1", max_age=max_age, name="maxem", **options)
        with splitting(victron, maxem) as splitter, TcpMaster(splitter.servers[0].url.port) as tcp, \
                RtuMaster(cable.right) as rtu:
            yield splitter, gateway, tcp, rtu


def test_every_request_of_a_victron_gets_the_meters_own_words():
    profile = load_profile("abb-b23")
    with house(profile) as (_, gateway, tcp, rtu):
        until(lambda: all(is_good(tcp.ask(unit, read_request(0x8960, 2))) for unit in (100, 2)))
        for master, requests in ((tcp, VICTRON_OVER_TCP), (rtu, VICTRON_OVER_RTU)):
            for unit in (100, 2):
                assert master.ask(unit, read_request(0x8960, 2)) == b"\x03\x04B23 "
                assert master.ask(unit, read_request(0x8900, 2)) == b"\x03\x04" + struct.pack(">I", 1_000_000 + unit)
                assert master.ask(unit, read_request(0x8908, 8)) == b"\x03\x101.0.0".ljust(18, b"\0")
                for address, count in requests:
                    answer = master.ask(unit, read_request(address, count))
                    assert is_good(answer) and len(answer) == 2 + 2 * count


def test_what_is_served_is_what_the_meter_showed_at_some_moment():
    begin = time.time()
    with house(brisk_profile()) as (_, gateway, tcp, rtu):
        until(lambda: is_good(tcp.ask(100, POWERS)) and is_good(tcp.ask(2, POWERS)))
        meters = {unit: gateway.databank.get_slave(unit) for unit in (100, 2)}
        for master in (tcp, rtu):
            for unit in (100, 2):
                block = Block(Table.HOLDING_REGISTERS, 0x5B00, 62)
                now = time.time()
                seen = master.ask(unit, POWERS)[2:]
                total, *phases = struct.unpack(">4i", seen[0x28:0x38])
                assert total == sum(phases)
                shown = [struct.unpack(">i", meters[unit].data(block, now - tick / 100)[0x28:0x2C])[0]
                         for tick in range(int(100 * (now - begin)) + 1)]
                assert min(abs(each - total) for each in shown) < 500  # 0.01 W


def test_nothing_is_served_before_the_first_good_read():
    with ScriptedGateway(lambda *_: b"") as gateway:
        meters = Upstream(str(gateway.url), [Unit(100, brisk_profile())], timeout=0.2)
        with splitting(Downstream("tcp://127.0.0.1:0", [meters])) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            assert master.ask(100, POWERS) == STALE
            until(lambda: gateway.requests)
            assert master.ask(100, POWERS) == STALE
            gateway.reply = good_answer
            until(lambda: is_good(master.ask(100, POWERS)))


def test_each_block_is_read_once_a_period_however_many_masters_there_are():
    profile = brisk_profile()
    with ScriptedGateway(good_answer) as gateway:
        meters = Upstream(str(gateway.url), [Unit(1, profile)])
        with splitting(*[Downstream("tcp://127.0.0.1:0", [meters], name=str(number)) for number in range(5)]) as splitter:
            masters = [TcpMaster(server.url.port) for server in splitter.servers for _ in range(2)]
            begin = clock.now()
            until(lambda: is_good(masters[0].ask(1, POWERS)))
            first = len(gateway.requests)
            while clock.now() < begin + 1:
                assert all(is_good(master.ask(1, POWERS)) for master in masters)
            asked, lasted = len(gateway.requests) - first, clock.now() - begin
            for master in masters:
                master.sock.close()
        assert 0.3 * lasted / 0.05 < asked / 2 < 1.1 * lasted / 0.05
        assert gateway.connections == 1
        assert {pdu.hex() for _, pdu in gateway.requests} == {"035b000042", "0350000038"}


def test_a_mute_unit_turns_stale_and_the_other_stays_fresh():
    faults = Faults()
    with house(brisk_profile(), faults, max_age=0.6) as (_, _, tcp, rtu):
        until(lambda: is_good(tcp.ask(100, POWERS)) and is_good(tcp.ask(2, POWERS)))
        faults.scheduled.append(Fault("silent", unit=2))
        until(lambda: tcp.ask(2, POWERS) == STALE, timeout=2)
        assert rtu.ask(2, POWERS) == STALE
        assert is_good(tcp.ask(100, POWERS)) and is_good(rtu.ask(100, POWERS))
        faults.scheduled.clear()
        until(lambda: is_good(tcp.ask(2, POWERS)), timeout=8)


def test_silence_instead_of_an_exception_when_stale():
    faults = Faults([Fault("silent", unit=2)])
    with house(brisk_profile(), faults, max_age=0.3, when_stale="silent") as (splitter, _, tcp, rtu):
        until(lambda: is_good(splitter.servers[0].databank.answer(100, POWERS)))
        tcp.sock.sendall(adu.tcp_frame(1, 2, POWERS))
        assert is_good(tcp.ask(100, POWERS)), "the answer to the second request is the first to come"
        rtu.port.timeout = 0.4
        assert rtu.ask(2, POWERS) == b""
        until(lambda: is_good(rtu.ask(100, POWERS)))


def test_a_gateway_killed_and_restarted(caplog):
    caplog.set_level("INFO")
    profile = brisk_profile()
    with simulated_gateway(profile) as gateway:
        meters, port = upstream_of(gateway, profile), gateway.url.port
        splitting_it = splitting(Downstream("tcp://127.0.0.1:0", [meters], max_age=0.5))
        splitter = splitting_it.__enter__()
        master = TcpMaster(splitter.servers[0].url.port)
        until(lambda: is_good(master.ask(100, POWERS)) and is_good(master.ask(2, POWERS)))
    until(lambda: master.ask(100, POWERS) == STALE and master.ask(2, POWERS) == STALE, timeout=2)
    with simulated_gateway(profile, port=port):
        until(lambda: is_good(master.ask(100, POWERS)) and is_good(master.ask(2, POWERS)), timeout=5)
        until(lambda: caplog.records[-1].message.startswith(f"meters: connected to {meters.url}")
              or caplog.text.count(f"connected to {meters.url}") > 1)
        master.sock.close()
        splitting_it.__exit__(None, None, None)
    told = [record.message for record in caplog.records if record.message.startswith("meters")]
    assert [text.split(" after ")[0] for text in told if "connected" in text or "reach" in text] == [
        f"meters: connected to {meters.url}",
        f"meters: cannot reach {meters.url}: Connection refused; is it on, at this address and port?; "
        "stale: tcp://127.0.0.1:0 unit 100, tcp://127.0.0.1:0 unit 2; it is tried again every few seconds",
        f"meters: connected to {meters.url}"]


def test_the_units_own_exception_reaches_the_masters(caplog):
    def reply(transaction, unit, pdu):
        if pdu[1:3] == b"\x50\x00":
            return adu.tcp_frame(transaction, unit, b"\x83\x02")
        return good_answer(transaction, unit, pdu)

    with ScriptedGateway(reply) as gateway:
        meters = Upstream(str(gateway.url), [Unit(1, brisk_profile())], name="meters")
        with splitting(Downstream("tcp://127.0.0.1:0", [meters])) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            until(lambda: is_good(master.ask(1, POWERS)))
            until(lambda: master.ask(1, read_request(0x5000, 8)) == b"\x83\x02")
            gateway.reply = good_answer
            until(lambda: is_good(master.ask(1, read_request(0x5000, 8))))
    assert caplog.text.count("meters: unit 1 refuses total accumulators with exception 0x02") == 1


@pytest.mark.parametrize("code", [5, 6, 0x0A, 0x0B])
def test_an_exception_of_the_gateway_counts_as_no_answer(code):
    with ScriptedGateway(good_answer) as gateway:
        meters = Upstream(str(gateway.url), [Unit(1, brisk_profile())])
        with splitting(Downstream("tcp://127.0.0.1:0", [meters], max_age=0.4)) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            until(lambda: is_good(master.ask(1, POWERS)))
            gateway.reply = lambda transaction, unit, pdu: adu.tcp_frame(transaction, unit, bytes((0x83, code)))
            seen = set()
            until(lambda: seen.add(master.ask(1, POWERS)[:2]) or STALE in seen, timeout=2)
            assert seen <= {STALE, b"\x03\x7c"}


def test_damaged_and_foreign_answers_are_never_served():
    def reply(transaction, unit, pdu):
        return {
            1: good_answer(transaction + 9, unit, pdu, word=0xDEAD) + good_answer(transaction, unit, pdu),
            3: good_answer(transaction, unit + 1, pdu, word=0xDEAD),
            5: good_answer(transaction, unit, pdu[:4] + bytes((pdu[4] - 1,)), word=0xDEAD),
            7: adu.tcp_frame(transaction, unit, b"\x04" + good_answer(transaction, unit, pdu, word=0xDEAD)[8:]),
            9: None,
        }.get(len(gateway.requests) % 10, good_answer(transaction, unit, pdu))

    with ScriptedGateway(reply) as gateway:
        meters = Upstream(str(gateway.url), [Unit(1, brisk_profile())], timeout=0.2)
        with splitting(Downstream("tcp://127.0.0.1:0", [meters])) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            until(lambda: is_good(master.ask(1, POWERS)))
            while len(gateway.requests) < 30:
                assert master.ask(1, POWERS)[2:] == bytes.fromhex("0007") * 62


def test_all_four_tables_are_polled_and_served():
    profile = parse_profile("""
        block = [
            { table = "coils", address = 40, count = 4, every = 0.05 },
            { table = "discrete inputs", address = 8, count = 9, every = 0.05 },
            { table = "holding registers", address = 0, count = 2, every = 0.05 },
            { table = "input registers", address = 0, count = 3, every = 0.05 },
        ]""", "four")

    def reply(transaction, unit, pdu):
        data = {1: "0105", 2: "025501", 3: "0400010002", 4: "06000300040005"}[pdu[0]]
        return adu.tcp_frame(transaction, unit, pdu[:1] + bytes.fromhex(data))

    with ScriptedGateway(reply) as gateway:
        device = Upstream(str(gateway.url), [Unit(1, profile)])
        with splitting(Downstream("tcp://127.0.0.1:0", [device])) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            for pdu, answer in (((41, 3, 1), "010102"), ((8, 9, 2), "02025501"), ((1, 1, 3), "03020002"),
                                ((0, 3, 4), "0406000300040005")):
                until(lambda: master.ask(1, read_request(*pdu)) == bytes.fromhex(answer))


def test_two_gateways_behind_one_server_and_a_dead_one_delays_nobody():
    profile = brisk_profile()
    with ScriptedGateway(lambda *_: b"") as dead, simulated_gateway(profile, units=(100,)) as alive:
        upstreams = [Upstream(str(dead.url), [Unit(2, profile)], timeout=5.0), upstream_of(alive, profile, (100,))]
        with splitting(Downstream("tcp://127.0.0.1:0", upstreams)) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            until(lambda: is_good(master.ask(100, POWERS)), timeout=2)
            assert master.ask(2, POWERS) == STALE


def test_every_downstream_has_its_own_idea_of_stale():
    faults = Faults()
    profile = brisk_profile()
    with simulated_gateway(profile, faults=faults) as gateway:
        meters = upstream_of(gateway, profile)
        with splitting(Downstream("tcp://127.0.0.1:0", [meters], max_age=0.4, name="hasty"),
                       Downstream("tcp://127.0.0.1:0", [meters], max_age=60, name="patient")) as splitter:
            hasty, patient = [TcpMaster(server.url.port) for server in splitter.servers]
            until(lambda: is_good(hasty.ask(2, POWERS)) and is_good(patient.ask(2, POWERS)))
            faults.scheduled.append(Fault("silent", unit=2))
            until(lambda: hasty.ask(2, POWERS) == STALE, timeout=3)
            assert is_good(patient.ask(2, POWERS))
            hasty.sock.close()
            patient.sock.close()


def test_what_was_opened_is_let_go_when_another_port_cannot_be_had():
    with socket.create_server(("127.0.0.1", 0)) as other:
        meters = Upstream("tcp://127.0.0.1:1", [Unit(1, brisk_profile())])
        splitter = Splitter([Downstream("tcp://127.0.0.1:0", [meters]),
                             Downstream(f"tcp://127.0.0.1:{other.getsockname()[1]}", [meters])])
        with pytest.raises(DownstreamError):
            splitter.start()
        socket.create_server(("127.0.0.1", splitter.servers[0].url.port)).close()
    assert not [worker.name for worker in splitter.workers if not worker.join(0)]


def test_a_downstream_serves_chosen_units_under_its_own_ids_over_any_wire():
    profile, serial_number = load_profile("abb-b23"), read_request(0x8900, 2)
    with simulated_gateway(profile) as gateway:
        meters = upstream_of(gateway, profile)
        with splitting(Downstream("tcp://127.0.0.1:0", units={1: (meters, 100), 100: (meters, 2)}, name="renamed"),
                       Downstream("rtuovertcp://127.0.0.1:0", [meters], name="evcc")) as splitter:
            renamed, evcc = splitter.servers
            with TcpMaster(renamed.url.port) as master, \
                    socket.create_connection(("127.0.0.1", evcc.url.port), 5) as stream:
                until(lambda: is_good(master.ask(1, serial_number)) and is_good(master.ask(100, serial_number)))
                assert master.ask(1, serial_number)[2:] == struct.pack(">I", 1_000_100)
                assert master.ask(100, serial_number)[2:] == struct.pack(">I", 1_000_002)
                assert master.ask(2, serial_number) == b"\x83\x0a"
                for unit in (100, 2):
                    stream.sendall(adu.rtu_frame(unit, serial_number))
                    assert stream.recv(300) == adu.rtu_frame(unit, b"\x03\x04" + struct.pack(">I", 1_000_000 + unit))


@pytest.mark.parametrize("name", ["anzen-bms", "carlo-gavazzi-em340", "eastron-sdm630"])
def test_any_device_is_replicated_block_by_block(name):
    profile = load_profile(name)
    with simulated_gateway(profile, units=(1,)) as gateway, TcpMaster(gateway.url.port) as direct, \
            splitting(Downstream("tcp://127.0.0.1:0", [upstream_of(gateway, profile, units=(1,))])) as splitter, \
            TcpMaster(splitter.servers[0].url.port) as master:
        for read in profile.reads:
            asked = read_request(read.block.address, read.block.count, read.block.table.function)
            answer = until(lambda asked=asked: (said := master.ask(1, asked))[0] < 0x80 and said)
            registers = [each for each in profile.registers if read.block.contains(each.block) and not each.block.table.holds_bits]
            for register in registers:
                copied, own = (register.decode(said[2:][2 * read.block.span(register.block).start:][:2 * register.block.count])
                               for said in (answer, direct.ask(1, asked)))
                assert type(copied) is type(own) and (isinstance(own, str) or abs(copied - own) <= 0.05 * abs(own) + 10), register.name
            assert len(answer) == 2 + read.block.byte_count
            if read.block.table.holds_bits:
                until(lambda asked=asked: master.ask(1, asked) == direct.ask(1, asked))


def test_a_real_battery_is_replicated_bit_by_bit():
    with ScriptedGateway(Device(ANZEN).reply) as gateway, \
            splitting(Downstream("tcp://127.0.0.1:0", [upstream_of(gateway, load_profile("anzen-bms"), units=(1,))])) as splitter, \
            TcpMaster(splitter.servers[0].url.port) as master:
        for (function, address), items in ANZEN.items():
            data = encoded(function, items)
            until(lambda asked=read_request(address, len(items), function), data=data: master.ask(1, asked) == bytes((function, len(data))) + data)
        beyond = read_request(1, 26, function=1)
        assert master.ask(1, beyond) == b"\x81\2" and (1, beyond) in gateway.requests, "its own answer"


def test_the_model_of_a_carlo_gavazzi_meter_is_the_meters_own_to_tell():
    profile = load_profile("carlo-gavazzi-em340")
    with simulated_gateway(profile, units=(1,)) as gateway, \
            splitting(Downstream("tcp://127.0.0.1:0", [upstream_of(gateway, profile, units=(1,))])) as splitter, \
            TcpMaster(splitter.servers[0].url.port) as master:
        voltage = until(lambda: is_good(answer := master.ask(1, read_request(0x000A, 2))) and answer)
        assert voltage[4:] == b"\0\0", "the high word of a voltage"
        assert master.ask(1, read_request(0x000B, 1)) == b"\3\2" + struct.pack(">H", 341)
        assert master.ask(1, read_request(0x000A, 2))[4:] == b"\0\0"


def test_a_unit_that_nobody_is_served_is_not_polled():
    profile = brisk_profile()
    with ScriptedGateway(good_answer) as gateway:
        meters = upstream_of(gateway, profile, units=(100, 101))
        with splitting(Downstream("tcp://127.0.0.1:0", units={1: (meters, 100)})) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            until(lambda: is_good(master.ask(1, POWERS)))
            until(lambda: len(gateway.requests) > 10)
        assert {unit for unit, _ in gateway.requests} == {100}


def test_stopping_takes_less_than_two_seconds_and_frees_the_port():
    with ScriptedGateway(lambda *_: b"") as gateway:
        meters = Upstream(str(gateway.url), [Unit(1, brisk_profile())])
        with splitting(Downstream("tcp://127.0.0.1:0", [meters])) as splitter:
            until(lambda: gateway.requests)
            begin = clock.now()
        assert clock.now() - begin < 2 * SLOWNESS
        assert not [worker.name for worker in splitter.workers if not worker.join(0)]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", splitter.servers[0].url.port), 1)
