"""The reply to a question on a serial line, found among whatever else the line carries.

A question is `request`, the whole frame of a read, and the `block` it asks for. A reply of another unit, of
another function or of another size is not the answer (MODBUS over Serial Line V1.02, 2.4.1).
"""

from softsplit.protocol import frames, pdus
from softsplit.protocol.blocks import Block

Shape = tuple[int, int, int]  # unit, function, byte count: replies of one shape cannot be told apart


def shape(unit: int, block: Block) -> Shape:
    return unit, block.table.function, block.byte_count


def find_reply(heard: bytes, request: bytes, block: Block) -> tuple[int, bytes] | None:
    """Return where the reply begins in `heard`, and its frame; None while there is none.

    A reply that equals the request is our own echo: of 3 bytes of coils both can look alike.
    """
    replies = [(at, heard[at:at + size]) for header, size in _headers(request, block)
               for at in _places(heard, header)]
    return next((found for found in sorted(replies)
                 if frames.is_rtu_frame(found[1]) and found[1] != request
                 and not pdus.reply_fault(block, found[1][1:-2])), None)


def is_damaged(heard: bytes, request: bytes, block: Block) -> bool:
    """Whether all of the reply seems to be there, although `find_reply` does not find it."""
    header, size = _headers(request, block)[0]
    if header not in heard:
        return False
    for frame in (request, *frames.split(heard)[0]):  # in which it may stand by chance
        heard = heard.replace(frame, b"")
    return any(len(heard) >= at + size for at in _places(heard, header))


def fault(others: list[bytes], loose: int, unit: int, block: Block) -> str | None:
    """Say what came instead of the reply: frames of `others` and so many `loose` bytes.

    None when it was next to nothing, as a line makes by itself.
    """
    for frame in others:
        if frame[0] != unit:
            return f"unit {frame[0]} instead of {unit}"
        if wrong := pdus.reply_fault(block, frame[1:-2]):
            return wrong
    return f"{loose} bytes without a meaning" if loose >= frames.EXCEPTION_LENGTH else None


def _headers(request: bytes, block: Block) -> list[tuple[bytes, int]]:
    """How a reply begins and how long it is: the data, and the exception."""
    unit, function = request[:2]
    return [(bytes((unit, function, block.byte_count)), block.byte_count + 5),
            (bytes((unit, function | 0x80)), frames.EXCEPTION_LENGTH)]


def _places(heard: bytes, header: bytes):
    """Every position at which `header` stands in `heard`."""
    at = heard.find(header)
    while at >= 0:
        yield at
        at = heard.find(header, at + 1)
