"""`softsplit top`: what is drawn of a status, at any size; and the real screen, while a unit dies and returns."""

import os
import re
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from softsplit.commands.simulate.faults import Fault, Faults
from softsplit.commands.top.history import History, Look, Watched, latest_values
from softsplit.commands.top.screen import View, draw, draw_all, press
from softsplit.commands.top.text import bar, fit, heights, line, plain
from softsplit.commands.top.top import watch_splitter
from softsplit.commands.top.wiring import Item
from softsplit.daemon.health import Health
from softsplit.daemon.troubles.trouble import Trouble
from softsplit.daemon.status import ProcessStatus, Status
from softsplit.errors import NoAnswer, Refused, SoftsplitError
from softsplit.profiles import load_profile
from softsplit.profiles.loader import parse_profile
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import read_question
from softsplit.upstream.counters import Counters
from softsplit.upstream.report import BlockStatus
from tests.support import (SLOWNESS, SOFTSPLIT, Child, TcpMaster, free_port, run_program, simulated_gateway,
                           statuses, until)

METER = """
    block = [{ name = "powers", address = 0, count = 10, every = 0.2 }, { name = "alarms", table = "coils", address = 0, count = 5, every = 0.2 }]
    register = [
        { name = "frequency", address = 0, type = "u16", resolution = "0.01 Hz" },
        { name = "active_power_total", address = 1, type = "s16", resolution = "1 W", not_available = 0x7FFF },
        { name = "state", address = 2, type = "u16", states = { 1 = "Charge" } },
        { name = "cell_{n}", address = 3, type = "u16", resolution = "0.001 V", repeat = 7 },
        { name = "alarm_{n}", table = "coils", address = 0, type = "bits", count = 1, repeat = 5 },
    ]"""
PROFILE = parse_profile(METER, "meter")
WORDS = [4999, 1234, 1, 3300, 3310, 3305, 3290, 3300, 3300, 3300]
OLD = struct.pack(">10H", *WORDS)
NOBODY = Status.of(Health.of(3, [Trouble(cause="nothing runs house.toml; start it")]))
UNIT = Item(True, "house", "2")
MASTER = Item(False, "victron", "10.0.0.7")


def block(name: str, table: Table, count: int, data: bytes | None, age: float | None = 0.3, **told) -> BlockStatus:
    return statuses.block(name, table=table, count=count, age=age, data=data, last_error="unit 2 does not answer", **told)


def holding(data: bytes | None, age: float | None = 0.3, **told) -> BlockStatus:
    return block("powers", Table.HOLDING_REGISTERS, 10, data, age, **told)


def coils(data: bytes = b"\0", **told) -> BlockStatus:
    return block("alarms", Table.COILS, 5, data, **told)


def status(*blocks: BlockStatus, stale: tuple[str, ...] = (), units: int = 1, unit: str = "answers",
           bus: str = "connected", is_heard: bool = False, health: Health = Health.of(0, [], "2 of 2 blocks fresh, 1 master"),
           age: float = 0.1) -> Status:
    """A status of a splitter with one bus and one server."""
    reads = [statuses.asked(7, 4, 2, 90, 1.5), statuses.asked(9, 0, 2, 4, 0.1), statuses.asked(7, 99, 1, 3, 0.1)]
    one = statuses.unit(*blocks or (holding(OLD), coils()), state=unit)
    served = statuses.served("house/2", blocks=2, fresh=2 - len(stale), stale=stale, is_heard=is_heard)
    return replace(
        Status.of(health,
                  {"house": statuses.upstream({str(number): one for number in range(2, 2 + units)}, state=bus)},
                  {"victron": statuses.downstream({"7": served}, masters={
                      "10.0.0.7": statuses.master(*reads, requests=97, rate=1.7, exceptions={11: 4})})}, 75.0),
        process=ProcessStatus(pid=42, config="/etc/house.toml", started=datetime.now(UTC), version="0", python="3"), age=age)


