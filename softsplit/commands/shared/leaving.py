"""Let Ctrl-C end the process at once while it imports modules and while Python exits."""

import os
import signal

INTERRUPTED = 130  # the exit code of a process that SIGINT ended


def leave_on_interrupt() -> None:
    """End the process on SIGINT, unless that is ignored, as in the background of a shell."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def raise_on_interrupt() -> None:
    """Raise KeyboardInterrupt again on SIGINT."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(*_) -> None:
    os._exit(INTERRUPTED)
