"""Devices that bend the standard: orders of bytes, few functions, addresses in bytes, unit addresses of four bytes."""

import struct
import threading
from pathlib import Path

import pytest

from softsplit import Downstream, Unit, Upstream
from softsplit.commands.check.wiring import draw
from softsplit.config.line import Line
from softsplit.config.loader import parse_config
from softsplit.config.url import parse_url
from softsplit.errors import BadAnswer, ConfigError, NoAnswer, Refused
from softsplit.profiles import load_profile
from softsplit.profiles.loader import parse_profile
from softsplit.protocol import adu, values
from softsplit.protocol.addresses import LongUnit, parse_long_unit
from softsplit.protocol.blocks import Block, merge
from softsplit.protocol.functions import Table
from softsplit.protocol.numbers import NUMBERS
from softsplit.protocol.pdu import asked_block, read_question
from softsplit.upstream.causes.dialect import ask_otherwise
from softsplit.upstream.clients.choice import client_for
from tests.support import SLOWNESS, TcpMaster, read_request, simulated_gateway, splitting, until, upstream_of
from tests.support.bus import KINDS, Bus, good_answer

HOLDING = Table.HOLDING_REGISTERS
ORDERS = [("big", "big"), ("big", "little"), ("little", "big"), ("little", "little")]
ON_THE_WIRE = [  # type, number, its bytes in the four orders
    ("u16", 0x0102, ("0102", "0201", "0102", "0201")),
    ("s16", -2, ("fffe", "feff", "fffe", "feff")),
    ("u32", 0x01020304, ("01020304", "02010403", "03040102", "04030201")),
    ("s32", -2, ("fffffffe", "fffffeff", "fffeffff", "feffffff")),
    ("u24", 0x020304, ("00020304", "02000403", "03040002", "04030200")),
    ("s24", -2, ("fffffffe", "fffffeff", "fffeffff", "feffffff")),
    ("f32", 123456.0, ("47f12000", "f1470020", "200047f1", "0020f147")),
    ("u64", 0x0102030405060708, ("0102030405060708", "0201040306050807", "0708050603040102", "0807060504030201")),
    ("s64", -2, ("fffffffffffffffe", "fffffffffffffeff", "fffeffffffffffff", "feffffffffffffff")),
    ("f64", 0.1, ("3fb999999999999a", "b93f999999999a99", "999a999999993fb9", "9a9999999999b93f")),
]


@pytest.mark.parametrize("type_name, number, forms", ON_THE_WIRE, ids=[each[0] for each in ON_THE_WIRE])
def test_a_number_stands_in_registers_in_four_orders(type_name, number, forms):
    for orders, form in zip(ORDERS, forms):
        assert values.encode(type_name, number, *orders) == bytes.fromhex(form)
        assert values.decode(type_name, bytes.fromhex(form), *orders) == number


