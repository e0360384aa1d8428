"""The manual page, the completions and the version say what is there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from softsplit.cli import main
from softsplit.commands.service import docs
from tests.support.programs import SOFTSPLIT, run_program


PROGRAM = Path(sys.executable).with_name("softsplit")


def call(*arguments: str, **options) -> subprocess.CompletedProcess:
    return run_program([*SOFTSPLIT, *arguments], capture_output=True, text=True, timeout=30, **options)


def test_the_manual_has_every_command_and_every_option():
    text = docs.manual(main).replace("\\-", "-")
    for path, command, _ in docs._commands(main, click.Context(main), ()):
        chapter = re.search(rf"^\.SS softsplit {' '.join(path)} .*?(?=^\.S[SH])", text, re.MULTILINE | re.DOTALL)[0]
        for each in command.params:
            assert all(option in chapter for option in each.opts) or isinstance(each, click.Argument), (path, each.opts)
    assert "\b" not in text


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_the_manual_is_right_to_groff():
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=docs.manual(main), capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_docs_are_installed_and_removed(tmp_path):
    for path in docs.COMPLETIONS.values():
        (tmp_path / path.relative_to("/")).parent.mkdir(parents=True)
    done = call("service", "docs", "--install", "--root", str(tmp_path))
    assert done.returncode == 0 and done.stdout.count("written: ") == 4
    assert "unchanged" in call("service", "docs", "--install", "--root", str(tmp_path)).stdout
    script = tmp_path / docs.COMPLETIONS["bash"].relative_to("/")
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
    assert call("service", "docs", "--uninstall", "--root", str(tmp_path)).stdout.count("removed: ") == 4
    assert not script.exists()


def test_commands_and_options_are_completed():
    environment = {**os.environ, "_SOFTSPLIT_COMPLETE": "bash_complete", "COMP_WORDS": "softsplit st", "COMP_CWORD": "1"}
    if not PROGRAM.exists():
        pytest.skip("softsplit is not installed as a program")
    assert "status" in subprocess.run([PROGRAM], env=environment, capture_output=True, text=True).stdout
    environment |= {"COMP_WORDS": "softsplit status --p", "COMP_CWORD": "2"}
    assert "--prometheus" in subprocess.run([PROGRAM], env=environment, capture_output=True, text=True).stdout


def test_the_version_names_softsplit_python_and_modbus_tk():
    assert re.fullmatch(r"softsplit 1\.\d+\.\d+, Python 3\.\d+\.\d+, modbus-tk 1\.1\.\d+\n", call("--version").stdout)
