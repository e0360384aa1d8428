"""Read TOML files, with errors that name the line and the cure; input beyond the limits is refused early."""

import errno
import os
import re
import select
import stat
import tomllib
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any

from softsplit.errors import ConfigError, show

LARGEST = 1_000_000  # bytes
PIPE_TIMEOUT = 5.0  # s to wait for data in a pipe
LONGEST_NUMBER = 2000  # bits: all registers of one read
MANY_DOTS = re.compile(r"""(?<![\w.-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){20}""", re.ASCII)
DEEPEST = 50  # lists and tables inside each other
NOT_NESTING = re.compile(r'''
    """ (?: \\. | [^\\] )*? (?: """ | \Z ) | \'{3} .*? (?: \'{3} | \Z )  # texts of several lines
    | " (?: \\[^\n] | [^"\\\n] )*+ "? | ' [^'\n]* '? | \#[^\n]* | [^]["'{}\#]++''', re.VERBOSE | re.DOTALL)
PLACE = re.compile(r" *\(at (?:line (\d+), column (\d+)|end of document)\)")
BACKSLASH = "in a text in double quotes a backslash is written twice; or put the text in single quotes"
AS_IN_MANUALS = re.compile(r"=\s*(0\d{4,5}|[0-9][0-9A-Fa-f]*[hH])(?![\w.])", re.ASCII)  # addresses
CURES = {  # by the start of tomllib's message
    "Invalid statement": "a line is [a section], key = value, or begins with # for a comment",
    "Expected '=' after a key": "a key is followed by = and a value",
    "Expected newline or end of document": "the line goes on after its value; a text stands in quotes, and "
                                           "the next key in a line of its own",
    "Cannot declare": "the section is there twice",
    "Cannot overwrite": "the key is given twice",
    "Cannot mutate": "what was written in one piece, { ... } or [ ... ], cannot be continued here",
    "Cannot redefine": "the key is given twice",
    "Duplicate inline table key": "the key is given twice",
    "Unclosed array": "the list has no ] at its end",
    "Unclosed inline table": "the table has no } at its end, which stands in the same line",
    "Expected ']": "the section has no ] at its end",
    "Expected \"'\"": "the text has no quotes at its end",
    "Unterminated string": "the text has no quotes at its end",
    "Illegal character": "the text has no quotes at its end, or there is a control character",
    "Found invalid character": "there is a control character",
    "Unescaped": BACKSLASH,
    "Invalid hex value": BACKSLASH,
    "Escaped character": BACKSLASH,
    "Invalid initial character for a key": "a key has letters, digits, - and _; another stands in quotes",
    "Invalid date": "there is no such date",
}


def read_text(path: Path) -> str:
    """Return the text of a file. Raises ConfigError if it cannot be read or is too large."""
    try:
        data = _read(path)
    except OSError as error:
        raise ConfigError(f"cannot read it: {error.strerror}") from error
    except ValueError as error:  # a path with a zero byte
        raise ConfigError("cannot read it: no file has such a name") from error
    if len(data) > LARGEST:
        raise ConfigError(f"is too large; allowed are {LARGEST} bytes")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError("cannot read it: not UTF-8 text but UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"cannot read it: not UTF-8 text in line {line}; save it as UTF-8") from error


def _read(path: Path) -> bytes:
    """Return the content of a file, at most LARGEST + 1 bytes; wait for a pipe only PIPE_TIMEOUT."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        data = b""
        while len(data) <= LARGEST:
            if not is_file and not select.select([descriptor], [], [], PIPE_TIMEOUT)[0]:
                raise TimeoutError(errno.ETIMEDOUT, f"no data for {PIPE_TIMEOUT:g} s")
            piece = os.read(descriptor, LARGEST + 1 - len(data))
            if not piece:
                break
            data += piece
        return data
    finally:
        os.close(descriptor)


def parse(text: str) -> dict[str, Any]:
    """Parse TOML. Raises ConfigError."""
    deep = MANY_DOTS.search(text)
    if deep:
        raise ConfigError(f"no TOML: line {_line(text, deep.start())} has a key of too many parts")
    if _depth(text) > DEEPEST:
        raise ConfigError("no TOML: there are too many lists or tables inside each other")
    try:
        content = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"no TOML: {_explain(text, str(error))}") from error
    _check_numbers(content, "")
    return content


def _depth(text: str) -> int:
    """Return how many lists and tables are inside each other; tomllib needs two calls for each."""
    brackets = NOT_NESTING.sub("", text)
    return max(accumulate((1 if each in "[{" else -1 for each in brackets), initial=0))


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _explain(text: str, message: str) -> str:
    """Explain the message of tomllib in our words."""
    found = PLACE.search(message)
    if not found:
        return "it has a number that is too large" if "digits" in message else show(message)
    lines = text.split("\n")
    number = int(found[1]) if found[1] else len(text.rstrip("\n").split("\n"))
    line = lines[number - 1].strip() if number <= len(lines) else ""
    cures = [cure for start, cure in CURES.items() if message.startswith(start)]
    if found := AS_IN_MANUALS.search(line):
        cures = [f'an address as manuals write it stands in quotes: "{found[1]}"']
    elif message.startswith("Invalid value"):
        cures = [_cure_of_value(line)]
    return f"line {number}, {show(line)}: {cures[0] if cures else 'it cannot be understood'}"


def _cure_of_value(line: str) -> str:
    """Say how to write the value in a line."""
    key, equals, value = (part.strip() for part in line.partition("="))
    word = value.split("#")[0].strip()
    if word.lower() in ("true", "false"):
        return f"write it {key} = {word.lower()}"
    if equals and word and word[0] not in "\"'[{" and "\"" not in word:
        return f'a text stands in quotes: {key} = "{word}"'
    return "a value is a text in quotes, a number, true, false, a [list] or a { table }"


def _check_numbers(content: dict[str, Any] | list[Any], key: str) -> None:
    """Raise ConfigError for a number that no register can hold; Python cannot even print the largest."""
    entries: Iterable[tuple[Any, Any]] = content.items() if isinstance(content, dict) else enumerate(content, 1)
    for each, value in entries:
        place = f"{key}.{each}".lstrip(".") if isinstance(content, dict) else f"{key}[{each}]"
        if isinstance(value, (dict, list)):
            _check_numbers(value, place)
        elif isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
            raise ConfigError("a number that is too large", place)
