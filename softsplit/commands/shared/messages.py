"""Messages of the commands on stderr."""

import sys
from contextlib import suppress
from pathlib import Path

from softsplit.commands.shared.output import say
from softsplit.printable import printable


def complain(what: object) -> None:
    """Print one line to stderr; if that fails, the exit code has to do."""
    with suppress(OSError):
        say(f"softsplit: {printable(str(what))}", err=True)


def program() -> str:
    """Return how the user called softsplit, for commands to copy."""
    return sys.argv[0] if Path(sys.argv[0]).name == "softsplit" else f"{sys.executable} -m softsplit"
