"""Dates and times in registers, and as text. Pure.

The layouts:

    epoch              seconds since 1970 (UTC), in two registers
    epoch2000          likewise since 2000, as in SunSpec
    iec870             four registers as in IEC 60870-5-4, CP56Time2a: year, month and day, hour and minute,
                       milliseconds
    hhmm               hour and minute as one decimal number, such as 1730
    y2000 m d h m s    a register each, in that order: the year since 2000 (y1900: since 1900, y: the whole year),
                       month, day, hour, minute, second. m/d are the high and the low byte of one register. A
                       - is anything else, such as the day of the week. An m beside a year or a d is the
                       month, one beside an h or an s the minute; otherwise write mo, mi
    bcd m/s d/h y2000/m    likewise, each part as two decimal digits of four bits

The text is like "2026-11-30 17:30:00", in the device's own time; that of an epoch ends in Z. Without a date
it is "17:30" or "17:30:05". An impossible time decodes to None.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from softsplit.errors import ConfigError, show
from softsplit.protocol.numbers import NUMBERS

EXAMPLE = 'layout = "epoch", "iec870", "hhmm", or the order of its parts, as "y2000 m d h m s"'
YEAR_2000 = 946_684_800  # s since 1970
YEARS = {"y": 0, "y1900": 1900, "y2000": 2000}  # added to the number
PARTS = (*YEARS, "mo", "d", "h", "mi", "s")
OTHER = "-"  # anything else
DATE, CLOCK = (*YEARS, "d"), ("h", "s")  # neighbours of an m
TEXT = re.compile(r"(?:(\d{4})-(\d\d)-(\d\d))? ?(?:(\d\d):(\d\d)(?::(\d\d))?)?Z?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a time is stored in `registers` registers. `encode` raises ValueError or OverflowError."""

    registers: int
    decode: Callable[[bytes], str | None]
    encode: Callable[[str], bytes]
    is_number: bool = False  # a single number, to which word_order applies


@lru_cache(256)
def parse_layout(text: str) -> Layout:
    """Parse the name of a layout. Raises ConfigError."""
    if text in NAMED:
        return NAMED[text]
    stated = text.split()
    is_bcd = stated[:1] == ["bcd"]
    places = [place.split("/") for place in stated[is_bcd:]]
    words = _told_apart([word for place in places for word in place])
    parts = [word for word in words if word != OTHER]
    is_too_long = any(len(place) > 2 or len(place) == 2 and "y" in place for place in places)  # a year takes two bytes
    if len(words) > 8 or is_too_long or {*parts} - {*PARTS} \
            or len(set(parts)) < len(parts) or not _is_whole({*parts}):
        raise ConfigError(f"{show(text)} is no layout of a time; write it like {EXAMPLE}", "layout")
    given = iter(words)
    return _parts([tuple(next(given) for _ in place) for place in places], is_bcd)


def _is_whole(words: set[str]) -> bool:
    """Whether these parts are a complete date, a complete time of day, or both."""
    date, clock = words & {*YEARS, "mo", "d"}, words & {"h", "mi", "s"}
    return len(date) in (0, 3) and {"mo", "d"} <= (date or {"mo", "d"}) and bool(date or clock) and \
        clock in (set(), {"h", "mi"}, {"h", "mi", "s"})


def _told_apart(words: list[str]) -> list[str]:
    """Replace each m by mo or mi, according to its neighbours."""
    found = []
    for number, word in enumerate(words):
        if word == "m":
            beside = {*words[max(0, number - 1):number], *words[number + 1:number + 2]}
            is_date, is_clock = bool(beside & {*DATE}), bool(beside & {*CLOCK})
            word = "m" if is_date == is_clock else "mo" if is_date else "mi"
        found.append(word)
    return found


