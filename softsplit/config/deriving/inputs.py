"""The registers that an expression may name, and how to find a name in its text."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from softsplit import checks
from softsplit.config.deriving.expression import Input
from softsplit.errors import ConfigError, show

DERIVED = "derived"  # before the slash, instead of an upstream
WORD = re.compile(r"[^\W\d]\w*")
FUNCTION = re.compile(r"[^\W\d]\w*\s*\(")
REFERENCE = re.compile(r"([^\W\d_][^\s()*,+]*/\w+)\.[^\W\d]\w*")


class Names:
    """The registers that an expression may name: `own` without their unit, others as "meters/100.frequency"."""

    def __init__(self, units: Mapping[str, Mapping[str, Input]], own: Mapping[str, Input]):
        self._units = {f"{unit}.": units[unit] for unit in sorted(units, key=len, reverse=True)}
        self._own = own

    def find(self, text: str, at: int) -> tuple[Input, int] | None:
        """Return the register named at this position, and the end of its name. Raises ConfigError."""
        for unit, registers in self._units.items():
            if text.startswith(unit, at):
                found = _longest(registers, text, at + len(unit))
                if not found:
                    refuse_register(_word(text, at + len(unit)), registers, f" of {unit[:-1]}")
                return found
        if FUNCTION.match(text, at):
            return None
        if found := _longest(self._own, text, at):
            return found
        if reference := REFERENCE.match(text, at):
            if reference[1].startswith(f"{DERIVED}/"):
                raise ConfigError("a derived unit cannot be made from another one; name registers of devices")
            checks.require_word(reference[1], [each[:-1] for each in self._units], "unit")
        if word := _word(text, at):
            self._refuse(word)
        return None

    def _refuse(self, word: str) -> None:
        if self._own:
            refuse_register(word, self._own)
        example = f"{next(iter(self._units))}{word}"
        raise ConfigError(f'{show(word)} does not say of which unit; write it like "{example}", or say from')


def refuse_register(word: str, registers: Iterable[str], whose: str = "") -> None:
    """Raise ConfigError for an unknown register, naming only similar ones: there are too many."""
    near = get_close_matches(word.lower(), registers, 3, cutoff=0.5)
    hint = f"; similar are {', '.join(near)}" if near else ""
    raise ConfigError(f"unknown register {show(word)}{whose}{hint}")


def _word(text: str, at: int) -> str:
    return first(WORD, text, at)


def first(pattern: re.Pattern[str], text: str, at: int) -> str:
    """Return the text that matches at this position, or ""."""
    found = pattern.match(text, at)
    return found[0] if found else ""


def _longest(registers: Mapping[str, Input], text: str, at: int) -> tuple[Input, int] | None:
    """The register with the longest name that stands at this position as a word."""
    ends = {at + len(name): name for name in registers if text.startswith(name, at)}
    fitting = [end for end in ends if not re.match(r"\w", text[end:])]
    return (registers[ends[max(fitting)]], max(fitting)) if fitting else None
