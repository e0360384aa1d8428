"""Describe damaged frames: which frame the bytes outside of all frames belonged to."""

from softsplit.decoder.crcwindows import wrong_bit
from softsplit.protocol.adu import crc

STRAY = 2  # bytes at most that appear when a driver lets go of the line
TORN = 3  # bytes at least that are left of a frame
WRONG_BITS = 6  # at most, to recognise a frame


def resembles(noise: bytes, frame: bytes) -> bool:
    """Whether the noise ends in about as many bytes that are `frame`, but for a few bits or one byte."""
    size, whole = len(frame), int.from_bytes(frame, "big")
    noise = noise[-3 * size:]
    return any((int.from_bytes(noise[at:at + size], "big") ^ whole).bit_count() <= WRONG_BITS
               for at in range(len(noise) - size + 1)) or any(
        frame[:at] + frame[at + 1:] in noise for at in range(size))


def begins_like(noise: bytes, frame: bytes) -> bool:
    """Whether the noise begins with the unit or the function of `frame`, but for stray bytes."""
    return len(noise) >= TORN and any(
        noise[at:at + 1] == frame[:1] or noise[at + 1:at + 2] == frame[1:2] for at in range(STRAY + 1))


def describe(noise: bytes, length: int) -> str:
    """Say what is wrong with a frame that should have `length` bytes; 0 when nobody knows."""
    frame = noise[:length] if length else noise
    if len(frame) < length or len(frame) < 4:
        return f"{len(frame)} of {length} bytes" if length else f"{len(frame)} bytes"
    if place := wrong_bit(frame):
        return f"bit {place[1]} of byte {place[0]} is wrong"
    return f"CRC {frame[-2:].hex(' ')} instead of {crc(frame[:-2]).to_bytes(2, 'little').hex(' ')}"