def _parts(places: list[tuple[str, ...]], is_bcd: bool) -> Layout:
    """The layout with one or two parts in each register."""
    number = NUMBERS["bcd16" if is_bcd else "u16"]

    def decode(data: bytes) -> str | None:
        said: dict[str, int] = {}
        for place, at in zip(places, range(0, len(data), 2)):
            numbers = data[at:at + 2] if len(place) == 2 else [int.from_bytes(data[at:at + 2], "big")]
            for part, each in zip(place, numbers):
                if part != OTHER:
                    if not isinstance(decoded := number.decode(each), int):
                        return None  # no decimal digit
                    said[part] = decoded
        return _written(said)

    def encode(text: str) -> bytes:
        said = _said(text)
        numbers = [[said[part] for part in place] for place in places]
        encoded = [[number.encode(each) for each in numbers_of] for numbers_of in numbers]
        return b"".join(bytes(each) if len(each) == 2 else each[0].to_bytes(2, "big") for each in encoded)

    return Layout(len(places), decode, encode)


def _written(said: dict[str, int]) -> str | None:
    """Return the text of these parts, or None if there is no such time."""
    year = next((said[each] + since for each, since in YEARS.items() if each in said), 2000)
    try:
        time = datetime(year, said.get("mo", 1), said.get("d", 1), said.get("h", 0), said.get("mi", 0),
                        said.get("s", 0))
    except (ValueError, OverflowError):
        return None
    date, _, clock = time.isoformat(" ", "seconds" if "s" in said else "minutes").partition(" ")
    return f"{date} {clock}" if "d" in said and "h" in said else date if "d" in said else clock


def _said(text: str) -> dict[str, int]:
    """Parse a text into parts; missing ones get their lowest value. Raises ValueError."""
    found = TEXT.fullmatch(text)
    if not found or not any(found.groups()):
        raise ValueError(f'{show(text)} is no time; write it like "2026-11-30 17:30:00"')
    year, month, day, hour, minute, second = (int(each or 0) for each in found.groups())
    datetime(year or 2000, month or 1, day or 1, hour, minute, second)  # raises if there is no such time
    return {each: (year or 2000) - since for each, since in YEARS.items()} | {
        "mo": month or 1, "d": day or 1, "h": hour, "mi": minute, "s": second, OTHER: 0}


def _epoch(since: int) -> Layout:
    """The layout of seconds since `since`, which is in seconds since 1970."""
    def decode(data: bytes) -> str:
        return f"{datetime.fromtimestamp(since + int.from_bytes(data, 'big'), UTC):%Y-%m-%d %H:%M:%S}Z"

    def encode(text: str) -> bytes:
        said = _said(text)
        time = datetime(said["y"], said["mo"], said["d"], said["h"], said["mi"], said["s"], tzinfo=UTC)
        return (round(time.timestamp()) - since).to_bytes(4, "big")

    return Layout(2, decode, encode, is_number=True)


def _from_iec870(data: bytes) -> str | None:
    """Four registers: year since 2000 (7 bits); month, weekday, day; hour, invalid, minute; milliseconds."""
    if data[5] & 0x80:  # the device marks it as invalid
        return None
    seconds = int.from_bytes(data[6:8], "big") // 1000
    return _written({"y2000": data[1] & 0x7F, "mo": data[2] & 0x0F, "d": data[3] & 0x1F, "h": data[4] & 0x1F,
                     "mi": data[5] & 0x3F, "s": seconds})


def _to_iec870(text: str) -> bytes:
    said = _said(text)
    return bytes((0, said["y2000"], said["mo"], said["d"], said["h"], said["mi"])) + \
        (1000 * said["s"]).to_bytes(2, "big")


def _from_hhmm(data: bytes) -> str | None:
    hour, minute = divmod(int.from_bytes(data, "big"), 100)
    return _written({"h": hour, "mi": minute})


def _to_hhmm(text: str) -> bytes:
    said = _said(text)
    return (100 * said["h"] + said["mi"]).to_bytes(2, "big")


NAMED = {
    "epoch": _epoch(0), "epoch2000": _epoch(YEAR_2000),
    "iec870": Layout(4, _from_iec870, _to_iec870),
    "hhmm": Layout(1, _from_hhmm, _to_hhmm),
}
