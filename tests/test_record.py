"""Recording what units answer, and playing it back."""

import json
import os
import re
import signal
import subprocess
import time
from itertools import groupby

import pytest

from softsplit import Downstream, Unit, Upstream
from softsplit.commands.record import recorder
from softsplit.commands.record.record import upstream_of
from softsplit.commands.record.recorder import Recorder
from softsplit.commands.record.recording import House, parse_answer, read_house, show_answer
from softsplit.commands.shared.options import parse_place
from softsplit.commands.shared.quantities import parse_duration, parse_size, show_size
from softsplit.commands.simulate.faults import Fault, Faults
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.simulate.replay import Playback, RecordedUnit
from softsplit.config.line import Line
from softsplit.errors import ConfigError, SoftsplitError
from softsplit.profiles import load_profile
from softsplit.protocol import adu
from softsplit.protocol.addresses import LongUnit
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.outcome import Outcome
from tests.support import (SLOWNESS, SOFTSPLIT, Child, Clock, ScriptedGateway, TcpMaster, brisk_profile, bus,
                           connected, free_port, good_answer, read_request, run_program, running,
                           simulated_gateway, splitting, until)
from tests.support import upstream_of as upstream_at
from tests.support.outcomes import outcome

HOLDING, COILS = Table.HOLDING_REGISTERS, Table.COILS
POWERS, ENERGIES = Block(HOLDING, 0x5B00, 4), Block(HOLDING, 0x5000, 2)
PROFILE = """
block = [{ address = 0x5B00, count = 4, every = 0.02 }, { address = 0x5000, count = 2, every = 0.02 },
         { table = "coils", address = 1, count = 3, every = 0.02 }]
"""


@pytest.fixture
def pump(tmp_path) -> str:
    """The path of a profile that reads often."""
    path = tmp_path / "pump.toml"
    path.write_text(PROFILE)
    return str(path)


def call(*arguments, **options) -> subprocess.CompletedProcess:
    return run_program([*SOFTSPLIT, *map(str, arguments)], capture_output=True, text=True, timeout=30 * SLOWNESS, **options)


def device(transaction: int, unit: int, pdu: bytes) -> bytes:
    return adu.tcp_frame(transaction, unit, bus.good_answer(unit, pdu))


def recording(url, path, *options: str, **more) -> Child:
    """A `softsplit record` that runs until it is ended."""
    return Child([*SOFTSPLIT, "record", str(url), "-o", str(path), *options], **more)


def is_recorded(path, count: int = 1) -> bool:
    """Whether so many answers are on file."""
    return path.exists() and path.read_text().count("\n") > count


def blocks_in(path) -> set[Block]:
    """The blocks of which an answer is on file."""
    return {answer.block for answer in read_house(str(path)).answers} if is_recorded(path) else set()


def served_at(child: Child) -> str:
    return until(lambda: re.search(r"serving .* on (\S+)", child.log()))[1]


# The whole way: what a master gets of a splitter, and of a splitter at the recording.

def collect(splitter, seen: dict) -> None:
    """Note every value that a master of this splitter gets, by unit and address."""
    with TcpMaster(splitter.servers[0].url.port) as master:
        for unit in (100, 2):
            for address, count in ((0x5B00, 4), (0x5000, 4)):
                if data := master.read(unit, address, count):
                    seen.setdefault((unit, address), []).append(data)


def changes(values: list) -> list:
    return [value for value, _ in groupby(values)]


def are_in_order(some: list, among: list) -> bool:
    """Whether these values are among those, in the same order."""
    rest = iter(among)
    return all(value in rest for value in some)


