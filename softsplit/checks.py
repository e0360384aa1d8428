"""Checks that configuration values share; each raises ConfigError with the nearest valid word."""

from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches

from softsplit.errors import LONGEST_SHOWN, ConfigError, show

DAY = 86400.0  # s, the longest time anything here may take
SHORTEST = 0.001  # s, and the shortest
HUGE = 1e18
MOST_WORDS = 100  # that are shown, or looked through for the nearest
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


def require_word(word, words, what: str, key: str = "", also: str = "") -> None:
    """Raise unless `word` is one of `words`; `also` names what else would be allowed."""
    words = list(words)
    if word in words:
        return
    text = word[:LONGEST_SHOWN] if isinstance(word, str) else show(word)
    near = get_close_matches(text.lower(), [each.lower() for each in words[:MOST_WORDS]], 1, cutoff=0.5)
    hint = "".join(f'; did you mean "{each}"?' for each in words[:MOST_WORDS] if [each.lower()] == near)
    allowed = ", ".join(words[:MOST_WORDS]) or "none"
    also = f", ...{also}" if len(words) > MOST_WORDS else also
    raise ConfigError(f"unknown {what} {show(word)}{hint} (allowed: {allowed}{also})", key)


def require_keys(table: dict, allowed) -> None:
    """Raise for the first key of `table` that is not allowed."""
    for key in table:
        require_word(key, allowed, "key", key)


def require(table: dict, key: str):
    """Return what stands under `key`, which must be there."""
    if key not in table:
        raise ConfigError(f"{key} is missing")
    return table[key]


def require_type(value, kind: type, key: str = "", example: str = ""):
    """Return `value` if it is of this kind (a bool is no whole number); `example` is one, as it is written."""
    if not isinstance(value, kind) or isinstance(value, bool):
        cure = f"; write it like {example}" if example else ""
        raise ConfigError(f"{show(value)} is not {KINDS[kind]}{cure}", key)
    return value


def require_list(values, key: str, example: str) -> list:
    """Return the values of a list, or of what a script gives in its place; `example` is a list as written."""
    if isinstance(values, (str, bytes, dict)) or not isinstance(values, Iterable):
        raise ConfigError(f"{show(values)} is not a list; write it like {example}", key)
    return list(values)


def require_name(text, key: str = "") -> str:
    """Return `text` if it is text in one line without control characters."""
    if not require_type(text, str, key).isprintable():
        raise ConfigError(f"{show(text)} is no name; remove the characters that cannot be printed", key)
    return text


def require_few(items, most: int, what: str, key: str = ""):
    """Return the items if there are no more than that."""
    if len(items) > most:
        raise ConfigError(f"{len(items)} {what} are too many; allowed are {most}", key)
    return items


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
    """Return a time of at least a millisecond, `or_none` at all, and at most a day, as a float."""
    seconds = require_number(value, key, "a number of seconds")
    if not (SHORTEST <= seconds <= DAY or or_none and not seconds):
        least = f"0, or {SHORTEST:g}" if or_none else f"{SHORTEST:g}"
        raise ConfigError(f"{show(value)} s is not possible; allowed is {least} to {DAY:g}", key)
    return float(seconds)


def require_all(items, kind: type, key: str) -> tuple:
    """Return the items as a tuple. Raises when there is none, or one of another kind."""
    is_many = isinstance(items, Iterable) and not isinstance(items, (str, bytes, dict))
    items = tuple(items) if is_many else (items,)
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
