"""A reader of DER, as far as certificates need it: tag, length, value (ITU-T X.690, section 8). Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

CONSTRUCTED = 0x20  # bit of a tag: the value consists of elements
SEQUENCE, SET = 0x30, 0x31
OBJECT_ID, OCTETS = 0x06, 0x04
UTF8, PRINTABLE, TELETEX, IA5, BMP = 0x0C, 0x13, 0x14, 0x16, 0x1E
UTC_TIME, TIME = 0x17, 0x18
ENCODINGS = {UTF8: "utf-8", PRINTABLE: "ascii", TELETEX: "latin-1", IA5: "ascii", BMP: "utf-16-be"}
MOST_LENGTH_BYTES = 3  # of a length; no certificate has 16 MB


@dataclass(frozen=True, slots=True)
class Element:
    """One element; `content` is its value, the bytes after its length."""

    tag: int
    content: bytes

    def parts(self) -> list["Element"]:
        """Return the elements inside. Raises ValueError when it has none, or one is damaged."""
        if not self.tag & CONSTRUCTED:
            raise ValueError(f"an element 0x{self.tag:02X} has no parts")
        return list(elements(self.content))

    def require(self, *tags: int) -> "Element":
        """Return the element itself if it has one of these tags. Raises ValueError."""
        if self.tag not in tags:
            raise ValueError(f"an element 0x{self.tag:02X} where 0x{tags[0]:02X} belongs")
        return self

    def text(self) -> str:
        """Return the text of a string. Raises ValueError."""
        return self.require(*ENCODINGS).content.decode(ENCODINGS[self.tag])


def elements(data: bytes) -> Iterator[Element]:
    """Yield the elements one after the other. Raises ValueError at the first damaged one."""
    at = 0
    while at < len(data):
        element, at = _element(data, at)
        yield element


def element(data: bytes) -> Element:
    """Return the data as one element. Raises ValueError."""
    found, end = _element(data, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes too many")
    return found


def object_id(content: bytes) -> str:
    """Return the dotted form of an object identifier, such as "2.5.4.3" (X.690, 8.19). Raises ValueError."""
    if not content or content[-1] & 0x80:
        raise ValueError("an object identifier is cut off")
    numbers, number = [], 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _element(data: bytes, at: int) -> tuple[Element, int]:
    """Return the element that begins at an offset, and its end."""
    if len(data) - at < 2:
        raise ValueError("an element is cut off")
    tag, length = data[at], data[at + 1]
    begin = at + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("a tag of more than one byte")
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= MOST_LENGTH_BYTES or len(data) - begin < size:
            raise ValueError("a length that is cut off, or of more than 3 bytes")
        length = int.from_bytes(data[begin:begin + size], "big")
        begin += size
    if len(data) - begin < length:
        raise ValueError("an element is cut off")
    return Element(tag, data[begin:begin + length]), begin + length