def view(document: Status, chosen: Item | None = None, looks: int = 1) -> View:
    watched = {(name, unit): Watched(PROFILE, 3.0)
               for name, each in document.upstreams.items() for unit in each.units}
    look, history = Look(document, watched, 0.0), History()
    for _ in range(looks):
        history.take(look)
    return View(look, history, chosen)


def drawn(of: View, width: int = 80, height: int = 24) -> str:
    return "\n".join(plain(each).rstrip() for each in draw(of, width, height, "12:00:00"))


def spans(of: View, style: str, width: int = 80, height: int = 24) -> list[str]:
    """The texts on a screen which have a style."""
    return [text for each in draw(of, width, height) for text, its in each if its == style and text.strip()]


@pytest.mark.parametrize("document", [status(), status(units=60), status(stale=("powers",)), NOBODY])
@pytest.mark.parametrize("width, height", [(80, 24), (160, 50), (200, 60), (81, 25), (40, 10), (5, 2), (1, 1)])
def test_a_screen_is_filled_whatever_its_size(document, width, height):
    for shows_help in (False, True):
        of = view(document)
        of = View(of.look, of.history, shows_help=shows_help)
        lines = draw(of, width, height, "12:00:00")
        assert [len(plain(each)) for each in lines] == [width] * height


def test_the_wiring_is_a_picture():
    shown = drawn(view(status()))
    assert "softsplit top  /etc/house.toml  up 1 min  process 42" in shown and "12:00:00\n" in shown
    assert "all is well: 2 of 2 blocks fresh, 1 master" in shown
    row, = [each for each in shown.splitlines() if "unit 2  42 ms" in each]
    assert re.search(r">└ unit 2  42 ms  meter\s+── 0.4 s ──>\s+├ unit 7  2 of 2 fresh  = house", row)
    assert "house  wire busy 31 %" in shown and "victron  tcp://0.0.0.0:502" in shown and "└ 10.0.0.7  4 failed  1.70 per s" in shown


def test_values_come_with_what_matters_first():
    names = [each.split()[0] for each in drawn(view(status())).splitlines() if re.match(r"[a-z_]+[\d.]*  ", each)]
    assert [name for name in names if name != "softsplit"] == ["state", "active_power_total", "alarm_1..5", "frequency", "cell_1..7"]
    shown = drawn(view(status(), looks=3))
    assert re.search(r"^active_power_total +1234 W  ██████████  ███$", shown, re.MULTILINE)
    assert re.search(r"^state +Charge$", shown, re.MULTILINE) and re.search(r"^frequency +49.99 Hz ", shown, re.MULTILINE)


@pytest.mark.parametrize("height, marked", [(24, "█"), (50, "▲ 2 3.310   ")])
def test_the_highest_of_many_is_marked(height, marked):
    assert "cell_1..7                      highest 3.310 V at 2, lowest 3.290 V at 4" in drawn(view(status()), 80, height)
    assert spans(view(status()), "mark", 80, height) == [marked]


@pytest.mark.parametrize("alarms, shown, style", [(b"\0", "none is on", "title"), (b"\x12", "ON: 2, 5", "bad")])
def test_alarms(alarms, shown, style):
    assert shown in spans(view(status(holding(OLD), coils(alarms))), style)


def test_what_is_not_available_is_absent():
    data = struct.pack(">10H", 4999, 0x7FFF, *WORDS[2:])
    assert re.search("active_power_total +absent$", drawn(view(status(holding(data), coils()))), re.MULTILINE)


@pytest.mark.parametrize("document, since", [
    (status(holding(OLD, 3.0), coils()), "STALE 3.1 s"),  # max_age is 3 s
    (status(age=60.0), "STALE 1 min"),  # nobody has looked for a while
    (status(stale=("powers",)), "STALE 0.4 s"),  # its server says so
    (status(holding(None), coils()), "STALE 0.4 s"),  # refused by the unit itself
    (status(holding(None, None), coils()), "NEVER READ"),
])
@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_what_is_stale_is_red_and_says_so_and_is_not_shown(document, since, size):
    shown, bad = drawn(view(document), *size), spans(view(document), "bad", *size)
    for number in ("1234", "49.99", "Charge", "3.310"):
        assert number not in shown
    assert any("STALE" in each for each in bad) and f"{since}  powers: unit 2 does not answer" in bad
    assert [each for each in bad if each.strip() == since]
    assert "1234" not in "\n".join(draw_all(view(document), 100))


