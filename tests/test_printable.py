"""Text of devices, profiles, files and local processes reaches nobody with control characters or line ends."""

import csv
import json
import logging
import socket

import pytest

from softsplit.commands.check.wiring import draw as draw_check
from softsplit.commands.doctor.finding import draw_finding, wrong
from softsplit.commands.shared.output import csv_row, to_json
from softsplit.commands.top.text import heights, line, plain
from softsplit.config.loader import load_config
from softsplit.daemon.notify import Notifier
from softsplit.logs.setup import OneLine
from softsplit.printable import all_printable, printable
from softsplit.profiles import Profile, Register
from softsplit.protocol import adu, values
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from tests.support import SLOWNESS, SOFTSPLIT, ScriptedGateway, run_program

EVIL = "a\n\x1b[2J\x9b2J\x7f\u202e\u2028\udcff=cmd"


def test_what_cannot_be_seen_is_written_as_python_would():
    assert printable(EVIL) == r"a\n\x1b[2J\x9b2J\x7f\u202e\u2028\udcff=cmd"
    assert printable("Zähler └ 3") == "Zähler └ 3"
    assert all_printable({"a\n": ["b\r", {"c": 1, "d": None}]}) == {r"a\n": [r"b\r", {"c": 1, "d": None}]}


def test_a_line_of_the_log_has_one_line_whatever_is_named_in_it():
    record = logging.LogRecord("softsplit", logging.INFO, "", 0, "%s: serving", (EVIL,), None)
    assert OneLine().format(record) == f"{printable(EVIL)}: serving"
    try:
        raise ValueError("\x1b[2J")
    except ValueError as error:
        record.exc_info = ValueError, error, error.__traceback__
    assert "\x1b" not in OneLine().format(record) and OneLine().format(record).count("\n") > 2, "of a traceback"


def test_the_name_of_a_block_is_no_line_for_systemd(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        Notifier().ready("1 of 2 blocks fresh; nothing is fresh: a\nMAINPID=1\nERRNO=5")
        told = systemd.recv(4096).decode().split("\n")
    assert told[0] == r"STATUS=1 of 2 blocks fresh; nothing is fresh: a\nMAINPID=1\nERRNO=5"
    assert not [each for each in told if each.startswith(("MAINPID", "ERRNO"))]


def test_the_name_of_a_file_and_a_title_are_no_lines_of_what_check_says(tmp_path):
    (tmp_path / "meter.toml").write_text(r'''
        title = "\u001b[2Jx\nupstream y"
        block = [{ name = "a", address = 0, count = 1 }]''')
    config = tmp_path / "x\n\x1b[2J.toml"
    config.write_text('[upstream.m]\nurl = "tcp://127.0.0.1:1"\nunits = { 1 = "meter.toml" }\n'
                      '[downstream.v]\nurl = "tcp://127.0.0.1:0"\n')
    drawn = draw_check(load_config(config), str(config))
    assert r"x\n\x1b[2J.toml is valid" in drawn and r"(\x1b[2Jx\nupstream y)" in drawn
    assert all(each.isprintable() for each in drawn.splitlines())
    assert draw_finding(wrong(EVIL)).endswith(printable(EVIL))
    assert plain(line((EVIL, "bad"), EVIL)) == 2 * printable(EVIL), "top"


def test_what_a_command_complains_of_is_one_line(tmp_path):
    done = run_program([*SOFTSPLIT, "check", "-c", f"{tmp_path}/no\n\x1b[2J\udcff"], capture_output=True)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"\x1b" not in done.stderr


ODD = r'''
block = [{ name = "=b", address = 0, count = 4 }]
register = [{ name = "+HYPERLINK(1)", address = 0, count = 2, type = "text" },
            { name = "-name", address = 2, type = "s16", resolution = "0.1 V" }]
'''


@pytest.fixture
def device():
    """A device that says =1+1 and -1.5 V."""
    def reply(transaction, unit, pdu):
        return adu.tcp_frame(transaction, unit, bytes((pdu[0], 8)) + b"=\x1b+1" + (-15).to_bytes(2, "big", signed=True) + bytes(2))
    with ScriptedGateway(reply) as gateway:
        yield gateway


@pytest.mark.parametrize("form", [["-d"], ["--csv"], ["--json"]])
def test_what_a_device_and_a_profile_say_moves_no_cursor_and_is_no_formula(device, form, tmp_path):
    (tmp_path / "odd.toml").write_text(ODD)
    done = run_program([*SOFTSPLIT, "read", "-a", str(device.url), "-p", str(tmp_path / "odd.toml"), *form],
                       capture_output=True, text=True, timeout=60 * SLOWNESS)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "") and lines and all(each.isprintable() for each in lines)
    if "--csv" in form:
        rows = list(csv.DictReader(lines))
        assert [(row["name"], row["value"]) for row in rows] == [("'+HYPERLINK(1)", r"'=\x1b+1"), ("'-name", "-1.5")]
        assert {row["block"] for row in rows} == {"'=b"}
    if "--json" in form:
        assert json.loads(lines[0])["values"]["+HYPERLINK(1)"]["value"] == "=\x1b+1"


def test_a_cell_that_a_spreadsheet_would_calculate_is_text():
    cells = "=1+1", "+1", "-2.5e-3", "-x", "@SUM(1)", -3, 0.5, None, "a,b", "plain", "-1 W", "\t=1"
    assert csv_row(cells) == "'=1+1,+1,-2.5e-3,'-x,'@SUM(1),-3,0.5,,\"a,b\",plain,'-1 W,\\t=1"


def test_json_is_strict_and_ascii():
    text = to_json({"a": float("nan"), "b": [float("inf"), -float("inf"), 1.5], "c": "ü\x7f\x9b\n"})
    assert text.isascii() and text.isprintable()

    def refuse(constant):
        raise AssertionError(constant)
    assert json.loads(text, parse_constant=refuse) == {"a": None, "b": [None, None, 1.5], "c": "ü\x7f\x9b\n"}


def test_a_number_beyond_all_floats_is_no_value():
    """An f64 with 10 W a count; top drew bars of it, and read --json wrote Infinity."""
    register = Register("power", Block(Table.HOLDING_REGISTERS, 0, 4), "f64", "10 W")
    profile = Profile("odd", (Read(register.block, "b", 1.0),), registers=(register,))
    assert list(profile.decode(register.block, values.encode("f64", 1e308)).values()) == [None]
    assert list(profile.decode(register.block, values.encode("f64", 1e300)).values()) == [1e301]
    assert heights([-1.7e308, 1.7e308, None, 0.0]) == "▁█ ▅", "as wide as floats go"
