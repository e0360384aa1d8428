"""`softsplit example`: the files of examples/, from a clone and from what is installed elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import SLOWNESS, SOFTSPLIT, run_program

ROOT = Path(__file__).parent.parent
FILES = sorted(path.name for path in (ROOT / "examples").iterdir() if path.suffix in (".py", ".toml"))


def call(*arguments: str, **options) -> subprocess.CompletedProcess:
    return run_program([*SOFTSPLIT, *arguments], capture_output=True, text=True, timeout=60 * SLOWNESS, **options)


def test_without_a_name_it_is_the_commented_configuration_which_check_accepts(tmp_path):
    printed = call("example")
    assert printed.stdout == (ROOT / "examples" / "softsplit.toml").read_text() and not printed.stderr
    (tmp_path / "softsplit.toml").write_text(printed.stdout)
    assert call("check", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("name", ["all_tcp", "all_tcp.py"])
def test_a_script_is_printed_by_its_name(name):
    assert call("example", name).stdout == (ROOT / "examples" / "all_tcp.py").read_text()


def test_the_list_has_every_example_with_what_it_is_for():
    lines = call("example", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["softsplit.toml", *(name for name in FILES if name != "softsplit.toml")]
    assert all(len(line.split()) > 5 and len(line) <= 130 for line in lines)


def test_an_unknown_name_is_one_line_with_the_nearest():
    done = call("example", "al_tcp")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert 'NAME: unknown example "al_tcp.py"; did you mean "all_tcp.py"?' in done.stderr


def test_what_is_built_has_them_too(tmp_path):
    pytest.importorskip("setuptools")
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path / "lib")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60 * SLOWNESS)
    code = ("import sys, contextlib, softsplit.cli; print(softsplit.__file__, flush=True)\n"
            "for name in sys.argv[1:]:\n"
            "    with contextlib.suppress(SystemExit): softsplit.cli.main(['example', name])")
    done = subprocess.run([sys.executable, "-c", code, *FILES], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "lib")},
                          capture_output=True, text=True)
    found, _, printed = done.stdout.partition("\n")
    assert Path(found).is_relative_to(tmp_path)
    assert printed == "".join((ROOT / "examples" / name).read_text() for name in FILES), done.stderr