def test_a_session_played_back_serves_the_same_values(tmp_path):
    path, profile, original, again = tmp_path / "house.jsonl", brisk_profile(0.1), {}, {}

    def reply(transaction: int, unit: int, pdu: bytes) -> bytes:
        """Count how often a block was read, and answer that."""
        values = original.setdefault((unit, int.from_bytes(pdu[1:3], "big")), [])
        values.append(len(values).to_bytes(2, "big") * 4)
        return good_answer(transaction, unit, pdu, len(values) - 1)

    def recorded() -> dict[tuple[int, int], list[bytes]]:
        found = {}
        for answer in read_house(path).answers:
            if answer.data and answer.block.address in (0x5B00, 0x5000):
                found.setdefault((answer.unit, answer.block.address), []).append(answer.data[:8])
        return found

    with ScriptedGateway(reply) as gateway, \
            splitting(Downstream("tcp://127.0.0.1:0", [upstream_at(gateway, profile)])) as splitter:
        until(lambda: collect(splitter, again) or len(again) == 4)
        with recording(splitter.servers[0].url, path, "-u", "100", "-u", "2", "-p", "abb-b23", "--every", "0.03") as child:
            until(lambda: is_recorded(path, 40) and min(map(len, map(changes, recorded().values()))) > 5)
            assert child.end() == 0
    again.clear()
    with Child([*SOFTSPLIT, "simulate", str(path), "tcp://127.0.0.1:0"]) as child:
        meters = Upstream(served_at(child), [Unit(unit, brisk_profile(0.02)) for unit in (100, 2)])
        with splitting(Downstream("tcp://127.0.0.1:0", [meters])) as splitter:
            until(lambda: collect(splitter, again) or len(again) == 4 and all(
                len(changes(again[unit, 0x5B00])) > 5 for unit in (100, 2)), timeout=10)
    for place, values in again.items():
        assert are_in_order(changes(recorded()[place]), original[place]), place
        assert are_in_order(changes(values), 2 * recorded()[place]), place


def test_it_is_played_faster_and_again_and_again(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("softsplit.clock.now", clock)
    house = House("house.jsonl", [outcome(1, POWERS, at, bytes(8)) for at in (5.0, 8.0, 14.0)], 0)
    playback = Playback(house, speed=10)
    times = []
    for _ in range(5):
        times.append(playback.now())
        clock.now += 0.3
    assert times == pytest.approx([5, 8, 11, 14, 7]) and playback.duration == 10


# What a recorded unit answers.

def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(2, "big") for number in numbers)


class Played:
    """A recorded unit, and the time in its recording."""

    def __init__(self, *answers: Outcome):
        self.unit = RecordedUnit(7, answers, lambda: self.now, Faults())
        self.now = 0.0

    def at(self, now: float, address: int, count: int, function: int = 3) -> str:
        self.now = now
        return self.unit.handle_request(read_request(address, count, function)).hex()


def test_what_was_said_latest_is_said_again():
    played = Played(outcome(7, POWERS, 1, words(1, 2, 3, 4)), outcome(7, POWERS, 2, words(5, 6, 7, 8)))
    assert [played.at(now, 0x5B00, 2) for now in (0, 1, 1.9, 2, 99)] == 3 * ["030400010002"] + 2 * ["030400050006"]
    assert played.at(2, 0x5B01, 2) == "030400060007"


def test_a_recorded_silence_is_a_silence_and_an_exception_is_that_exception():
    played = Played(outcome(7, POWERS, 0, bytes(8)), outcome(7, ENERGIES, 0, bytes(4)), outcome(7, POWERS, 1),
                    outcome(7, POWERS, 2, exception=4), outcome(7, POWERS, 3, bytes(8)))
    assert [played.at(now, 0x5B00, 1) for now in (0, 1, 2, 3)] == ["03020000", "", "8304", "03020000"]
    assert [played.at(now, 0x5000, 1) for now in (0, 1, 2, 3)] == 4 * ["03020000"]


@pytest.mark.parametrize("address, count, function, answer", [
    (0x5B04, 1, 3, "8302"), (0x5AFF, 2, 3, "8302"), (0x5B00, 5, 3, "8302"), (0x5B00, 1, 4, "8402"), (1, 1, 1, "8102"),
    (0xFFFF, 2, 3, "8302"), (0x5B00, 0, 3, "8303"), (0x5B00, 1, 6, "8601")])
def test_what_was_never_recorded_is_refused(address, count, function, answer):
    played = Played(outcome(7, POWERS, 0, bytes(8)), outcome(7, Block(HOLDING, 0x5B05, 2), 0, bytes(4)))
    assert played.at(0, address, count, function) == answer


