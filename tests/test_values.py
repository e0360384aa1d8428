"""The table of types: each gives back what it was given."""

import random
import struct
from math import isfinite, isnan

import pytest

from softsplit.errors import ConfigError
from softsplit.profiles import Register
from softsplit.profiles.display import NamedValue
from softsplit.protocol import values
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.numbers import NUMBERS, mod10
from softsplit.protocol.times import parse_layout

ODD = ("m16", "m32", "bcd16", "bcd32", "mod10", "e8s24", "e8u24")  # of which several patterns say the same, or some say nothing
ORDERS = [(word, byte) for word in values.ORDERS for byte in values.ORDERS]
COUNT = 4  # registers of what takes a count


@pytest.mark.parametrize("name", NUMBERS)
def test_the_registers_of_each_number_come_back_from_what_they_say(name):
    rng, row = random.Random(name), values.TYPES[name]
    for word_order, byte_order in ORDERS:
        for _ in range(200):
            data = rng.randbytes(2 * (row.registers or COUNT))
            if name.startswith(("bcd", "mod")):  # of random bytes hardly any are digits
                data = bytes.fromhex("".join(f"{rng.randrange(100):02}" for _ in data)) if name != "mod10" else \
                    b"".join(rng.randrange(10_000).to_bytes(2, byte_order) for _ in range(COUNT))
            number = values.decode(name, data, word_order, byte_order)
            if not isfinite(number):
                continue
            again = values.encode(name, number, word_order, byte_order, COUNT)
            assert values.decode(name, again, word_order, byte_order) == number, data.hex()
            if name not in ODD:
                bits = [values.pattern(name, each, word_order, byte_order) for each in (data, again)]
                assert bits[0] == bits[1], (data.hex(), number)


@pytest.mark.parametrize("name", [name for name in values.TYPES if name not in NUMBERS])
def test_what_is_no_number_comes_back_from_random_bytes_too(name):
    rng, row = random.Random(name), values.TYPES[name]
    layouts = ("epoch", "epoch2000", "iec870", "hhmm", "y2000 m d h m s", "m/s d/h y2000/m", "bcd m/s d/h y2000/m",
               "m/d y1900/h m/s", "y m/d -/h m s -") if name == "time" else ("",)
    for writing in [values.Writing(encoding, characters, layout) for encoding in values.ENCODINGS
                    for characters in ("", *values.CHARACTERS) for layout in layouts]:
        count = parse_layout(writing.layout).registers if name == "time" else row.registers or COUNT
        for orders in ORDERS:
            data = rng.randbytes(2 * count)
            said = values.decode(name, data, *orders, writing)
            if said is None or "�" in str(said):
                continue  # no time, or no text in this encoding
            again = values.encode(name, said, *orders, count, writing)
            assert values.decode(name, again, *orders, writing) == said, data.hex()


