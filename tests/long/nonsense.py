"""Input that nobody should write."""

import contextlib
import os
import tempfile
from pathlib import Path

from tests.support.nonsense import try_all


def check_nonsense():
    """200,000 configurations, profiles and command lines that nobody should write end in one line, soon, and in little memory."""
    os.environ["SOFTSPLIT_CONFIG"] = "/nowhere.toml"
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
        for seed in range(1000, 1800):
            try_all(seed, 250, Path(directory))
    yield "none of 200,000 ended badly"