@pytest.mark.parametrize("vain, said", [({}, ""), ({"exception": 0x0B}, "830b")])
def test_a_mute_unit_says_nothing_old_before_it_was_read_again(vain, said):
    played = Played(outcome(7, POWERS, 0, bytes(8)), outcome(7, ENERGIES, 0, bytes(4)), outcome(7, POWERS, 1, **vain),
                    outcome(7, POWERS, 2, **vain), outcome(7, POWERS, 9, bytes(8)), outcome(7, ENERGIES, 10, bytes(4)))
    assert [played.at(now, 0x5000, 1) for now in (0, 1, 2, 9, 10)] == ["03020000", "03020000", said, said, "03020000"]
    assert [played.at(now, 0x5B00, 1) for now in (0, 1, 2, 9)] == ["03020000", said, said, "03020000"]


def test_a_unit_that_was_mute_at_first_is_mute_at_first():
    played = Played(outcome(7, POWERS, 0), outcome(7, POWERS, 1),
                    outcome(7, ENERGIES, 9, bytes(4)))
    assert [played.at(now, 0x5000, 1) for now in (0, 1, 9)] == ["", "", "03020000"]


def test_what_a_unit_says_of_a_block_alone_is_not_cut_out_of_a_longer_one(tmp_path):
    profile, path = tmp_path / "pump.toml", tmp_path / "house.jsonl"
    profile.write_text("alone = [{ address = 0x5B01, count = 1 }]\n" + PROFILE)

    def meter(transaction: int, unit: int, pdu: bytes) -> bytes:
        is_alone = pdu == read_request(0x5B01, 1)
        return adu.tcp_frame(transaction, unit, bytes.fromhex("0302ABCD")) if is_alone else device(transaction, unit, pdu)

    with ScriptedGateway(meter) as gateway:
        with recording(gateway.url, path, "-u", f"7={profile}") as child:
            until(lambda: len(blocks_in(path)) == 4)
            assert child.end() == 0
    played = Played(*read_house(str(path)).answers)
    assert played.at(1, 0x5B01, 1) == "0302abcd"
    for address, count in ((0x5B00, 4), (0x5B01, 2), (0x5B00, 1)):
        assert played.at(1, address, count) == bus.good_answer(7, read_request(address, count)).hex()


def test_bits_and_registers_at_byte_addresses_are_played_too():
    coils = outcome(7, Block(COILS, 1, 10), 0, b"\x05\x02")
    pairs = outcome(7, Block(HOLDING, 0x10, 3, 2), 0, words(1, 2, 3))
    assert Played(coils).at(0, 3, 8, function=1) == "010181"
    assert Played(coils, pairs).at(0, 0x12, 2) == "030400020003" and Played(coils, pairs).at(0, 0x13, 1) == "8302"


# The file.

def said(answer: Outcome) -> tuple:
    return answer.unit, answer.block, answer.asked_at, answer.answer, answer.exception, str(answer.error)


ANSWERS = [outcome(7, POWERS, 0.5, words(1, 2, 3, 0xFFFF)), outcome(LongUnit(0x12D687), ENERGIES, 1.0, bytes(4)),
           outcome(7, Block(COILS, 1, 10), 1.5, b"\x05\x02"), outcome(7, Block(HOLDING, 0x10, 3, 2), 2.0, bytes(6)),
           outcome(7, POWERS, 2.5, exception=2), outcome(7, POWERS, 3.0)]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: show_answer(answer)[-30:-1])
def test_an_answer_comes_back_from_its_line(answer):
    assert said(parse_answer(show_answer(answer))) == said(answer)


GOOD = json.loads(show_answer(ANSWERS[0]))


@pytest.mark.parametrize("line", ["", "x", "7", "[]", "{}", "null", '{"time":', "[" * 90000, "\ufffd\ufffd", "9" * 5000])
def test_a_damaged_line_is_no_answer(line):
    with pytest.raises(ValueError):
        parse_answer(line)


@pytest.mark.parametrize("wrong", [
    {"time": None}, {"time": -1}, {"time": float("nan")}, {"time": 10 ** 400}, {"unit": 256}, {"unit": [7]}, {"table": "coil"},
    {"address": 7}, {"address": "0x10000"}, {"address": "x"}, {"count": 0}, {"count": 3}, {"count": 4.0}, {"count": True},
    {"count": 126, "words": 126 * "0000"}, {"step": 3}, {"words": "0001"}, {"words": "x"}, {"words": None}, {"words": 7},
    {"exception": 2}, {"table": "coils"}, {"table": "coils", "words": "00"}])
