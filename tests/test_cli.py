"""The command line."""

import subprocess
import sys


def test_the_version_is_shown():
    shown = subprocess.run([sys.executable, "-m", "softsplit", "--version"], capture_output=True, text=True)
    assert shown.returncode == 0 and "0.1.0" in shown.stdout
