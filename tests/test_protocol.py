"""Blocks, frames and values, on bytes alone."""

import pytest

from softsplit.errors import ConfigError
from softsplit.protocol import adu, values
from softsplit.protocol import pdu as pdus
from softsplit.protocol.blocks import Block, Read, merge
from softsplit.protocol.functions import Table

HOLDING = Table.HOLDING_REGISTERS


def holding(address: int, count: int) -> Block:
    return Block(HOLDING, address, count)


REAL_FRAMES = [  # of real ABB meters
    "01 03 5b 14 00 02 97 2b", "01 03 04 00 00 00 36 7a 25", "01 03 5b 3b 00 01 e6 e3", "01 03 02 7f ff d8 34",
    "01 03 50 04 00 04 14 c8", "01 03 08 ff ff ff ff ff ff ff ff d4 53", "01 03 08 00 00 00 00 00 00 0d 5e 10 bf",
    "00 08 00 00 55 55 1e b5",  # what a Victron sends when it looks for the baud rate
]


@pytest.mark.parametrize("text", REAL_FRAMES)
def test_real_frames_end_in_their_crc(text):
    frame = bytes.fromhex(text)
    assert adu.is_rtu_frame(frame)
    assert adu.rtu_frame(frame[0], frame[1:-2]) == frame


