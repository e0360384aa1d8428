"""Bytes of a serial line, with the CRC of any window of them.

The CRC is arithmetic modulo x^16 + x^15 + x^2 + 1 = (x + 1)(x^15 + x + 1), where x has the order 32767: each
bit multiplies the register by x, and division undoes it. So each byte counts as what it adds to the register,
divided by x for each bit before it, and `_sums` holds the sum of these before each byte. The CRC of a window
is good if the sum at its end equals the sum at its start plus the initial FFFF, divided likewise
(`_expected`, one for each byte). That is one comparison for a window of any length. A dictionary of expected
sums yields, for each new byte, the windows with a good CRC that end there.
"""

from array import array
from functools import cache
from typing import NamedTuple

from softsplit.protocol.adu import crc

ORDER = 32767  # of x
BYTE = 8  # bits
LEAST = 4  # bytes of a frame


def _orbit(value: int) -> "array[int]":
    """The values of a register in ORDER steps, after which it repeats."""
    orbit = array("H")
    for _ in range(ORDER):
        orbit.append(value)
        value = value >> 1 ^ (0xA001 if value & 1 else 0)  # MODBUS over Serial Line V1.02, 6.2.2
    return orbit


class Orbits(NamedTuple):
    """The orbits of an odd and an even number of one bits; `places`: orbit and step of each byte and FFFF."""

    odd: "array[int]"
    even: "array[int]"
    places: dict[int, tuple["array[int]", int]]


@cache
def orbits() -> Orbits:
    """Calculate the orbits once, when they are needed: it takes a while."""
    odd, even = _orbit(1), _orbit(3)
    places = {value: (orbit, step) for orbit in (odd, even) for step, value in enumerate(orbit)
              if value < 256 or value == 0xFFFF}
    return Orbits(odd, even, places | {0: (_orbit(0), 0)})


class Bytes:
    """The bytes that are not yet decided; `offset` is the number of bytes before them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.offset = 0
        self._orbits = orbits()
        self._sums, self._turn = [0], 0
        self._expected: list[int] = []
        self._begins: dict[int, int] = {}  # expected sum: the last place with it
        self._before: dict[int, int] = {}  # a place: the one before it with the same expected sum

    def append(self, data: bytes) -> list[tuple[int, int]]:
        """Return the windows with a good CRC that end in `data`, as (begin, end) from the first byte ever.

        Of windows with the same end, only the two shortest.
        """
        total, turn, place = self._sums[-1], self._turn, self.offset + len(self.data)
        begins, found = self._begins, []
        even, places = self._orbits.even, self._orbits.places
        initial = places[0xFFFF][1]
        self.data += data
        for byte in data:
            expected = total ^ even[initial - turn]
            self._expected.append(expected)
            if expected in begins:
                self._before[place] = begins[expected]
            begins[expected] = place
            orbit, step = places[byte]
            total ^= orbit[step - turn]
            turn = (turn + BYTE) % ORDER
            place += 1
            self._sums.append(total)
            if total in begins:
                begin = begins[total]
                found.append((begin, place))
                if begin in self._before:
                    found.append((self._before[begin], place))
        self._turn = turn
        return [(begin, end) for begin, end in found if end - begin >= LEAST]

    def window(self, begin: int, end: int) -> bytearray:
        """The bytes from `begin` to `end`, counted from the first byte ever."""
        return self.data[begin - self.offset:end - self.offset]

    def is_good(self, length: int) -> bool:
        """Whether the first `length` bytes are here and have a correct CRC."""
        return LEAST <= length <= len(self.data) and self._expected[0] == self._sums[length]

    def take(self, count: int) -> bytes:
        """Remove and return the first bytes."""
        taken = bytes(self.data[:count])
        for place, expected in enumerate(self._expected[:count], self.offset):
            if self._begins[expected] == place:
                del self._begins[expected]
            self._before.pop(place, None)
        del self.data[:count], self._sums[:count], self._expected[:count]
        self.offset += count
        return taken


def wrong_bit(frame: bytes) -> tuple[int, int] | None:
    """Return (byte, bit) of the one bit that, if flipped, makes the CRC correct, or None.

    Both count from 0, bits from the lowest.
    """
    remainder = crc(frame)
    odd, _, places = orbits()
    for byte in range(len(frame)):
        steps = BYTE * (len(frame) - byte)
        for bit in range(BYTE):
            if odd[(places[1 << bit][1] + steps) % ORDER] == remainder:
                return byte, bit
    return None