def test_a_wrong_line_is_no_answer(wrong):
    with pytest.raises(ValueError):
        parse_answer(json.dumps(GOOD | wrong))


@pytest.mark.parametrize("kept", [
    {}, {"exception": 0}, {"exception": 256}, {"exception": -1}, {"exception": None}, {"bits": "0101"},
    {"bits": "0121", "table": "coils"}, {"bits": "01", "table": "coils"}, {"bits": 5, "table": "coils"}])
def test_a_damaged_content_is_no_answer(kept):
    with pytest.raises(ValueError):
        parse_answer(json.dumps({key: value for key, value in GOOD.items() if key != "words"} | kept))


HEAD = json.dumps({"softsplit": "0.1.0", "format": 1, "begun": "now"}) + "\n"


def test_damaged_lines_are_skipped_and_counted(tmp_path):
    path = tmp_path / "house.jsonl"
    good = list(map(show_answer, ANSWERS))
    lines = [HEAD, *good[:3], "\x00\xff{\n", good[3][:20] + "\n", *good[4:], '{"tim']
    path.write_text("".join(lines), encoding="latin-1")
    house = read_house(str(path))
    assert [*map(said, house.answers)] == [*map(said, ANSWERS[:3] + ANSWERS[4:])] and house.damaged == 3 and house.units == [7, 0x12D687]
    path.write_text("".join(lines[1:2]))
    assert [*map(said, read_house(str(path)).answers)] == [said(ANSWERS[0])], "a head that is lost is no great loss"


def test_the_older_parts_of_the_same_recording_belong_to_it(tmp_path):
    path = tmp_path / "house.jsonl"
    heads = {".3": HEAD.replace("now", "earlier"), ".2": HEAD, ".1": HEAD, "": HEAD}
    for (end, head), answer in zip(heads.items(), ANSWERS):
        (tmp_path / f"house.jsonl{end}").write_text(head + show_answer(answer))
    assert [*map(said, read_house(str(path)).answers)] == [*map(said, ANSWERS[1:4])]


@pytest.mark.parametrize("text, message", [
    ("", "has no answer of any unit; make a recording with"), ("# a profile\n", "has no answer"), (HEAD, "has no answer"),
    (HEAD.replace(": 1,", ": 2,").replace("0.1.0", "9.9") + show_answer(ANSWERS[0]), "was written by softsplit 9.9, which has"),
    (None, "cannot read .*: No such file or directory")])
def test_what_is_no_recording_says_so(tmp_path, text, message):
    path = tmp_path / "house.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SoftsplitError, match=message):
        read_house(str(path))


# The command.

def test_ctrl_c_ends_it_with_a_summary(tmp_path, pump):
    path = tmp_path / "house.jsonl"
    for how in (signal.SIGINT, signal.SIGTERM):
        path.unlink(missing_ok=True)
        with ScriptedGateway(device) as gateway:
            with recording(gateway.url, path, "-u", "7", "-u", f"8={pump}", "-p", pump) as child:
                until(lambda: is_recorded(path, 20))
                assert child.end(how) == 0
        head, *lines = path.read_text().splitlines(keepends=True)
        assert json.loads(head)["units"] == {"7": pump, "8": pump} and json.loads(head)["url"] == str(gateway.url)
        assert {parse_answer(line).unit for line in lines} == {7, 8}
        summary = rf"softsplit: recorded {len(lines)} answers, 0 exceptions, 0 silences in \d+ s, [\d.]+ kB\n"
        assert re.fullmatch(summary, child.log())


