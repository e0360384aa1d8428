"""Programs that run beside a test."""

import os
import signal
import subprocess
import sys
import tempfile

from tests.support.waiting import SLOWNESS

SOFTSPLIT = [sys.executable, "-m", "softsplit"]


class Child:
    """A program running beside the test, whose output can be looked at; killed in the end, if need be."""

    def __init__(self, command: list[str], **options):
        self._files = [tempfile.TemporaryFile() for _ in range(2)]
        self.process = subprocess.Popen(command, **{"stdin": subprocess.DEVNULL, "stdout": self._files[0],
                                                    "stderr": self._files[1], **options})

    def text(self) -> str:
        """What it has written to stdout."""
        return self._written(self._files[0])

    def log(self) -> str:
        """What it has written to stderr."""
        return self._written(self._files[1])

    @staticmethod
    def _written(file) -> str:
        return os.pread(file.fileno(), 1 << 20, 0).decode()  # the child's own position must not move

    def end(self, how: int = signal.SIGINT) -> int:
        """Signal it to end, and return its exit code."""
        self.process.send_signal(how)
        return self.process.wait(10 * SLOWNESS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
