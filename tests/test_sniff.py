"""`softsplit sniff`: real masters and meters on a cable with taps, recordings, pipes, and what Wireshark makes of it."""

import csv
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import termios
import threading
import time
from contextlib import contextmanager

import pytest

from softsplit.commands.shared.outputfile import OutputFile
from softsplit.commands.simulate.simulate import simulated_server
from softsplit.commands.sniff.capturefile import parse_heard, show_heard
from softsplit.commands.sniff.detect import detect
from softsplit.commands.sniff.format import Names, draw
from softsplit.config.url import parse_url
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.errors import SoftsplitError
from softsplit.profiles import load_profile
from softsplit.profiles.loader import parse_profile
from softsplit.protocol import adu
from softsplit.transport.receiver import Heard
from tests.support import SLOWNESS, SOFTSPLIT, Child, RtuMaster, read_request, run_program, running, until
from tests.support.tappedcable import TappedCable

POWERS = read_request(0x5B00, 6)
needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")


TEXT = """
[[block]]
address = 0x10
count = 2
[[register]]
name = "label"
address = 0x10
count = 2
type = "text"
"""


def sniffed(*arguments: str, **options) -> subprocess.CompletedProcess:
    return run_program([*SOFTSPLIT, "sniff", *arguments], capture_output=True, text=True, timeout=30 * SLOWNESS, **options)


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def cable(tmp_path):
    """A cable with a simulated meter, unit 2, at its left end; no tap may say anything."""
    cable = TappedCable(tmp_path)
    meter = simulated_server(load_profile("abb-b23"), [2], parse_url(f"rtu://{cable.left}", ("rtu",)))
    meter.open()
    with running(meter), running(cable):
        yield cable
        for tap in (cable.tap, cable.request_tap, cable.reply_tap):
            assert tap.said() == b""


@contextmanager
def sniffing(*arguments: str, tap=None):
    """A running sniff whose tap is open, so that it hears what comes next."""
    with Child([*SOFTSPLIT, "sniff", *arguments]) as child:
        until(lambda: tap is None or listens(tap), timeout=10)
        yield child
        assert "Traceback" not in child.log()


def listens(tap) -> bool:
    """Whether the tap has been set up by somebody who marks damaged bytes."""
    return bool(termios.tcgetattr(tap.fd)[0] & termios.PARMRK)


REQUEST = adu.rtu_frame(2, read_request(0x10, 2))
REPLY = adu.rtu_frame(2, bytes.fromhex("03 04 0102 ffff"))
RECORDED = [  # unit, request PDU, reply PDU or none
    (2, read_request(0x10, 2), "03040102ffff"), (2, read_request(0x20, 1), "8302"), (7, read_request(0, 1), None),
    (3, read_request(0x100, 10, 1), "0102ff01"), (3, bytes.fromhex("06 0040 0007"), "0600400007"),
    (3, bytes.fromhex("10 0040 0002 04 00070008"), "1000400002"), (2, read_request(0x11, 2, 4), "040400010002"),
]


@pytest.fixture
def recording(tmp_path) -> str:
    """All that RECORDED says, one transaction every 3 s from 1000 s on; a reply takes 5 ms."""
    lines = ["# a comment", ""]
    for number, (unit, request, reply) in enumerate(RECORDED):
        lines.append(show_heard(Heard(1000.0 + 3 * number, adu.rtu_frame(unit, request))).strip())
        if reply:
            lines.append(show_heard(Heard(1000.005 + 3 * number, adu.rtu_frame(unit, bytes.fromhex(reply)))).strip())
    path = tmp_path / "recording"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.skipif(not shutil.which("mbpoll"), reason="mbpoll is not installed")
