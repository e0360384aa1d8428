"""What `sniff` says of bytes that are no frames, of echoes, and of requests that are rare."""

import json

import pytest
from click.testing import CliRunner

from softsplit.cli import main
from softsplit.commands.sniff.capturefile import EXACT, Recording
from softsplit.decoder.decoder import Decoder, Kind
from softsplit.protocol.adu import rtu_frame


@pytest.fixture
def sniffed(tmp_path, capfd):
    """Gives what sniff prints of bytes at these times, or of a text."""
    def run(*heard: tuple[float | None, bytes], text: str = "", options=()) -> str:
        path = tmp_path / "line.txt"
        path.write_text(text or "".join(f"{'' if time is None else f'{time:.6f} '}{data.hex(' ')}\n" for time, data in heard))
        ran = CliRunner().invoke(main, ["sniff", str(path), *options])
        assert ran.exit_code == 0, ran.output
        return capfd.readouterr().out + ran.stdout  # lines are written to the descriptor

    return run


READ = rtu_frame(1, bytes.fromhex("0304b20001"))
REPLY = rtu_frame(1, bytes.fromhex("030200d7"))


def test_an_echo_right_behind_the_request_is_neither_a_retry_nor_a_failure(sniffed):
    text = sniffed((1.0, READ), (1.006, READ), (1.03, REPLY), (2.0, READ), (2.006, READ[3:]), (2.03, REPLY))
    row = next(line for line in text.splitlines() if line.startswith("  1 "))
    assert row.split()[:7] == ["1", "2", "2", "0", "0", "0", "0"]
    assert "2 requests came twice: the adapter hears itself" in text and "second master" not in text


def test_a_request_that_a_master_repeats_is_a_retry(sniffed):
    kinds = [json.loads(line)["kind"] for line in sniffed((1.0, READ), (1.5, READ), (1.53, REPLY), options=["--json"]).splitlines()[:2]]
    assert kinds == ["no_reply", "ok"]


def test_a_write_and_its_reply_which_is_the_same_are_no_echo():
    write = rtu_frame(1, bytes.fromhex("0600010002"))
    decoder = Decoder(0.0005)
    found = decoder.feed(write, 1.0) + decoder.feed(write, 1.006) + decoder.finish()
    assert [each.kind for each in found] == [Kind.OK]


def test_reads_of_unit_0_are_requests_to_which_nobody_answers(sniffed):
    ask = rtu_frame(0, bytes.fromhex("041000000e"))
    text = sniffed((47.0, ask), (47.3, ask), (48.0, ask))
    assert text.count("unit   0  read input registers 0x1000+14      no reply") == 3 and "of no frame" not in text


def test_a_write_to_unit_0_is_a_broadcast(sniffed):
    assert "broadcast" in sniffed((1.0, rtu_frame(0, bytes.fromhex("0600010002"))))


@pytest.mark.parametrize("counted, data", [(7, "01024200110103"), (2, "0102000102"), (5, "0102ff")])
def test_a_server_id_is_a_reply_whatever_its_byte_count_says(sniffed, counted, data):
    reply = rtu_frame(16, bytes((17, counted)) + bytes.fromhex(data))
    text = sniffed((1.0, rtu_frame(16, b"\x11")), (1.04, reply), (2.0, READ), (2.03, REPLY))
    assert "unit  16  report server id\n" in text and "damaged:" not in text


def test_what_is_written_by_a_request_that_reads_too_is_shown(sniffed):
    heard = ((1.0, rtu_frame(1, bytes.fromhex("17 0003 0002 000e 0002 04 00ff 0100"))), (1.05, rtu_frame(1, bytes.fromhex("1704 00fe 0acd"))))
    assert "254 2765: wrote 0x000E: 255 256" in sniffed(*heard)
    said = json.loads(sniffed(*heard, options=["--json"]).splitlines()[0])
    assert (said["address"], said["values"], said["written"]) == (3, [254, 2765], {"address": 14, "values": [255, 256]})
    assert sniffed(*heard, options=["--csv"]).splitlines()[1].endswith(",0x000E: 255 256")



def ascii_frame(pdu: str) -> bytes:
    frame = bytes.fromhex(pdu)
    return b":" + (frame + bytes((-sum(frame) & 0xFF,))).hex().upper().encode() + b"\r\n"


def test_modbus_ascii_is_told_as_such_also_with_parity_in_the_eighth_bit(sniffed):
    frames = [ascii_frame("010300000001"), ascii_frame("01030200D7"), bytes(byte | 0x80 for byte in ascii_frame("010300000001"))]
    text = sniffed(*((1 + number / 10, frame) for number, frame in enumerate(frames)))
    assert "3 frames of Modbus ASCII, the first of unit 1, read holding registers: set the devices to RTU" in text


def test_a_crc_whose_bytes_are_swapped_is_told_as_such(sniffed):
    swapped = [frame[:-2] + frame[:-3:-1] for frame in (READ, REPLY, READ, REPLY)]
    text = sniffed(*((1 + number / 10, frame) for number, frame in enumerate(swapped)))
    assert "4 frames whose CRC has its two bytes swapped, the first of unit 1, read holding registers" in text


WRITE, WRITTEN = rtu_frame(1, bytes.fromhex("1016200001020000")), rtu_frame(1, bytes.fromhex("1016200001"))
FOREIGN = bytes.fromhex("55aaeb900205") + bytes((7 * each & 0xFF for each in range(294)))


@pytest.mark.parametrize("times", [(None,) * 6, (1.0, 1.15, 1.2, 2.0, 2.15, 2.2)])
def test_another_protocol_between_a_request_and_its_reply_is_no_second_master(sniffed, times):
    text = sniffed(*zip(times, (WRITE, FOREIGN, WRITTEN) * 2))
    assert "bytes of another protocol are on this line" in text and "second master" not in text


def test_two_masters_are_still_told(sniffed):
    other = rtu_frame(2, bytes.fromhex("0304b20001"))
    heard, time = [], 1.0
    for _ in range(6):
        heard += [(time, READ), (time + 0.05, REPLY), (time + 0.2, READ), (time + 0.21, other)]
        time += 1
    assert "a second master is suspected" in sniffed(*heard)


@pytest.mark.parametrize("lines", [
    "01 03 04 b2 00 01 25 1d\n01 03 02 00 d7 f8 1a\n", "# a dump\n010304b20001251d\n01030200d7f81a\n", "01 03 04 b2 00 01\n25 1d 01 03 02 00 d7 f8 1a\n"])
def test_a_hex_dump_without_times_is_read_as_that(sniffed, lines):
    text = sniffed(text=lines)
    assert "a hex dump without times" in text and "unit   1  read holding registers 0x04B2+1     215" in text


def test_whole_seconds_are_times(sniffed):
    text = sniffed(text=f"10 {READ.hex(' ')}\n11 {REPLY.hex(' ')}\n")
    assert "hex dump" not in text and "10.000  1000.0 ms" in text


def test_times_are_exact_where_somebody_says_so(tmp_path):

    path = tmp_path / "line.txt"
    path.write_text(f"10.0 {READ.hex(' ')}\n")
    assert Recording(str(path)).jitter > Recording(str(path), is_exact=True).jitter == EXACT
    ran = CliRunner().invoke(main, ["sniff", "/dev/null", "--exact"])
    assert ran.exit_code == 2 and "--exact needs a recording" in ran.stderr