@pytest.mark.parametrize("state", ["mute", "unreachable"])
def test_of_a_unit_that_is_gone_even_what_is_read_seldom_is_stale(state):
    gone = {"bus": state} if state == "unreachable" else {"unit": state}
    seldom = holding(OLD, 4.0, every=600.0), coils(age=3.1, every=600.0)  # max_age is 3 s
    assert "1234 W" in drawn(view(status(*seldom))) and "STALE" not in drawn(view(status(*seldom)))
    shown = drawn(view(status(*seldom, **gone)))
    assert "1234 W" not in shown and "━ STALE 3.2 s" in shown
    shown = drawn(view(status(seldom[0], coils(age=2.8, every=600.0), **gone)))
    assert "1234 W" in shown and "STALE" not in shown


def test_what_is_stale_is_a_gap_in_the_history():
    history = History()
    fresh, old = view(status()).look, view(status(stale=("powers",))).look
    for look in (fresh, old, fresh):
        history.take(look)
    assert history.of("house", "2", "active_power_total") == [1234, None, 1234]
    assert [each.number for each in latest_values(old, "house", "2") if each.named.name == "frequency"] == [None]


def test_a_master_is_shown_with_what_it_asks_and_gets():
    shown = drawn(view(status(), MASTER))
    assert "97 requests, 1.70 per s; it got exception 0x0B: 4" in shown
    for row in (r"holding registers 0x0004\+2 +7 +1.50 +90 +fresh data", r"holding registers 0x0000\+2 +9 .*no such unit",
                r"holding registers 0x0063\+1 +7 .*the unit's answer"):
        assert re.search(row, shown), row
    assert "nothing: STALE" in spans(view(status(stale=("powers",)), MASTER), "bad")


def test_keys_choose():
    of = view(status(units=3))
    assert of.item == Item(True, "house", "2")
    for key, then in (("down", Item(True, "house", "3")), ("up", UNIT), ("up", UNIT), ("right", MASTER), ("right", MASTER),
                      ("up", Item(True, "house", "4")), ("down", MASTER), ("down", MASTER), ("left", UNIT)):
        of = press(of, key)
        assert of.item == then
    helped = press(of, "?")
    assert "…" not in drawn(helped), "it fits the narrowest usual screen"
    assert "quit" in drawn(helped) and "The lower part shows" in drawn(helped)
    assert "The lower part shows" not in drawn(press(helped, "down"))


def test_what_is_chosen_is_in_view_and_what_is_gone_is_not_chosen():
    for number in (2, 30, 61):
        shown = drawn(view(status(units=60), Item(True, "house", str(number))))
        assert re.search(rf">[├└] unit {number}  ", shown) and f"─ unit {number} of house" in shown
    assert view(status(), Item(True, "house", "99")).item == UNIT


def test_everything_is_in_the_plain_text():
    shown = "\n".join(draw_all(view(status(units=2)), 80))
    for text in ("─ unit 2 of house: meter", "─ unit 3 of house: meter", "─ master 10.0.0.7 of victron", "▲ 2 3.310"):
        assert text in shown


def test_lines():
    assert plain(fit(line("abc", ("def", "bad")), 4)) == "abc…" and plain(fit(line("ab"), 4)) == "ab  "
    assert plain(fit(line("abcd", "e"), 4)) == "abc…" and plain(fit(line("abcd"), 4)) == "abcd" and plain(fit(line("ab"), 0)) == ""
    assert bar(0.5, 4) == "██··" and bar(7, 2) == "██" and heights([1, None, 3]) == "▁ █" and heights([]) == ""