@pytest.mark.parametrize("text", REAL_FRAMES)
def test_a_frame_with_one_bit_wrong_is_no_frame(text):
    frame = bytes.fromhex(text)
    for bit in range(8 * len(frame)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        assert not adu.is_rtu_frame(damaged)


def test_a_frame_has_four_to_256_bytes():
    assert not adu.is_rtu_frame(b"") and not adu.is_rtu_frame(b"\xff\xff")
    assert adu.is_rtu_frame(adu.rtu_frame(1, bytes(253)))
    assert not adu.is_rtu_frame(adu.rtu_frame(1, bytes(254)))


def test_a_block_ends_within_its_table():
    assert holding(0xFFFF, 1).end == 0x10000
    for address, count in ((-1, 1), (0x10000, 1), (0, 0), (0xFFFF, 2)):
        with pytest.raises(ConfigError):
            holding(address, count)


def test_blocks_that_touch_are_merged_and_others_are_not():
    coils = Block(Table.COILS, 2, 2)
    assert merge([holding(4, 2), holding(0, 2), holding(2, 2), holding(7, 1), coils]) == \
        [coils, holding(0, 6), holding(7, 1)]


def test_a_read_asks_for_no_more_than_the_specification_allows():
    assert Read(holding(0, 125), "all") and Read(Block(Table.COILS, 0, 2000), "all")
    for block in (holding(0, 126), Block(Table.COILS, 0, 2001)):
        with pytest.raises(ConfigError, match="more than one read"):
            Read(block, "all")


@pytest.mark.parametrize("every", [0, -1, float("nan"), float("inf"), "1", None])
def test_a_period_is_a_time(every):
    with pytest.raises(ConfigError, match="is no period"):
        Read(holding(0, 1), "all", every)


@pytest.mark.parametrize("pdu, code", [
    ("03 5b00 003e", None), ("03 0000 007d", None), ("03 ffff 0001", None),
    ("03 ffff 0002", 2), ("03 0000 0000", 3), ("03 0000 007e", 3), ("03 ffff 007e", 3),
    ("03", 3), ("03 5b00", 3), ("03 5b00 003e 00", 3),
    ("04 5b00 003e", 1), ("01 5b00 003e", 1), ("00", 1), ("06 8c04 0001", 1), ("2b 0e 01 00", 1), ("08 0000 5555", 1),
    ("04", 1), ("10 8c04 0001 02", 1), ("17 0000 0001 0000 0001 02 0000", 1), ("16 0000 ffff 0000", 1),
])
def test_checks_go_from_function_to_quantity_to_address(pdu, code):
    pdu = bytes.fromhex(pdu)
    expected = holding(int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")) if code is None else code
    assert pdus.asked_block(pdu, {HOLDING}) == expected


def test_bits_may_be_read_by_two_thousand():
    tables = {Table.COILS, Table.DISCRETE_INPUTS}
    assert pdus.asked_block(bytes.fromhex("01 0000 07d0"), tables) == Block(Table.COILS, 0, 2000)
    assert pdus.asked_block(bytes.fromhex("02 0000 07d1"), tables) == 3


@pytest.mark.parametrize("reply, fault", [
    ("03 04 00000036", None), ("83 02", None),
    ("03 02 0000", "2 bytes of data instead of 4"), ("03 04 0000", "2 bytes"), ("03 04 000000360000", "6 bytes"),
    ("04 04 00000036", "function 4 instead of 3"), ("84 02", "function 132"), ("83", "exception of 1"), ("03", "bytes"),
])
def test_an_answer_is_checked_against_the_question(reply, fault):
    found = pdus.reply_fault(pdus.read_question(holding(0x5B14, 2)), bytes.fromhex(reply))
    assert found is None if fault is None else fault in found


def test_the_length_field_says_where_a_frame_ends():
    frame = adu.tcp_frame(7, 1, b"\x03\x00\x00\x00\x01")
    assert [adu.tcp_frame_length(frame[:size]) for size in (0, 5, 6, 12)] == [None, None, 12, 12]
    for length in (0, 1, 255, 0xFFFF):
        with pytest.raises(ValueError):
            adu.tcp_frame_length(b"\0\0\0\0" + length.to_bytes(2, "big"))


@pytest.mark.parametrize("flags, data", [
    ([1, 0, 1], "05"), ([0] * 8 + [1], "0001"), ([1] * 16, "ffff"), ([0, 1], "02"),
])
def test_bits_are_packed_from_the_least_significant_on(flags, data):
    assert pdus.pack_bits(flags) == bytes.fromhex(data)
    assert list(pdus.unpack_bits(bytes.fromhex(data), len(flags))) == flags


def test_times_on_the_wire():
    assert adu.character_time(9600, "8N1") == pytest.approx(10 / 9600)
    assert adu.character_time(19200, "8E1") == pytest.approx(11 / 19200)
    assert adu.frame_silence(19200, "8E1") == pytest.approx(3.5 * 11 / 19200)
    assert adu.frame_silence(115200, "8E1") == 0.00175


@pytest.mark.parametrize("text, worth, measure", [
    ("0.1 V", 0.1, "V"), ("1", 1, ""), ("0.001", 0.001, ""), ("0.01 kWh", 0.01, "kWh"), ("1 pulses", 1, "pulses"),
])
def test_a_resolution_is_a_number_and_a_unit_of_measure(text, worth, measure):
    number, found = values.parse_resolution(text)
    assert (float(number), found) == (worth, measure)


@pytest.mark.parametrize("text", ["", "V", "0 V", "-0 V", "nan V", "inf V", "0,1 V"])
def test_a_resolution_that_no_count_is_worth_is_refused(text):
    with pytest.raises(ConfigError, match="one count"):
        values.parse_resolution(text)


@pytest.mark.parametrize("type_name, number, data", [
    ("u16", 4995, "1383"), ("s16", -22.4, "ffea"), ("u16", 70000, "ffff"), ("s32", -1e12, "80000000"),
    ("u64", 3422, "0000000000000d5e"), ("u16", -1, "0000"), ("f32", 0.5, "3f000000"),
    ("f16", 1e6, "7bff"), ("f32", -1e300, "ff7fffff"), ("f64", 1e308, "7fe1ccf385ebc8a0"), ("e8s24", -1e300, "7f800000"), ("e8u24", -1, "00000000"),
])
def test_a_number_becomes_the_nearest_its_type_can_hold(type_name, number, data):
    assert values.encode(type_name, values.NUMBERS[type_name].nearest(number)) == bytes.fromhex(data)
