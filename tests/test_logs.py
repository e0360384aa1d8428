"""The log goes where it is wanted, and no output that is stuck, full or gone holds up anybody."""

import fcntl
import logging
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from softsplit.logs import setup
from softsplit.logs.setup import Logbook, LogFile, Logs, Stderr, chosen_level
from tests.support import SLOWNESS, SOFTSPLIT, Child, connected, free_port, read_request, run_program, until


@pytest.fixture
def log():
    """A logger of its own, which writes through a logbook once the test has given it one."""
    log = logging.Logger("test")
    yield log
    for handler in log.handlers:
        handler.close()


def text(path) -> str:
    """What a file holds; nothing while there is none."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def test_logging_that_is_set_up_already_is_left_alone():
    before = list(logging.getLogger().handlers)
    setup.set_up_logging()
    assert logging.getLogger().handlers == before


def test_an_output_that_is_stuck_holds_up_nobody_and_lost_lines_are_counted(log, monkeypatch):
    monkeypatch.setattr(setup, "CLOSE_TIMEOUT", 0.01)
    there, here = os.pipe()
    fcntl.fcntl(here, fcntl.F_SETPIPE_SZ, 4096)
    output = logging.StreamHandler(os.fdopen(here, "w"))
    log.addHandler(Logbook([output]))
    for number in range(3 * setup.BACKLOG):
        log.warning("line %d", number)
    seen = b""
    os.set_blocking(there, False)

    def drained() -> bool:
        nonlocal seen
        try:
            seen += os.read(there, 65536)
        except BlockingIOError:
            pass
        return f"line {setup.BACKLOG - 1}\n".encode() in seen

    until(drained)
    log.warning("the last line")
    until(lambda: drained() and b"the last line" in seen)
    lost = 3 * setup.BACKLOG - len(re.findall(rb"^line ", seen, re.MULTILINE))
    told = sum(int(count) for count in re.findall(rb"(\d+) lines of this log were lost", seen))
    assert 0 < told == lost


def test_what_a_full_file_does_not_take_goes_to_the_next_output(log, tmp_path):
    next_one = LogFile(str(tmp_path / "next.log"))
    log.addHandler(Logbook([LogFile("/dev/full"), next_one]))
    log.warning("the disk is full")
    until(lambda: "the disk is full" in text(tmp_path / "next.log"))


def test_what_no_output_takes_is_counted_and_told_when_one_does_again(log, tmp_path):
    folder = tmp_path / "logs"
    log.addHandler(Logbook([LogFile(str(folder / "file.log"))]))
    for number in range(3):
        log.warning("line %d", number)
    until(lambda: log.handlers[0]._writer.refused == 3)
    folder.mkdir()
    log.warning("line 3")
    until(lambda: "line 3" in text(folder / "file.log"))
    assert "3 lines of this log were lost" in (folder / "file.log").read_text()


def test_a_file_is_begun_anew_when_it_is_long(log, tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "LONGEST_FILE", 1000)
    log.addHandler(Logbook([LogFile(str(tmp_path / "file.log"))]))
    for number in range(200):
        log.warning("line %d", number)
    until(lambda: "line 199\n" in text(tmp_path / "file.log"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.log", *(f"file.log.{n}" for n in (1, 2, 3))]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())


def test_a_file_that_was_taken_away_is_begun_anew(log, tmp_path):
    path = tmp_path / "file.log"
    log.addHandler(Logbook([LogFile(str(path))]))
    log.warning("before")
    until(lambda: "before" in text(path))
    path.unlink()
    log.warning("after")
    until(lambda: "after" in text(path))


def test_a_traceback_is_written_whole(log, tmp_path):
    log.addHandler(Logbook([LogFile(str(tmp_path / "file.log"))]))
    try:
        raise RuntimeError("a bug")
    except RuntimeError:
        log.critical("failed", exc_info=True)
    until(lambda: "RuntimeError: a bug\n" in text(tmp_path / "file.log"))


def test_the_journal_of_systemd_gets_priorities_and_no_date(monkeypatch, tmp_path):
    with open(tmp_path / "stderr", "w") as file:
        earlier = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            found = os.fstat(2)
            monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
            output = Stderr()
            output.emit(logging.LogRecord("softsplit", logging.WARNING, "", 0, "unit 2 does not answer", None, None))
        finally:
            os.dup2(earlier, 2)
            os.close(earlier)
    assert (tmp_path / "stderr").read_text() == "<4>unit 2 does not answer\n"


def test_syslog_gets_our_name(log, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "log"))
        daemon.settimeout(5)
        log.addHandler(Logbook([setup.Syslog(str(tmp_path / "log"), setup.Syslog.LOG_DAEMON)]))
        log.warning("unit 2 does not answer")
        assert daemon.recv(1000).rstrip(b"\0") == f"<28>softsplit[{os.getpid()}]: unit 2 does not answer".encode()


def test_levels_and_options():
    assert [chosen_level(*each) for each in ((0, 0), (1, 0), (3, 0), (0, 1), (0, 2), (0, 5))] == [
        logging.INFO, logging.DEBUG, logging.DEBUG, logging.WARNING, logging.ERROR, logging.ERROR]
    assert Logs(level=logging.DEBUG).as_options() == ["-v"] and Logs(syslog=True).as_options() == ["--syslog"]
    assert Logs(file="a.log", level=logging.ERROR).as_options() == ["--log-file", os.path.abspath("a.log"), "-qq"]


def test_a_pipe_that_nobody_drains_stops_neither_the_serving_nor_the_end():
    there, here = os.pipe()
    os.set_blocking(here, False)
    try:
        while True:
            os.write(here, bytes(4096))
    except BlockingIOError:
        os.set_blocking(here, True)
    port = free_port()
    with Child([*SOFTSPLIT, "simulate", "abb-b23", f"tcp://127.0.0.1:{port}", "--unit", "1"], stderr=here) as child:
        master = until(lambda: connected(port))
        with master:
            assert master.ask(1, read_request(0x5B00, 62))[0] == 3
        assert child.end(signal.SIGTERM) == 0
    os.close(here)
    os.close(there)


def test_closed_descriptors_are_not_taken_by_sockets(tmp_path):
    code = ("import os; from softsplit.logs.setup import hold_descriptors; hold_descriptors(); "
            f"open({str(tmp_path / 'out')!r}, 'w').write(str([os.readlink(f'/proc/self/fd/{{fd}}') for fd in range(3)]))")
    subprocess.run(["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code], check=True)
    assert (tmp_path / "out").read_text() == str(3 * ["/dev/null"])


def test_a_log_file_that_cannot_be_written_is_told(tmp_path):
    nowhere = str(tmp_path / "no" / "log")
    with Child([*SOFTSPLIT, "run", "--demo", "--port", "0", "--log-file", nowhere]) as child:
        until(lambda: f"cannot write the log file {nowhere}: No such file or directory; the log goes to stderr" in child.log())
        until(lambda: "serving victron" in child.log())
        assert child.end() == 0
    (tmp_path / "x.toml").write_text("")
    told = run_program([*SOFTSPLIT, "run", "--if-needed", "-c", str(tmp_path / "x.toml"), "--log-file", nowhere],
                       capture_output=True, text=True, timeout=60 * SLOWNESS)
    assert told.returncode == 2 and "cannot write the log file" in told.stderr
    both = run_program([*SOFTSPLIT, "run", "--syslog", "--log-file", str(tmp_path / "log")], capture_output=True, text=True,
                       timeout=60 * SLOWNESS)
    assert both.returncode == 2 and "give one of them" in both.stderr and not (tmp_path / "log").exists()


def test_quiet_and_verbose_change_what_is_logged(tmp_path):
    for option, expected in (("-q", False), ("-v", True)):
        with Child([*SOFTSPLIT, "run", "--demo", "--port", "0", option]) as child:
            until(lambda: "Ctrl-C" in child.text())
            if expected:
                until(lambda: "serving" in child.log())
            assert child.end() == 0
            assert ("serving" in child.log()) is expected
