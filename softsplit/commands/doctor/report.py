"""`softsplit doctor --report FILE`: a text with everything that others need to find a fault."""

import importlib.metadata
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from softsplit import tomlfile
from softsplit.commands.doctor.finding import Finding, draw_finding
from softsplit.commands.status.status import read_status, to_json_text
from softsplit.errors import SoftsplitError
from softsplit.printable import printable
from softsplit.version import VERSION

LOG_LINES, LOG_TIMEOUT = 200, 10.0  # lines; s for journalctl
PACKAGES = ("modbus-tk", "pyserial", "click")
LONGEST = 2000  # characters of a line


def draw_report(config: Path, findings: Iterable[Finding]) -> str:
    """Return the report: versions, findings, configuration (it has no passwords), status, log."""
    found = [click.unstyle(draw_finding(each)) for each in findings]
    parts = {"softsplit": _versions(), "doctor": found,
             f"configuration {config}": _lines(lambda: tomlfile.read_text(config)),
             "status": _lines(lambda: to_json_text(read_status(config))), "log": _log()}
    lines = []
    for title, content in parts.items():
        lines += [printable(line)[:LONGEST] for line in (f"== {title}", *content, "")]
    return "\n".join(lines)


def _versions() -> Iterator[str]:
    yield f"softsplit {VERSION}, {time.strftime('%Y-%m-%d %H:%M:%S %z')}"
    yield f"Python {sys.version}, {sys.executable}"
    yield ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    yield " ".join(platform.uname())
    try:
        yield platform.freedesktop_os_release().get("PRETTY_NAME", "a system without a name")
    except OSError:
        yield "a system without /etc/os-release"


def _lines(read: Callable[[], str]) -> list[str]:
    """Return the lines of a text, or why it cannot be read."""
    try:
        return read().splitlines()
    except SoftsplitError as error:
        return [str(error)]


def _log() -> list[str]:
    """Return the last lines in the journal, where the service and the cron entry log."""
    command = ["journalctl", "-t", "softsplit", "-n", str(LOG_LINES), "--no-pager", "-o", "short-iso"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=LOG_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"{' '.join(command)}: {error}"]
    return (done.stdout or done.stderr).splitlines()[-LOG_LINES:]
