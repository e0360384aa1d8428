"""Checks that configuration values share; each raises ConfigError with the nearest valid word."""

import math
from difflib import get_close_matches

from softsplit.errors import ConfigError


def known(word, words, what: str, key: str = "", also: str = "") -> None:
    """Raise unless `word` is one of `words`; `also` names what else would be allowed."""
    words = list(words)
    if word in words:
        return
    near = get_close_matches(str(word), words, 1, cutoff=0.5)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    raise ConfigError(f'unknown {what} "{word}"{hint} (allowed: {", ".join(words) or "none"}{also})', key)


def keys(table: dict, allowed) -> None:
    """Raise for the first key of `table` that is not allowed; its name becomes the error's key."""
    for key in table:
        known(key, allowed, "key", key)


def typed(value, kind: type, key: str = ""):
    """Return `value` if it is of this kind (a bool is no int), else raise."""
    if not isinstance(value, kind) or isinstance(value, bool) and kind is not bool:
        names = {str: "text", int: "a whole number", dict: "a table", list: "a list"}
        raise ConfigError(f"{value!r} is not {names.get(kind, kind.__name__)}", key)
    return value


def seconds(value, key: str) -> float:
    """Return a positive, finite number of seconds as a float; integers are welcome."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{value!r} is not a number of seconds", key)
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{value!r} s is impossible; it must be more than 0", key)
    return float(value)