def test_of_two_blocks_that_another_master_reads_the_newer_counts():
    def shown(age: float, chosen: Item | None = None) -> str:
        long = block("long", Table.HOLDING_REGISTERS, 10, OLD, age, every=None)  # read once so far
        short = block("short", Table.HOLDING_REGISTERS, 2, struct.pack(">2H", 5001, 7))
        return drawn(view(status(short, long, is_heard=True), chosen))

    assert re.search(r"^frequency +50.01 Hz", shown(9.0), re.MULTILINE)
    assert re.search(r"^active_power_total +7 W", shown(9.0), re.MULTILINE)
    assert re.search(r"^state +STALE 9.1 s$", shown(9.0), re.MULTILINE)
    assert shown(9.0, MASTER).count("data that was heard") == 2
    assert re.search(r"^frequency +49.99 Hz", shown(0.2), re.MULTILINE)


# Where the values come from.

def test_data_and_its_age_change_together_in_the_tally():
    read = Read(Block(Table.HOLDING_REGISTERS, 0, 1), "a")
    counters, question = Counters({1: [read]}), read_question(read.block)
    counters.count(Outcome(1, question, 5.0, 0.0, b"\3\2\0\1"))
    counters.count(Outcome(1, question, 6.0, 0.0, error=NoAnswer("it does not answer")))
    assert counters.blocks[1][read.block].latest == (5.0, b"\0\1")
    counters.count(Outcome(1, question, 7.0, 0.0, error=Refused("busy", 0x0B)))  # that is the gateway's
    assert counters.blocks[1][read.block].latest == (5.0, b"\0\1")
    counters.count(Outcome(1, question, 8.0, 0.0, error=Refused("no such address", 2)))
    assert counters.blocks[1][read.block].latest == (5.0, None)
    counters.count(Outcome(1, question, 9.0, 0.0, b"\3\2\0\2"))
    assert counters.blocks[1][read.block].latest == (9.0, b"\0\2")


@pytest.fixture
def house(tmp_path):
    """A running program between a simulated meter and a port; gives its configuration, that port, and the faults."""
    (tmp_path / "meter.toml").write_text(METER)
    config, port, faults = tmp_path / "house.toml", free_port(), Faults()
    with simulated_gateway(PROFILE, (1, 2), faults=faults) as gateway:
        config.write_text(f"""
            [upstream.meters]
            url = "{gateway.url}"
            timeout = 0.2
            units = {{ 1 = "meter.toml", 2 = "meter.toml" }}
            [downstream.victron]
            url = "tcp://127.0.0.1:{port}"
            max_age = 2.5
            """)  # longer than the second between two looks, or the screen rightly says STALE in between
        with Child([*SOFTSPLIT, "run", "-c", str(config)]) as child:
            until(lambda: child.log().count("answers") == 2)
            with TcpMaster(port) as victron:
                until(lambda: victron.read(1, 0, 10))
                yield config, gateway, faults


def top(*arguments: str) -> subprocess.CompletedProcess:
    return run_program([*SOFTSPLIT, "top", *arguments], capture_output=True, text=True, timeout=30 * SLOWNESS)


def test_once_prints_a_running_splitter_without_a_terminal(house):
    config, gateway, faults = house
    until(lambda: top("-c", str(config), "--once").returncode == 0)
    shown = top("-c", str(config), "--once")
    assert shown.stderr == "" and "all is well: 4 of 4 blocks fresh" in shown.stdout
    for text in ("─ unit 2 of meters: meter", "active_power_total", "─ master 127.0.0.1 of victron", "holding registers 0x0000+10"):
        assert text in shown.stdout
    faults.scheduled.append(Fault("silent", unit=2))
    shown = until(lambda: (done := top("-c", str(config), "--once")).returncode == 1 and "STALE" in done.stdout and done)
    assert "meters: unit 2 does not answer" in shown.stdout


def test_once_prints_any_unit(house):
    _, gateway, faults = house
    with simulated_gateway(load_profile("anzen-bms"), (1,)) as other:
        shown = top("-a", f"127.0.0.1:{other.url.port}", "-p", "anzen-bms", "--once")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.search(r"state_of_charge +\d+ %  [█·]{10}$", shown.stdout, re.MULTILINE)
    assert re.search(r"monoblock_voltage_1..38 +highest [\d.]+ V at \d+", shown.stdout) and "▲" in shown.stdout
    gone = top("-a", f"127.0.0.1:{other.url.port}", "-p", "anzen-bms", "--once")
    assert gone.returncode == 1 and "UNREACHABLE" in gone.stdout and "NEVER READ" in gone.stdout and "%  " not in gone.stdout