def test_a_real_master_and_a_meter_are_heard(cable, tmp_path):
    with sniffing(f"rtu://{cable.tap.path}", "--json", tap=cable.tap) as sniff:
        for address in (0x5B00, 0):
            subprocess.run(["mbpoll", "-a", "2", "-0", "-1", "-t", "4", "-r", str(address), "-c", "6", "-m", "rtu", "-b",
                            "19200", "-P", "none", cable.right], capture_output=True, timeout=20 * SLOWNESS)
        until(lambda: len(sniff.text().splitlines()) == 2)
        begin = time.monotonic()
        assert sniff.end() == 0
        assert time.monotonic() - begin < SLOWNESS
    good, refused = objects(sniff.text())
    assert good.items() >= {"kind": "ok", "unit": 2, "function": 3, "address": 0x5B00, "count": 6, "exception": None,
                            "retry": False, "request": adu.rtu_frame(2, POWERS).hex()}.items()
    assert 2200 < good["values"][1] < 2400 and 0 < good["latency"] < 1 and abs(good["time"] - time.time()) < 60
    assert (refused["kind"], refused["exception"], refused["values"]) == ("exception", 2, None)
    assert bytes.fromhex(good["reply"])[:3] == b"\x02\x03\x0c"
    assert re.search(r"^ +2 +2 +2 +0x02: 1 ", sniff.log(), re.MULTILINE)  # statistics do not mix with JSON


def test_lines_name_the_values_and_show_the_bytes(cable):
    with sniffing(str(cable.tap.path), "-x", "-p", "abb-b23", tap=cable.tap) as sniff, RtuMaster(cable.right) as master:
        assert master.ask(2, POWERS)
        until(lambda: "<" in sniff.text())
        assert sniff.end(signal.SIGTERM) == 0
    line, request, reply, *_ = sniff.text().splitlines()
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} +\d+\.\d ms  unit   2  read holding registers 0x5B00\+6 +"
                     r"voltage_l1_n 2\d\d\.\d V, voltage_l2_n", line)
    assert request == f"    > {adu.rtu_frame(2, POWERS).hex(' ')}" and reply.startswith("    < 02 03 0c")
    assert "\x1b" not in sniff.text()


def test_two_taps_tell_whose_the_bytes_are_and_so_does_their_recording(cable, tmp_path):
    taps = [f"--request-port=rtu://{cable.request_tap.path}", f"--reply-port=rtu://{cable.reply_tap.path}"]
    path = tmp_path / "recording"
    with sniffing(*taps, "--json", "--record", str(path), tap=cable.reply_tap) as sniff, RtuMaster(cable.right) as master:
        assert master.ask(2, POWERS)
        assert until(lambda: objects(sniff.text()))[0]["kind"] == "ok"
        assert sniff.end() == 0
    assert re.search("^[0-9.]+ 02 03 5b 00 .* request\n[0-9.]+ 02 03 0c .* reply\n", path.read_text(), re.MULTILINE)
    assert sniffed(str(path), "--json").stdout == sniff.text()


def test_a_pulled_adapter_is_waited_for(cable):
    with sniffing(f"rtu://{cable.tap.path}", "--json", tap=cable.tap) as sniff, RtuMaster(cable.right) as master:
        cable.tap.pull()
        until(lambda: "waiting for it" in sniff.log())
        assert master.ask(2, POWERS)
        cable.tap.plug_in()
        until(lambda: "is back" in sniff.log() and listens(cable.tap))
        assert master.ask(2, POWERS)
        assert until(lambda: objects(sniff.text()))[0]["kind"] == "ok"
        assert sniff.log().count("waiting for it") == 1


def test_a_gateway_that_hangs_up_is_connected_to_again_and_never_told_anything():
    with socket.create_server(("127.0.0.1", 0)) as gateway:
        gateway.settimeout(10 * SLOWNESS)
        url = f"rtuovertcp://127.0.0.1:{gateway.getsockname()[1]}"
        with sniffing(url, "--json") as sniff:
            for number in (1, 2):
                peer, _ = gateway.accept()
                with peer:
                    peer.sendall(REQUEST)
                    peer.sendall(REPLY)
                    until(lambda: len(objects(sniff.text())) == number)
                    peer.setblocking(False)
                    with pytest.raises(BlockingIOError):
                        peer.recv(1)
            assert sniff.log().count("hung up; waiting for it") == 1 or number == 2
            assert [each["kind"] for each in objects(sniff.text())] == ["ok", "ok"]


