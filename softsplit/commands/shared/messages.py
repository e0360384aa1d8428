"""What commands say about themselves, and of what went wrong."""

import sys
from pathlib import Path

import click


def complain(what: object) -> None:
    """Print one line to stderr."""
    click.echo(f"softsplit: {what}", err=True)


def program() -> str:
    """How this command line was called, for commands to copy."""
    return sys.argv[0] if Path(sys.argv[0]).name == "softsplit" else f"{sys.executable} -m softsplit"
