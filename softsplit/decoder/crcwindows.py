"""Bytes of a serial line, with the CRC of any window of them.

The CRC is arithmetic modulo x^16 + x^15 + x^2 + 1 = (x + 1)(x^15 + x + 1), where x has the order 32767: the
register is multiplied by x for each bit, and that can be undone. So let each byte count as what it adds to
the register, divided by x for each bit in front of it. The sums of that (`_sums`, one before each byte) tell
of any window whether its CRC is good: the sum at its end must be the sum at its begin and the initial FFFF,
divided likewise (`_expected`, one for each byte). That is one comparison, however long the window is; and a
dictionary of what is expected tells of each byte, when it comes, which windows with a good CRC it ends.
"""

from array import array
from functools import cache
from typing import NamedTuple

from softsplit.protocol.adu import crc

ORDER = 32767  # of x
BYTE = 8  # bits
LEAST = 4  # bytes of a frame


def _orbit(value: int) -> "array[int]":
    """What becomes of a register in ORDER steps, after which it is the same again."""
    orbit = array("H")
    for _ in range(ORDER):
        orbit.append(value)
        value = value >> 1 ^ (0xA001 if value & 1 else 0)  # MODBUS over Serial Line V1.02, 6.2.2
    return orbit


class Orbits(NamedTuple):
    """The orbits of a register with an odd and an even number of one bits; where each byte and FFFF are in theirs."""

    odd: "array[int]"
    even: "array[int]"
    places: dict[int, tuple["array[int]", int]]


@cache
def orbits() -> Orbits:
    """They take a while, and only who listens needs them."""
    odd, even = _orbit(1), _orbit(3)
    places = {value: (orbit, step) for orbit in (odd, even) for step, value in enumerate(orbit)
              if value < 256 or value == 0xFFFF}
    return Orbits(odd, even, places | {0: (_orbit(0), 0)})


class Bytes:
    """The bytes that are not yet decided; `offset` is how many were before them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.offset = 0
        self._orbits = orbits()
        self._sums, self._turn = [0], 0
        self._expected: list[int] = []
        self._begins: dict[int, int] = {}  # the last place, by what is expected at the end
        self._before: dict[int, int] = {}  # the place before it that expects the same

    def append(self, data: bytes) -> list[tuple[int, int]]:
        """Return the windows with a good CRC that end in `data`, in places from the first byte ever; of those
        that end together at most the two shortest."""
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
        """The bytes from the one to the other, counted from the first byte ever."""
        return self.data[begin - self.offset:end - self.offset]

    def is_good(self, length: int) -> bool:
        """Whether as many of the first bytes are here, and end in their own CRC."""
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
    """Return (byte, bit), from 0, the lowest bit first, of the one bit without whose error the CRC would be
    good; None when that is none."""
    remainder = crc(frame)
    odd, _, places = orbits()
    for byte in range(len(frame)):
        steps = BYTE * (len(frame) - byte)
        for bit in range(BYTE):
            if odd[(places[1 << bit][1] + steps) % ORDER] == remainder:
                return byte, bit
    return None