@pytest.mark.parametrize("orders", ORDERS)
def test_whatever_a_type_can_hold_comes_back(orders):
    for type_name, row in NUMBERS.items():
        if not row.is_plain:
            continue
        bits = row.bits
        signed = type_name[0] == "s"
        lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        for number in (lowest, highest, 0, 1, highest // 3):
            assert values.decode(type_name, values.encode(type_name, number, *orders), *orders) == number
        assert values.encode(type_name, row.nearest(1e30), *orders) == values.encode(type_name, highest, *orders)
        for number in (lowest - 1, highest + 1):
            with pytest.raises(OverflowError):
                values.encode(type_name, number, *orders)


def test_the_highest_byte_of_24_bits_says_nothing():
    assert values.decode("u24", bytes.fromhex("ff020304")) == values.decode("u24", bytes.fromhex("00020304")) == 0x020304
    assert values.decode("s24", bytes.fromhex("00fffffe")) == values.decode("s24", bytes.fromhex("fffffffe")) == -2
    assert values.decode("s24", bytes.fromhex("fe007fff")) == 0x7FFF


def test_text_may_have_its_bytes_swapped_but_never_its_registers():
    assert values.decode("text", b"B23 312\0\0\0") == "B23 312"
    assert values.encode("text", "B23 312", "big", "little", 4) == b"2B 313\x002"
    for word_order in values.ORDERS:
        assert values.decode("text", b"2B 313\x002", word_order, "little") == "B23 312"


def test_bits_start_with_the_lowest_and_raw_bytes_stay_as_they_are():
    assert [at for at, bit in enumerate(values.decode("bits", bytes.fromhex("80000001"))) if bit] == [0, 31]
    assert [at for at, bit in enumerate(values.decode("bits", bytes.fromhex("80000001"), "little")) if bit] == [15, 16]
    assert values.decode("raw", bytes.fromhex("01020304"), "little", "little") == bytes.fromhex("01020304")


def registers(text: str) -> dict:
    profile = parse_profile(f"{text}\n[[block]]\naddress = 0\ncount = 20\n[[block]]\ntable = 'coils'\naddress = 0\ncount = 9",
                            "bent")
    return {register.name: register for register in profile.registers}


def register(entry: str):
    return registers("register = [{ name = 'x', address = 0, %s }]" % entry)["x"]


@pytest.mark.parametrize("entry, data, shown", [
    ("type = 'u16', resolution = '0.1 V'", "0903", 230.7),
    ("type = 'u16', resolution = '0.1 A', offset = -1600", "3e80", 0.0),
    ("type = 'u16', offset = -40", "004a", 34),
    ("type = 's16', resolution = '10 W'", "ffff", -10),
    ("type = 'u64', resolution = '0.01 kWh'", "0000000000000d5e", 34.22),
    ("type = 'f32', resolution = '0.5 W'", "47f12000", 61728.0),
    ("type = 'f32'", "7fc00000", None), ("type = 'f32'", "7f800000", None),
    ("type = 'u16', not_available = 0xFFFF", "ffff", None),
    ("type = 's32', not_available = 0x7FFFFFFF, word_order = 'little'", "ffff7fff", None),
    ("type = 's32', not_available = 0x7FFFFFFF, word_order = 'little'", "7fffffff", -32769),
    ("type = 'u24', not_available = 0xFFFFFF", "00ffffff", None),
    ("type = 'u16', not_available = 0x00FF, byte_order = 'little'", "ff00", None),
    ("type = 'u16', states = { 0 = 'off', 2 = 'on' }", "0002", "on"),
    ("type = 'u16', states = { 0 = 'off', 2 = 'on' }", "0007", 7),
    ("type = 's16', states = { -1 = 'unknown' }", "ffff", "unknown"),
    ("type = 'text', count = 4", "4232332000000000", "B23"),
    ("type = 'bits', count = 1", "0005", (True, False, True) + 13 * (False,)),
    ("type = 'raw', count = 1", "0005", b"\0\5"),
    ("table = 'coils', type = 'bits', count = 9", "0501", (True, False, True) + 5 * (False,) + (True,)),
])
def test_a_register_says_what_its_bytes_mean(entry, data, shown):
    found = register(entry).decode(bytes.fromhex(data))
    assert found == shown and type(found) is type(shown)


def test_a_profile_states_orders_for_all_its_registers_or_for_one():
    found = registers("""
        word_order = "little"
        byte_order = "little"
        register = [{ name = "all", address = 0, type = "u32" },
                    { name = "one", address = 2, type = "u32", word_order = "big" }]""")
    assert (found["all"].word_order, found["all"].byte_order) == ("little", "little")
    assert (found["one"].word_order, found["one"].byte_order) == ("big", "little")


BENT = """
    word_order = "little"
    block = [{ table = "input registers", address = 0x10, count = 12, every = 0.05 }]
    register = [
        { name = "one", TABLE, address = 0x10, type = "u32", states = { 16909060 = "0x01020304" } },
        { name = "two", TABLE, address = 0x12, type = "u32", states = { 16909060 = "x" }, byte_order = "little" },
        { name = "three", TABLE, address = 0x14, type = "s24", states = { -2 = "x" } },
        { name = "power", TABLE, address = 0x16, type = "f64", resolution = "1 W", word_order = "big" },
        { name = "serial_number", TABLE, address = 0x1A, type = "u32" },
    ]""".replace("TABLE", 'table = "input registers"')


def test_a_master_gets_the_bytes_in_the_order_in_which_the_device_sends_them():
    profile = parse_profile(BENT, "bent")
    with simulated_gateway(profile, [7]) as gateway, \
            splitting(Downstream("tcp://127.0.0.1:0", [upstream_of(gateway, profile, [7])])) as splitter:
        with TcpMaster(splitter.servers[0].url.port) as master:
            answer = until(lambda: (got := master.ask(7, read_request(0x10, 12, 4)))[0] == 4 and got)
    assert answer[2:14] == bytes.fromhex("03040102 04030201 fffeffff")
    shown = {each.name: each.decode(answer[2:][2 * (each.block.address - 0x10):2 * (each.block.end - 0x10)])
             for each in profile.registers}
    assert shown["serial_number"] == 1_000_007 and 900 < shown["power"] < 1100


def test_a_device_may_know_few_functions():
    profile = parse_profile("functions = [2, 4]\n" + BENT.replace("block = [", """block = [
        { table = "discrete inputs", address = 0, count = 3 },"""), "bent")
    assert profile.functions == {2, 4} and profile.tables == {Table.DISCRETE_INPUTS, Table.INPUT_REGISTERS}
    with simulated_gateway(profile, [7]) as gateway, \
            splitting(Downstream("tcp://127.0.0.1:0", [upstream_of(gateway, profile, [7])])) as splitter:
        for port in (gateway.url.port, splitter.servers[0].url.port):
            with TcpMaster(port) as master:
                until(lambda: master.ask(7, read_request(0x10, 12, 4))[0] == 4)
                assert [master.ask(7, read_request(0x10, 1, code)) for code in (3, 1)] == [b"\x83\1", b"\x81\1"]
                assert master.ask(7, bytes.fromhex("0600100001")) == b"\x86\1"


def test_what_a_device_usually_knows_follows_from_its_tables():
    assert load_profile("abb-b23").functions == {3, 6, 16}
    assert parse_profile("block = [{ address = 0, count = 1 }]", "own").functions == {3, 6, 16}
    assert parse_profile(BENT, "own").functions == {4}
    everything = load_profile("any")
    assert everything.functions == {1, 2, 3, 4, 5, 6, 15, 16, 20} and not everything.reads
    assert everything.tables == set(Table) and all(block.count == 0x10000 for block in everything.readable)


def test_a_unit_may_be_any_device():
    house = parse("[upstream.a]\nurl = 'tcp://h'\nbaudrate = 9600\nunits = { 7 = 'any' }\n[downstream.b]\nurl = 'tcp://0.0.0.0'")
    drawn = draw(house, "a")
    assert "unit 7  any  (any device)" in drawn and "nothing is polled; requests of masters are forwarded to the unit" in drawn
    assert house.upstreams[0].unit(7).probe == Block(HOLDING, 0, 1)


# Addresses that count bytes: register n of this device is at address 2n, and holds n.

def device_of_bytes(unit: int, pdu: bytes) -> bytes:
    function, address, count = struct.unpack(">BHH", pdu)
    if function != 3 or address % 2 or address + 2 * count > 0x200:
        return bytes((function | 0x80, 2))
    return bytes((3, 2 * count)) + struct.pack(f">{count}H", *range(address // 2, address // 2 + count))


BYTES = parse_profile("""
    addressing = "bytes"
    readable = [{ address = 0, count = 256 }]
    block = [{ address = 0x20, count = 10, every = 0.05 }, { address = 0x34, count = 2, every = 0.05 },
             { address = 0x40, count = 1, every = 0.05 }]
    register = [{ name = "x", address = 0x22, type = "u32" }]""", "bytes")


def test_a_device_may_count_its_addresses_in_bytes(tmp_path):
    with Bus("tcp", tmp_path, device_of_bytes) as bus:
        upstream = Upstream(bus.url, [Unit(7, BYTES)], timeout=0.5)
        with splitting(Downstream("tcp://127.0.0.1:0", [upstream])) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            for address, count in ((0x20, 12), (0x20, 1), (0x22, 3), (0x32, 2), (0x36, 1), (0x40, 1)):
                request = read_request(address, count)
                until(lambda: master.ask(7, request)[0] == 3)
                assert master.ask(7, request) == device_of_bytes(7, request)
            for address, count in ((0x21, 1), (0x23, 2), (0x33, 1), (0x37, 1), (0x3F, 1), (0x41, 1), (0x1FE, 2)):
                assert master.ask(7, read_request(address, count)) == b"\x83\2", hex(address)


def test_a_simulated_device_counts_its_addresses_in_bytes():
    with simulated_gateway(BYTES, [7]) as gateway, TcpMaster(gateway.url.port) as master:
        answer = master.ask(7, read_request(0x20, 4))
        assert master.ask(7, read_request(0x22, 2))[2:] == answer[4:8] != b"\xff\xff\xff\xff"
        assert master.ask(7, read_request(0x1FE, 1))[0] == 3
        for address, count in ((0x200, 1), (0x1FE, 2), (0x21, 1)):
            assert master.ask(7, read_request(address, count)) == b"\x83\2"


def wide(address: int, count: int) -> Block:
    return Block(HOLDING, address, count, 2)


def test_a_block_of_bytes_covers_twice_as_many_addresses():
    block = wide(0x20, 10)
    assert (block.end, block.byte_count) == (0x34, 20)
    assert block.contains(wide(0x32, 1)) and not block.contains(wide(0x31, 1)) and not block.contains(wide(0x32, 2))
    assert not block.contains(Block(HOLDING, 0x20, 1))
    assert block.overlaps(wide(0x33, 1)) and not block.overlaps(wide(0x34, 1))
    assert wide(0xFFFE, 1).end == wide(0, 0x8000).end == 0x10000
    for address, count in ((0xFFFF, 1), (0xFFFE, 2), (0, 0x8001)):
        with pytest.raises(ConfigError, match="does not fit"):
            wide(address, count)
        assert asked_block(read_request(address, min(count, 125)), {HOLDING}, 2) == 2 or count > 125
    with pytest.raises(ConfigError, match="coils do not take 2 addresses each"):
        Block(Table.COILS, 0, 1, 2)
    assert asked_block(read_request(0x20, 10), {HOLDING}, 2) == block
    assert asked_block(read_request(3, 4, 1), {Table.COILS}, 2) == Block(Table.COILS, 3, 4)


def test_only_blocks_whose_registers_begin_alike_are_merged():
    assert merge([wide(4, 2), wide(0, 2), wide(10, 1)]) == [wide(0, 4), wide(10, 1)]
    assert merge([wide(0, 2), wide(3, 2), wide(4, 3)]) == [wide(0, 5), wide(3, 2)]
    assert merge([wide(0, 2), Block(HOLDING, 4, 2)]) == [wide(0, 2), Block(HOLDING, 4, 2)]


@pytest.mark.parametrize("text, message", [
    ("word_order = 'litle'", 'word_order: unknown order "litle"; did you mean "little"? (allowed: big, little; or abcd, badc, cdab, dcba)'),
    ("byte_order = 'abdc'", 'byte_order: unknown order "abdc" (allowed: big, little; or abcd, badc, cdab, dcba)'),
    ("byte_order = 1", "byte_order: 1 is not text"),
    ("register = [{ name = 'x', address = 2, type = 'u16', byte_order = 'bg' }]",
     'register[1].byte_order: unknown order "bg"; did you mean "big"?'),
    ("register = [{ name = 'x', address = 2, type = 'uint24' }]", 'register[1].type: unknown type "uint24"; did you mean "u24"?'),
    ("register = [{ name = 'x', address = 2, type = 'u24', not_available = 0x1000000 }]",
     "register[1].not_available: 16777216 does not fit into 24 bits"),
    ("addressing = 'byte'", 'addressing: unknown word "byte"; did you mean "bytes"? (allowed: registers, bytes)'),
    ("adressing = 'bytes'", 'adressing: unknown key "adressing"; did you mean "addressing"?'),
    ("addressing = 'bytes'\n[[block]]\naddress = 7\ncount = 1", "block[2]: holding registers 0x0007+1 overlaps"),
    ("addressing = 'bytes'\nregister = [{ name = 'x', address = 3, type = 'u16' }]", 'register[1]: "x" (holding registers '
                                                                                    '0x0003+1) does not lie inside one'),
    ("addressing = 'bytes'\nreadable = [{ address = 1, count = 20 }]", "block[1]: holding registers 0x0000+4 is not readable"),
    ("addressing = 'bytes'\nreadable = [{ address = 0, count = 9 }, { address = 9, count = 9 }]",
     "readable[2]: holding registers 0x0009+9 overlaps holding registers 0x0000+9"),
    ("functions = 3", "functions: 3 is not a list"),
    ("functions = ['3']", 'functions: "3" is not a whole number'),
    ("functions = [3, 17]", "functions: function 17 is not possible; allowed are 1, 2, 3, 4, 5, 6, 15, 16, 20, 21, 22, 23"),
    ("functions = [4, 6]", "block[1]: holding registers 0x0000+4 needs function 3, which is not one of functions (4, 6)"),
    ("functions = [3]\nreadable = [{ address = 0, count = 9 }, { table = 'coils', address = 0, count = 9 }]",
     "readable[2]: coils 0x0000+9 needs function 1, which is not one of functions (3)"),
])
def test_a_profile_that_bends_too_much_is_refused(text, message):
    with pytest.raises(ConfigError) as raised:
        keys, block, more = text.partition("\n[[block]]")
        parse_profile(f"{keys}\n[[block]]\naddress = 0\ncount = 4{block}{more}", "own")
    assert str(raised.value).startswith(f"profile own: {message}")


# Unit addresses of four bytes.

PUMP, OTHER = LongUnit(0x0012D687), LongUnit(0x0012D688)
POWERS, LONGER = Block(HOLDING, 0x5B14, 2), Block(HOLDING, 0x0200, 9)
TIMEOUT = 0.2 * SLOWNESS
PUMPS = """
[upstream.pumps]
url = "rtuovertcp://192.168.1.142:4001"
unit_bytes = 4
units = { 0x0012D687 = "abb-b23", 0012d688 = "abb-b23" }

[downstream.victron]
url = "tcp://0.0.0.0"
units = { 1 = "pumps/0x0012D687", 2 = "pumps/0012D688" }
"""


def parse(text: str):
    return parse_config(text, "softsplit.toml", Path("."))


@pytest.fixture(params=["rtuovertcp", "rtu"])
def bus(request, tmp_path):
    with Bus(request.param, tmp_path, lambda unit, pdu: good_answer(unit & 7, pdu), unit_bytes=4) as bus:
        yield bus


@pytest.fixture
def pump(bus):
    client = client_for(parse_url(bus.url, KINDS), TIMEOUT, Line(mode="8N1") if bus.kind == "rtu" else None, unit_bytes=4)
    yield client
    client.close()


def once(bus, reply) -> None:
    """Let the next request be answered by `reply(say, pdu)`, all others as ever."""
    def fault(say, frame, unit, pdu):
        bus.fault = None
        reply(say, pdu)
    bus.fault = fault


def data_of(unit: int, block: Block) -> bytes:
    return good_answer(unit & 7, read_request(block.address, block.count))[2:]


def answer(unit: LongUnit, pdu: bytes) -> bytes:
    return adu.rtu_frame(unit, good_answer(unit & 7, pdu))


def test_a_frame_may_have_a_unit_address_of_four_bytes():
    frame = adu.rtu_frame(PUMP, bytes.fromhex("03 5b14 0002"))
    assert frame[:-2] == bytes.fromhex("0012d687 03 5b14 0002") and adu.crc(frame) == 0
    assert adu.take_apart(frame, 4) == (PUMP, bytes.fromhex("03 5b14 0002"))
    assert adu.request_length(frame, 4) == len(frame) == 11 and adu.request_length(frame[:4], 4) == 7
    assert adu.is_rtu_frame(adu.rtu_frame(PUMP, bytes(253)), 4)
    assert not adu.is_rtu_frame(adu.rtu_frame(PUMP, bytes(254)), 4)
    assert adu.split(b"\0" + frame + answer(PUMP, frame[4:-2]) + b"\0\x12", 4) == ([frame, answer(PUMP, frame[4:-2])], 3)


def test_it_is_written_in_eight_hex_digits():
    assert f"{PUMP}" == str(PUMP) == repr(PUMP) == "0x0012D687" and "%s" % PUMP == "0x0012D687"
    assert parse_long_unit("0x0012D687") == parse_long_unit("0012d687") == PUMP
    for text in ("0x12D687", "0x0012D6870", "0012D68", "0x0012D68G", "", "0x", "1", "0x00000000", " 012D687"):
        with pytest.raises(ConfigError, match="is no unit address of four bytes; write all its eight hex digits"):
            parse_long_unit(text)


def test_units_with_four_bytes_are_read(bus, pump):
    for unit in (PUMP, OTHER):
        for block in (POWERS, LONGER):
            assert pump.read(unit, block, TIMEOUT) == data_of(unit, block)
    assert {unit for unit, _, _ in bus.requests} == {PUMP, OTHER} and bus.connections == (bus.kind != "rtu")


def test_their_answers_are_found_behind_those_of_others_and_beside_an_echo(bus, pump):
    once(bus, lambda say, pdu: say(b"\0" + adu.rtu_frame(PUMP, pdu) + adu.rtu_frame(OTHER, pdu) + answer(OTHER, pdu)
                                   + answer(PUMP, pdu) + b"\0"))
    assert pump.read(PUMP, LONGER, TIMEOUT) == data_of(PUMP, LONGER)
    assert pump.others.take_said() == ["a request to unit 0x0012D688 (read holding registers 0x0200+9)", "an answer from unit 0x0012D688"]
    assert pump.read(PUMP, POWERS, TIMEOUT) == data_of(PUMP, POWERS)


def test_a_header_of_theirs_found_by_chance_does_not_end_the_wait(bus, pump):
    other = adu.rtu_frame(OTHER, bytes((3, 12)) + answer(PUMP, read_request(0x5B14, 2))[:6] + bytes(6))
    once(bus, lambda say, pdu: (say(other), threading.Timer(0.5 * TIMEOUT, say, (answer(PUMP, pdu),)).start()))
    assert pump.read(PUMP, POWERS, TIMEOUT) == data_of(PUMP, POWERS)


def test_their_late_answers_are_not_mistaken(bus, pump):
    once(bus, lambda say, pdu: threading.Timer(1.2 * TIMEOUT, say, (answer(PUMP, pdu),)).start())
    with pytest.raises(NoAnswer, match="unit 0x0012D687 does not answer"):
        pump.read(PUMP, POWERS, TIMEOUT)
    assert pump.free_at(PUMP, read_question(POWERS)) > pump.asked_at + TIMEOUT
    assert pump.free_at(OTHER, read_question(POWERS)) == pump.free_at(PUMP, read_question(LONGER)) == 0.0
    late: set[int] = set()
    until(lambda: pump.read(OTHER, LONGER, TIMEOUT) == data_of(OTHER, LONGER) and (late.update(pump.take_late()) or late))
    assert late == {PUMP} and not pump.others.take_said()


@pytest.mark.parametrize("reply, error, message", [
    (lambda pdu: answer(PUMP, pdu)[:-1] + b"\0", BadAnswer, "unit 0x0012D687: the answer has a wrong CRC"),
    (lambda pdu: answer(OTHER, pdu), BadAnswer, "unit 0x0012D687: the answer has unit 0x0012D688 instead of 0x0012D687"),
    (lambda pdu: adu.rtu_frame(PUMP, b"\x83\2"), Refused, "unit 0x0012D687: exception 0x02"),
    (lambda pdu: adu.rtu_frame(PUMP, pdu), NoAnswer, "unit 0x0012D687 does not answer"),
    (lambda pdu: adu.rtu_frame(0x87, good_answer(7, pdu)), BadAnswer, "9 bytes without a meaning"),
])
def test_what_is_not_their_answer_is_named(bus, pump, reply, error, message):
    once(bus, lambda say, pdu: say(reply(pdu)))
    with pytest.raises(error, match=message):
        pump.read(PUMP, POWERS, TIMEOUT)
    assert pump.read(PUMP, LONGER, TIMEOUT) == data_of(PUMP, LONGER)


def test_a_master_reads_them_under_ids_of_one_byte(bus, tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "pump.toml").write_text("block = [{ address = 0x10, count = 4, every = 0.05 }]")
    line = 'baudrate = 19200\nmode = "8N1"\nunit_bytes = 4'
    wiring = parse_config(PUMPS.replace("rtuovertcp://192.168.1.142:4001", bus.url).replace("abb-b23", "pump.toml")
                          .replace("0.0.0.0", "127.0.0.1:0").replace("unit_bytes = 4", line), "softsplit.toml", tmp_path)
    with splitting(wiring) as splitter, TcpMaster(splitter.servers[0].url.port) as master:
        for unit, origin in ((1, PUMP), (2, OTHER)):
            until(lambda: master.read(unit, 0x10, 4) == data_of(origin, Block(HOLDING, 0x10, 4)))
        assert master.ask(0x87, read_request(0x10, 4)) == b"\x83\x0a"
        status = splitter.status()
    assert list(status.upstreams["pumps"].units) == ["0x0012D687", "0x0012D688"]
    assert status.downstreams["victron"].units["1"].origin == "pumps/0x0012D687"
    logged = [record.getMessage() for record in caplog.records]
    assert "pumps: unit 0x0012D687 answers" in logged
    assert any(line.startswith("pumps: unit 0x0012D687: ") and "requests" in line for line in logged)


def test_check_shows_them_and_counts_their_bytes():
    drawn = draw(parse(PUMPS.replace("unit_bytes", "baudrate = 19200\nunit_bytes")), "softsplit.toml")
    assert "unit 0x0012D687  abb-b23" in drawn and "unit 1  from pumps/0x0012D687" in drawn
    assert "151 bytes" in drawn, "6 more than with addresses of one byte"


def test_a_script_writes_them_alike():
    pumps = Upstream("rtu:///dev/ttyUSB1", [Unit("0x0012D687", "abb-b23")], unit_bytes=4, name="pumps")
    served, = Downstream("tcp://a", units={1: (pumps, "0x0012D687")}).served
    assert (served.unit, str(served.origin.unit)) == (1, "0x0012D687") and pumps.unit(PUMP) is served.origin


@pytest.mark.parametrize("old, new, message", [
    ("unit_bytes = 4\n", "", 'upstream.pumps.units.0x0012D687: "0x0012D687" is no unit id; allowed are 0 to 255; eight hex '
                             'digits need unit_bytes = 4'),
    ("unit_bytes = 4", "unit_bytes = 2", "upstream.pumps.units.0x0012D687: "),
    ("unit_bytes = 4", "unit_byte = 4", 'upstream.pumps.unit_byte: unknown key "unit_byte"; did you mean "unit_bytes"?'),
    ("rtuovertcp", "tcp", "upstream.pumps.unit_bytes: only rtu:// and rtuovertcp:// have more than 1"),
    ("0x0012D687 =", "0x12D687 =", 'upstream.pumps.units.0x12D687: "0x12D687" is no unit address of four bytes; write all'),
    ("0x0012D687 =", "100 =", 'upstream.pumps.units.100: "100" is no unit address of four bytes'),
    ("0012d688", "0012d687", "upstream.pumps.units: unit 0x0012D687 is given twice"),
    ("pumps/0012D688", "pumps/0012D689", 'downstream.victron.units.2: unknown unit of pumps "0x0012D689"; did you mean'),
    ("pumps/0012D688", "pumps/5", 'downstream.victron.units.2: "5" is no unit address of four bytes'),
    ('units = { 1 = "pumps/0x0012D687", 2 = "pumps/0012D688" }', "",
     "downstream.victron.serves: the units of pumps have no ids of one byte; choose some: units = { 1 = "
     '"pumps/0x0012D687" }'),
])
def test_a_wrong_wiring_of_them_is_refused(old, new, message):
    assert old in PUMPS
    with pytest.raises(ConfigError) as raised:
        parse(PUMPS.replace(old, new))
    assert str(raised.value).startswith(f"softsplit.toml: {message}")


@pytest.mark.parametrize("build, message", [
    (lambda: Upstream("rtu:///dev/a", [Unit("0x0012D687", "any")]), "units: unit 0x0012D687 does not have an address of 1 bytes"),
    (lambda: Upstream("rtu:///dev/a", [Unit(7, "any")], unit_bytes=4), "units: unit 7 does not have an address of 4 bytes; write"),
    (lambda: Upstream("rtu:///dev/a", [Unit(7, "any")], unit_bytes=3), "unit_bytes: 3 is not possible; allowed are 1 and 4"),
    (lambda: Unit("0x12", "any"), 'unit: "0x12" is no unit address of four bytes'),
])
def test_a_wrong_script_gets_the_same_errors(build, message):
    with pytest.raises(ConfigError) as raised:
        build()
    assert str(raised.value).startswith(message)


def test_a_silent_device_with_an_address_of_four_bytes_is_not_asked_in_the_other_dialect(tmp_path):
    with Bus("rtuovertcp", tmp_path, unit_bytes=4) as bus:
        assert ask_otherwise(parse_url(bus.url, ("rtuovertcp",)), PUMP, POWERS, TIMEOUT) == ""
    assert not bus.connections
