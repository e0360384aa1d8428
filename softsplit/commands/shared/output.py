"""Print text in the encoding of the locale, and strict JSON and CSV for programs."""

import csv
import io
import json
import re
import sys

import click

from softsplit.logs.streams import wants_colour
from softsplit.printable import printable
from softsplit.web.jsontext import finite

NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", re.ASCII)
CLEAR_LINE = "\r\x1b[K"  # of a terminal
COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # also bold and other looks; ECMA-48, 8.3.117
FORMULA = ("=", "+", "-", "@")  # a spreadsheet calculates a cell that begins so


def say(text: str | bytes = "", nl: bool = True, err: bool = False) -> None:
    """Print a text, or bytes; a terminal shows it with its colours, unless the user wants none."""
    if isinstance(text, str) and not wants_colour():
        text = COLOUR.sub("", text)
    click.echo(text, file=sys.stderr if err else sys.stdout, nl=nl)


def to_json(content, indent: int | None = None) -> str:
    """Return strict JSON in ASCII (RFC 8259): a number that is not finite becomes null."""
    text = json.dumps(finite(content), indent=indent, allow_nan=False)
    return text.replace("\x7f", "\\u007f")  # json.dumps leaves this control character


def csv_row(cells) -> str:
    """Return a row without its line end, in which no text is a formula for a spreadsheet."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(map(_cell, cells))
    return row.getvalue()


def _cell(content) -> str:
    text = "" if content is None else printable(str(content))
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text