def test_it_ends_by_itself_and_tells_exceptions_from_silences(tmp_path):
    path = tmp_path / "house.jsonl"
    profile = brisk_profile()
    faults = Faults([Fault("exception", 4, unit=2), Fault("silent", unit=3)])
    with simulated_gateway(profile, (1, 2, 3), faults=faults) as gateway:
        done = call("record", gateway.url, "-u", 1, "-u", 2, "-u", 3, "-p", "abb-b23", "-o", path, "--for", "1.5s",
                    "--timeout", "0.2")
    assert done.returncode == 0 and done.stdout == "" and "exceptions, " in done.stderr
    house = read_house(str(path))
    kinds = {unit: {(bool(answer.data), answer.exception, answer.exception or str(answer.error)) for answer in house.answers if answer.unit == unit}
             for unit in house.units}
    assert (True, None, "None") in kinds[1] and kinds[2] == {(False, 4, 4)}
    assert kinds[3] == {(False, None, "unit 3 does not answer")}
    assert all(answer.asked_at < 1.5 for answer in house.answers) and house.answers[-1].asked_at > 0.5


def test_an_outage_is_recorded_as_silence_and_survived(tmp_path, pump):
    path = tmp_path / "house.jsonl"
    with ScriptedGateway(device) as gateway, recording(gateway.url, path, "-u", f"7={pump}") as child:
        until(lambda: is_recorded(path, 9))
        gateway.close()
        until(lambda: "cannot reach" in path.read_text())
        gateway.listen()
        until(lambda: '"words"' in path.read_text().splitlines()[-1], timeout=10)
        assert child.end() == 0
    assert "cannot reach" in {str(answer.error)[:12] for answer in read_house(str(path)).answers}


def test_while_the_recorder_stood_still_nothing_is_known(monkeypatch, pump):
    monkeypatch.setattr(recorder, "STOOD_STILL", 0.3)
    with ScriptedGateway(device) as gateway:
        recording_it = Recorder(upstream_of(gateway.url, [f"7={pump}"], None, None, 0.1, Line()), print)
        answers = recording_it.answers()
        before = [next(answers) for _ in range(3)]
        suspended_until = time.monotonic() + 0.7
        until(lambda: time.monotonic() > suspended_until)
        gap, after = [next(answers) for _ in range(3)], next(answers)
        recording_it.close()
    assert all(answer.data for answer in (*before, after))
    assert {answer.block for answer in gap} == {answer.block for answer in before}
    assert {str(answer.error) for answer in gap} == {"nobody recorded"} and before[-1].asked_at <= gap[0].asked_at < after.asked_at - 0.6


def test_a_recording_never_becomes_larger_than_wanted(tmp_path, pump):
    path = tmp_path / "house.jsonl"
    with ScriptedGateway(device) as gateway, recording(gateway.url, path, "-u", f"7={pump}", "--size", "10k") as child:
        until(lambda: (tmp_path / "house.jsonl.3").exists(), timeout=20)
        third = (tmp_path / "house.jsonl.3").read_text()
        until(lambda: (tmp_path / "house.jsonl.3").read_text() != third, timeout=20)
        assert child.end() == 0
    parts = [tmp_path / f"house.jsonl{end}" for end in (".3", ".2", ".1", "")]
    assert sorted(tmp_path.glob("house*")) == sorted(parts) and sum(part.stat().st_size for part in parts) <= 10_000
    house = read_house(str(path))
    assert len(house.answers) == sum(part.read_text().count("\n") - 1 for part in parts) and not house.damaged
    assert house.answers[0].asked_at > 0.1 and {answer.block.address for answer in house.answers} == {0x5B00, 0x5000, 1}
    with Child([*SOFTSPLIT, "simulate", str(path), "tcp://127.0.0.1:0", "--speed", "10"]) as child:
        with TcpMaster(int(served_at(child).rpartition(":")[2])) as master:
            for request in (read_request(0x5B00, 4), read_request(0x5001, 1), read_request(2, 2, 1)):
                assert master.ask(7, request) == bus.good_answer(7, request)
    assert re.search(rf"{path}: \d+ answers of 1 unit in \d+ s are played in a loop, 10 times as fast; 0 damaged "
                     "lines skipped", child.log())


