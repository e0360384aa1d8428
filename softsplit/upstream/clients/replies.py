"""Find the reply to a request among everything else that a serial line carries.

`request` is the whole frame of a question; it shows how long unit addresses are. A reply of another unit,
function or size is not the answer (MODBUS over Serial Line V1.02, 2.4.1).
"""

from softsplit.protocol import adu
from softsplit.protocol import pdu as pdus
from softsplit.protocol.pdu import UNTOLD, Question

Shape = tuple[int, bytes, int]  # unit, begin and size of the PDU; replies of one shape look alike


def shape(unit: int, question: Question) -> Shape:
    return unit, question.answer, question.size


def has_shape(unit: int, pdu: bytes, shape: Shape) -> bool:
    """Whether this may be the good reply to a question of this shape."""
    asked, answer, size = shape
    has_size = size == UNTOLD or len(pdu) == (size or pdus.identification_size(pdu))
    return unit == asked and has_size and pdu.startswith(answer)


def find_reply(heard: bytes, request: bytes, question: Question,
               hears_itself: bool | None = True) -> tuple[int, bytes] | None:
    """Return where the reply begins in `heard`, and its frame; None while there is none.

    Unless the adapter is known to have no echo (`hears_itself` is False), nothing in our own echo is the
    reply: the answer to some writes equals the request, and other requests may begin like an answer by
    chance.
    """
    size = _unit_size(request, question)
    replies = sorted((at, heard[at:at + _length(heard[at + size:], told, size)])
                     for header, told in _headers(request, question) for at in _places(heard, header))
    good = [found for found in replies if adu.is_rtu_frame(found[1], size)
            and not pdus.reply_fault(question, found[1][size:-2])]
    if hears_itself is False:
        return next((found for found in good if found[1] != request or question.answer == question.pdu), None)
    echo, is_whole = _echo(heard, request)
    return next(((at, frame) for at, frame in good if at not in echo
                 and (is_whole and at >= echo.stop or not request.startswith(frame))), None)


def looks_answered(request: bytes, question: Question) -> bool:
    """Whether a request begins with a good answer to itself, as one that writes a register does."""
    size = _unit_size(request, question)
    frame = request if question.size == UNTOLD else request[:size + question.size + 2]
    return adu.is_rtu_frame(frame, size) and not pdus.reply_fault(question, frame[size:-2])


def _echo(heard: bytes, request: bytes) -> tuple[range, bool]:
    """Return where our echo is in what was heard, and whether it is whole."""
    at = heard.find(request)
    if at >= 0:
        return range(at, at + len(request)), True
    begins = range(max(0, len(heard) - len(request)), len(heard))
    at = next((at for at in begins if request.startswith(heard[at:])), len(heard))
    return range(at, len(heard)), False


def is_damaged(heard: bytes, request: bytes, question: Question) -> bool:
    """Whether all of the reply seems to be there, although `find_reply` does not find it."""
    header, told = _headers(request, question)[0]
    if header not in heard or told == UNTOLD:
        return False
    size = _unit_size(request, question)
    others, _ = adu.split(heard, size)
    for frame in (request, *others):  # they may contain the header by chance
        heard = heard.replace(frame, b"")
    return any(len(heard) >= at + _length(heard[at + size:], told, size) for at in _places(heard, header))


def fault(others: list[tuple[int, bytes]], loose: int, unit: int, question: Question) -> str | None:
    """Say what came instead of the reply: `others` are units and PDUs, `loose` is a count of other bytes.

    Return None when that is no more than the noise of a line.
    """
    for other, pdu in others:
        if other != unit:
            return f"unit {other} instead of {unit}"
        if wrong := pdus.reply_fault(question, pdu):
            return wrong
    return f"{loose} bytes without a meaning" if loose >= adu.EXCEPTION_LENGTH else None


def _headers(request: bytes, question: Question) -> list[tuple[bytes, int]]:
    """Return how a reply begins, and the size of its PDU as in `Question`: for an answer and an exception."""
    unit = request[:_unit_size(request, question)]
    return [(unit + question.answer, question.size), (unit + bytes((question.function | 0x80,)), 2)]


def _length(heard: bytes, told: int, size: int) -> int:
    """Return the bytes of a reply, unit, PDU and CRC, whose PDU is at the head of what was heard."""
    if told == UNTOLD:
        return size + len(heard)
    return size + (told or pdus.identification_size(heard)) + 2


def _unit_size(request: bytes, question: Question) -> int:
    """Return the bytes of a unit address: the request without PDU and CRC."""
    return len(request) - len(question.pdu) - 2


def _places(heard: bytes, header: bytes):
    """Yield every position of `header` in `heard`."""
    at = heard.find(header)
    while at >= 0:
        yield at
        at = heard.find(header, at + 1)
