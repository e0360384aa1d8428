"""The latest lines of the log, for the status page."""

import logging
import time
from collections import deque
from dataclasses import dataclass

from softsplit.printable import printable

MOST = 20
LONGEST = 1000  # characters


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the log: time in seconds since 1970, level and text."""

    time: float
    level: int
    text: str

    @property
    def is_bad(self) -> bool:
        return self.level >= logging.WARNING

    @property
    def when(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.time))


class RecentEvents(logging.Handler):
    """Keeps the latest events."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._kept: deque[Event] = deque(maxlen=MOST)

    def emit(self, record: logging.LogRecord) -> None:  # any thread
        try:
            self._kept.append(Event(record.created, record.levelno, printable(record.getMessage())[:LONGEST]))
        except (TypeError, ValueError):  # its arguments do not fit its message
            self.handleError(record)

    def events(self) -> list[Event]:  # any thread
        """Return the events, the latest first."""
        return list(reversed(tuple(self._kept)))
