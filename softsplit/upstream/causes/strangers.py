"""Recognise who answers on a connection instead of a Modbus device of the expected dialect. Pure."""

from dataclasses import replace

from softsplit.config.url import Url, show_address
from softsplit.printable import printable
from softsplit.protocol import adu

OTHER_SCHEME = {"tcp": "rtuovertcp", "rtuovertcp": "tcp"}
SPOKEN = {"tcp": "Modbus TCP", "rtuovertcp": "Modbus RTU"}
LEAST_TEXT, MOST_TEXT = 6, 40  # characters that make a greeting, characters of it that are shown
IS_PORT_RIGHT = "is the port right?"
WEB = (b"HTTP/", b"<!doctype", b"<html", b"\x15\x03")  # first bytes of web servers; the last is a TLS alert
TELNET = (b"\xff\xfb", b"\xff\xfd")  # RFC 854: IAC WILL, IAC DO


def other_url(url: Url) -> Url | None:
    """Return the url with the other dialect of Modbus over TCP; None if it has no other."""
    return replace(url, scheme=OTHER_SCHEME[url.scheme]) if url.scheme in OTHER_SCHEME else None


def answers_otherwise(url: Url) -> str:
    """Say that the other dialect is the right one at `url`."""
    scheme = OTHER_SCHEME[url.scheme]
    return f"the gateway answers {SPOKEN[scheme]}: its url is {replace(url, scheme=scheme)}"


def describe_stranger(data: bytes, url: Url) -> str:
    """Say who sends such bytes over a TCP connection; "" if unknown."""
    data, where = bytes(data), show_address(url.host, url.port)
    if any(data[:20].lstrip().lower().startswith(begin.lower()) for begin in WEB):
        return f"a web server answers at {where}; {IS_PORT_RIGHT}"
    if data.startswith(TELNET):
        return f"a telnet server answers at {where}; {IS_PORT_RIGHT}"
    if text := _as_text(data):
        return f'no Modbus device answers at {where}, but one that says "{text}"; {IS_PORT_RIGHT}'
    is_other = {"tcp": _has_rtu_frame, "rtuovertcp": adu.is_tcp_frame}.get(url.scheme)
    return answers_otherwise(url) if is_other and is_other(data) else ""


def _as_text(data: bytes) -> str:
    """Return the beginning of text as one line; "" if the bytes are no text."""
    text = " ".join(data.decode("ascii", "replace").split())
    return printable(text[:MOST_TEXT]) if len(text) >= LEAST_TEXT and text.isascii() and text.isprintable() else ""


def _has_rtu_frame(data: bytes) -> bool:
    return data[2:4] != b"\0\0" and bool(adu.split(data[:2 * adu.MAX_RTU_FRAME])[0])
