"""Recordings of a line: how it was spoken on is kept with them; what is damaged or too long is skipped whole."""

import io
import json
import subprocess

import pytest

from softsplit.commands.record.recording import LONGEST_LINE as LONGEST_OF_HOUSE
from softsplit.commands.record.recording import read_house
from softsplit.commands.shared.inputfile import bounded_lines
from softsplit.commands.sniff.capturefile import EXACT, LONGEST_LINE, Recording, show_head
from softsplit.config.line import Line
from softsplit.protocol import adu
from softsplit.transport.tap import SerialTap
from tests.support import SLOWNESS, SOFTSPLIT, run_program

REQUEST, REPLY = adu.rtu_frame(1, b"\x03\x00\x00\x00\x01"), adu.rtu_frame(1, b"\x03\x02\x00\x07")
ANSWER = '{"time": 1, "unit": 1, "table": "coils", "address": "0x0001", "count": 3, "bits": "101"}\n'


def sniffed(path, *options: str) -> subprocess.CompletedProcess:
    return run_program([*SOFTSPLIT, "sniff", str(path), *options], capture_output=True, text=True, timeout=60 * SLOWNESS)


def test_a_line_that_is_too_long_is_skipped_to_its_end():
    assert list(bounded_lines(io.StringIO("1234\n12345\n1234567890123\n\n12345"), 5)) == ["1234\n", None, None, "\n", None]
    assert list(bounded_lines(io.StringIO("12\n1234"), 5)) == ["12\n", "1234"]


def test_what_a_line_over_the_limit_holds_becomes_no_transaction(tmp_path):
    """Its rest began with a time, of whatever was there."""
    path = tmp_path / "recording"
    beyond = f"1.0 {'00 ' * (LONGEST_LINE // 3)}".ljust(LONGEST_LINE)[:LONGEST_LINE]
    path.write_text(f"{beyond}2.0 {REQUEST.hex(' ')}\n3.0 {REQUEST.hex(' ')}\n3.02 {REPLY.hex(' ')}\n")
    done = sniffed(path, "--json")
    found, = map(json.loads, done.stdout.splitlines())
    assert (found["time"], found["values"]) == (3.0, [7]) and "1 damaged line skipped" in done.stderr


def test_what_a_line_over_the_limit_holds_becomes_no_answer(tmp_path):
    path = tmp_path / "house.jsonl"
    path.write_text(f'{ANSWER.strip().ljust(LONGEST_OF_HOUSE)}{ANSWER.replace("101", "000")}{ANSWER}')
    house = read_house(str(path))
    assert len(house.answers) == house.damaged == 1


@pytest.mark.parametrize("jitter", [0.0, 0.016, 0.1])
def test_the_head_of_a_recording_says_how_the_line_is_spoken_on(jitter, tmp_path):
    (tmp_path / "recording").write_text(f"{show_head(Line(9600, '8N1'), jitter)}1.0 {REQUEST.hex(' ')}\n")
    recording = Recording(str(tmp_path / "recording"))
    assert (recording.line, recording.jitter) == (Line(9600, "8N1"), max(jitter, EXACT))
    assert [heard.data for heard in recording.hear()] == [REQUEST]


def test_comments_may_say_anything(tmp_path):
    for comment in ("", "# line 1 8E1", "# line 9600 8X1", "# line up to 5 s late", "# times up to 999999 s late",
                    "# line 99999999999999999999 8N1"):
        (tmp_path / "recording").write_text(f"{comment}\n1.0 {REQUEST.hex(' ')}\n")
        recording = Recording(str(tmp_path / "recording"))
        assert (recording.line, recording.jitter) == (Line(), SerialTap.jitter), comment
        assert [heard.data for heard in recording.hear()] == [REQUEST]
    (tmp_path / "recording").write_text("")
    assert not list(Recording(str(tmp_path / "recording")).hear())


def test_a_recording_is_replayed_as_it_was_heard(tmp_path):
    """The load of the line tells which baud rate was taken; what is recorded of a recording keeps its head."""
    path, copy = tmp_path / "recording", tmp_path / "copy"
    body = f"1.0 {REQUEST.hex(' ')}\n1.05 {REPLY.hex(' ')}\n2.0 {REQUEST.hex(' ')}\n"
    path.write_text("# line 9600 8N1, times exact\n" + body)
    assert "line busy 2.4 %" in sniffed(path).stdout
    assert "line busy 19.2 %" in sniffed(path, "--baudrate", "1200").stdout, "what is asked for goes first"
    assert sniffed(path, "--record", str(copy), "-q").returncode == 0
    assert "# line 9600 8N1, times exact\n" in copy.read_text()
    assert copy.read_text().endswith(path.read_text().partition("\n")[2].replace("1.0 ", "1.000000 ").replace(
        "1.05 ", "1.050000 ").replace("2.0 ", "2.000000 "))
