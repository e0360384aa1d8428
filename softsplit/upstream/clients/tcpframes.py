"""Cut the bytes of a Modbus TCP connection into frames. Pure.

    transaction id (2)   protocol id (2)   length of what follows (2)   unit (1)   PDU

Exceptions are accepted even if their length is one too many or too few, or their code is missing: some
devices, good otherwise, count wrong there and nowhere else, and an exception carries no number that could be
wrong.
"""

from softsplit.protocol import adu
from softsplit.protocol.pdu import DEVICE_FAILURE

CODE_WITHIN = 0.05  # s in which the code of an exception comes whose length says that it has none
HEAD, FUNCTION = 6, 7  # bytes before those that the length counts; offset of the function
EXCEPTION = 9  # bytes of a whole one
SAID_OF_EXCEPTIONS = range(EXCEPTION - 1, EXCEPTION + 2)  # bytes, as devices count


class Frames:
    """The bytes of one connection that belong to no frame yet."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._is_loose = False  # whether bytes may follow that belong to no frame

    def __len__(self) -> int:
        return len(self._data)

    def add(self, data: bytes) -> None:
        self._data += data

    def clear(self) -> None:
        self._data.clear()
        self._is_loose = False

    def drop_loose(self) -> None:
        """Drop bytes behind an exception that belong to no frame. Call it before a request is sent."""
        if self._is_loose and len(self._data) < HEAD:
            self._data.clear()

    def next(self, is_over: bool = False) -> bytes:
        """Return the first frame, or nothing yet. Raises ValueError when this is no Modbus TCP.

        `is_over` says that no more bytes come for a frame that `may_be_over`.
        """
        while self._is_loose and len(self._data) >= HEAD and not _is_head(self._data):
            del self._data[0]
        length = adu.tcp_frame_length(self._data)
        if length is None:
            return b""
        if self._data[2:4] != b"\0\0":
            raise ValueError(f"protocol id {self._data[2:4].hex()}")
        if length in SAID_OF_EXCEPTIONS and self._data[FUNCTION:FUNCTION + 1] >= b"\x80":
            return self._exception(length, is_over)
        return self._cut(length) if len(self._data) >= length else b""

    @property
    def may_be_over(self) -> bool:
        """Whether these bytes may be a whole exception without its code."""
        return len(self._data) == EXCEPTION - 1 == adu.tcp_frame_length(self._data) and self._data[FUNCTION] >= 0x80

    def said_length(self, begin: bytes) -> int:
        """Return the length field of the first frame if its PDU begins so, else 0."""
        is_it = self._data.startswith(begin, FUNCTION)
        return int.from_bytes(self._data[4:HEAD], "big") if is_it else 0

    @property
    def transaction(self) -> bytes:
        """The transaction id of the first frame."""
        return bytes(self._data[:2])

    def _cut(self, length: int) -> bytes:
        frame = bytes(self._data[:length])
        del self._data[:length]
        self._is_loose = False
        return frame

    def _exception(self, length: int, is_over: bool) -> bytes:
        """Return the exception that is the first frame, with its right length; or nothing yet."""
        has_code = length >= EXCEPTION or not _is_head(self._data[length:])
        is_whole = len(self._data) >= EXCEPTION
        if has_code and not (is_whole or is_over and self.may_be_over):
            return b""
        frame = self._cut(EXCEPTION if has_code and is_whole else EXCEPTION - 1)
        self._is_loose = True
        code = frame[EXCEPTION - 1:] or bytes((DEVICE_FAILURE,))  # for a missing code
        return adu.tcp_frame(int.from_bytes(frame[:2], "big"), frame[HEAD],
                             frame[FUNCTION:FUNCTION + 1] + code)


def _is_head(data: bytes | bytearray) -> bool:
    """Whether a frame of Modbus TCP may begin here."""
    try:
        return adu.tcp_frame_length(data) is not None and data[2:4] == b"\0\0"
    except ValueError:
        return False
