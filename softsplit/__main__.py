"""softsplit, or python -m softsplit: from its first line to its last, Ctrl-C ends it without a traceback."""

from softsplit.commands.shared import leaving


def start() -> None:
    """Run the command line."""
    leaving.leave_on_interrupt()
    try:
        from softsplit.cli import main
        main()
    finally:
        leaving.leave_on_interrupt()


if __name__ == "__main__":
    start()