def test_what_cannot_be_opened_is_one_line_and_exit_code_1(tmp_path):
    for where, told in ((f"rtu://{tmp_path}/ttyUSB0", "there is no such device"),
                        ("/dev/ttyUSB99", "there is no such device"), ("rtu:///dev/null", "no serial device"),
                        (str(tmp_path / "none"), "No such file"), ("rtuovertcp://127.0.0.1:1", "Connection refused")):
        done = sniffed(where)
        assert done.returncode == 1 and told in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("arguments, told", [
    ([], "give WHERE, or two taps"), (["x", "--request-port", "/dev/x"], "give WHERE"), (["--reply-port", "/dev/x"], "two taps"),
    (["tcp://127.0.0.1:502"], "not possible here"), (["x", "--detect"], "needs one serial device"),
    (["-", "--record", "x"], "needs times"), (["x", "--json", "--pcap", "-"], "only one of"), (["x", "--address", "y"], "no address"),
    (["./x", "--record", "x"], "at once"), (["--request-port=/dev/x", "--reply-port=rtu:///dev/y", "--pcap=/dev/y"], "at once"),
    (["x", "--address", "2-1"], "no address"), (["x", "-p", "abb-b32"], "did you mean"), (["x", "--mode", "dtr"], "'dtr' is not one of"),
    (["rtuovertcp://127.0.0.1:1", "--mode", "rts"], "no control lines"),
])
def test_a_wrong_call_is_exit_code_2_and_says_why(arguments, told):
    done = sniffed(*arguments)
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_a_recording_is_decoded_with_all_its_times(recording):
    done = sniffed(recording, "--json")
    found = objects(done.stdout)
    assert done.returncode == 0
    assert [each["kind"] for each in found] == ["ok", "exception", "no_reply", "ok", "ok", "ok", "ok"]
    assert [each["time"] for each in found] == pytest.approx([1000 + 3 * number for number in range(7)])
    assert found[0]["latency"] == pytest.approx(0.005) and found[2]["latency"] is found[2]["reply"] is None
    assert [each["values"] for each in found] == [[0x102, 0xFFFF], None, None, [1] * 9 + [0], [7], [7, 8], [1, 2]]
    assert [each["address"] for each in found] == [0x10, 0x20, 0, 0x100, 0x40, 0x40, 0x11]
    assert all(isinstance(bit, int) and not isinstance(bit, bool) for bit in found[3]["values"])


def test_colours_are_for_terminals(recording):
    ours, stdout = os.openpty()
    with Child([*SOFTSPLIT, "sniff", recording], stdout=stdout) as sniff:
        assert sniff.process.wait(10 * SLOWNESS) == 0
    os.close(stdout)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "\x1b[31m" in shown and re.search("\x1b\\[33m.*illegal data address.*\x1b\\[0m", shown)
    assert "\x1b" not in sniffed(recording).stdout


def test_text_of_a_unit_cannot_move_the_cursor():
    profile = parse_profile(TEXT, "text.toml")
    reply = adu.rtu_frame(2, bytes((3, 4)) + b"\x1b[2J")
    line = draw(Transaction(Kind.OK, 1.0, REQUEST, reply, 0.01), Names(profile))
    assert line.endswith("  label \\x1b[2J\n")


def test_the_json_contract(recording):
    for each in objects(sniffed(recording, "--json").stdout):
        assert each.keys() >= {"kind", "time", "unit", "function", "address", "count", "values", "exception", "latency",
                               "retry", "request", "reply"}
        assert each["kind"] in set(map(str, Kind)) and isinstance(each["retry"], bool)
        assert re.fullmatch("([0-9a-f]{2})+", each["request"])


