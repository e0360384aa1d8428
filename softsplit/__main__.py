"""softsplit, or python -m softsplit: at any moment, Ctrl-C ends it without a traceback."""

import sys

from softsplit.commands.shared import leaving


def start() -> None:
    """Run the command line."""
    leaving.leave_on_interrupt()
    try:
        from softsplit.cli import main
        main()
    except KeyboardInterrupt:  # while it prints an error
        sys.exit(leaving.INTERRUPTED)
    finally:
        leaving.leave_on_interrupt()


if __name__ == "__main__":
    start()