def test_an_earlier_recording_is_not_lost(tmp_path):
    for name in ("house.jsonl", "house.jsonl.2"):
        (tmp_path / name).write_text("precious")
        done = call("record", "127.0.0.1:1", *METER, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (
            1, f"softsplit: {name} already exists; remove it, or choose another file\n")
        (tmp_path / name).unlink()


def test_nothing_is_written_when_nobody_is_there(tmp_path):
    done = call("record", "127.0.0.1:1", *METER, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "softsplit: cannot reach tcp://127.0.0.1:1: Connection refused; is it on, at this "
                                              "address and port?\n")
    assert not os.listdir(tmp_path)


def test_without_any_answer_the_unit_ids_are_asked_for(tmp_path):
    with simulated_gateway(brisk_profile(), (1,), faults=Faults([Fault("exception", 4, unit=1)])) as gateway:
        done = call("record", gateway.url, "-u", 1, "-p", "abb-b23", "--for", "0.3s", cwd=tmp_path)
    told = f'softsplit: no unit has answered; are the unit ids (-u) right? "softsplit scan {gateway.url}" finds them'
    assert done.returncode == 0 and done.stderr.splitlines()[-1] == told


def test_progress_is_shown_on_a_terminal(tmp_path, pump):
    ours, theirs = os.openpty()
    with ScriptedGateway(device) as gateway, \
            recording(gateway.url, tmp_path / "house.jsonl", "-u", f"7={pump}", stderr=theirs) as child:
        shown = b""
        while shown.count(b"answers") < 2:
            shown += os.read(ours, 4096)
        assert child.end() == 0
        shown += os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)
    assert re.match(rb"\r\x1b\[K\d+ answers?, 0 exceptions, 0 silences in 0 s, \d+ bytes\r\x1b\[K\d+ answers, ", shown)
    assert re.search(rb"\r\x1b\[Ksoftsplit: recorded \d+ answers", shown)


def test_while_a_splitter_owns_the_wire_its_server_is_recorded(tmp_path, pump):
    port, path = free_port(), tmp_path / "house.jsonl"
    config = tmp_path / "softsplit.toml"
    with ScriptedGateway(device) as gateway:
        config.write_text(f'[upstream.meters]\nurl = "{gateway.url}"\nunits = {{ 100 = "pump.toml", 3 = "pump.toml" }}\n'
                          f'[downstream.a]\nurl = "tcp://127.0.0.1:{port}"\nunits = {{ 7 = "meters/100" }}\n')
        with Child([*SOFTSPLIT, "run", "-c", str(config)]), until(lambda: connected(port)) as master:
            until(lambda: master.read(7, 0x5B00, 4))
            done = call("record", gateway.url, "-u", f"100={pump}", "-o", path, "--for", "1")
            refused = call("record", gateway.url, "-u", f"3={pump}", "-o", tmp_path / "other.jsonl")
            assert gateway.connections == 1
    assert done.returncode == 0
    assert f"owns {gateway.url}; its server tcp://127.0.0.1:{port} is asked for unit 7 instead" in done.stderr
    house = read_house(str(path))
    assert house.units == [100] and {answer.data for answer in house.answers if answer.block == POWERS} == {
        bus.good_answer(100, read_request(0x5B00, 4))[2:]}
    assert refused.returncode == 1 and "cannot be asked for unit 3: none of its servers has that unit" in refused.stderr


def test_units_with_addresses_of_four_bytes_are_recorded_and_played_on_a_serial_line(tmp_path):
    houses, cable = [], Cable()
    what = ["abb-b23", str(tmp_path / "first.jsonl")]
    with running(cable):
        for played, path in zip(what, (tmp_path / "first.jsonl", tmp_path / "second.jsonl")):
            with Child([*SOFTSPLIT, "simulate", played, f"rtu://{cable.left}", "--mode=8N1", "--unit", "0x0012D687"]) as child:
                served_at(child)
                with recording(f"rtu://{cable.right}", path, "--mode=8N1", "-u", "0x0012D687=abb-b23") as other:
                    until(lambda path=path: len(blocks_in(path)) == len(load_profile("abb-b23").reads))
                    assert other.end() == 0 and " 0 exceptions, 0 silences" in other.log()
                houses.append(read_house(str(path)))
    for house in houses:
        assert house.units == [0x12D687] and isinstance(house.units[0], LongUnit)
    settings = [{answer.data for answer in house.answers if answer.block.address == 0x8C04} for house in houses]
    assert settings[0] == settings[1] != set()


METER = ["-u", "1=abb-b23"]


