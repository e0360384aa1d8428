"""Checks that configuration values share; each raises ConfigError with the nearest valid word."""

from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches

from softsplit.errors import ConfigError

DAY = 86400.0  # s, the longest time anything here may take
HUGE = 1e18
LONGEST_SHOWN = 80  # characters
KINDS = {str: "text", int: "a whole number", dict: "a table", list: "a list"}


@contextmanager
def inside(key: str, joint: str = "."):
    """What is wrong in this context is wrong inside `key`."""
    try:
        yield
    except ConfigError as error:
        raise error.inside(key, joint) from error.__cause__


def settle(value, **fields) -> None:
    """Set fields of a frozen dataclass while it validates itself."""
    for name, content in fields.items():
        object.__setattr__(value, name, content)


def show(value) -> str:
    """Write a value as a configuration file would, in one line that is not too long."""
    try:
        text = str(value).lower() if isinstance(value, bool) else repr(value)
    except ValueError:  # an int of thousands of digits
        text = "a number beyond all bounds"
    if isinstance(value, str):
        text = '"' + text[1:-1] + '"'
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def require_word(word, words, what: str, key: str = "", also: str = "") -> None:
    """Raise unless `word` is one of `words`; `also` names what else would be allowed."""
    words = list(words)
    if word in words:
        return
    near = get_close_matches(str(word).lower(), [each.lower() for each in words], 1, cutoff=0.5)
    hint = "".join(f'; did you mean "{each}"?' for each in words if [each.lower()] == near)
    allowed = ", ".join(words) or "none"
    raise ConfigError(f"unknown {what} {show(str(word))}{hint} (allowed: {allowed}{also})", key)


def require_keys(table: dict, allowed) -> None:
    """Raise for the first key of `table` that is not allowed."""
    for key in table:
        require_word(key, allowed, "key", key)


def require(table: dict, key: str):
    """Return what stands under `key`, which must be there."""
    if key not in table:
        raise ConfigError(f"{key} is missing")
    return table[key]


def require_type(value, kind: type, key: str = ""):
    """Return `value` if it is of this kind (a bool is no whole number)."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigError(f"{show(value)} is not {KINDS[kind]}", key)
    return value


def require_truth(value, key: str) -> bool:
    """Return `value` if it is true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"{show(value)} is neither true nor false", key)
    return value


def require_number(value, key: str, what: str = "a number") -> int | float:
    """Return `value` if it is a number of a size that occurs."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < HUGE:
        raise ConfigError(f"{show(value)} is not {what}", key)
    return value


def require_seconds(value, key: str, or_none: bool = False) -> float:
    """Return a time of more than 0 s, `or_none` at all, and at most a day, as a float."""
    seconds = require_number(value, key, "a number of seconds")
    if not 0 <= seconds <= DAY or not seconds and not or_none:
        least = "0 and more" if or_none else "more than 0"
        raise ConfigError(f"{show(value)} s is not possible; allowed is {least}, up to {DAY:g}", key)
    return float(seconds)


def require_all(items, kind: type, key: str) -> tuple:
    """Return the items as a tuple. Raises when there is none, or one of another kind."""
    items = tuple(items) if isinstance(items, Iterable) and not isinstance(items, str) else (items,)
    if not items:
        raise ConfigError("at least one is needed", key)
    for item in items:
        if not isinstance(item, kind):
            raise ConfigError(f"{show(item)} is no {kind.__name__}", key)
    return items


def given(value, kind: type) -> dict:
    """Return the fields of a dataclass `kind` that `value` has and that were given."""
    found = {each.name: getattr(value, each.name) for each in fields(kind)}
    return {name: content for name, content in found.items() if content is not None}
