"""The table of number types: each gives back what it was given."""

import random
import struct

import pytest

from softsplit.protocol import values


@pytest.mark.parametrize("row", values.NUMBERS.values(), ids=values.NUMBERS)
def test_the_registers_of_each_type_come_back_from_what_they_say(row):
    rng = random.Random(row.name)
    for word_order in values.ORDERS:
        for byte_order in values.ORDERS:
            for _ in range(200):
                data = rng.randbytes(2 * row.registers)
                number = values.decode_number(row.name, data, word_order, byte_order)
                again = values.encode(row.name, number, word_order, byte_order)
                bits = [values.pattern(row.name, each, word_order, byte_order) for each in (data, again)]
                assert bits[0] == bits[1] or number != number, (data.hex(), number)


@pytest.mark.parametrize("row", values.NUMBERS.values(), ids=values.NUMBERS)
def test_the_width_of_a_type_is_in_its_name(row):
    assert row.bits == int(row.name[1:]) and row.registers == -(-row.bits // 16)
    assert row.is_whole == (row.name[0] in "us")


def test_a_number_that_does_not_fit_is_refused_and_a_fraction_is_not_kept():
    with pytest.raises(OverflowError):
        values.encode("u16", 0x10000)
    with pytest.raises(OverflowError):
        values.encode("f32", 1e39)
    assert values.encode("s16", values.NUMBERS["s16"].nearest(-2.6)) == struct.pack(">h", -3)
