"""The exceptions that softsplit raises: one sentence for a user, which names the thing and the cure."""

from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any

from softsplit.printable import printable

LONGEST_SHOWN = 80  # characters
LONGEST_KEY = 400
LONGEST_SAID = 1200
MOST_SHOWN = 20  # entries of a table or a list
HIGHEST_SHOWN = 1 << 128
DEEPEST_SHOWN = 3  # tables and lists inside each other


def show(value: object, depth: int = 0) -> str:
    """Return a value as in a configuration file, in one line of bounded length."""
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = f'"{repr(value[:2 * LONGEST_SHOWN])[1:-1]}"'
        case int() if abs(value) >= HIGHEST_SHOWN:  # Python refuses to write those of thousands of digits
            text = "a number that is too large"
        case Decimal():
            text = f"{value:g}"
        case datetime() | date() | time():
            text = value.isoformat()
        case dict() | list() | tuple():
            text = _show_many(value, depth + 1) if depth < DEEPEST_SHOWN else "..."
        case int() | float() | bytes() | None:
            text = repr(value)
        case _:
            text = f"a {type(value).__name__}"  # from a script
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _show_many(values: dict[Any, Any] | list[Any] | tuple[Any, ...], depth: int) -> str:
    """Return the first entries of a table or a list."""
    shown = [f"{_show_key(each)} = {show(values[each], depth)}" if isinstance(values, dict)
             else show(each, depth)
             for each in islice(values, MOST_SHOWN)]
    text = ", ".join(shown + ["..."] * (len(values) > MOST_SHOWN))
    return f"{{ {text} }}" if isinstance(values, dict) else f"[{text}]" if isinstance(values, list) else f"({text})"


def _show_key(key: object) -> str:
    if isinstance(key, str) and key.isascii() and key.replace("-", "").replace("_", "").isalnum():
        return key
    return show(key)


class SoftsplitError(Exception):
    """An error that a user can fix; the command line prints it and exits with `exit_code`."""

    exit_code = 1


class ConfigError(SoftsplitError, ValueError):
    """An error in a configuration, profile or topology; `key` names the place."""

    exit_code = 2

    def __init__(self, what: str, key: str = "") -> None:
        text = f"{key[:LONGEST_KEY]}: {what}" if key else what
        super().__init__(printable(text[:LONGEST_SAID]))
        self.what = what
        self.key = key

    def inside(self, outer: str, joint: str = ".") -> "ConfigError":
        """Return the same error with its key inside `outer`."""
        return ConfigError(self.what, f"{outer}{joint}{self.key}" if self.key else outer)


class AlreadyRunning(SoftsplitError):
    """Another process runs the same configuration."""

    exit_code = 3

    def __init__(self, config: object, pid: int | None) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(f'{who} already runs {config}; see "softsplit status"')
        self.pid = pid


class DownstreamError(SoftsplitError, OSError):
    """A port cannot be bound or a serial device opened at the start, and waiting would not help."""


class UpstreamError(SoftsplitError):
    """A request upstream failed; a waiting master gets `exception_code`.

    `number` is what a PLC reads in the diagnostics unit: the code of an exception, or 256 and above.
    """

    exception_code = 0x0B
    number = 256


class Unreachable(UpstreamError, ConnectionError):
    """The gateway cannot be reached, or the adapter is missing."""

    exception_code = 0x0A
    number = 258


class NoAnswer(UpstreamError, TimeoutError):
    """The unit did not answer in time, or the connection broke before the answer."""


class NothingAnswers(NoAnswer):
    """No unit on this wire answers, and none has so far."""


class StoodStill(NoAnswer):
    """The answer came while the process stood still, and is too old."""


class NotSent(NoAnswer):
    """A request was not sent, and will not be sent."""


class Busy(UpstreamError):
    """Too many requests wait for the wire."""

    exception_code = 0x06


class BadAnswer(UpstreamError):
    """The answer does not fit the request (CRC, header, unit, function, byte count)."""

    number = 257


class WrongUnit(BadAnswer):
    """The answer has the id of another unit than the request."""

    def __init__(self, asked: int, answering: int) -> None:
        super().__init__(f"unit {asked}: the answer has unit {answering} instead of {asked}")
        self.answering = answering


class Stranger(BadAnswer):
    """The other end does not speak Modbus, or not as the scheme of the url says."""


class Garbage(BadAnswer):
    """Bytes arrive, but none of them are Modbus."""


class Refused(UpstreamError):
    """The unit, or the gateway on its behalf, answered with a Modbus exception."""

    def __init__(self, message: str, exception_code: int) -> None:
        super().__init__(message)
        self.exception_code = self.number = exception_code
