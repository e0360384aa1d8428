"""Print for a person in the encoding of the locale, and for programs as strict JSON and CSV."""

import csv
import io
import json
import re
import sys

import click

from softsplit.printable import printable
from softsplit.web.jsontext import finite

NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", re.ASCII)
FORMULA = ("=", "+", "-", "@")  # how a cell begins that a spreadsheet would calculate


def say(text: str | bytes = "", nl: bool = True, err: bool = False) -> None:
    """Print a text, or bytes as they are."""
    click.echo(text, file=sys.stderr if err else sys.stdout, nl=nl)


def to_json(content, indent: int | None = None) -> str:
    """Return strict JSON in ASCII (RFC 8259): a number that is not finite becomes null."""
    text = json.dumps(finite(content), indent=indent, allow_nan=False)
    return text.replace("\x7f", "\\u007f")  # the one control character that json.dumps leaves


def csv_row(cells) -> str:
    """Return a row without its line end; no text in it is a formula to a spreadsheet."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(map(_cell, cells))
    return row.getvalue()


def _cell(content) -> str:
    text = "" if content is None else printable(str(content))
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text