def test_a_profile_names_values_for_programs_too(recording, tmp_path):
    path = tmp_path / "power.toml"
    path.write_text(TEXT.replace("label", "power").replace('count = 2\ntype = "text"', 'type = "u32"\nresolution = "0.1 W"'))
    values = int.from_bytes(REPLY[3:7], "big") / 10
    named = [each["named"] for each in objects(sniffed(recording, "--json", "-p", str(path)).stdout)]
    assert {"power": {"value": values, "measure": "W"}} in named and {} in named
    head, *rows = csv.reader(sniffed(recording, "--csv", "-p", str(path)).stdout.splitlines())
    assert head[-1] == "named" and {f"power {values} W", ""} <= {row[-1] for row in rows}


@pytest.mark.parametrize("arguments, count", [
    (["--unit", "2"], 3), (["-u", "7", "-u", "3"], 4), (["--function", "6"], 1), (["--address", "0x11"], 2),
    (["--address", "0x20-0x41"], 3), (["--address", "64"], 2), (["--errors"], 2), (["--errors", "-u", "7"], 1),
])
def test_filters_choose(recording, arguments, count):
    assert len(objects(sniffed(recording, "--json", *arguments).stdout)) == count


def test_statistics_count_everything_whatever_is_shown(recording):
    shown = sniffed(recording, "--unit", "99").stdout
    assert re.search(r"^ +2 +3 +3 +0x02: 1 +0 +0 +0 +5\.0 / 5\.0 / 5\.0 ms$", shown, re.MULTILINE), shown
    assert re.search(r"^ +7 +1 +0 +0 +1 ", shown, re.MULTILINE)
    assert "line busy" in shown and shown.count("unit 2  read holding registers 0x0010+2  1x") == 1
    assert sniffed(recording, "--quiet").stdout == ""


def test_poll_periods_and_a_second_master_are_found(tmp_path):
    lines = []
    for number in range(10):
        lines += [Heard(1000 + number, REQUEST), Heard(1000.02 + number, REPLY)]
    other = adu.rtu_frame(2, read_request(0x50, 2))
    lines += [Heard(1010, REQUEST), Heard(1010.009, other), Heard(1010.03, REPLY)]
    path = tmp_path / "recording"
    path.write_text("".join(map(show_heard, lines)))
    shown = sniffed(str(path)).stdout
    assert "read holding registers 0x0010+2  11x  every 1.00 s" in shown
    assert "a second master is suspected" in shown
    path.write_text("".join(map(show_heard, lines[:20])))
    assert "second master" not in sniffed(str(path)).stdout


def test_csv_has_a_row_for_each(recording, tmp_path):
    rows = list(csv.DictReader(io.StringIO(sniffed(recording, "--csv").stdout)))
    assert len(rows) == 7 and rows[0].items() >= {"kind": "ok", "unit": "2", "address": "16", "values": "258 65535",
                                                  "latency": "0.005", "exception": ""}.items()
    done = sniffed(recording, "--csv", "--output", str(tmp_path / "out.csv"))
    assert list(csv.DictReader((tmp_path / "out.csv").open())) == rows and "line busy" in done.stdout


def test_damaged_lines_are_skipped_and_counted(recording, tmp_path):
    text = open(recording).read()
    path = tmp_path / "damaged"
    path.write_text("nonsense\n1.0 zz\n1e999 01\n1e300 01\n1.5\n" + text.replace("02 03 00 10", "02 03 0", 1))
    done = sniffed(str(path))
    assert done.returncode == 0 and "6 damaged lines skipped" in done.stdout, done.stdout
    path.write_bytes(bytes(range(256)) * 10)
    done = sniffed(str(path))
    assert done.returncode == 1 and "is no recording" in done.stderr


