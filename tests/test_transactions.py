"""What becomes of each kind of transaction: its line, its packets, its place in the statistics."""

import json

import click
import pytest

from softsplit.commands.sniff.format import Selection, as_csv, as_json, draw
from softsplit.commands.sniff.pcap import RtuCapture, TcpCapture
from softsplit.commands.sniff.statistics import MOST_POLLS, POLLS_SHOWN, Statistics
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.protocol import adu
from tests.support import read_request

ASKED = adu.rtu_frame(2, read_request(0x10, 2))
REPLY = adu.rtu_frame(2, bytes.fromhex("03040102ffff"))
REFUSAL = adu.rtu_frame(2, bytes.fromhex("8302"))
BROADCAST = adu.rtu_frame(0, bytes.fromhex("0600100007"))
OK = Transaction(Kind.OK, 10.0, ASKED, REPLY, 0.01)
EACH = {
    Kind.OK: OK,
    Kind.EXCEPTION: Transaction(Kind.EXCEPTION, 11.0, ASKED, REFUSAL, 0.02),
    Kind.NO_REPLY: Transaction(Kind.NO_REPLY, 12.0, ASKED),
    Kind.LATE: Transaction(Kind.LATE, 12.0, ASKED, REPLY, 1.5),
    Kind.SUSPECT: Transaction(Kind.SUSPECT, 14.0, ASKED, REPLY, 0.3, retry=True),
    Kind.ORPHAN: Transaction(Kind.ORPHAN, 15.0, None, REPLY),
    Kind.BROADCAST: Transaction(Kind.BROADCAST, 16.0, BROADCAST),
    Kind.DAMAGED: Transaction(Kind.DAMAGED, 17.0, ASKED, REPLY[:-3], 0.03, damage="reply: 6 of 9 bytes"),
}


@pytest.mark.parametrize("kind, ending", [
    (Kind.OK, "unit   2  read holding registers 0x0010+2     258 65535"), (Kind.EXCEPTION, "illegal data address)"),
    (Kind.NO_REPLY, "  no reply"), (Kind.LATE, "  late: 258 65535"), (Kind.SUSPECT, "  suspect: retry: 258 65535"),
    (Kind.ORPHAN, "unit   2  read holding registers              orphan: 258 65535"),
    (Kind.BROADCAST, "unit   0  write register 0x0010               broadcast: 7"),
    (Kind.DAMAGED, "  damaged: reply: 6 of 9 bytes"),
])
def test_a_line_says_what_came_of_it(kind, ending):
    assert click.unstyle(draw(EACH[kind])).endswith(f"{ending}\n")


def test_noise_is_a_line_too_and_an_object_and_a_row():
    noise = Transaction(Kind.DAMAGED, 1.0, None, b"\0", damage="1 stray byte")
    assert click.unstyle(draw(noise, raw=True)).splitlines()[1] == "    < 00"
    assert json.loads(as_json(noise)).items() >= {"kind": "damaged", "unit": None, "values": None, "request": None,
                                                  "reply": "00", "damage": "1 stray byte"}.items()
    assert as_csv(noise) == "1.0,damaged,,,,,,,,False,1 stray byte,,00,\n"
    assert Selection(errors=True).takes(noise) and not Selection(frozenset([2])).takes(noise)


def test_errors_are_all_that_is_neither_answered_nor_a_broadcast():
    assert [kind for kind, each in EACH.items() if not Selection(errors=True).takes(each)] == [Kind.OK, Kind.BROADCAST]


def packets(capture, *transactions: Transaction) -> list[bytes]:
    """What a capture holds, without the headers of its packets."""
    data, found = b"".join(map(capture.packets, transactions)), []
    while data:
        length = int.from_bytes(data[8:12], "little")
        found.append(data[16:16 + length])
        data = data[16 + length:]
    return found


def test_a_capture_of_the_line_has_what_is_damaged_and_each_request_once():
    found = packets(RtuCapture(), *EACH.values())
    assert [each[56:] for each in found] == [ASKED, REPLY, ASKED, REFUSAL, ASKED, REPLY, ASKED, REPLY, REPLY, BROADCAST,
                                             ASKED, REPLY[:-3]]


def test_a_capture_as_modbus_tcp_has_good_frames_and_a_late_reply_under_the_number_of_its_request():
    found = packets(TcpCapture(), *EACH.values())
    assert [each[47:] for each in found] == [frame[1:-2] for frame in (
        ASKED, REPLY, ASKED, REFUSAL, ASKED, REPLY, ASKED, REPLY, REPLY, BROADCAST, ASKED)]
    assert [int.from_bytes(each[40:42]) for each in found] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7]


def test_statistics_count_a_late_reply_but_not_its_request_again():
    statistics = Statistics(0.001)
    for each in EACH.values():
        statistics.count(each)
    row = next(line for line in click.unstyle(statistics.draw()).splitlines() if line.startswith("  2 "))
    assert row.split()[:8] == ["2", "5", "5", "0x02:", "1", "1", "1", "1"]
    assert "1 late, 1 suspect, 1 orphan" in statistics.draw()


def test_statistics_stay_small_whatever_is_asked():
    statistics = Statistics(0.001)
    for number in range(3 * MOST_POLLS):
        request = adu.rtu_frame(number % 256, read_request(number, 1))
        statistics.count(Transaction(Kind.NO_REPLY, float(number), request))
    shown = statistics.draw()
    assert len(shown.splitlines()) < 256 + POLLS_SHOWN + 10 and f"and {MOST_POLLS - POLLS_SHOWN} others or more" in shown


def test_the_load_is_the_share_of_time_in_which_a_byte_is_on_the_line():
    statistics = Statistics(0.001)
    statistics.hear(1000.0, 0)
    statistics.hear(1010.0, 2500)
    assert statistics.load == pytest.approx(0.25) and "2500 bytes in 10 s  line busy 25.0 %" in statistics.draw("")
