"""How a command starts: it imports what it needs and no more, and Ctrl-C ends it quietly from its first line on."""

import subprocess
import sys

import pytest

import softsplit
from softsplit.cli import COMMANDS, main
from tests.support import SLOWNESS

INTERRUPTED = """
import atexit, os, signal, sys
from softsplit.__main__ import start
moment = sys.argv.pop(1)
def interrupt(event="", arguments=(moment,)):
    if event in ("import", "open", "") and arguments[0] == moment:
        os.kill(os.getpid(), signal.SIGINT)
if moment == "end":
    atexit.register(interrupt)
sys.addaudithook(interrupt)
start()
"""


def python(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60 * SLOWNESS)


def test_a_command_imports_what_it_needs_when_it_is_called():
    said = python("-c", "import sys, softsplit.cli; print(*[each for each in sys.modules if 'softsplit' in each])\n"
                        "import softsplit.splitter\n"
                        "for each in 'run', 'check', 'doctor', 'read', 'status': softsplit.cli.main.get_command(None, each)\n"
                        "print(*sys.modules)").stdout
    first, later = (line.split() for line in said.splitlines())
    assert {each.split(".")[1] for each in first if "." in each} <= {"cli", "commands", "errors", "printable", "logs", "version", "web"}
    assert {each.split(".")[2] for each in first if each.startswith("softsplit.commands.")} == {"shared"}
    assert "softsplit.splitter" in later and "ssl" not in later, "OpenSSL is for those who configure TLS"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_where_the_group_looks_for_it(name):
    assert main.get_command(None, name).name == name


def test_no_other_command_is_there():
    assert main.get_command(None, "shared") is None
    assert "No such command 'reed'" in python("-m", "softsplit", "reed").stderr


def test_all_that_a_script_imports_is_there_when_it_asks_for_it():
    assert set(softsplit._PLACES) == set(softsplit.__all__) <= set(dir(softsplit))
    assert all(getattr(softsplit, name).__name__ == name for name in softsplit.__all__)
    with pytest.raises(ImportError, match="Spliter"):
        from softsplit import Spliter  # noqa: F401
    assert "class Splitter" in python("-c", "import softsplit; help(softsplit)").stdout


@pytest.mark.parametrize("moment", ["click", "click.types", "softsplit.errors", "softsplit.commands.check.wiring", "difflib",
                                    "softsplit.polling.plan", "/nowhere.toml", "end"])
def test_ctrl_c_ends_a_command_without_a_word_whatever_it_does(moment):
    """While it imports, while it works, while Python ends."""
    done = python("-c", INTERRUPTED, moment, "check", "-c", "/nowhere.toml")
    words = "" if moment != "end" else "softsplit: /nowhere.toml: cannot read it: No such file or directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (130, "", words)


def test_ctrl_c_is_ignored_where_it_was_ignored_before():
    done = subprocess.run(["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", INTERRUPTED, "click", "check",
                           "-c", "/nowhere.toml"], capture_output=True, text=True, timeout=60 * SLOWNESS)
    assert done.returncode == 2
