"""The log of a program that nobody watches: no output that is stuck, full or gone holds up a thread."""

import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from logging.handlers import QueueHandler, RotatingFileHandler, SysLogHandler
from queue import Full, Queue

from softsplit.logs.streams import DEGRADED, hold_descriptors
from softsplit.printable import printable
from softsplit.worker import Worker

log = logging.getLogger("softsplit")

BACKLOG = 1000  # lines that wait for an output that is stuck; more are lost, and counted
LONGEST_FILE, OLDER_FILES = 1_000_000, 3  # bytes, count
CLOSE_TIMEOUT = 1.0  # s for what is still to be written at the end
DATED = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")
SYSLOG = "/dev/log"
PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}  # sd-daemon(3)


@dataclass(frozen=True)
class Logs:
    """Where the log goes, and from which level on: a file, syslog, or stderr."""

    file: str | None = None
    syslog: bool = False
    level: int = logging.INFO

    @property
    def are_elsewhere(self) -> bool:
        """Whether they do not go to stderr."""
        return bool(self.file or self.syslog)

    def as_options(self) -> list[str]:
        """The same, as options of "softsplit run"."""
        options = {logging.DEBUG: ["-v"], logging.WARNING: ["-q"], logging.ERROR: ["-qq"]}.get(self.level, [])
        if self.file:
            return ["--log-file", os.path.abspath(self.file), *options]
        return ["--syslog", *options] if self.syslog else options


def chosen_level(verbose: int, quiet: int) -> int:
    """The level for so many -v and -q."""
    levels = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
    return levels[max(0, min(1 - verbose + quiet, 3))]


def set_up_logging(logs: Logs = Logs()) -> None:
    """Log as wanted, unless the program has made up its mind already.

    What the file or syslog does not take goes to stderr.
    """
    hold_descriptors()
    if logging.getLogger().handlers:
        return
    outputs: list[logging.Handler] = [Stderr()]
    if logs.are_elsewhere:
        outputs.insert(0, LogFile(logs.file) if logs.file else Syslog(SYSLOG, Syslog.LOG_DAEMON))
    logbook = Logbook(outputs)
    logbook.setFormatter(OneLine())
    logging.basicConfig(level=logs.level, handlers=[logbook])


def tell_of_log_file(logs: Logs) -> None:
    """Log that the file cannot be written, if so; it is tried again with every line."""
    if not logs.file:
        return
    try:
        os.close(os.open(logs.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666))
    except (OSError, ValueError) as error:
        log.error("cannot write the log file %s: %s; the log goes to stderr", logs.file,
                  getattr(error, "strerror", error))


class OneLine(logging.Formatter):
    """A line of the log has no line end or control character of those whose names and words are in it.

    A traceback keeps its lines.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, error) -> str:
        return "\n".join(map(printable, super().formatException(error).split("\n")))


class Stderr(logging.Handler):
    """Writes to stderr without a lock; in the form of systemd's journal when that is what reads it."""

    def __init__(self):
        super().__init__()
        self._is_journal = _identity(2) == os.environ.get("JOURNAL_STREAM")
        self._encoding = "utf-8" if self._is_journal or not sys.stderr else sys.stderr.encoding
        self.setFormatter(logging.Formatter("%(message)s") if self._is_journal else DATED)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            mark = f"<{PRIORITIES.get(record.levelname, 6)}>" if self._is_journal else ""
            os.write(2, f"{mark}{self.format(record)}\n".encode(self._encoding, DEGRADED))
        except OSError:
            self.handleError(record)


def _identity(fd: int) -> str:
    """A descriptor as $JOURNAL_STREAM names it."""
    found = os.fstat(fd)
    return f"{found.st_dev}:{found.st_ino}"


class LogFile(RotatingFileHandler):
    """A file that is begun anew when it is long, or when somebody has taken it away."""

    def __init__(self, path: str):
        super().__init__(path, maxBytes=LONGEST_FILE, backupCount=OLDER_FILES, encoding="utf-8", delay=True,
                         errors="replace")
        self.setFormatter(DATED)

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        if self.stream and not os.path.exists(self.baseFilename):
            self.stream.close()
            self.stream = None
        return super().shouldRollover(record)


class Syslog(SysLogHandler):
    """The system's log, under our name."""

    def __init__(self, *args):
        super().__init__(*args)
        self.setFormatter(logging.Formatter("softsplit[%(process)d]: %(message)s"))


class Scribe(Worker):
    """Writes each line of the queue to the first of `outputs` that takes it."""

    def __init__(self, lines: Queue, outputs: list[logging.Handler]):
        super().__init__("scribe")
        self.overflow = 0  # lines that found the queue full; the logbook counts them
        self.refused = 0  # lines that no output took
        self._told = 0  # of both
        self._lines = lines
        self._outputs = outputs
        self._is_refused = False
        for output in outputs:
            output.handleError = self._refuse

    def step(self) -> None:
        record = self._lines.get()
        if record is None:
            self.stopping.set()
            return
        lost = self.overflow + self.refused
        if lost > self._told and self._write(_line(f"{lost - self._told} lines of this log were lost")):
            self._told = lost
        self.refused += not self._write(record)

    def _write(self, record: logging.LogRecord) -> bool:
        """Write to the first output that takes it; return whether one did."""
        for output in self._outputs:
            self._is_refused = False
            output.emit(record)  # without its lock, for which the end of the program would wait
            if not self._is_refused:
                return True
        return False

    def _refuse(self, record: logging.LogRecord) -> None:
        """What an output calls when it fails."""
        self._is_refused = True


def _line(text: str) -> logging.LogRecord:
    return logging.LogRecord("softsplit", logging.WARNING, __file__, 0, text, None, None)


class Logbook(QueueHandler):
    """Hands every line to a scribe, and never waits."""

    def __init__(self, outputs: list[logging.Handler]):
        super().__init__(Queue(BACKLOG))
        self._scribe = Scribe(self.queue, outputs)
        self._scribe.start()

    def handleError(self, record: logging.LogRecord) -> None:  # any thread
        self._scribe.overflow += 1

    def close(self) -> None:
        """Let the scribe write what there is, for a while. Logging calls it at the end of the program."""
        with suppress(Full):
            self.queue.put_nowait(None)
        self._scribe.join(CLOSE_TIMEOUT)
        super().close()
