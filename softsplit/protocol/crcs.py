"""Bytes of a serial line, with the CRC of any window of them at hand.

The CRC is arithmetic modulo x^16 + x^15 + x^2 + 1 = (x + 1)(x^15 + x + 1), where x has the order 32767: the
register is multiplied by x for each bit, and that can be undone. So let each byte count as what it adds to the
register, divided by x for each bit in front of it. The sums of that (`_sums`, one before each byte) tell of any
window whether its CRC is good: the sum at its end is the sum at its begin and the initial FFFF, divided likewise
(`_expected`, one for each byte). That is one comparison, however long the window is; and a dictionary of what is
expected tells of each byte, when it comes, which window with a good CRC it ends.
"""

from array import array

ORDER = 32767  # of x
BYTE = 8  # bits


def _orbit(value: int) -> array:
    """What becomes of a register in ORDER steps, after which it is the same again."""
    orbit = array("H")
    for _ in range(ORDER):
        orbit.append(value)
        value = value >> 1 ^ (0xA001 if value & 1 else 0)  # MODBUS over Serial Line V1.02, 6.2.2
    return orbit


ODD, EVEN, ZERO = _orbit(1), _orbit(3), _orbit(0)  # by the number of one bits in the register
PLACES = {0: (ZERO, 0)} | {value: (orbit, step) for orbit in (ODD, EVEN) for step, value in enumerate(orbit)
                           if value < 256 or value == 0xFFFF}  # where each byte is in its orbit
INITIAL = PLACES[0xFFFF][1]


class Bytes:
    """The bytes that are not yet decided; `offset` is how many were before them.

    `found` are the windows (begin, end), counted from the first byte ever, which have a good CRC and `shape`
    says may be a frame, in the order in which they ended.
    """

    def __init__(self, shape):
        self.data = bytearray()
        self.offset = 0
        self.found: list[tuple[int, int]] = []
        self._shape = shape
        self._sums, self._expected, self._turn = [0], [], 0
        self._begins: dict[int, int] = {}  # by what is expected at the end

    def append(self, data: bytes) -> None:
        total, turn, place = self._sums[-1], self._turn, len(self._expected)
        self.data += data
        for byte in data:
            expected = total ^ EVEN[INITIAL - turn]
            self._expected.append(expected)
            self._begins[expected] = self.offset + place
            orbit, step = PLACES[byte]
            total ^= orbit[step - turn]
            turn = (turn + BYTE) % ORDER
            place += 1
            self._sums.append(total)
            if total in self._begins:
                begin = self._begins[total] - self.offset
                if self._shape(self.data[begin:place]):
                    self.found.append((begin + self.offset, place + self.offset))
        self._turn = turn

    def is_good(self, begin: int, end: int) -> bool:
        """Whether the window, in places from the first byte here, ends in its own CRC."""
        return self._expected[begin] == self._sums[end]

    def good_ends(self, longest: int) -> list[int]:
        """The places at which windows end that begin with the first byte and have a good CRC."""
        expected = self._expected[0]
        return [end for end in range(4, min(longest, len(self.data)) + 1) if self._sums[end] == expected]

    def take(self, count: int) -> bytes:
        """Remove and return the first bytes."""
        taken = bytes(self.data[:count])
        for expected in self._expected[:count]:
            self._begins.pop(expected, None)
        del self.data[:count], self._sums[:count], self._expected[:count]
        self.offset += count
        while self.found and self.found[0][0] < self.offset:
            del self.found[0]
        return taken