@pytest.mark.parametrize("arguments, told", [
    (["record", "127.0.0.1:1", "-u", "1"], "unit 1 has no profile; write -u 1=PROFILE, or -p PROFILE for all units"),
    (["record", "127.0.0.1:1", "-u", "1=abb-b33"], 'did you mean "abb-b23"'),
    (["record", "127.0.0.1:1", "-u", "1=any"], "profile any polls nothing; use one with blocks"),
    (["record", "127.0.0.1:1", "-u", "256=abb-b23"], '"256" is no unit id; allowed are 0 to 255'),
    (["record", "127.0.0.1:1", *METER, "-u", "1=abb-b23"], "unit 1 is given twice"),
    (["record", "127.0.0.1:1", "-u", "0x0012D687=abb-b23"], "only rtu:// and rtuovertcp:// have more than 1"),
    (["record", "http://x", "-u", "1=abb-b23"], '"http://x" is not possible here'),
    (["record", "127.0.0.1:1", *METER, "--for", "soon"], '"soon" is no span of time; write it like 90s, 15m, 1h or 2d'),
    (["record", "127.0.0.1:1", *METER, "--size", "huge"], '"huge" is no size; write it like 500k, 50M or 1G'),
    (["record", "127.0.0.1:1", *METER, "--size", "1k"], "--size: 1000 bytes are too few; 10.0 kB is the least"),
    (["record", "127.0.0.1:1", *METER, "--every", "0"], "0.0 s is not possible"),
    (["record", "127.0.0.1:1", *METER, "-o", "house"], '-o: "house" is not a name for a recording; call it FILE.jsonl'),
    (["simulate", "abb-b23", "tcp://127.0.0.1:0", "--unit", "1", "--speed", "2"], "--speed: only a recording, FILE.jsonl, can"),
    (["simulate", "house.jsonl", "tcp://127.0.0.1:0", "--speed", "nan"], "Invalid value for '--speed': nan is not a finite number"),
    (["simulate", "house.jsonl", "tcp://127.0.0.1:0", "--speed", "0"], "'--speed': 0.0 is not in the range 0.01<=x<=1000.0"),
    (["simulate", "abb-b23", "tcp://127.0.0.1:0", "--unit", "1", "--fault", "lat:3"], '--fault lat:3: unknown fault "lat"; did '),
    (["simulate", "house.jsonl", "tcp://127.0.0.1:0", "--unit", "8"], 'unknown unit of house.jsonl "8" (allowed: 7)'),
    (["simulate", "house.jsonl", "tcp://127.0.0.1:0", "--fault", "silent,unit=8"], '--fault silent,unit=8: unknown unit "8"'),
])
def test_a_wrong_call_is_exit_code_2_and_says_why(tmp_path, arguments, told):
    (tmp_path / "house.jsonl").write_text(HEAD + show_answer(ANSWERS[0]))
    done = call(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("text, seconds", [("90", 90), ("1.5s", 1.5), ("15m", 900), ("1h", 3600), ("2d", 172800)])
def test_spans_of_time_as_people_write_them(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text, size, shown", [
    ("800", 800, "800 bytes"), ("500k", 500_000, "500.0 kB"), ("50M", 50_000_000, "50.0 MB")])
def test_sizes_as_people_write_them(text, size, shown):
    assert parse_size(text) == size and show_size(size) == shown


@pytest.mark.parametrize("text", ["", "h", "x", "-1h", "0", "nan", "inf", "1 year", "1e99"])
def test_quantities_that_cannot_be_meant(text):
    for parse in (parse_duration, parse_size):
        with pytest.raises(ConfigError):
            parse(text)


def test_periods_are_the_profiles_unless_all_are_the_same():
    bus = upstream_of(parse_place("gateway"), ["100=abb-b24", "2"], "abb-b23", None, 1.0, Line())
    assert [(unit.unit, unit.profile.name) for unit in bus.units] == [(100, "abb-b24"), (2, "abb-b23")]
    assert [read.every for read in bus.units[0].reads] == [read.every for read in load_profile("abb-b24").reads]
    bus = upstream_of(parse_place("gateway"), ["100"], "abb-b24", 0.5, 1.0, Line())
    assert {read.every for read in bus.units[0].reads} == {0.5} and str(bus.url) == "tcp://gateway:502"
