"""Say why a unit could not be read, and what to do: what its exception means, or which units answer instead."""

from contextlib import suppress

from softsplit import clock
from softsplit.commands.scan.prober import Prober
from softsplit.commands.shared.route import find_server
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.errors import BadAnswer, Garbage, NoAnswer, Refused, Stranger, Unreachable, UpstreamError
from softsplit.protocol.blocks import Block
from softsplit.protocol.pdu import GATEWAY_EXCEPTIONS
from softsplit.upstream.causes.diagnosis import GARBAGE, look_at, look_at_wire, look_for
from softsplit.upstream.causes.dialect import ask_otherwise

# factory settings, and what people choose
USUAL_IDS = (*range(1, 11), 255, 0, 100, 101, 11, 12, 20, 30, 50, 126, 200, 240, 247)
LOOK_FOR = 4.0  # s for all of them
SHORT = 0.3  # s for each
CURES = {
    1: "the unit has no such table; try another one with -t",
    2: "the unit has no register at some of these addresses: manuals may count from 1, or mean another table (-t); "
       "try COUNT 1",
    3: "the unit does not give so many at once; try a smaller COUNT",
    4: "the unit itself has failed; try again, or restart it",
    5: "the unit is busy; try again",
    6: "the unit is busy; try again",
}


def cure_of(error: UpstreamError, url: Url) -> str:
    """Say what to do about an exception of the unit, or without a connection; "" for other errors."""
    if isinstance(error, Unreachable):
        return look_for(url, error)
    return CURES.get(error.exception_code, "") if isinstance(error, Refused) else ""


def find_cause(url: Url, unit: int, block: Block, timeout: float, line: Line, error: UpstreamError) -> str:
    """Say why a unit does not answer: which units do, or what to check. The wire must be closed."""
    if isinstance(error, (Stranger, Unreachable)) or cure_of(error, url):
        return ""
    if config := find_server(url):
        return f'softsplit serves there; "softsplit status -c {config}" says why unit {unit} has no data'
    is_line = line if url.is_serial else None
    if isinstance(error, NoAnswer) and (other := ask_otherwise(url, unit, block, timeout)):
        return other
    found = _find_units(url, unit, min(timeout, SHORT), is_line)
    if found:
        return f"{_named(found)}; is {unit} the right unit id (-u)?"
    if isinstance(error, Garbage):
        return GARBAGE
    if isinstance(error, BadAnswer) or isinstance(error, Refused) and error.exception_code in GATEWAY_EXCEPTIONS:
        return look_at(is_line)
    return look_at_wire(url, is_line)


def _find_units(url: Url, unit: int, timeout: float, line: Line | None) -> list[int]:
    """Return the units with usual ids that answer within LOOK_FOR seconds."""
    found: list[int] = []
    end = clock.now() + LOOK_FOR
    with Prober(url, timeout, line) as prober, suppress(Unreachable):
        for each in USUAL_IDS:
            if each == unit or each not in url.kind.units or clock.now() > end:
                continue
            with suppress(BadAnswer):
                if prober.probe(each):
                    found.append(each)
    return sorted(found)


def _named(units: list[int]) -> str:
    if len(units) == 1:
        return f"unit {units[0]} answers there"
    return f"units {', '.join(map(str, units[:-1]))} and {units[-1]} answer there"
