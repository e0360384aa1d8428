"""Ctrl-C while modules are imported and while Python ends: the process ends at once."""

import os
import signal

INTERRUPTED = 130  # exit code, as of what SIGINT has killed


def leave_on_interrupt() -> None:
    """End the process when SIGINT comes, unless that is ignored, as in the background of a shell."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def raise_on_interrupt() -> None:
    """Raise KeyboardInterrupt again when SIGINT comes."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(*_) -> None:
    os._exit(INTERRUPTED)
