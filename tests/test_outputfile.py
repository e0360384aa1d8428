"""What commands write destroys nothing: devices, pipes, links, files of others, closed descriptors."""

import os
import stat
import subprocess
import threading

import pytest

from softsplit.commands.shared.outputfile import OutputFile, write_whole
from softsplit.errors import SoftsplitError
from tests.support import SLOWNESS, SOFTSPLIT, ScriptedGateway, good_answer, run_program


def test_a_link_is_followed_and_a_file_is_replaced_whole(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real" / "file")
    for text in ("first\n", "second\n"):
        write_whole(str(link), text)
        assert link.is_symlink() and (tmp_path / "real" / "file").read_text() == text
    assert os.listdir(tmp_path / "real") == ["file"]


def test_a_device_and_a_named_pipe_are_written_through(tmp_path):
    here, there = os.openpty()
    write_whole(os.ttyname(there), "to a terminal")
    assert os.read(here, 100) == b"to a terminal" and stat.S_ISCHR(os.stat(os.ttyname(there)).st_mode)
    os.close(here), os.close(there)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SoftsplitError, match="nobody reads it"):
        write_whole(str(tmp_path / "pipe"), "x")
    (tmp_path / "link").symlink_to("pipe")
    fd = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(fd, True)
    found, expected = bytearray(), 100_000 * "ü\n".encode()

    def read() -> None:
        while len(found) < len(expected):
            found.extend(os.read(fd, 1 << 16))  # nothing, while nobody writes

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    write_whole(str(tmp_path / "link"), expected.decode())
    reader.join(10)
    assert found == expected and stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)
    os.close(fd)


def test_what_cannot_be_written_is_told_and_no_directory_is_made(tmp_path):
    for path in (tmp_path / "no" / "file", tmp_path):
        with pytest.raises(SoftsplitError, match=f"^cannot write {path}: "):
            write_whole(str(path), "x")
    assert os.listdir(tmp_path) == []


def test_status_writes_to_stdout_or_a_device(tmp_path):
    (tmp_path / "x.toml").write_text('[upstream.a]\nurl = "tcp://127.0.0.1:1"\nunits = { 1 = "abb-b23" }\n'
                                     '[downstream.b]\nurl = "tcp://127.0.0.1:0"\n')
    for name, expected in (("-", b"softsplit_up"), ("/dev/stdout", b"softsplit_up"), ("/dev/null", b"")):
        done = subprocess.run([*SOFTSPLIT, "status", "-c", "x.toml", "--prometheus", "--output", name], cwd=tmp_path,
                              capture_output=True, timeout=60 * SLOWNESS)
        assert (done.returncode, done.stderr) == (3, b"") and expected in done.stdout, name
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode) and os.listdir(tmp_path) == ["x.toml"]


def test_a_file_that_was_there_before_is_never_begun_anew(tmp_path):
    path = tmp_path / "out"
    for name in ("out", "out.2"):
        (tmp_path / name).write_text("of somebody else")
        with pytest.raises(SoftsplitError, match=f"{name} already exists; remove it, or choose another file"):
            OutputFile(str(path), 1000)
        assert (tmp_path / name).read_text() == "of somebody else"
        (tmp_path / name).unlink()
    path.touch()  # as mktemp leaves it
    OutputFile(str(path), 1000, b"head\n").close()
    assert path.read_bytes() == b"head\n"


def test_what_somebody_has_put_there_since_is_left_as_it_is(tmp_path):
    path, older = tmp_path / "out", tmp_path / "out.1"
    file = OutputFile(str(path), 100, b"head\n")
    for _ in range(12):
        file.write(30 * b"x" + b"\n")
    assert sorted(os.listdir(tmp_path)) == ["out", "out.1", "out.2", "out.3"], "its own ones rotate"
    older.unlink()
    older.write_text("of somebody else")
    with pytest.raises(SoftsplitError, match="out.1 was replaced by somebody else"):
        for _ in range(4):
            file.write(30 * b"x" + b"\n")
    assert older.read_text() == "of somebody else"


def test_sniff_writes_over_no_file(tmp_path):
    recording = tmp_path / "recording"
    recording.write_text("1.0 01 03 00 00 00 01 84 0a\n")
    for option in ("--record", "--pcap", "--output"):
        kept = tmp_path / "kept"
        kept.write_text("notes\n")
        done = run_program([*SOFTSPLIT, "sniff", str(recording), option, str(kept)], capture_output=True, text=True,
                           timeout=60 * SLOWNESS)
        assert (done.returncode, kept.read_text()) == (1, "notes\n") and "kept already exists" in done.stderr


def test_no_connection_takes_the_place_of_a_closed_descriptor():
    """The recording went to the gateway, as requests."""
    with ScriptedGateway(good_answer) as gateway:
        line = f'exec "$@" record {gateway.url} -u 1 -p abb-b23 -o - --for 1s >&-'
        done = subprocess.run(["sh", "-c", line, "sh", *SOFTSPLIT], capture_output=True, text=True, timeout=60 * SLOWNESS)
        assert (done.returncode, done.stderr) == (1, "softsplit: cannot write -: Bad file descriptor\n")
        line = f'exec "$@" read -a {gateway.url} 0 1 <&- >&-'
        done = subprocess.run(["sh", "-c", line, "sh", *SOFTSPLIT], capture_output=True, text=True, timeout=60 * SLOWNESS)
        assert (done.returncode, done.stderr) == (1, "softsplit: standard output is closed\n")
        assert {(unit, pdu[0]) for unit, pdu in gateway.requests} <= {(1, 3)}


def test_a_link_that_leads_nowhere_but_to_itself_stays(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SoftsplitError, match="symbolic links"):
        write_whole(str(tmp_path / "loop"), "x")
    assert (tmp_path / "loop").is_symlink()


@pytest.mark.parametrize("words", [["status", "--output"], ["sniff", "-", "--record"], ["sniff", "-", "--pcap"], ["sniff", "-", "--output"],
                                   ["run", "--log-file"], ["record", "127.0.0.1:1", "-u", "1=abb-b23", "--output"]])
def test_an_option_that_names_no_file_is_refused(words):
    done = run_program([*SOFTSPLIT, *words, ""], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and f"'{words[-1]}': it names no file" in done.stderr.replace("'-o' / '", "'")


def test_where_stderr_takes_nothing_the_exit_code_tells(tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*SOFTSPLIT, "run", "-c", str(tmp_path / "nowhere.toml")], stderr=full, timeout=60)
    assert done.returncode == 2


def test_status_of_a_wrong_configuration_says_why_nothing_runs(tmp_path):
    (tmp_path / "wrong.toml").write_text("[upstream.m")
    done = run_program([*SOFTSPLIT, "status", "-c", "wrong.toml", "--prometheus", "--output", "house.prom"],
                       cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "the section has no ]" in done.stderr
    assert "softsplit_up" in (tmp_path / "house.prom").read_text(), "not the last word of a process that has ended"
