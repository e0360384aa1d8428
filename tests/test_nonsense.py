"""Whatever is typed, or stands in a file, ends with a known exit code, one line, soon, and without a traceback."""

import os
import random
import resource
import signal
import subprocess

import pytest

from softsplit.cli import COMMANDS
from tests.support import SLOWNESS, SOFTSPLIT, Child
from tests.support.nonsense import CODES, DIGITS, LARGEST, options_of, try_all, words_of

FIXED = [
    ["check", "-c", b"\xff.toml"], ["check", "-c", "x" * 5000], ["top", "-c", "x" * 5000], ["doctor", "-c", "x" * 5000],
    ["check", "-c", "/dev/zero"], ["status", "-c", "x" * 5000], ["sniff", "--max-size", "nan", "-"],
    ["sniff", "--half-duplex-timeout", "nan", "-"], ["read", DIGITS], ["read", "0", DIGITS], ["read", "-p", "/dev/zero.toml"],
    ["scan", f"tcp://127.0.0.1:{DIGITS}"], ["record", "tcp://127.0.0.1:1", "-u", f"{DIGITS}=abb-b23"],
    ["simulate", "abb-b23", "tcp://127.0.0.1:0", "--fault", f"exception:0x{'f' * 5000}"], ["simulate", "x.jsonl", "pty:///nowhere/x"],
    ["top", "-u", "5"], ["run", "--port", "5"], ["run", "-c", ""], ["service", "cron", "-c", "a\nb", "--user", "x\ny"],
]


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A directory of our own, and no configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOFTSPLIT_CONFIG", "/nowhere.toml")
    return tmp_path


@pytest.mark.parametrize("seed", range(4))
def test_nonsense_in_a_file_or_on_the_command_line_is_one_line(seed, nowhere):
    try_all(seed, 125, nowhere)


def ends_well(words: list) -> None:
    """Run a command as a child process; one that has nothing to complain of is ended by Ctrl-C."""
    with Child([*SOFTSPLIT, *words], stdout=subprocess.DEVNULL, limits={resource.RLIMIT_DATA: LARGEST * 1024}) as child:
        try:
            code = child.process.wait(2 * SLOWNESS)
        except subprocess.TimeoutExpired:
            code = child.end()
        said = child.log()  # Python's very end is killed by SIGINT, without a word
    assert code in (*CODES, -signal.SIGINT) and "Traceback" not in said, (words, code, said)
    assert code != 2 or len(said.splitlines()) == 1, (words, said)


@pytest.mark.parametrize("words", FIXED, ids=range(len(FIXED)))
def test_what_once_failed_ends_well(words, nowhere):
    ends_well(words)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"run"}))
def test_a_command_as_a_child_ends_well(name, nowhere):
    words = words_of(random.Random(name), name, options_of(name))
    ends_well([os.fsencode(word) for word in words if len(word) < 100_000])
