"""Align the cells of a table in columns."""

from collections.abc import Sequence

import click


def widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column, without colours."""
    return [max(len(click.unstyle(cell)) for cell in column) for column in zip(*rows)]


def columns(rows: Sequence[Sequence[str]], indent: int = 2) -> list[str]:
    """Return a line for each row; the cells may be coloured."""
    wide = widths(rows)
    return [(" " * indent + "  ".join(cell + " " * (width - len(click.unstyle(cell)))
                                      for cell, width in zip(row, wide))).rstrip() for row in rows]
