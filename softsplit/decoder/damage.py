"""Recognise and describe damaged frames among the bytes outside of all frames."""

from softsplit.decoder.crcwindows import wrong_bit
from softsplit.protocol.adu import crc

STRAY = 2  # bytes, the most that appear when a driver releases the line
TORN = 3  # bytes, the fewest that count as the rest of a frame
WRONG_BITS = 6  # the most with which a frame is still recognised


def resembles(noise: bytes, frame: bytes) -> bool:
    """Whether the end of the noise contains `frame` with a few wrong bits or one missing byte."""
    size, whole = len(frame), int.from_bytes(frame, "big")
    noise = noise[-3 * size:]
    return any((int.from_bytes(noise[at:at + size], "big") ^ whole).bit_count() <= WRONG_BITS
               for at in range(len(noise) - size + 1)) or any(
        frame[:at] + frame[at + 1:] in noise for at in range(size))


def begins_like(noise: bytes, frame: bytes) -> bool:
    """Whether the noise begins, after stray bytes, with the unit or the function of `frame`."""
    return len(noise) >= TORN and any(
        noise[at:at + 1] == frame[:1] or noise[at + 1:at + 2] == frame[1:2] for at in range(STRAY + 1))


def describe(noise: bytes, length: int) -> str:
    """Say what is wrong with a frame that should have `length` bytes, 0 if unknown."""
    frame = noise[:length] if length else noise
    if len(frame) < length or len(frame) < 4:
        return f"{len(frame)} of {length} bytes" if length else f"{len(frame)} bytes"
    if place := wrong_bit(frame):
        return f"bit {place[1]} of byte {place[0]} is wrong"
    return f"CRC {frame[-2:].hex(' ')} instead of {crc(frame[:-2]).to_bytes(2, 'little').hex(' ')}"


def describe_noise(noise: bytes) -> str:
    """Name bytes that belong to no frame."""
    return f"{len(noise)} bytes of no frame" if len(noise) > 1 else "a byte of no frame"