def test_no_reply_comes_before_its_request_where_time_goes_back(tmp_path):
    path = tmp_path / "two"
    path.write_text("\ufeff9.0 01 03 00 00 00 02 c4 0b\n8.0 01 03 04 00 01 00 02 2a 32\n9.0 01 03 00 00 00 02 c4 0b\n")
    done = sniffed(str(path), "--json")
    assert [(each["kind"], each["time"]) for each in objects(done.stdout)] == [("no_reply", 9), ("orphan", 8), ("no_reply", 9)]
    assert done.stderr.startswith("25 bytes in 1 s ")


def test_a_recording_of_a_recording_is_the_same(recording, tmp_path):
    again = str(tmp_path / "again")
    assert sniffed(recording, "-q", "--record", again).returncode == 0
    assert sniffed(again, "--json").stdout == sniffed(recording, "--json").stdout
    assert parse_heard("1.25 0102 03 reply # why") == Heard(1.25, b"\1\2\3", "reply")


def test_standard_input_has_no_times_and_ends(recording):
    data = REQUEST + REPLY + REQUEST
    done = run_program([*SOFTSPLIT, "sniff", "-", "--json"], input=data, capture_output=True, timeout=30 * SLOWNESS)
    found = objects(done.stdout.decode())
    assert done.returncode == 0 and [(each["kind"], each["time"], each["latency"]) for each in found] == [
        ("ok", None, None), ("no_reply", None, None)]


