"""Recognise bytes of no frame: Modbus ASCII, RTU with swapped CRCs, or another protocol. Pure.

They are only reported, not decoded.
"""

import re
from collections.abc import Iterator

from softsplit.decoder.lengths import reply_length, request_length
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.logs.conditions import show_count
from softsplit.protocol.adu import MAX_RTU_FRAME, crc
from softsplit.protocol.functions import describe

ASCII = re.compile(rb":((?:[0-9A-Fa-f]{2}){3,256})\r\n")  # MODBUS over Serial Line V1.02, 2.5.2
SEVEN_BITS = bytes(byte & 0x7F for byte in range(256))
LEAST_SWAPPED = 2  # frames; a single one may be an accident
FOREIGN = 32  # bytes of no frame in a row, too many for a damaged frame
KEPT = 1024  # bytes of no frame to examine together


class Hints:
    """Examines the transactions of a line; `notes()` are sentences for the user."""

    def __init__(self) -> None:
        self._noise = b""  # in a row
        self._ascii: tuple[int, str] = 0, ""  # the number of frames, and the content of the first
        self._swapped: tuple[int, str] = 0, ""
        self._foreign = 0  # bytes
        self.disturbed = 0  # replies that are uncertain because of such bytes before them

    def take(self, transaction: Transaction) -> None:
        if transaction.kind is Kind.DAMAGED and transaction.request is None and transaction.reply:
            self._noise = (self._noise + transaction.reply)[-KEPT:]
            return
        if transaction.kind is Kind.SUSPECT and len(self._noise) >= FOREIGN:
            self.disturbed += 1
        self._settle()

    def _settle(self) -> None:
        """Examine the bytes since the last frame."""
        noise, self._noise = self._noise, b""
        if not noise:
            return
        texts = list(_ascii_frames(noise))
        swapped = [] if texts else list(_swapped_frames(noise))
        self._ascii = _counted(self._ascii, texts)
        self._swapped = _counted(self._swapped, swapped)
        if not texts and not swapped and len(noise) >= FOREIGN:
            self._foreign += len(noise)

    def notes(self) -> Iterator[str]:
        self._settle()
        if self._ascii[0]:
            yield (f"{show_count(self._ascii[0], 'frame')} of Modbus ASCII, the first {self._ascii[1]}: set "
                   "the devices to RTU, because softsplit decodes only that")
        if self._swapped[0] >= LEAST_SWAPPED:
            yield (f"{show_count(self._swapped[0], 'frame')} whose CRC has its two bytes swapped, the first "
                   f"{self._swapped[1]}: no Modbus master can read such a device")
        if self._foreign:
            yield f"{show_count(self._foreign, 'byte')} of another protocol are on this line"


def _counted(before: tuple[int, str], found: list[str]) -> tuple[int, str]:
    return before[0] + len(found), before[1] or next(iter(found), "")


def _ascii_frames(noise: bytes) -> Iterator[str]:
    """Describe each frame of Modbus ASCII with a correct LRC (MODBUS over Serial Line V1.02, 6.2.1)."""
    for found in ASCII.finditer(noise.translate(SEVEN_BITS)):
        frame = bytes.fromhex(found[1].decode())
        if sum(frame) & 0xFF == 0:
            yield f"of unit {frame[0]}, {describe(frame[1] & 0x7F, None, None)}"


def _swapped_frames(noise: bytes) -> Iterator[str]:
    """Describe each frame whose CRC is correct if its two bytes are swapped."""
    at = 0
    while at < len(noise) - 3:
        head = noise[at:at + MAX_RTU_FRAME]
        lengths = {request_length(head), reply_length(head)} - {0}
        length = next((each for each in sorted(lengths) if 4 <= each <= len(head)
                       and _is_swapped(head[:each])), 0)
        if length:
            yield f"of unit {head[0]}, {describe(head[1] & 0x7F, None, None)}"
        at += length or 1


def _is_swapped(frame: bytes) -> bool:
    return crc(frame) != 0 and crc(frame[:-2] + frame[:-3:-1]) == 0
