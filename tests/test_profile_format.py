"""What a profile can say of devices: each key, with values that were worked out by hand."""

from concurrent.futures import Future
from dataclasses import replace

import pytest

from softsplit import Unit, Upstream
from softsplit.commands.profile.listing import findings
from softsplit.commands.shared.answers import Answers
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.unit import SimulatedUnit
from softsplit.downstream.mirrors.forwarding import Way
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.store import PolledStore
from softsplit.errors import ConfigError
from softsplit.profiles import Answer, load_profile, shipped_profiles
from softsplit.profiles.content import profile_of as profile_from
from softsplit.profiles.encoding import encode
from softsplit.profiles.loader import parse_profile
from softsplit.profiles.written import content_of
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.pdu import ILLEGAL_VALUE
from softsplit.protocol.values import TYPES

HOLDING = Table.HOLDING_REGISTERS
FIRST = "block = [{ address = 0, count = 20 }]\n"


def profile_of(register: str, head: str = ""):
    return parse_profile(f"{head}{FIRST}register = [{{ name = 'x', {register} }}]", "own")


def said(profile, data: str, address: int = 0):
    """What the registers say whose block has this data."""
    octets = bytes.fromhex(data)
    found = profile.decode(Block(HOLDING, address, len(octets) // 2, profile.step), octets)
    return {register.name: value for register, value in found.items()}


@pytest.mark.parametrize("register, data, value", [
    ("address = 0, type = 's16', resolution = '-0.1 W'", "0064", -10.0),
    ("address = 0, type = 's16', resolution = '0.01 W', exponent = { address = 1 }", "0064 0002", 100.0),
    ("address = 0, type = 's16', exponent = { address = 1 }", "04d2 fffe", 12.34),
    ("address = 0, type = 's16', exponent = { address = 1 }", "04d2 8000", None),  # SunSpec: not implemented
    ("address = 0, type = 'f32', times = [{ address = 2, type = 'u16' }, { address = 3, type = 'u16', resolution = '0.1' }]",
     "42c8 0000 0028 000a", 4000.0),
    ("address = 0, type = 'u16', times = [{ address = 1, type = 'u16', not_available = 0xFFFF }]", "0064 ffff", None),
    ("address = 0, type = 'u16', times = [{ address = 1, type = 'u16' }]", "0064 0000", None),  # a ratio that is not set
    ("address = 0, type = 'f32', times = [{ address = 2, type = 'f32' }]", "42c8 0000 8000 0000", None),
    ("address = 0, type = 'u16', sign = { address = 1, negative = 1 }", "0064 0001", -100.0),
    ("address = 0, type = 'u16', sign = { address = 1, negative = 1 }", "0064 0000", 100.0),
    ("address = 0, type = 'u16', sign = { address = 1, negative = 1 }", "0064 0002", None),  # the profile does not say what that means
    ("address = 0, type = 'u16', sign = { address = 1, negative = 0 }", "0064 0001", 100.0),
    ("address = 0, type = 'u16', sign = { address = 1, negative = 0 }", "0064 ffff", None),
    ("address = 0, type = 'u16', sign = { address = 1, negative = 2, positive = 1 }", "0064 0001", 100.0),
    ("address = 0, type = 'u16', sign = { address = 1, negative = 2, positive = 1 }", "0064 0000", None),
    ("address = 0, type = 'u16', mask = 0x0F00", "1a34", 10),
    ("address = 0, type = 's16', mask = 0x0F00", "1f34", -1),
    ("address = 0, type = 'u16', mask = 0x8000, states = { 0 = 'off', 1 = 'on' }", "8000", "on"),
    ("address = 0, type = 'u16', mask = 0x00FF, not_available = 0xFFFF", "ffff", None),
    ("address = 0, type = 'u16', mask = 0x00FF, not_available = 0xFFFF", "00ff", 255),
    ("address = 0, type = 'u16', mask = 0x0F00, not_available = 0x0F", "1f34", None),  # that of the bits
    ("address = 0, type = 'u16', mask = 0x00FF, not_available = 0xFF", "12ff", None),
    ("address = 0, type = 's16', mask = 0x0F00, not_available = [7, -1]", "1f34", None),
    ("address = 0, type = 'bits', count = 1, states = { 0 = 'overvoltage', 3 = 'fan' }", "0009", ("overvoltage", "fan")),
    ("address = 0, type = 'bits', count = 1, states = { 0 = 'overvoltage', 3 = 'fan' }", "0011", ("overvoltage", "bit 4")),
    ("address = 0, type = 'bits', count = 1, mask = 0x000F, states = { 0 = 'overvoltage' }", "0011", ("overvoltage",)),
    ("address = 0, type = 'u8', byte = 'high'", "12fe", 0x12), ("address = 0, type = 's8', byte = 'low'", "12fe", -2),
    ("address = 0, type = 's16', not_available = [0x8000, 0x7FFF]", "7fff", None),
    ("address = 0, type = 's16', not_available = -32768", "8000", None),
    ("address = 0, type = 's16', not_available = [-1, 0]", "ffff", None),
    ("address = 0, type = 's32', not_available = -1, word_order = 'little'", "ffff ffff", None),
    ("address = 0, type = 'u32', word_order = 'cdab'", "e240 0001", 123456),
    ("address = 0, type = 's16', word_order = 'CDAB'", "ff38", -200),
    ("address = 0, type = 'u32', byte_order = 'DCBA'", "40e2 0100", 123456),
    ("address = 0, type = 'time', layout = 'y2000 m d h m s'", "001a 000b 001e 0011 001e 0005", "2026-11-30 17:30:05"),
    ("address = 0, type = 'time', layout = 'epoch', not_available = 0", "0000 0000", None),
    ("address = 0, type = 'time', layout = 'epoch', word_order = 'little'", "8b80 6749", "2024-11-29 09:38:08Z"),
    ("addresses = [0, 2], type = 'u32'", "0001 ffff e240", 123456),
    ("addresses = [2, 0], type = 's32', resolution = '0.1 kWh'", "ff38 0000 ffff", -20.0),
    ("address = 0, type = 'text', count = 3, characters = 'low'", "0041 0042 0000", "AB"),
    ("address = 0, type = 'text', count = 3, characters = 'high'", "4100 4200 0000", "AB"),
    ("address = 0, type = 'text', count = 2, encoding = 'utf-8'", "c3bc 6200", "üb"),
    ("address = 0, type = 'text', count = 2, encoding = 'latin-1'", "fc62 0000", "üb"),
    ("address = 0, type = 'ipv4'", "c0a8 0105", "192.168.1.5"), ("address = 0, type = 'hex', count = 2", "0012 d687", "0012D687"),
    ("address = 0, type = 'mod10', count = 2, resolution = '0.1 kWh'", "0003 04d2", 3123.4),
    ("address = '40001', type = 'u16'", "0007", 7), ("address = '0x0000', type = 'u16'", "0007", 7), ("address = '0000h', type = 'u16'", "0007", 7),
])
def test_a_register_says_what_its_keys_make_of_it_and_back(register, data, value):
    profile = profile_of(register)
    assert said(profile, data) == {"x": value}
    own, = profile.registers
    if not own.is_scaled and (value is not None or own.says_absent) and not own.addresses:
        again = encode(own, value, into=bytes.fromhex(data)[:2 * own.count])
        assert own.decode(again) == value


@pytest.mark.parametrize("register, message", [
    ("address = 0, type = 'text', count = 1, resolution = '0.1 V'", "register[1].resolution: says nothing of a text"),
    ("address = 0, type = 'raw', count = 1, states = { 0 = 'a' }", "register[1].states: says nothing of a raw"),
    ("address = 0, type = 'f32', mask = 0xFF", "register[1].mask: says nothing of a f32"),
    ("address = 0, type = 'u16', byte = 'high'", "register[1].byte: says nothing of a u16"),
    ("address = 0, type = 'u16', word_order = 'little'", "register[1].word_order: says nothing of a u16"),
    ("address = 0, type = 'u16', layout = 'epoch'", "register[1].layout: says nothing of a u16"),
    ("address = 0, type = 'u16', encoding = 'utf-8'", "register[1].encoding: says nothing of a u16"),
    ("address = 0, type = 'bits', count = 1, states = { else = 'a' }", "register[1].states: bits have no name for all others"),
    ("address = 0, type = 'text', count = 1, exponent = { address = 1 }", "register[1].exponent: says nothing of a text"),
    ("address = 0, type = 'u16', mask = 0x0505", "register[1].mask: the bits of 0x505 are not next to each other"),
    ("address = 0, type = 'u16', mask = 0x10000", "register[1].mask: 65536 is no mask of 1 registers"),
    ("address = 0, type = 'u16', not_available = -1", "register[1].not_available: -1 does not fit into 16 bits"),
    # what a register never says: nothing would ever be so
    ("address = 0, type = 'u16', where = { address = 3, equals = 70000 }", "register[1].where.equals: 70000 is not possible: 70000 does not fit into a u16"),
    ("address = 0, type = 'u16', where = { address = 3, mask = 0xF0, equals = [1, 0x10] }", "register[1].where.equals: 16 is not possible: 16 does not fit into a u16 of 4 bits"),
    ("address = 0, type = 'u16', where = { address = 3, type = 'text', count = 1, equals = 'ABC' }", 'register[1].where.equals: "ABC" is not possible: 3 bytes do not fit into 2'),
    ("address = 0, type = 'u16', where = { address = 3, type = 'text', count = 2, equals = 'AB ' }", 'register[1].where.equals: "AB " is not possible: it is read as "AB"'),
    ("address = 0, type = 'u16', sign = { address = 3, negative = 2, positive = 2 }", "register[1].sign.positive: 2 says negative already"),
    ("address = 0, type = 'u16', sign = { address = 3, negative = -1 }", "register[1].sign.negative: -1 is not possible: -1 does not fit into a u16"),
    ("address = 0, type = 'u16', mask = 0x30, states = { 4 = 'a' }", "register[1].states: 4 does not fit into a u16 of 2 bits"),
    ("address = 0, type = 's16', states = { 32768 = 'a' }", "register[1].states: 32768 does not fit into a s16"),
    ("address = 0, type = 'bits', states = { 16 = 'a' }", "register[1].states: 16 is none of its 16 bits"),
    ("address = 0, type = 'u16', exponent = { address = 30 }", 'register[1]: "x" (holding registers 0x001E+1) does not lie'),
    ("address = 0, type = 'u16', exponent = { adress = 3 }", 'register[1].exponent.adress: unknown key "adress"; did you mean "address"?'),
    ("address = 0, type = 'u16', exponent = { address = 3, type = 'f32' }", "register[1].exponent.type: a f32 is no number that can"),
    ("address = 0, type = 'u16', times = [{ address = 3 }]", "register[1].times: type is missing"),
    ("address = 0, type = 'u16', stride = 3", "register[1].stride: needs repeat"),
    ("address = 0, addresses = [1, 2], type = 'u32'", "register[1].address: leave it out beside addresses"),
    ("addresses = [1, 2, 3], type = 'u32'", "register[1].addresses: a u32 takes 2 registers"),
    ("address = 0, type = 'time'", "register[1]: layout is missing"),
    ("address = 0, type = 'time', layout = 'm d'", 'register[1].layout: "m d" is no layout of a time'),
    ("address = 0, type = 'u32', word_order = 'cdab', byte_order = 'badc'", 'register[1].word_order: "cdab" says both orders'),
    # what others call things, never by the nearest word
    ("address = 0, type = 'int16'", 'register[1].type: unknown type "int16"; did you mean "s16"?'),
    ("address = 0, type = 'INT32'", 'register[1].type: unknown type "INT32"; did you mean "s32"?'),
    ("address = 0, type = 'short'", 'register[1].type: unknown type "short"; did you mean "s16"?'),
    ("address = 0, type = 'uint32'", 'register[1].type: unknown type "uint32"; did you mean "u32"?'),
    ("address = 0, type = 'float32'", 'register[1].type: unknown type "float32"; did you mean "f32"?'),
    ("address = 0, type = 'real'", 'register[1].type: unknown type "real"; did you mean "f32"?'),
    ("address = 0, type = 'double'", 'register[1].type: unknown type "double"; did you mean "f64"?'),
    ("address = 0, type = 'string'", 'register[1].type: unknown type "string"; did you mean "text"?'),
    ("address = 0, type = 'bool'", 'register[1].type: unknown type "bool"; did you mean "bits"?'),
    ("address = 0, type = 'u16', scale = 0.1", 'register[1].scale: unknown key "scale"; did you mean "resolution"?'),
    ("address = 0, type = 'u16', unit = 'W'", 'register[1].unit: unknown key "unit"; did you mean "resolution"?'),
    ("address = 0, type = 'u16', resolution = '1e99999999 W'", 'register[1].resolution: "1e99999999 W" does not say what'),
    ("address = 0, type = 'u16', units = 'W'", 'register[1].units: unknown key "units"; did you mean "resolution"?'),
    ("address = 0, type = 'u16', gain = 10", 'register[1].gain: unknown key "gain"; did you mean "resolution"? Write it like resolution = "0.1 V", what one count is'),
    ("address = 0, type = 'u16', decimals = 1", 'register[1].decimals: unknown key "decimals"; did you mean "resolution"?'),
    ("address = 0, type = 'u16', signed = true", 'register[1].signed: unknown key "signed"; did you mean "type"? Write it like type = "s16"'),
    ("address = 0, type = 'u32', cdab = true", 'register[1].cdab: unknown key "cdab"; did you mean "word_order"?'),
    ("address = 0, type = 'u16', word_order = 'little'", "register[1].word_order: says nothing of a u16"),
    ("address = 30017, type = 'u16'", "register[1]: \"x\" (holding registers 0x7541+1) does not lie inside one block; 30017 is taken for protocol address 0x7541 of the holding"),
    ("register = 0, type = 'u16'", 'register[1].register: unknown key "register"; did you mean "address"?'),
    ("address = 0, type = 'u16', fc = 4", 'register[1].fc: unknown key "fc"; did you mean "table"?'),
    ("address = 0, type = 'u16', swap = 'word'", 'register[1].swap: unknown key "swap"; did you mean "word_order"?'),
    ("address = 0, type = 'u16', table = 'input'", 'register[1].table: unknown table "input"; did you mean "input registers"?'),
    ("address = '30001', table = 'coils', type = 'u16'", "register[1].address: \"30001\" is one of the input registers, not of the coils"),
])
def test_what_says_nothing_or_too_much_is_refused(register, message):
    with pytest.raises(ConfigError) as raised:
        profile_of(register)
    assert str(raised.value).startswith(f"profile own: {message}")


NUMBER = {"resolution", "offset", "states", "exponent", "times", "sign", "plus", "not_available", "byte_order"}
LONG = {"word_order", "addresses"}
WHOLE, OTHERS = {"u16", "s16"}, {"u24", "s24", "u32", "s32", "u48", "s48", "u64", "s64"}
MEANT = {  # which keys say something of a type
    **{name: NUMBER | {"mask"} for name in WHOLE}, **{name: NUMBER | LONG | {"mask"} for name in OTHERS},
    **{name: NUMBER | {"byte"} for name in ("u8", "s8")}, **{name: NUMBER for name in ("f16", "m16", "bcd16")},
    **{name: NUMBER | LONG for name in ("f32", "f64", "m32", "bcd32", "e8s24", "e8u24")}, "mod10": NUMBER | LONG | {"count"},
    "bits": {"not_available", "byte_order", "word_order", "addresses", "states", "mask", "count"},
    "text": {"not_available", "byte_order", "addresses", "encoding", "characters", "count"},
    "hex": {"not_available", "byte_order", "addresses", "count"}, "raw": {"not_available", "addresses", "count"},
    "ipv4": {"not_available", "byte_order", "word_order", "addresses"},
    "time": {"not_available", "byte_order", "word_order", "addresses", "layout"},
}
KEYS = {
    "resolution": "'0.1 W'", "offset": "5", "states": "{ 0 = 'off' }", "exponent": "{ address = 9 }", "times": "[{ address = 9, type = 'u16' }]",
    "sign": "{ address = 9 }", "plus": "[{ address = 9, type = 'u16' }]", "not_available": "1", "byte_order": "'little'", "word_order": "'little'", "addresses": "", "mask": "1",
    "byte": "'low'", "count": "1", "encoding": "'utf-8'", "characters": "'low'", "layout": "'hhmm'",
}


@pytest.mark.parametrize("name", TYPES)
def test_a_key_is_taken_where_it_says_something_of_the_type_and_refused_elsewhere(name):
    size = TYPES[name].registers or 1
    for key, written in KEYS.items():
        given = {"type": f"'{name}'", "address": "0"} | ({"count": "1"} if "count" in MEANT[name] else {}) | ({"layout": "'hhmm'"} if name == "time" else {})
        given |= {key: written or repr(list(range(size)))}
        if key == "addresses":
            del given["address"]
            given.pop("count", None)
        text = ", ".join(f"{each} = {value}" for each, value in given.items())
        if key in MEANT[name]:
            profile_of(text)
        else:
            with pytest.raises(ConfigError, match=rf"register\[1\]\.{key}"):
                profile_of(text)


@pytest.mark.parametrize("written", ["00001", "1000h", "0A1Fh", "000001"])
def test_an_address_that_is_no_number_of_toml_is_told_to_stand_in_quotes(written):
    with pytest.raises(ConfigError, match=f'an address as manuals write it stands in quotes: "{written}"'):
        parse_profile(f"block = [{{ table = 'coils', address = {written}, count = 1 }}]", "own")
    parse_profile(f"block = [{{ table = 'coils', address = '{written}', count = 1 }}]", "own")


def test_manuals_may_count_from_one():
    profile = parse_profile("""first_address = 1
        block = [{ address = 1, count = 4 }]
        register = [{ name = "x", address = 3, type = "s16", exponent = { address = 4 } }]""", "own")
    assert profile.reads[0].block == Block(HOLDING, 0, 4) and said(profile, "0000 0000 0005 0001") == {"x": 50.0}
    with pytest.raises(ConfigError, match="0 is before the first address, 1"):
        parse_profile("first_address = 1\nblock = [{ address = 0, count = 4 }]", "own")


def test_limits_of_a_device_are_facts_of_its_profile():
    profile = parse_profile("max_count = 2\ngap = 0.5\nreadable = [{ address = 0, count = 20 }]\nblock = [{ address = 0, count = 2 }]", "own")
    assert (profile.max_count, profile.gap) == (2, 0.5)
    with pytest.raises(ConfigError, match=r"block\[1\].count: 3 is more than the device gives in one answer, which is max_count = 2"):
        parse_profile("max_count = 2\nblock = [{ address = 0, count = 3 }]", "own")
    unit = SimulatedUnit(1, profile, Faults())
    assert unit.answer(bytes.fromhex("0300000003"))[:2] == bytes((0x83, ILLEGAL_VALUE)) and unit.answer(bytes.fromhex("0300000002"))[0] == 3


def test_more_than_a_device_gives_at_once_is_refused_as_it_would_and_not_forwarded():
    sent = []
    way = Way(lambda question, write, master: sent.append(question) or Future(), lambda block: None, frozenset((3,)), (Block(HOLDING, 0, 20),), max_count=2)
    mirror = Mirror(1, PolledStore((), 5.0), frozenset((HOLDING,)), way=way)
    assert mirror.handle_request(bytes.fromhex("0300000003")) == bytes((0x83, ILLEGAL_VALUE)) and not sent
    assert isinstance(mirror.handle_request(bytes.fromhex("0300000002")), Future) and len(sent) == 1


def test_a_wire_keeps_the_longest_gap_that_one_of_its_devices_wants():
    units = [Unit(number, parse_profile(f"gap = {gap}\nreadable = [{{ address = 0, count = 20 }}]", "own")) for number, gap in ((1, 0.0), (2, 0.5), (3, 0.1))]
    assert Upstream("tcp://127.0.0.1", units).gap == 0.5 and Upstream("tcp://127.0.0.1", units, request_gap=0.7).gap == 0.7


def test_registers_repeat_with_a_stride():
    profile = parse_profile("""block = [{ address = 0, count = 20 }]
        register = [{ name = "voltage_{n}", address = 2, type = "u16", repeat = 3, stride = 5, exponent = { address = 0 } }]""", "own")
    assert [each.block.address for each in profile.registers] == [2, 7, 12]
    assert [each.exponent.block.address for each in profile.registers] == [0, 0, 0]
    with pytest.raises(ConfigError, match=r"register\[1\].stride: 1 is not possible; each takes 2 addresses"):
        parse_profile(FIRST + "register = [{ name = 'x{n}', address = 2, type = 'u32', repeat = 3, stride = 1 }]", "own")


def test_a_device_may_be_known_by_several_registers_or_by_its_name():
    profile = parse_profile(FIRST + """identify = [{ address = 0, type = "u16", equals = 5 }, { vendor = "ACME", product = "X1" }]""", "own")
    register, named = profile.identify
    assert register.fits(5) and named.fits({"vendor": "ACME", "product": "X1"}) and not named.fits({"vendor": "ACME"})
    with pytest.raises(ConfigError, match=r"identify.vendor: 5 is not text"):
        parse_profile(FIRST + "identify = { vendor = 5 }", "own")


JOINED = parse_profile("""
    block = [{ address = 0, count = 2, every = 1 }, { address = 10, count = 1, every = 30 }]
    register = [{ name = "power", address = 0, type = "s16", times = [{ address = 10, type = "u16" }] }]""", "joined")


@pytest.mark.parametrize("apart, value", [(0.0, -4000.0), (59.9, -4000.0), (60.1, None), (-60.1, None)])
def test_values_of_two_answers_are_joined_when_they_are_no_further_apart_than_two_periods(apart, value):
    answers = [Answer(JOINED.reads[0].block, bytes.fromhex("ff9c0000"), 1000.0, 1.0), Answer(JOINED.reads[1].block, b"\0\x28", 1000.0 - apart, 30.0)]
    power, = JOINED.said(answers).values()
    assert power.value == value and (value is None or power.taken_at == 1000.0 - apart)


def test_what_was_read_last_is_joined_and_nothing_of_another_unit():
    answers, (power, ratios) = Answers(JOINED), (read.block for read in JOINED.reads)
    answers.take(1, replace(ratios, count=3), bytes.fromhex("000100000000"), 999.0)
    answers.take(1, ratios, b"\0\x28", 1000.0)
    answers.take(2, ratios, b"\0\x02", 1000.0)
    answers.take(1, power, bytes.fromhex("ff9c0000"), 1001.0)
    assert [str(each) for each in answers.named(1, power, bytes.fromhex("ff9c0000"))] == ["-4000"]
    assert [str(each) for each in answers.named(3, power, bytes.fromhex("ff9c0000"))] == ["absent"]


def test_a_pause_is_no_period_so_what_was_read_before_it_is_not_joined():
    answers, (power, ratios) = Answers(JOINED), (read.block for read in JOINED.reads)
    answers.take(1, ratios, b"\0\x28", 1000.0)
    for at in (1000.0, 1001.0, 4600.0):
        answers.take(1, power, bytes.fromhex("ff9c0000"), at)
    assert [str(each) for each in answers.named(1, power, bytes.fromhex("ff9c0000"))] == ["absent"]


def test_what_is_not_there_is_not_made_up():
    assert [said.value for said in JOINED.said([Answer(JOINED.reads[0].block, bytes.fromhex("ff9c0000"), 1000.0, 1.0)]).values()] == [None]
    assert JOINED.said([Answer(JOINED.reads[1].block, b"\0\x28", 1000.0, 1.0)]) == {}


@pytest.mark.parametrize("pattern, words", [("0x0F", "1f34"), ("-1", "1f34"), ("0x8000", "8000")])
def test_not_available_under_a_mask_leaves_the_other_bits_unless_it_is_that_of_the_whole_register(pattern, words):
    register, = profile_of(f"address = 0, type = 's16', mask = 0x0F00, not_available = {pattern}").registers
    assert encode(register, None, into=bytes.fromhex("1234")).hex() == words
    assert register.decode(bytes.fromhex(words)) is None


def test_a_value_that_would_say_not_available_or_does_not_fit_is_not_encoded():
    register, = profile_of("address = 0, type = 's16', resolution = '0.1 W', not_available = 0x7FFF").registers
    assert encode(register, -100.0) == bytes.fromhex("fc18") and encode(register, None) == bytes.fromhex("7fff")
    for value in (3276.7, 1e6):
        with pytest.raises(OverflowError):
            encode(register, value)
    plain, = profile_of("address = 0, type = 'u16'").registers
    with pytest.raises(ValueError):
        encode(plain, None)
    bits, = profile_of("address = 0, type = 'bits', states = { 3 = 'fan' }").registers
    assert encode(bits, ("fan", "bit 0")) == encode(bits, 9) == encode(bits, (True, False, False, True)) == b"\0\x09"
    for value in (("van",), 0x10000, "fan", 0.5, (True,) * 17):
        with pytest.raises(ValueError):
            encode(bits, value)
    for type_name in ("text", "hex", "ipv4", "time"):
        register, = profile_of(f"address = 0, type = '{type_name}'" + {"time": ", layout = 'hhmm'", "ipv4": ""}.get(type_name, ", count = 2")).registers
        with pytest.raises(ValueError):
            encode(register, 5)
    high, = profile_of("address = 0, type = 'u8', byte = 'high'").registers
    assert encode(high, 5, into=b"\x11\x22") == b"\x05\x22"


@pytest.mark.parametrize("register, constant, message", [
    ("type = 'u16'", "0.4", "0.4 is not possible: the register would say 0, since one count is 1"),
    ("type = 'u16', resolution = '0.1 V'", "230.04", "230.04 is not possible: the register would say 230.0, since one count is 0.1 V"),
    ("type = 's16', offset = -40", "0.5", "0.5 is not possible: the register would say"),
    ("type = 'f32'", "1e-60", "1e-60 is not possible: the register would say 0"),
    ("type = 'text', count = 2", "'Öl'", "'Öl' is not possible: not all of its characters are ascii"),
    ("type = 'text', count = 2", "5", "5 is not possible: 5 is no text; it stands in quotes"),
    ("type = 'bits'", "'fan'", '"fan" is not possible: "x" cannot say "fan"'),
    ("type = 'u16'", "true", 'true is not possible: "x" cannot say true'),
    ("type = 'hex', count = 1", "'0x1A'", '"0x1A" is not possible: "0x1A" is no hex; write it like "00 1A"'),
    ("type = 'time', layout = 'epoch'", "'Z'", '"Z" is not possible: "Z" is no time'),
    ("type = 'ipv4'", "'1.2.3'", '"1.2.3" is not possible: "1.2.3" is no address'),
    ("type = 'u16'", "0.0", None), ("type = 'u16', resolution = '0.1 V'", "230.1", None), ("type = 'f32'", "230.05", None),
    ("type = 'f32', resolution = '0.1 V'", "230.05", None), ("type = 'bits', states = { 3 = 'fan' }", "['fan']", None), ("type = 'text', count = 2", "'ab '", None),
])
def test_what_a_person_has_written_is_not_rounded(register, constant, message):
    text = f"address = 0, {register}, constant = {constant}"
    if message is None:
        profile_of(text)
        return
    with pytest.raises(ConfigError) as raised:
        profile_of(text)
    assert str(raised.value).startswith(f"profile own: register[1].constant: {message}".replace("'Öl'", '"Öl"'))


@pytest.mark.parametrize("stated, words", [
    ("address = 30017", '30017 is taken for protocol address 0x7541 of the holding registers; if number 17 of the input registers is meant, write table = "input registers", address = 16'),
    ("table = 'input registers', address = 30017", "30017 is taken for protocol address 0x7541; if number 17 of the input registers is meant, write address = 16"),
    ("address = 40001", "if number 1 of the holding registers is meant, write address = 0"),
    ("address = 10001", 'if number 1 of the discrete inputs is meant, write table = "discrete inputs", address = 0, or address = "10001" as text'),
    ("address = 19000", None), ("address = 40000", None), ("address = 0x10", None), ("address = '40001'", None),
    ("address = 0x9C41", None),
])
def test_a_number_of_a_manual_in_the_place_of_an_address_is_explained(stated, words):
    text = f"block = [{{ {stated}, count = 1 }}]"
    found = findings(parse_profile(text, "own"), text)
    assert any(words in each for each in found) if words else not any("is meant" in each for each in found)


def test_a_number_of_six_digits_is_no_address_and_explained():
    with pytest.raises(ConfigError, match='400017 is not an address; if number 17 of the holding registers is meant, write table = "holding registers", address = 16, or'):
        parse_profile("block = [{ address = 400017, count = 1 }]", "own")


def test_values_count_only_where_a_register_says_what_the_device_is():
    profile = parse_profile("""
        where = { address = 0, equals = [101, 103] }
        block = [{ address = 0, count = 4 }, { address = 10, count = 1 }]
        register = [{ name = "model", address = 0, type = "u16" }, { name = "power", address = 1, type = "s16" },
                    { name = "label", address = 2, type = "text", count = 2 }, { name = "other", address = 10, type = "u16" }]""", "own")
    assert said(profile, "0067 0005 4142 4300") == {"model": 103, "power": 5, "label": "ABC"}
    assert said(profile, "0068 0005 4142 4300") == {"model": 104, "power": None, "label": None}
    assert said(profile, "0007", 10) == {"other": 7}
    with pytest.raises(ConfigError, match=r"where: holding registers 0x0014\+1 does not lie inside one block"):
        parse_profile("where = { address = 20, equals = 1 }\n" + FIRST, "own")
    text = """where = [{ address = 0, equals = 101 }, { address = 2, type = "text", count = 2, equals = ["ABC", "ABD"] }]
        block = [{ address = 0, count = 4 }]
        register = [{ name = "power", address = 1, type = "s16", where = { address = 1, equals = 5 } }]"""
    of_text = parse_profile(text, "own")
    assert said(of_text, "0065 0005 4142 4300") == {"power": 5} == said(profile_from(content_of(of_text), "own"), "0065 0005 4142 4300")
    for data in ("0066 0005 4142 4300", "0065 0005 4142 4500", "0065 0006 4142 4300"):
        assert said(of_text, data) == {"power": None}
    assert said(of_text, SimulatedUnit(1, of_text, Faults()).data(Block(HOLDING, 0, 4), NOON).hex()[:4] + "0005 4142 4300") == {"power": 5}
    with pytest.raises(ConfigError, match="where.equals: 5 is not text"):
        parse_profile(text.replace('["ABC", "ABD"]', "5"), "own")
    with pytest.raises(ConfigError, match="where: equals is needed"):
        parse_profile("where = { address = 1 }\n" + FIRST, "own")


NOON = 1_764_590_400


def assert_comes_back(profile, unit) -> None:
    shown = unit.shown(NOON)
    answers = [Answer(read.block, unit.data(read.block, NOON), 0.0, read.every) for read in profile.reads]
    for register, said in profile.said(answers).items():
        wanted, own = shown[register.name], said.value
        if register.type == "time":
            assert own.rstrip("Z") in wanted
        elif register.row.number and not register.states and own is not None:
            step = abs(float(register.resolution.split()[0]))
            assert own == pytest.approx(wanted or 0, rel=2e-6 if register.type != "f16" else 2e-3, abs=max(step, 0.06 if register.is_scaled else 0)), register.name
        elif register.type == "hex":
            assert own == wanted.ljust(4 * register.count, "0")
        elif register.type == "bits":
            assert {*own} <= {bool(wanted), False}
        elif own is not None and wanted is not None:
            assert own in (wanted, register.states.get(wanted) if isinstance(wanted, int) else wanted), register.name


def test_shipped_profiles_are_simulated_and_read_back():
    for name in shipped_profiles():
        profile = load_profile(name)
        assert_comes_back(profile, SimulatedUnit(1, profile, Faults()))
