"""Receive a live line for `softsplit sniff` until the user ends it."""

import os
import select
import stat
import time
from collections.abc import Iterator

from softsplit import clock
from softsplit.config.line import Line
from softsplit.logs.conditions import show_count
from softsplit.transport.receiver import Heard, Receiver

TICK = 0.1  # s
STDOUT = 1


class Clock:
    """Wall time that never jumps: the time of the start, and the time since.

    In whole microseconds, as in recordings, so that these decode to exactly the same.
    """

    def __init__(self):
        self._offset = time.time() - clock.now()

    def now(self) -> float:
        return round(self._offset + clock.now(), 6)


class Live:
    """The receiver of a live line. Raises Unreachable if a tap cannot be opened at the start."""

    def __init__(self, receiver: Receiver, line: Line):
        receiver.open()
        self.line = line
        self._receiver = receiver
        self.jitter = receiver.jitter

    @property
    def note(self) -> str:
        """What was wrong with the bytes, or ""."""
        errors = self._receiver.errors
        return f"{show_count(errors, 'byte')} with a wrong parity or stop bit" if errors else ""

    def hear(self) -> Iterator[Heard]:
        """Yield what is heard, also silences. Raises BrokenPipeError when nobody reads stdout any more."""
        try:
            while not _is_left_alone():
                yield from self._receiver.hear(TICK)
            raise BrokenPipeError
        finally:
            self._receiver.close()


def _is_left_alone() -> bool:
    """Whether stdout is a pipe whose other end is closed."""
    if not stat.S_ISFIFO(os.fstat(STDOUT).st_mode):
        return False
    poll = select.poll()
    poll.register(STDOUT, 0)
    return bool(poll.poll(0))
