"""The command line, as a user meets it: child processes, exit codes, one line for an error."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from softsplit.commands.simulate.pty import Cable
from softsplit.profiles import load_profile
from softsplit.version import VERSION
from tests.support import (SLOWNESS, Child, RtuMaster, TcpMaster, read_request, run_program, running,
                           simulated_gateway, until)

COMMAND = [sys.executable, "-m", "softsplit"]
MODEL = """\
  0x8960   0x4232  16946   16946  B2        44.54993             -             -             -
  0x8961   0x3320  13088   13088  3.
"""
POWERS = read_request(0x5B00, 62)


def call(*arguments: str, **options) -> subprocess.CompletedProcess:
    return run_program([*COMMAND, *arguments], capture_output=True, text=True, timeout=30 * SLOWNESS, **options)


def configuration(tmp_path, upstream: str, *downstreams: str) -> str:
    sections = [f'[upstream.meters]\nurl = "{upstream}"\nunits = {{ 100 = "abb-b23", 2 = "abb-b23" }}\n']
    sections += [f'[downstream.d{number}]\n{lines}\n' for number, lines in enumerate(downstreams)]
    path = tmp_path / "softsplit.toml"
    path.write_text("\n".join(sections))
    return str(path)


def on_terminal(*arguments: str, **environment: str) -> str:
    """What a command says on a terminal."""
    ours, terminal = os.openpty()
    try:
        with Child([*COMMAND, *arguments], stdin=terminal, stdout=terminal, stderr=terminal,
                   env={**os.environ, "TERM": "xterm", **environment}) as child:
            child.process.wait(30 * SLOWNESS)
        os.set_blocking(ours, False)
        return os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(terminal)


def test_a_terminal_gets_colours_unless_the_user_wants_none_or_it_only_takes_text(tmp_path):
    heard = tmp_path / "heard.txt"
    heard.write_text("0.000 01 03 00 00 00 01 84 0a\n0.010 01 83 02 c0 f1\n")
    path = configuration(tmp_path, "tcp://127.0.0.1:1", 'url = "tcp://127.0.0.1:0"')
    commands = [["status", "-c", path], ["sniff", str(heard)], ["scan", "tcp://127.0.0.1:1", "--units", "1"]]
    for command in commands:
        assert "\x1b[" in on_terminal(*command), command
        assert not re.search(r"\x1b\[[0-9;]*m", on_terminal(*command, NO_COLOR="1")), command
        assert "\x1b" not in on_terminal(*command, TERM="dumb"), command


def test_the_version_is_shown():
    shown = call("--version")
    assert shown.returncode == 0 and VERSION in shown.stdout


@pytest.mark.parametrize("arguments", [[], ["run"], ["check"], ["read"], ["scan"], ["simulate"], ["record"]])
def test_help_teaches(arguments):
    shown = call(*arguments, "--help")
    assert shown.returncode == 0 and "Usage:" in shown.stdout and len(shown.stdout.splitlines()) > 5


@pytest.mark.parametrize("arguments", [["--help"], ["check", "-c", str(Path(__file__).parent.parent / "examples" / "softsplit.toml")]])
def test_a_full_disk_is_one_line(arguments):
    with open("/dev/full", "w") as full:
        done = run_program([*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30 * SLOWNESS)
    assert (done.returncode, done.stderr) == (1, "softsplit: cannot write to standard output: No space left on device\n")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_splitter_runs_from_a_file_and_ends_at_once(tmp_path, ending):
    cable = Cable()
    with simulated_gateway(load_profile("abb-b23")) as gateway, running(cable):
        path = configuration(tmp_path, str(gateway.url), 'url = "tcp://127.0.0.1:0"',
                             f'url = "rtu://{cable.left}"\nmode = "8N1"')
        with Child([*COMMAND, "run", "-c", path]) as child:
            port = until(lambda: re.search(r"serving d0 on tcp://127.0.0.1:(\d+)", child.log()))[1]
            until(lambda: f"serving d1 on rtu://{cable.left}" in child.log())
            with TcpMaster(int(port)) as master:
                until(lambda: all(master.ask(unit, POWERS)[:1] == b"\x03" for unit in (100, 2)))
                with RtuMaster(cable.right) as other:
                    assert other.ask(100, POWERS)[:1] == b"\x03"
                begin = time.monotonic()
                assert child.end(ending) == 0
                assert time.monotonic() - begin < 2 * SLOWNESS
        assert "Traceback" not in child.log() and child.log().rstrip().endswith("stopped")


def test_it_ends_at_once_although_nothing_can_be_reached(tmp_path):
    path = configuration(tmp_path, "tcp://127.0.0.1:1", 'url = "tcp://127.0.0.1:0"',
                         f'url = "rtu://{tmp_path}/ttyUSB0"')
    with Child([*COMMAND, "run", "-c", path]) as child:
        until(lambda: "cannot reach" in child.log() and "there is no such device" in child.log())
        begin = time.monotonic()
        assert child.end() == 0
        assert time.monotonic() - begin < 2 * SLOWNESS


def test_who_asks_twice_is_heard_once(tmp_path):
    path = configuration(tmp_path, "tcp://127.0.0.1:1", 'url = "tcp://127.0.0.1:0"')
    for ending in (signal.SIGINT, signal.SIGTERM):
        with Child([*COMMAND, "run", "-c", path]) as child:
            until(lambda: "cannot reach" in child.log())
            child.process.send_signal(ending)
            assert child.end(ending) == 0
            assert "Aborted" not in child.log()


def test_a_wrong_configuration_is_one_line_and_exit_code_2(tmp_path):
    path = configuration(tmp_path, "tcp://127.0.0.1:1", 'url = "tcp://127.0.0.1:0"\nmax_aeg = 5')
    for command in ("run", "check"):
        done = call(command, "-c", path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (f'softsplit: {path}: downstream.d0.max_aeg: unknown key "max_aeg"; did you mean '
                               '"max_age"? (allowed: url, serves, max_age, when_stale, baudrate, mode, rs485, echo, '
                               'max_connections, idle_timeout, allow, prefer, allow_writes, allow_functions, '
                               'strict_ids, certificate, key, authorities, roles, require_role, units)\n')


def test_no_configuration_says_where_it_was_looked_for(tmp_path):
    done = call("run", cwd=tmp_path, env={"PYTHONPATH": ":".join(sys.path)})
    assert done.returncode == 2 and "softsplit run --demo" in done.stderr and done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_one_line_and_exit_code_1(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        path = configuration(tmp_path, "tcp://127.0.0.1:1", 'url = "tcp://127.0.0.1:0"',
                             f'url = "tcp://127.0.0.1:{port}"')
        done = call("run", "-c", path)
    assert done.returncode == 1 and "serving" not in done.stderr
    assert done.stderr.startswith(f"softsplit: d1: cannot serve on tcp://127.0.0.1:{port}: the port is taken; stop")
    assert done.stderr.count("\n") == 1


def test_check_draws_the_wiring(tmp_path):
    path = configuration(tmp_path, "tcp://gateway:8899", 'url = "tcp://0.0.0.0:5020"',
                         'url = "rtu:///dev/ttyUSB0"\nmax_age = 5')
    shown = call("check", "-c", path)
    assert shown.returncode == 0
    for text in ("upstream meters  tcp://gateway:8899  timeout 1 s", "unit 100  abb-b23  (ABB B23)",
                 "instantaneous values  holding registers 0x5B00+66", "every 600 s", "downstream d0  tcp://0.0.0.0:5020",
                 "rtu:///dev/ttyUSB0  19200 8E1  max_age 5 s  when_stale exception", "unit 2  from meters/2", "tcp://0.0.0.0:5020  for everybody"):
        assert text in shown.stdout, text


@pytest.mark.parametrize("url, units, told", [
    ("tcp://0.0.0.0:502", "", "it finds unit 2 only;\n add unit 100 by hand there\n"),
    ("tcp://0.0.0.0", "units = { 100 = 'meters/100', 5 = 'meters/2' }",
     "it finds none of these;\n add unit 100, 5 by hand there, or here: units = { 1 = \"meters/100\" }\n"),
    ("tcp://0.0.0.0:502", "units = { 1 = 'meters/100', 2 = 'meters/2' }", "it finds unit 1 only;\n add unit 2 by hand there\n"),
    ("tcp://0.0.0.0:502", "units = { 1 = 'meters/100' }", None), ("tcp://0.0.0.0:1502", "", None),
    ("rtuovertcp://0.0.0.0:502", "", None)])
def test_check_says_which_meters_the_search_of_a_victron_does_not_find(tmp_path, url, units, told):
    shown = call("check", "-c", configuration(tmp_path, "tcp://gateway", f'url = "{url}"\n{units}')).stdout
    assert told in shown if told else "Victron" not in shown and "downstream d0" in shown


def checked(tmp_path, upstream: str) -> str:
    path = tmp_path / "softsplit.toml"
    path.write_text(f'[upstream.meters]\n{upstream}\n[downstream.masters]\nurl = "tcp://0.0.0.0:5020"\n')
    shown = call("check", "-c", path)
    assert shown.returncode == 0 and not shown.stderr
    return shown.stdout


METERS = 'url = "rtu:///dev/ttyUSB1"\nunits = { 100 = "abb-b23", 2 = "abb-b23" }\n'


def test_check_says_what_the_reads_cost(tmp_path):
    shown = checked(tmp_path, METERS)
    assert "upstream meters  rtu:///dev/ttyUSB1  19200 8E1  timeout 1 s" in shown
    assert "every 1 s     145 bytes    90 ms    9.0 %  at worst 1.10 s old" in shown
    assert " the reads need 31 % of the wire if" in shown and "TOO" not in shown and "NARROW" not in shown
    behind = METERS.replace("rtu:///dev/ttyUSB1", "tcp://gateway")
    assert "the line behind the gateway is unknown; set baudrate and mode" in checked(tmp_path, behind)
    assert " the reads need 31 % of the wire if" in checked(tmp_path, behind + "baudrate = 19200")


def test_check_says_what_to_change_when_the_wire_cannot_carry_the_reads(tmp_path):
    def with_period(every: str) -> str:
        fast = f'{{ profile = "abb-b23", every = {{ "instantaneous values" = {every} }} }}'
        return METERS.replace('"abb-b23"', fast)

    shown = checked(tmp_path, with_period("0.25") + "baudrate = 9600\ntimeout = 0.2")
    assert "the reads need 167 % of the wire" in shown
    assert "TOO SHORT: timeout 0.2 s, because by tariff of unit 100 takes 0.28 s; set timeout to at least 0.57 s" in shown
    cure, every = re.search(r"TOO MUCH: periods will be stretched; (\d+) baud would need .*"
                            r'every = { "instantaneous values" = ([0-9.]+) }', shown).groups()
    assert "TOO" not in checked(tmp_path, with_period("0.25") + f"baudrate = {cure}")
    assert "TOO" not in checked(tmp_path, with_period(every) + "baudrate = 9600")
    assert "NARROW" in checked(tmp_path, with_period("0.25") + "baudrate = 19200")


def test_check_counts_only_what_is_polled(tmp_path):
    path = configuration(tmp_path, "rtu:///dev/ttyUSB1", 'url = "tcp://0.0.0.0:5020"\nunits = { 1 = "meters/2" }')
    shown = call("check", "-c", path).stdout
    assert "unit 100  abb-b23  (ABB B23)  NOT POLLED: no downstream serves it" in shown
    assert " the reads need 15 % of the wire" in shown


@pytest.mark.parametrize("kind", ["rtu", "rtuovertcp"])
def test_read_and_simulate_speak_rtu_on_both_wires(kind):
    cable = Cable()
    there, here = (f"rtu://{cable.left}", f"rtu://{cable.right}") if kind == "rtu" else 2 * ("rtuovertcp://127.0.0.1:0",)
    with running(cable), Child([*COMMAND, "simulate", "abb-b23", there, "--unit=2", "--mode=8N1"]) as meter:
        served = until(lambda: re.search(r"serving .* on (\S+)", meter.log()))[1]
        shown = call("read", "-a", here if kind == "rtu" else served, "--mode=8N1", "-u", "2", "0x8960", "2")
        assert shown.returncode == 0 and MODEL in shown.stdout, shown.stderr


def test_read_prints_registers(tmp_path):
    with simulated_gateway(load_profile("abb-b23")) as gateway:
        where = f"127.0.0.1:{gateway.url.port}"
        shown = call("read", "-a", where, "-u", "100", "0x8960", "2")
        assert shown.returncode == 0 and MODEL in shown.stdout
        assert "0x8960   0x4232" in call("read", "-a", str(gateway.url), "-u", "2", "-t", "holding registers", "35168").stdout
        refused = call("read", "-a", where, "-u", "100", "0x0000", "2")
        assert refused.returncode == 1
        assert refused.stderr == ("softsplit: holding registers 0x0000+2: unit 100: exception 0x02 (illegal data address); "
                                  "the unit has no register at some of these addresses: manuals may count from 1, or mean "
                                  "another table (-t); try COUNT 1\n")
    gone = call("read", "-a", where, "-u", "100", "0x8960", "2")
    assert (gone.returncode, gone.stderr) == (1, f"softsplit: holding registers 0x8960+2: cannot reach tcp://{where}: Connection refused; "
                                               "is it on, at this address and port?\n")
    assert call("scan", f"tcp://{where}").stderr.splitlines()[-1] == (f"softsplit: cannot reach tcp://{where}: Connection refused; "
                                                                      "is it on, at this address and port?")


def test_a_path_of_a_device_is_a_serial_line_and_what_is_no_serial_device_gets_no_advice_on_its_unit(tmp_path):
    missing, no_tty = tmp_path / "missing", tmp_path / "text"
    no_tty.write_text("")
    for command in (["read", "-a", missing, "0", "1"], ["scan", f"rtu://{missing}"]):
        assert call(*command).stderr.splitlines()[-1].endswith(f"cannot reach rtu://{missing}: there is no such device; is it plugged in?")
    assert call("read", "-a", no_tty, "0", "1").stderr == (
        f"softsplit: holding registers 0x0000+1: cannot reach rtu://{no_tty}: this is no serial device\n")


@pytest.mark.parametrize("arguments, told", [
    (["read", "-u", "1", "x"], "neither decimal (23296) nor hex (0x5B00)"),
    (["read", "-u", "1", "0", "-p", "abb-b23"], "either -p PROFILE, or ADDRESS"),
    (["read"], "either -p PROFILE, or ADDRESS"),
    (["read", "-p", "abb-b32"], 'did you mean "abb-b'),
    (["read", "-p", "any"], "profile any polls nothing"),
    (["read", "0", "--every", "0"], "every: 0.0 s is not possible"),
    (["read", "0", "0"], "0 does not fit"),
    (["read", "-u", "1", "0", "126"], "126 is more than one read may ask for"),
    (["read", "-u", "1", "0xFFFF", "2"], "2 does not fit"),
    (["read", "-a", "http://x", "-u", "1", "0"], '"http://x" is not possible here'),
    (["read", "-u", "256", "0"], "256 is not in the range"),
    (["read", "--baudrate", "fast", "0"], "'fast' is not a whole number (\""),
    (["read", "--timeout", "soon", "0"], "'soon' is not a number (\""),
    (["read", "-u", "1", "0", "--timeout", "nan"], "timeout: nan is not a number of seconds"),
    (["simulate", "abb-b23", "tcp://127.0.0.1:0", "--unit", "1", "--mute", "2"], '--mute 2: unknown unit "2"'),
    (["simulate", "abb-b23", "tcp://127.0.0.1:0", "--unit", "1", "--unit", "1"], "unit 1 is given twice"),
    (["simulate", "abb-b23", "rtu:///dev/x", "--unit", "1", "--baudrate", "99999999999"], "is not in the range"),
    (["simulate", "abb-b33", "tcp://127.0.0.1:0", "--unit", "1"], 'did you mean "abb-b23"'),
    (["simulate", "abb-b23", "tcp://127.0.0.1:0"], "--unit: give at least one unit id"),
    (["simulate", "abb-b23", "tcp://127.0.0.1:0", "--unit", "1", "--mute", "x"], "no time to be mute"),
    (["read", "0", "--function", "4"], "No such option '--function'. Did you mean '--table'?"),
    (["read", "0", "--scale", "4"], "No such option '--scale' (\""),
    (["run", "--demo", "-c", "x"], "leave out -c"),
    (["rnu"], "No such command"),
])
def test_a_wrong_call_is_exit_code_2_and_says_why(arguments, told):
    done = call(*arguments)
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr


def test_simulate_is_a_device_until_it_is_ended():
    with Child([*COMMAND, "simulate", "abb-b23", "tcp://127.0.0.1:0", "--unit", "7", "--mute", "8", "--unit", "8"]) as child:
        port = until(lambda: re.search(r"serving .* on tcp://127.0.0.1:(\d+)", child.log()))[1]
        with TcpMaster(int(port)) as master:
            assert master.ask(7, read_request(0x8960, 2)) == b"\x03\x04B23 "
        assert child.end() == 0


def test_what_was_suspended_for_a_while_goes_on():
    with Child([*COMMAND, "simulate", "abb-b23", "tcp://127.0.0.1:0", "--unit", "7"]) as child:
        port = until(lambda: re.search(r"serving .* on tcp://127.0.0.1:(\d+)", child.log()))[1]
        for _ in range(2):
            child.process.send_signal(signal.SIGSTOP)
            stopped_at = time.monotonic()
            until(lambda: time.monotonic() - stopped_at > 1.05)  # longer than it waits for a signal
            child.process.send_signal(signal.SIGCONT)
            with TcpMaster(int(port)) as master:
                until(lambda: time.monotonic() - stopped_at > 1.25)
                assert master.ask(7, read_request(0x8960, 2)) == b"\x03\x04B23 "
        assert child.process.poll() is None and child.end() == 0


def test_simulate_speaks_rtu():
    cable = Cable()
    with running(cable), Child([*COMMAND, "simulate", "abb-b24", f"rtu://{cable.left}", "--unit", "7", "--mode", "8n1"]) as child:
        until(lambda: "serving" in child.log())
        with RtuMaster(cable.right) as master:
            assert master.ask(7, read_request(0x8960, 2)) == b"\x03\x04B24 "


def test_the_demo_is_at_port_5020_unless_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = call("run", "--demo", "--port", str(other.getsockname()[1]))
    assert taken.returncode == 1 and "the port is taken" in taken.stderr
    assert "[default: 5020" in " ".join(call("run", "--help").stdout.split())


@pytest.fixture(scope="module")
def demo():
    with Child([*COMMAND, "run", "--demo", "--port", "0"]) as child:
        until(lambda: child.log().count("answers") == 2)
        yield child
        assert child.end() == 0 and "WARNING" not in child.log()


def test_the_demo_prints_commands_that_work_and_show_its_wiring(demo, tmp_path):
    lines = re.findall(r"^  (.*softsplit .*)$", demo.text(), re.MULTILINE)
    assert [line.split()[3] for line in lines] == ["read", "status", "top", "check", "doctor"]
    assert max(map(len, demo.text().replace(" ".join(COMMAND), ".venv/bin/softsplit").splitlines())) <= 80
    until(lambda: call("status", cwd=tmp_path).returncode == 0, timeout=10)
    for line in lines:
        assert "-c" not in line.split()
        once = ["--once"] if line.endswith("top") else []
        shown = run_program([*line.split(), *once], capture_output=True, text=True, timeout=60 * SLOWNESS, cwd=tmp_path)
        assert shown.returncode == 0, shown.stdout + shown.stderr
        names = ["voltage_l1_n"] if "read" in line else ["meters", "victron", "maxem"]
        assert all(name in shown.stdout for name in names), shown.stdout


def test_the_demo_has_one_pseudo_terminal_name(demo):
    assert len(set(re.findall(r"/dev/pts/\d+", demo.text() + demo.log()))) == 1


@pytest.mark.skipif(not shutil.which("mbpoll"), reason="mbpoll is not installed")
def test_mbpoll_gets_values_from_the_demo_over_tcp_and_rtu(demo):
    lines = re.findall(r"^  (mbpoll .*)$", demo.text(), re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        polled = subprocess.run(line.split(), capture_output=True, text=True, timeout=20 * SLOWNESS)
        values = re.findall(r"^\[(\d+)\]:\s+(\d+)", polled.stdout, re.MULTILINE)
        assert [int(address) for address, _ in values] == list(range(23296, 23358)), polled.stdout + polled.stderr
        assert 2200 < int(values[1][1]) < 2400  # 0.1 V


@pytest.mark.skipif(not shutil.which("mbpoll"), reason="mbpoll is not installed")
def test_mbpoll_reads_every_block_over_tcp_and_rtu_and_agrees(demo):
    serial = re.search(r"/dev/pts/\d+", demo.text())[0]
    port = re.search(r"tcp://127.0.0.1:(\d+)", demo.text())[1]
    wires = [["-m", "tcp", "-p", port, "127.0.0.1"], ["-m", "rtu", "-b", "19200", "-P", "none", serial]]
    with TcpMaster(int(port)) as master:
        for unit in (100, 2):
            for read in load_profile("abb-b23").reads:
                block = read.block
                until(lambda: master.read(unit, block.address, block.count))
                for wire in wires:
                    agree_on(master, unit, block, wire)


def agree_on(master: TcpMaster, unit: int, block, wire: list[str]) -> None:
    """mbpoll must print what we read before it or after it, word for word; the meter moves on meanwhile."""
    def agrees() -> bool:
        before = master.read(unit, block.address, block.count)
        polled = subprocess.run(["mbpoll", "-a", str(unit), "-0", "-1", "-t", "4:hex", "-r", str(block.address),
                                 "-c", str(block.count), *wire], capture_output=True, text=True, timeout=20 * SLOWNESS)
        shown = "".join(re.findall(r"^\[\d+\]:\s+0x([0-9A-F]{4})", polled.stdout, re.MULTILINE)).lower()
        assert len(shown) == 4 * block.count, polled.stdout + polled.stderr
        return shown in (before.hex(), master.read(unit, block.address, block.count).hex())

    until(agrees, timeout=20)
