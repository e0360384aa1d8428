"""What is printed can be printed: in three locales, and on terminals of any width."""

import os
import shutil
import subprocess

import pytest
from click.testing import CliRunner

from softsplit.cli import COMMANDS, main
from softsplit.commands.top.screen import draw, draw_all
from softsplit.commands.top.text import plain
from softsplit.daemon.health import Health, Trouble
from softsplit.protocol import adu
from tests.support import SLOWNESS, SOFTSPLIT, ScriptedGateway, good_answer
from tests.test_top import MASTER, UNIT, status, view

METER = """
title = "Zähler € 3"
block = [{ name = "größe", address = 0, count = 1 }]
register = [{ name = "größe", address = 0, type = "u16", resolution = "1 °C" }]
"""
WIDTHS = (20, 21, 33, 50, 79, 80, 132, 151, 200, 299, 300)


@pytest.fixture(scope="module")
def locales(tmp_path_factory):
    """The environment and the encoding of three locales (POSIX is another name of C); where Latin-1 cannot be made, Python is told so."""
    place = tmp_path_factory.mktemp("locales")
    latin = {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "iso-8859-1"}
    if shutil.which("localedef") and not subprocess.run(
            ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", f"{place}/de_DE.ISO-8859-1"], capture_output=True).returncode:
        latin = {"LOCPATH": str(place), "LC_ALL": "de_DE.ISO-8859-1"}
    return {"C": ({"LC_ALL": "C"}, "ascii"), "Latin-1": (latin, "iso-8859-1"), "UTF-8": ({"LC_ALL": "C.UTF-8"}, "utf-8")}


@pytest.mark.parametrize("name, tree, title", [
    ("C", "`- unit 1", "Z?hler ? 3"), ("Latin-1", "`- unit 1", "Zähler ? 3"),
    ("UTF-8", "└─ unit 1", "Zähler € 3")])
def test_every_command_prints_in_every_locale(name, tree, title, locales, tmp_path):
    (tmp_path / "meter.toml").write_text(METER, encoding="utf-8")
    (tmp_path / "recording").write_text(f"1.0 {adu.rtu_frame(1, bytes((3, 0, 0, 0, 1))).hex()}\n"
                                        f"1.02 {adu.rtu_frame(1, bytes((3, 2, 0, 7))).hex()}\n")
    environment, encoding = locales[name]
    with ScriptedGateway(good_answer) as gateway:
        (tmp_path / "x.toml").write_text(f'[upstream.m]\nurl = "{gateway.url}"\nunits = {{ 1 = "meter.toml" }}\n'
                                         '[downstream.v]\nurl = "tcp://127.0.0.1:0"\n')
        at = ("-a", str(gateway.url), "-p", "meter.toml", "--timeout", str(10 * SLOWNESS))
        calls = {"check": ("-c", "x.toml"), "read": (*at, "-d"), "top": (*at, "--once"),
                 "sniff": ("recording", "-p", "meter.toml")}
        running = {command: subprocess.Popen(
            [*SOFTSPLIT, command, *arguments], cwd=tmp_path, env=os.environ | environment | {"COLUMNS": "20"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE) for command, arguments in calls.items()}
        said = {command: [each.decode(encoding) for each in process.communicate(timeout=60 * SLOWNESS)]
                for command, process in running.items()}
    assert not [each for texts in said.values() for each in texts if "Traceback" in each]
    assert {process.returncode for process in running.values()} == {0}, said
    assert tree in said["check"][0] and title in said["check"][0] and title in said["top"][0]
    size = "größe".encode(encoding, "replace").decode(encoding)
    assert all(size in said[command][0] for command in ("read", "top", "sniff")) and "7" in said["read"][0]


@pytest.mark.parametrize("name", ["C", "Latin-1"])
def test_what_goes_wrong_is_told_in_every_locale(name, locales, tmp_path):
    environment, encoding = locales[name]
    done = subprocess.run([*SOFTSPLIT, "check", "-c", "größe\udcff.toml"], cwd=tmp_path, env=os.environ | environment,
                          capture_output=True, timeout=60 * SLOWNESS)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1
    assert done.stderr.decode(encoding).startswith("softsplit: ")


def test_the_screen_fits_every_width():
    found = [Trouble(cause="x" * 400), Trouble(cause="house: unit 2 does not answer"), Trouble(cause="n" * 90, severity="note")]
    wrong = status(stale=("powers",), health=Health.of(1, found))
    for document in (status(), status(units=6), wrong):
        for chosen in (UNIT, MASTER):
            shown = view(document, chosen, looks=3)
            for width in WIDTHS:
                lines = draw(shown, width, 24, "12:00:00")
                assert {len(plain(each)) for each in lines} == {width} and len(lines) == 24
        for width in WIDTHS:
            assert draw_all(shown, width)


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_is_printed_at_every_width(command):
    for width in (20, 41, 80, 300):
        done = CliRunner().invoke(main, [*filter(None, [command]), "--help"], terminal_width=width, prog_name="softsplit")
        assert done.exit_code == 0 and "Usage" in done.output
