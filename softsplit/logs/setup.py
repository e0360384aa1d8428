"""Set up logging to stderr, a file or syslog; an output that blocks, is full or is gone delays no thread."""

import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler, SysLogHandler
from queue import Full, Queue

from softsplit.logs.streams import DEGRADED, hold_descriptors
from softsplit.printable import printable
from softsplit.worker import signals_held

log = logging.getLogger("softsplit")

BACKLOG = 1000  # records that wait for an output that blocks; more are dropped and counted
LONGEST_FILE, OLDER_FILES = 1_000_000, 3  # bytes, count
CLOSE_TIMEOUT = 1.0  # s to write the remaining records at the end
DATED = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")
SYSLOG = "/dev/log"
PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}  # sd-daemon(3)


@dataclass(frozen=True)
class Logs:
    """Where the log goes (a file, syslog or stderr) and its lowest level."""

    file: str | None = None
    syslog: bool = False
    level: int = logging.INFO

    @property
    def are_elsewhere(self) -> bool:
        """Whether the log goes to a file or syslog."""
        return bool(self.file or self.syslog)

    def as_options(self) -> list[str]:
        """Return the same as options of `softsplit run`."""
        options = {logging.DEBUG: ["-v"], logging.WARNING: ["-q"], logging.ERROR: ["-qq"]}.get(self.level, [])
        if self.file:
            return ["--log-file", os.path.abspath(self.file), *options]
        return ["--syslog", *options] if self.syslog else options


def chosen_level(verbose: int, quiet: int) -> int:
    """Return the level for this many -v and -q."""
    levels = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
    return levels[max(0, min(1 - verbose + quiet, 3))]


def set_up_logging(logs: Logs = Logs()) -> None:
    """Set up the root logger, unless the program has. If file or syslog fail, stderr gets the log."""
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
    """Log an error if the log file cannot be written; each record tries it again."""
    if not logs.file:
        return
    try:
        os.close(os.open(logs.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC,
                         0o666))
    except (OSError, ValueError) as error:
        log.error("cannot write the log file %s: %s; the log goes to stderr", logs.file,
                  getattr(error, "strerror", error))


class OneLine(logging.Formatter):
    """Replaces line ends and control characters in the message; a traceback keeps its line ends."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, error) -> str:
        return "\n".join(map(printable, super().formatException(error).split("\n")))


class Stderr(logging.Handler):
    """Writes to stderr without a lock; with the journal's priorities if stderr is systemd's journal."""

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
    """Return a descriptor in the form of $JOURNAL_STREAM."""
    found = os.fstat(fd)
    return f"{found.st_dev}:{found.st_ino}"


class LogFile(RotatingFileHandler):
    """A log file that is rotated at LONGEST_FILE bytes, and created again when somebody has removed it."""

    def __init__(self, path: str):
        super().__init__(path, maxBytes=LONGEST_FILE, backupCount=OLDER_FILES, encoding="utf-8", delay=True,
                         errors="replace")
        self.setFormatter(DATED)

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        if self.stream and not os.path.exists(self.baseFilename):
            self.stream.close()
            self.stream = None
        return bool(super().shouldRollover(record))


class Syslog(SysLogHandler):
    """Writes to syslog under the name softsplit."""

    def __init__(self, *args):
        super().__init__(*args)
        self.setFormatter(logging.Formatter("softsplit[%(process)d]: %(message)s"))


class LogWriter(QueueListener):
    """The thread that writes each record to the first of its handlers that takes it."""

    def __init__(self, records: Queue, handlers: list[logging.Handler]):
        super().__init__(records, *handlers)
        self.overflow = 0  # records that found the queue full; the QueueHandler counts them
        self.refused = 0  # records that no handler took
        self._reported = 0  # of both
        self._is_refused = False
        for each in handlers:
            setattr(each, "handleError", self._refuse)

    def start(self) -> None:
        with signals_held():  # the new thread inherits that: signals are for the main thread
            super().start()

    def stop(self) -> None:
        """Write the records that are left, within CLOSE_TIMEOUT seconds."""
        with suppress(Full):
            self.enqueue_sentinel()
        if self._thread:
            self._thread.join(CLOSE_TIMEOUT)

    def handle(self, record: logging.LogRecord) -> None:
        lost = self.overflow + self.refused
        if lost > self._reported and self._write(_line(f"{lost - self._reported} lines of this log were lost")):
            self._reported = lost
        self.refused += not self._write(record)

    def _write(self, record: logging.LogRecord) -> bool:
        """Write to the first handler that takes it; return whether one did."""
        for each in self.handlers:
            self._is_refused = False
            each.emit(record)  # not `handle`, whose lock could block logging.shutdown()
            if not self._is_refused:
                return True
        return False

    def _refuse(self, record: logging.LogRecord) -> None:
        """Called by a handler that cannot write a record."""
        self._is_refused = True


def _line(text: str) -> logging.LogRecord:
    return logging.LogRecord("softsplit", logging.WARNING, __file__, 0, text, None, None)


class Logbook(QueueHandler):
    """Puts each record into a queue without waiting; a LogWriter writes them."""

    def __init__(self, outputs: list[logging.Handler]):
        records: Queue = Queue(BACKLOG)
        super().__init__(records)
        self._writer = LogWriter(records, outputs)
        self._writer.start()

    def handleError(self, record: logging.LogRecord) -> None:  # any thread
        self._writer.overflow += 1

    def close(self) -> None:
        """Stop the writer. `logging.shutdown()` calls this at the end of the program."""
        self._writer.stop()
        super().close()