def test_a_closed_pipe_ends_it_quietly(cable, recording):
    for source in (recording, f"rtu://{cable.tap.path}"):
        sniff = subprocess.Popen([*SOFTSPLIT, "sniff", source], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        sniff.stdout.close()
        assert sniff.wait(10 * SLOWNESS) == 0
        assert sniff.stderr.read() == ""
        sniff.stderr.close()


def tshark(path, *fields: str) -> list[list[str]]:
    command = ["tshark", "-r", str(path), "-T", "fields", *(word for field in fields for word in ("-e", field))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * SLOWNESS)
    return [line.split("\t") for line in done.stdout.splitlines()]


@needs_tshark
def test_wireshark_pairs_what_was_on_the_line_without_a_setting(recording, tmp_path):
    path = tmp_path / "rtu.pcap"
    assert sniffed(recording, "-q", "--pcap", str(path)).returncode == 0
    found = tshark(path, "frame.number", "mbrtu.unit_id", "modbus.func_code", "modbus.request_frame", "frame.time_epoch")
    assert [each[1:3] for each in found] == [[str(unit), str(request[0])] for unit, request, reply in RECORDED
                                             for _ in range(1 + bool(reply))]
    assert [each[3] for each in found] == ["", "1", "", "", "", "", "6", "", "", "", "10", "", "12"]  # no exceptions, no echoes
    assert float(found[1][4]) == pytest.approx(1000.005)


@needs_tshark
def test_wireshark_pairs_everything_as_modbus_tcp(recording, tmp_path):
    path = tmp_path / "tcp.pcap"
    assert sniffed(recording, "-q", "--pcap", str(path), "--pcap-as", "tcp").returncode == 0
    found = tshark(path, "mbtcp.unit_id", "modbus.func_code", "modbus.request_frame", "modbus.response_time",
                   "mbtcp.trans_id")
    assert len(found) == 13
    frame = 0
    for unit, request, reply in RECORDED:
        frame += 1
        assert found[frame - 1][:3] == [str(unit), str(request[0]), ""]
        if reply:
            is_refused = reply == "8302"  # Wireshark pairs these by their transaction id only
            assert found[frame][:3] == [str(unit), str(request[0]), "" if is_refused else str(frame)]
            assert is_refused or float(found[frame][3]) == pytest.approx(0.005)
            assert found[frame][4] == found[frame - 1][4]
            frame += 1
    checked = subprocess.run(["tshark", "-r", str(path), "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
                              "-Y", "tcp.checksum.status != 1 || ip.checksum.status != 1 || tcp.analysis.flags"],
                             capture_output=True, text=True, timeout=60 * SLOWNESS)
    assert checked.returncode == 0 and checked.stdout == ""


def test_a_capture_streams_live(cable):
    sniff = subprocess.Popen([*SOFTSPLIT, "sniff", f"rtu://{cable.tap.path}", "--pcap", "-"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    with sniff, RtuMaster(cable.right) as master:
        assert sniff.stdout.read(24)[20:] == (252).to_bytes(4, "little")
        until(lambda: listens(cable.tap), timeout=10)
        for _ in range(2):
            assert master.ask(2, POWERS)
            assert sniff.stdout.read(16 + 56 + 8).endswith(adu.rtu_frame(2, POWERS))
            assert sniff.stdout.read(16 + 56 + 17)[-17:-14] == b"\x02\x03\x0c"
        sniff.send_signal(signal.SIGINT)
        assert sniff.wait(10 * SLOWNESS) == 0


def test_long_output_is_rotated(recording, tmp_path):
    path, older = tmp_path / "lines", tmp_path / "lines.1"
    assert sniffed(recording, "--json", "--output", str(path), "--max-size", "0.001").returncode == 0
    assert 500 < older.stat().st_size <= 1000
    assert sniffed(recording, "--json").stdout == older.read_text() + path.read_text()


def test_files_are_begun_anew_and_have_their_head(tmp_path):
    path = str(tmp_path / "out")
    file = OutputFile(path, 100, b"head\n")
    for number in range(40):
        file.write(b"%014d\n" % number)
    file.close()
    kept = [(tmp_path / name).read_bytes() for name in ("out.3", "out.2", "out.1", "out")]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out", "out.1", "out.2", "out.3"]
    assert all(each.startswith(b"head\n") and len(each) <= 100 for each in kept)
    numbers = [int(line) for each in kept for line in each.split(b"\n")[1:-1]]
    assert numbers == list(range(numbers[0], 40))


def test_a_device_without_control_lines_cannot_tell_roles(cable):
    done = sniffed(str(cable.tap.path), "--mode", "rts")
    assert done.returncode == 1 and "neither CTS nor DSR" in done.stderr


@contextmanager
def chattering(tap, speed: int):
    """A bus that is heard well only by who listens at this speed."""
    stopping = threading.Event()

    def chatter() -> None:
        while not stopping.wait(0.02):
            is_right = termios.tcgetattr(tap.fd)[5] == speed
            data = REQUEST + REPLY
            tap.hear(data if is_right else bytes(byte ^ 0x55 for byte in data))

    thread = threading.Thread(target=chatter)
    thread.start()
    yield
    stopping.set()
    thread.join()


def test_the_baud_rate_is_detected_and_the_choice_explained(cable):
    told = []
    with chattering(cable.tap, termios.B38400):
        line = detect(parse_url(f"rtu://{cable.tap.path}", ("rtu",)), told.append, patience=0.1)
    assert line.baudrate == 38400
    assert "9600 8E1    0 good frames" in told[0] and told[-1].startswith("detected 38400 8E1: ")


def test_what_is_detected_is_listened_to(cable):
    with chattering(cable.tap, termios.B9600):
        with sniffing(str(cable.tap.path), "--detect", "--json") as sniff:
            assert until(lambda: objects(sniff.text()), timeout=10)[0]["kind"] == "ok"
            assert re.search("^softsplit: detected 9600 8E1: [4-9]|[1-9][0-9]+ good frames", sniff.log())


def test_detection_is_ended_at_once(cable):
    with sniffing(str(cable.tap.path), "--detect", tap=cable.tap) as sniff:
        begin = time.monotonic()
        assert sniff.end() == 130
        assert time.monotonic() - begin < SLOWNESS


def test_a_silent_line_is_not_guessed_at(cable):
    with pytest.raises(SoftsplitError, match="nothing was heard"):
        detect(parse_url(f"rtu://{cable.tap.path}", ("rtu",)), lambda text: None, silence=0.01)
