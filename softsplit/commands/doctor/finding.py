"""The result of one check: a line of text and its level."""

from dataclasses import dataclass

import click

from softsplit.printable import printable

MARKS = {"well": ("ok", "green"), "note": ("note", "yellow"), "wrong": ("WRONG", "red")}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `level` is "well", "note" or "wrong"; the text of "wrong" names the cure."""

    level: str
    text: str

    @property
    def is_wrong(self) -> bool:
        return self.level == "wrong"


def well(text: str) -> Finding:
    return Finding("well", text)


def note(text: str) -> Finding:
    return Finding("note", text)


def wrong(text: str) -> Finding:
    return Finding("wrong", text)


def draw_finding(finding: Finding) -> str:
    """Return the line for people, with colours."""
    mark, colour = MARKS[finding.level]
    return f"{click.style(f'{mark:5}', fg=colour, bold=finding.is_wrong)}  {printable(finding.text)}"
