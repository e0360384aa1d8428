"""Checks that configuration values share; each raises ConfigError with the nearest valid word."""

import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from dataclasses import fields
from difflib import SequenceMatcher
from typing import Any, Generic, TypeVar, cast, overload

from softsplit.errors import LONGEST_SHOWN, ConfigError, show

DAY = 86400.0  # s, the longest time in a configuration
SHORTEST = 0.001  # s, the shortest
HUGE = 1e18
SIMILAR = 0.6  # of 1, from which a word may have been meant
MOST_WORDS = 100  # shown, or searched for the nearest
KINDS: dict[type, str] = {str: "text", int: "a whole number", dict: "a table", list: "a list"}

Item = TypeVar("Item")
Many = TypeVar("Many", bound=Sized)
Given = TypeVar("Given")
Kept = TypeVar("Kept")
Kind = TypeVar("Kind")


def plainly_signed(kind: type[Kind]) -> type[Kind]:
    """Let help() show the parameters of a class without types, which its docstring describes."""
    full = inspect.signature(kind.__init__)
    names = [each.replace(annotation=each.empty) for each in full.parameters.values()]
    setattr(kind.__init__, "__signature__", full.replace(parameters=names, return_annotation=full.empty))
    return kind


class Settled(Generic[Given, Kept]):
    """A field of a frozen dataclass whose constructor accepts more types than the field keeps.

    `url: Settled[str | Url, Url] = Settled()` may be given as text, and is a Url once `__post_init__` has
    settled it (see `settle`). The default is of the first type. Type checkers know both types, because this
    is a descriptor-typed field (documentation of `dataclasses`).
    """

    def __init__(self, *default: Given) -> None:
        self._default = default
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Given: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Kept: ...

    def __get__(self, instance: object | None, owner: type) -> Given | Kept:
        if instance is not None:
            return cast(Kept, vars(instance)[self._name])
        if not self._default:
            raise AttributeError(self._name)  # tells dataclasses that there is no default
        return self._default[0]

    def __set__(self, instance: object, value: Given) -> None:
        vars(instance)[self._name] = value


@contextmanager
def inside(key: str, joint: str = ".") -> Iterator[None]:
    """Put `key` before the key of a ConfigError that is raised in this context."""
    try:
        yield
    except ConfigError as error:
        raise error.inside(key, joint) from error.__cause__


def settle(value: object, **fields: object) -> None:
    """Set fields of a frozen dataclass while it validates itself."""
    for name, content in fields.items():
        object.__setattr__(value, name, content)


def require_word(word: object, words: Iterable[str], what: str, key: str = "", also: str = "") -> None:
    """Raise unless `word` is one of `words`; `also` names what else is allowed."""
    words = list(words)
    if word in words:
        return
    text = word[:LONGEST_SHOWN] if isinstance(word, str) else show(word)
    near = _nearest(text, words[:MOST_WORDS])
    hint = f'; did you mean "{near}"?' if near else ""
    allowed = ", ".join(words[:MOST_WORDS]) or "none"
    also = f", ...{also}" if len(words) > MOST_WORDS else also
    raise ConfigError(f"unknown {what} {show(word)}{hint} (allowed: {allowed}{also})", key)


def _nearest(text: str, words: Iterable[str]) -> str:
    """Return the word that is most similar to `text`, the first of several, or "" if none is similar."""
    matcher = SequenceMatcher(b=text.lower())  # it keeps what it knows of b
    best, near = SIMILAR, ""
    for word in words:
        matcher.set_seq1(word.lower())
        if matcher.real_quick_ratio() >= best and (likeness := matcher.ratio()) >= best \
                and (likeness > best or not near):
            best, near = likeness, word
    return near


def require_keys(table: Iterable[str], allowed: Collection[str]) -> None:
    """Raise for the first key of `table` that is not allowed."""
    for key in table:
        require_word(key, allowed, "key", key)


def require(table: Mapping[str, Any], key: str) -> Any:
    """Return the value of `key`, which must exist."""
    if key not in table:
        raise ConfigError(f"{key} is missing")
    return table[key]


def require_type(value: object, kind: type[Item], key: str = "", example: str = "") -> Item:
    """Return `value` if it is of this type (a bool is no whole number); `example` shows how to write one."""
    if not isinstance(value, kind) or isinstance(value, bool):
        cure = f"; write it like {example}" if example else ""
        raise ConfigError(f"{show(value)} is not {KINDS[kind]}{cure}", key)
    return value


def require_list(values: object, key: str, example: str) -> list[Any]:
    """Return a list or another iterable as a list; `example` shows how to write one."""
    if isinstance(values, (str, bytes, dict)) or not isinstance(values, Iterable):
        raise ConfigError(f"{show(values)} is not a list; write it like {example}", key)
    return list(values)


def require_name(text: object, key: str = "") -> str:
    """Return `text` if it is one line of text without control characters."""
    name = require_type(text, str, key)
    if not name.isprintable():
        raise ConfigError(f"{show(name)} is no name; remove the characters that cannot be printed", key)
    return name


def require_few(items: Many, most: int, what: str, key: str = "") -> Many:
    """Return the items if there are at most `most`."""
    if len(items) > most:
        raise ConfigError(f"{len(items)} {what} are too many; allowed are {most}", key)
    return items


def require_truth(value: object, key: str) -> bool:
    """Return `value` if it is true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"{show(value)} is neither true nor false", key)
    return value


def require_number(value: object, key: str, what: str = "a number") -> int | float:
    """Return `value` if it is a number below HUGE."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < HUGE:
        raise ConfigError(f"{show(value)} is not {what}", key)
    return value


def require_seconds(value: object, key: str, or_none: bool = False) -> float:
    """Return a time from a millisecond to a day, or also 0 with `or_none`, as a float."""
    seconds = require_number(value, key, "a number of seconds")
    if not (SHORTEST <= seconds <= DAY or or_none and not seconds):
        least = f"0, or {SHORTEST:g}" if or_none else f"{SHORTEST:g}"
        raise ConfigError(f"{show(value)} s is not possible; allowed is {least} to {DAY:g}", key)
    return float(seconds)


def require_all(items: object, kind: type[Item], key: str) -> tuple[Item, ...]:
    """Return the items as a tuple. Raises if there are none, or one is of another type."""
    given: tuple[Any, ...] = (items,)
    if isinstance(items, Iterable) and not isinstance(items, (str, bytes, dict)):
        given = tuple(items)
    if not given:
        raise ConfigError("at least one is needed", key)
    for item in given:
        if not isinstance(item, kind):
            raise ConfigError(f"{show(item)} is no {kind.__name__}", key)
    return given


def keys_of(kind: Any) -> tuple[str, ...]:
    """Return the keys of a section of the configuration: the parameters of a dataclass, except `name`."""
    return tuple(each.name for each in fields(kind) if each.init and each.name != "name")


def given(value: object, kind: Any) -> dict[str, Any]:
    """Return the attributes of `value` that are fields of the dataclass `kind` and not None."""
    found = {each.name: getattr(value, each.name) for each in fields(kind)}
    return {name: content for name, content in found.items() if content is not None}