def test_a_wire_that_a_splitter_owns_is_not_touched(house, tmp_path):
    config, gateway, _ = house
    shown = top("-a", str(gateway.url), "-p", str(tmp_path / "meter.toml"), "-u", "2", "--once")
    assert shown.returncode == 0 and f"owns tcp://127.0.0.1:{gateway.url.port}" in " ".join(shown.stdout.split())


def test_nothing_runs_it(tmp_path):
    config = tmp_path / "house.toml"
    config.write_text('[upstream.a]\nurl = "tcp://127.0.0.1:1"\nunits = { 1 = "abb-b23" }\n[downstream.b]\nurl = "tcp://0.0.0.0:0"')
    shown = top("-c", str(config), "--once")
    assert shown.returncode == 3 and 'start it with "softsplit run -c' in " ".join(shown.stdout.split())


def test_without_a_terminal_it_says_what_to_do(house):
    shown = top("-c", str(house[0]))
    assert (shown.returncode, shown.stderr) == (1, "softsplit: top needs a terminal; --once prints plain text\n")
    with pytest.raises(SoftsplitError, match="--once"):
        watch_splitter(house[0])


@pytest.mark.parametrize("arguments", [["-a", "localhost"], ["-p", "abb-b23"], ["-a", "x", "-p", "abb-b23", "-c", "x"]])
def test_options_that_do_not_belong_together(arguments):
    done = top(*arguments)
    assert done.returncode == 2 and "give -a and -p together, without -c" in done.stderr


# The real screen.