@pytest.mark.parametrize("row", NUMBERS.values(), ids=NUMBERS)
def test_the_width_of_a_number_is_in_its_name(row):
    digits = "".join(each for each in row.name[-2:] if each.isdecimal())
    assert row.bits == {"mod10": 0, "e8s24": 32, "e8u24": 32}.get(row.name, int(digits))
    assert row.registers == -(-row.bits // 16) and row.is_whole == (row.name[0] not in "ef")


@pytest.mark.parametrize("name, data, number", [
    ("u48", "0001 0002 0003", 0x100020003), ("s48", "ffff ffff fffe", -2), ("f16", "3c00", 1.0), ("f16", "c580", -5.5),
    ("m16", "8005", -5), ("m16", "0005", 5), ("m16", "8000", 0), ("m32", "8000 03e8", -1000), ("bcd16", "1234", 1234), ("bcd32", "0012 3456", 123456),
    ("mod10", "0001 270f", 19_999), ("mod10", "0002 0003 0004 0005", 2_000_300_040_005), ("mod10", "ffff fffe", -10_002),
    ("e8u24", "fd01 e240", 123.456), ("e8s24", "feff ff9c", -1.0), ("e8s24", "0300 0002", 2000.0), ("u8", "12ff", 255), ("s8", "00fe", -2),
])
def test_a_number_is_what_its_maker_means(name, data, number):
    assert values.decode(name, bytes.fromhex(data)) == number
    size = len(bytes.fromhex(data)) // 2
    assert values.decode(name, values.encode(name, number, count=size)) == number


@pytest.mark.parametrize("name, data, text", [
    ("f32", "4366 199a", "230.1"), ("f32", "4366 1999", "230.09999"), ("f32", "4640 e6b7", "12345.679"), ("f32", "7f7f ffff", "3.4028235e+38"), ("f32", "0000 0001", "1e-45"),
    ("f32", "c248 0000", "-50.0"), ("f16", "5b30", "230.0"), ("f16", "2e66", "0.1"), ("f16", "7bff", "65500.0"), ("f64", "406c c333 3333 3333", "230.1"),
])
def test_a_float_is_written_as_the_shortest_decimal_that_is_the_same(name, data, text):
    register = Register("one", Block(Table.HOLDING_REGISTERS, 0, len(bytes.fromhex(data)) // 2), name)
    number = register.decode(bytes.fromhex(data))
    assert repr(number) == text and values.encode(name, number) == bytes.fromhex(data)
    assert NamedValue(register, number).digits == text.removesuffix(".0") and float(register.exact(bytes.fromhex(data))) == values.decode(name, bytes.fromhex(data))


@pytest.mark.parametrize("name, data", [("bcd16", "12a4"), ("bcd32", "0000 000f"), ("mod10", "2710"), ("mod10", "0000 d8f0")])
def test_digits_that_are_none_are_no_number(name, data):
    assert isnan(values.decode(name, bytes.fromhex(data)))


@pytest.mark.parametrize("layout, data, text", [
    ("epoch", "6749 8b80", "2024-11-29 09:38:08Z"), ("iec870", "0018 0b7d 0c1e 2710", "2024-11-29 12:30:10"), ("iec870", "0018 0b7d 0c9e 0000", None),
    ("hhmm", "06c2", "17:30"), ("hhmm", "0938", None), ("y2000 m d h m s", "001a 000b 001e 0011 001e 0005", "2026-11-30 17:30:05"),
    ("m/s d/h y2000/m", "1e05 1e11 1a0b", "2026-11-30 17:30:05"), ("y m d", "07ea 000b 001e", "2026-11-30"), ("y m d", "07ea 000d 001e", None), ("y m d", "001a 000b 001e", "0026-11-30"),
    ("y2000 mo d h mi s", "ffff 000b 001e 0011 001e 0005", None), ("epoch2000", "0000 0e10", "2000-01-01 01:00:00Z"),
    ("bcd m/s d/h y2000/m", "1920 1122 1701", "2017-01-11 22:19:20"), ("bcd m/s d/h y2000/m", "192a 1122 1701", None),
    ("bcd y m d", "2026 0011 0030", "2026-11-30"), ("m/d y1900/h m/s", "0b1e 7e11 1e05", "2026-11-30 17:30:05"),
    ("y2000/m d/- h/m s/-", "1a0b 1e06 111e 05ff", "2026-11-30 17:30:05"),
    ("bcd s/m h/- d/m y2000/-", "0530 17ff 3011 26ff", "2026-11-30 17:30:05"), ("y m d - h m s -", "07ea 000b 001e 0001 0011 001e 0005 03e7", "2026-11-30 17:30:05"),
])
def test_a_time_is_what_its_maker_means(layout, data, text):
    found = parse_layout(layout)
    assert found.decode(bytes.fromhex(data)) == text and found.registers == len(bytes.fromhex(data)) // 2
    assert text is None or found.decode(found.encode(text)) == text


@pytest.mark.parametrize("layout", ["", "epoc", "bcd", "y m bcd d", "y m", "m m", "y y m d", "h d m", "y2000/m/d", "y/m d", "d m h m y", "-", "- -/-", "y y2000 m d", "y2000/- m/- d - h m s -"])
def test_an_order_of_parts_that_makes_no_time_is_refused(layout):
    with pytest.raises(ConfigError, match="is no layout of a time; write it like layout = \"epoch\""):
        parse_layout(layout)


def test_a_number_that_does_not_fit_is_refused_and_a_fraction_is_not_kept():
    for name, number in (("u16", 0x10000), ("f32", 1e39), ("f16", 1e6), ("bcd16", 10_000), ("m16", 32768), ("u8", 256), ("e8u24", -1), ("e8s24", 1e150)):
        with pytest.raises(OverflowError):
            values.encode(name, number)
    for name in ("u16", "s32", "u8", "bcd16", "m16", "mod10"):
        with pytest.raises(ValueError, match="0.4 is not whole, as a"):
            values.encode(name, 0.4, count=2)
    with pytest.raises(OverflowError):
        mod10(2).encode(10 ** 8)
    assert values.encode("s16", NUMBERS["s16"].nearest(-2.6)) == struct.pack(">h", -3)
