"""TOML files, with errors that name the file."""

import tomllib
from pathlib import Path

from softsplit.errors import ConfigError


def read_text(path: Path) -> str:
    """Return the text of a file. Raises ConfigError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read it: {error.strerror}") from error
    except ValueError as error:  # of the encoding, or of a path with a zero byte
        raise ConfigError("cannot read it: not UTF-8 text") from error


def parse(text: str) -> dict:
    """Return the content of a TOML text. Raises ConfigError when it is none."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # it does not foresee numbers or depths beyond bounds
        raise ConfigError(f"no TOML: {error}") from error