class Screen:
    """A real terminal of this size, in which a command runs."""

    def __init__(self, name: str, size: tuple[int, int], *command: str):
        self._server = ["tmux", "-u", "-L", f"softsplit-{os.getpid()}-{name}", "-f", "/dev/null"]
        self.call("new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), *command)

    def call(self, *arguments: str) -> str:
        return subprocess.run([*self._server, *arguments], capture_output=True, text=True, timeout=20 * SLOWNESS,
                              env=os.environ | {"LC_ALL": "C.UTF-8"}).stdout

    def text(self) -> str:
        return self.call("capture-pane", "-p")

    def press(self, key: str) -> None:
        self.call("send-keys", key)

    @property
    def is_there(self) -> bool:
        return bool(self.call("list-sessions"))


@contextmanager
def screen(name: str, size: tuple[int, int], *arguments: str):
    shown = Screen(name, size, *SOFTSPLIT, "top", *arguments)
    try:
        yield shown
    finally:
        shown.call("kill-server")


POWER = r"active_power_total +\d+ W  "
needs_tmux = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")


SIZES = (80, 24), (160, 50)


def in_each_size(shown: Screen, is_right: Callable[[str], bool]) -> Iterator[str]:
    """What a screen shows in each size, as soon as that fills it and is right."""
    for width, height in SIZES:
        shown.call("resize-window", "-x", str(width), "-y", str(height))

        def right_text(width=width, lines=height) -> str:
            text = shown.text()
            rows = text.splitlines()
            return text if (max(map(len, rows)), len(rows)) == (width, lines) and "q quit" in rows[-1] and is_right(text) else ""

        yield until(right_text, timeout=15)


@needs_tmux
def test_a_unit_dies_and_returns_on_the_screen(house):
    config, _, faults = house
    with screen("local", SIZES[0], "-c", str(config)) as shown:
        until(lambda: re.search(POWER, shown.text()) and "all is well" in shown.text())
        shown.press("Down")
        until(lambda: re.search(r">└ unit 2 .*── .* s ──>", shown.text()))
        faults.scheduled.append(Fault("silent", unit=2))
        for text in in_each_size(shown, lambda text: "STALE 2 of 2" in text and "MUTE" in text):
            assert not re.search(POWER, text) and re.search(r"active_power_total +STALE", text)
            assert "unit 2 does not answer" in text and "━ STALE" in text
            assert "\x1b[7m" in shown.call("capture-pane", "-p", "-e") or ";7m" in shown.call("capture-pane", "-p", "-e")
        faults.scheduled.clear()
        for text in in_each_size(shown, lambda text: "STALE" not in text):
            assert re.search(POWER, text) and "all is well" in text
        shown.press("Right")
        until(lambda: "─ master 127.0.0.1 of victron" in shown.text() and "fresh data" in shown.text())
        shown.press("q")
        until(lambda: not shown.is_there)


@needs_tmux
def test_an_endpoint_dies_and_returns_on_a_screen_that_changes_its_size():
    faults = Faults()
    with simulated_gateway(load_profile("anzen-bms"), (1,), faults=faults) as gateway, \
            screen("endpoint", (80, 24), "-a", str(gateway.url), "-p", "anzen-bms", "--timeout", "0.2") as shown:
        until(lambda: re.search(r"monoblock_voltage_1..38 +highest 1\d\.\d{3} V at \d+", shown.text()))
        shown.call("resize-window", "-x", "160", "-y", "50")
        until(lambda: "▲" in shown.text() and max(map(len, shown.text().splitlines())) == 160)
        faults.scheduled.append(Fault("silent", unit=1))
        until(lambda: re.search(r"state_of_charge +STALE", shown.text()) and "V at" not in shown.text(), timeout=20)
        faults.scheduled.clear()
        until(lambda: re.search(r"state_of_charge +\d+ %", shown.text()), timeout=20)
        shown.call("resize-window", "-x", "80", "-y", "24")
        until(lambda: max(map(len, shown.text().splitlines())) == 80 and "q quit" in shown.text())


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_never_clears_the_screen_and_leaves_the_terminal_as_it_was(house, ending):
    master, slave = os.openpty()
    said = b""
    with Child([*SOFTSPLIT, "top", "-c", str(house[0])], stdin=slave, stdout=slave,
               env=os.environ | {"TERM": "xterm-256color"}) as child:
        os.close(slave)
        os.set_blocking(master, False)

        def hears(what: bytes, times: int = 1) -> bool:
            nonlocal said
            try:
                said += os.read(master, 1 << 16)
            except (BlockingIOError, OSError):
                pass
            return said.count(what) >= times

        until(lambda: hears(b"q quit"))
        painted = len(said)
        until(lambda: hears(b"") and len(said) > painted + 200)  # it goes on
        assert b"\x1b[2J" not in said[painted:] and b"\x1b[J" not in said[painted:]
        assert said.count(b"q quit") == 1  # only what differs is painted
        child.process.send_signal(ending)
        until(lambda: hears(b"\x1b[?1049l"))  # the screen from before
        assert child.process.wait(5) == 0 and child.log() == ""
    os.close(master)


@pytest.mark.parametrize("name", ["no-such-thing", "dumb"])
def test_a_terminal_that_cannot_is_said(name):
    master, slave = os.openpty()
    with simulated_gateway(load_profile("anzen-bms"), (1,)) as gateway, \
            Child([*SOFTSPLIT, "top", "-a", str(gateway.url), "-p", "anzen-bms"], stdin=slave, stdout=slave,
                  env=os.environ | {"TERM": name}) as child:
        assert child.process.wait(10) == 1
        assert re.fullmatch(r"softsplit: this terminal cannot show it \(.*\); set TERM, or use --once\n", child.log())
    os.close(master)
    os.close(slave)


def test_it_is_no_master_itself(house):
    config, port = house[0], re.search(r"127.0.0.1:(\d+)\"\s+max_age", house[0].read_text())[1]
    until(lambda: "4 of 4 blocks fresh, 1 master" in top("-c", str(config), "--once").stdout)  # that of the fixture
    shown = top("-c", str(config), "--once").stdout
    assert f"victron  tcp://127.0.0.1:{port}" in shown and shown.count("─ master ") == 1
    assert re.search(r"holding registers 0x0000\+10 +1 ", shown) and "0x0000+5" not in shown  # which top would ask
