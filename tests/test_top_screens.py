"""Whole screens of `softsplit top` in five states of a house, at 80x24 and 160x50, drawn from statuses made for it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from softsplit.commands.top.history import History, Look, Watched
from softsplit.commands.top.screen import View, draw, press
from softsplit.commands.top.text import fit_row, heights, plain, shorten
from softsplit.commands.top.unit import _span
from softsplit.commands.top.wiring import Item
from softsplit.config.url import Url
from softsplit.daemon.health import judge
from softsplit.daemon.status import ProcessStatus, Status
from softsplit.downstream.report import DownstreamStatus
from softsplit.profiles.loader import parse_profile
from softsplit.upstream.report import Latency, UnitStatus
from tests.support.statuses import block, downstream, errors, master, served, unit, upstream

METER = parse_profile("""
    block = [{ name = "powers", address = 0, count = 2, every = 0.2 }, { name = "energies", address = 8, count = 1, every = 10 }]
    register = [
        { name = "active_power_total", address = 0, type = "u16", resolution = "1 W" },
        { name = "voltage_l1_n", address = 1, type = "u16", resolution = "0.1 V" },
        { name = "active_energy_import_total", address = 8, type = "u16", resolution = "1 kWh" },
    ]""", "meter")
UNASKED = dict(requests=0, answers=0, age=None, data=None)
SIZES = (80, 24), (160, 50)


def meter(powers: dict = {}, energies: dict = {}, **told) -> UnitStatus:
    return unit(block(**{"count": 2, "data": bytes.fromhex("04D208FC")} | powers),
                block("energies", **{"address": 8, "every": 10.0, "age": 4.0, "data": b"\x12\x34"} | energies), **told)


def victron(one: dict = {}, other: dict = {}, **told) -> DownstreamStatus:
    units = {"100": served("meters/100", **{"blocks": 2, "fresh": 2} | one), "2": served("meters/2", **{"blocks": 2, "fresh": 2} | other)}
    masters = {"192.168.178.123": master(requests=97, rate=12.34, exceptions={11: 1234})}
    return downstream(units, **{"url": Url("tcp", "0.0.0.0", 502), "masters": masters} | told)


def screen(units: tuple[UnitStatus, UnitStatus], server: DownstreamStatus, uptime: float = 4000.0, chosen: Item | None = None,
           **bus) -> View:
    upstreams = {"meters": upstream(dict(zip(("100", "2"), units)), **bus)}
    found = Status.of(judge(upstreams, {"victron": server}, uptime), upstreams, {"victron": server}, uptime)
    process = ProcessStatus(pid=42, config="/etc/softsplit.toml", started=datetime.now(UTC), version="0", python="3")
    watched = {("meters", number): Watched(METER, 3.0) for number in ("100", "2")}
    look, history = Look(replace(found, process=process), watched, 0.0), History()
    for _ in range(5):
        history.take(look)
    return View(look, history, chosen)


GONE = dict(age=90.0, last_error="unit 2 does not answer", last_error_age=1.0, errors=errors(9))
STALE = {"fresh": 0, "stale": ("powers", "energies")}
STATES = {
    "well": screen((meter(), meter()), victron()),
    "mute": screen((meter(), meter(GONE, GONE, state="mute")), victron(other=STALE), chosen=Item(True, "meters", "2")),
    "down": screen((meter({"age": 9.0}, {"age": 12.0}), meter({"age": 9.0}, {"age": 12.0})), victron(STALE, STALE), state="unreachable",
                   error="cannot reach tcp://10.0.0.5:502: Connection refused"),
    "starting": screen((meter(energies=UNASKED), meter(UNASKED, UNASKED, state="never heard", requests=0, latency=Latency(None, None))),
                       victron({"fresh": 1, "stale": ("energies",)}, STALE, masters={}), uptime=1.0, chosen=Item(True, "meters", "2")),
    "deaf": screen((meter(), meter()), victron(masters={}, stray_bytes=50, garbled="50 bytes came that are no request: is the baud rate 19200 8E1?")),
}


def rows_of(view: View, width: int, height: int) -> list[str]:
    """The rows of a screen between its head and its keys, without the blank ones at the end."""
    return "\n".join(plain(each).rstrip() for each in draw(view, width, height, "12:00:00")[1:-1]).rstrip().splitlines()


SCREENS = {
("well", 80, 24): """\
all is well: 4 of 4 blocks fresh, 1 master


─ buses ──────────────────── age of data ───── masters ─────────────────────────
 meters  wire busy 31 %                       victron  tcp://0.0.0.0:502
>├ unit 100  42 ms  meter  ── 0.3 s ──>       ├ unit 100  2 of 2 fresh  = meter…
 └ unit 2  42 ms  meter    ── 0.3 s ──>       ├ unit 2  2 of 2 fresh  = meters/2
                                              └ 192.168.178.123  1234 failed
─ unit 100 of meters: meter ────────────────────────────────────────────────────
active_power_total                      1234 W  ██████████  █████
voltage_l1_n                           230.0 V              ▅▅▅▅▅
active_energy_import_total            4660 kWh              ▅▅▅▅▅""",
("well", 160, 50): """\
all is well: 4 of 4 blocks fresh, 1 master




─ buses ──────────────────────────────────────────────────────── age of data ───── masters ─────────────────────────────────────────────────────────────────────
 meters  wire busy 31 %  tcp://10.0.0.5:502                                       victron  tcp://0.0.0.0:502
>├ unit 100  42 ms  meter                                      ── 0.3 s ──>       ├ unit 100  2 of 2 fresh  = meters/100
 └ unit 2  42 ms  meter                                        ── 0.3 s ──>       ├ unit 2  2 of 2 fresh  = meters/2
                                                                                  └ 192.168.178.123  1234 failed  12.34 per s
─ unit 100 of meters: meter ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
active_power_total                      1234 W  ██████████  █████               voltage_l1_n                           230.0 V              ▅▅▅▅▅
active_energy_import_total            4660 kWh              ▅▅▅▅▅""",
("mute", 80, 24): """\
meters: unit 2 does not answer, for 1 min; stale: victron unit 2


─ buses ──────────────────── age of data ───── masters ─────────────────────────
 meters  wire busy 31 %                       victron  tcp://0.0.0.0:502
 ├ unit 100  42 ms  meter  ── 0.3 s ──>       ├ unit 100  2 of 2 fresh  = meter…
>└ unit 2  MUTE  meter     ━ STALE 1 min      ├ unit 2  STALE 2 of 2  = meters/2
                                              └ 192.168.178.123  1234 failed
─ unit 2 of meters: meter ──────────────────────────────────────────────────────
STALE 1 min  powers: unit 2 does not answer
STALE 1 min  energies: unit 2 does not answer
active_power_total                 STALE 1 min
voltage_l1_n                       STALE 1 min
active_energy_import_total         STALE 1 min""",
("mute", 160, 50): """\
meters: unit 2 does not answer, for 1 min; stale: victron unit 2




─ buses ──────────────────────────────────────────────────────── age of data ───── masters ─────────────────────────────────────────────────────────────────────
 meters  wire busy 31 %  tcp://10.0.0.5:502                                       victron  tcp://0.0.0.0:502
 ├ unit 100  42 ms  meter                                      ── 0.3 s ──>       ├ unit 100  2 of 2 fresh  = meters/100
>└ unit 2  MUTE  meter                                         ━ STALE 1 min      ├ unit 2  STALE 2 of 2  = meters/2
                                                                                  └ 192.168.178.123  1234 failed  12.34 per s
─ unit 2 of meters: meter ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
STALE 1 min  powers: unit 2 does not answer
STALE 1 min  energies: unit 2 does not answer
active_power_total                 STALE 1 min                                  voltage_l1_n                       STALE 1 min
active_energy_import_total         STALE 1 min""",
("down", 80, 24): """\
meters: cannot reach tcp://10.0.0.5:502: Connection refused, for 9 s; stale:
victron unit 100, victron unit 2

─ buses ──────────────────── age of data ───── masters ─────────────────────────
 meters  UNREACHABLE                          victron  tcp://0.0.0.0:502
>├ unit 100  42 ms  meter  ━ STALE 9.0 s      ├ unit 100  STALE 2 of 2  = meter…
 └ unit 2  42 ms  meter    ━ STALE 9.0 s      ├ unit 2  STALE 2 of 2  = meters/2
                                              └ 192.168.178.123  1234 failed
─ unit 100 of meters: meter ────────────────────────────────────────────────────
STALE 9.0 s  powers
STALE 12 s  energies
active_power_total                 STALE 9.0 s
voltage_l1_n                       STALE 9.0 s
active_energy_import_total          STALE 12 s""",
("down", 160, 50): """\
meters: cannot reach tcp://10.0.0.5:502: Connection refused, for 9 s; stale: victron unit 100, victron unit 2




─ buses ──────────────────────────────────────────────────────── age of data ───── masters ─────────────────────────────────────────────────────────────────────
 meters  UNREACHABLE  tcp://10.0.0.5:502                                          victron  tcp://0.0.0.0:502
>├ unit 100  42 ms  meter                                      ━ STALE 9.0 s      ├ unit 100  STALE 2 of 2  = meters/100
 └ unit 2  42 ms  meter                                        ━ STALE 9.0 s      ├ unit 2  STALE 2 of 2  = meters/2
                                                                                  └ 192.168.178.123  1234 failed  12.34 per s
─ unit 100 of meters: meter ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
STALE 9.0 s  powers
STALE 12 s  energies
active_power_total                 STALE 9.0 s                                  voltage_l1_n                       STALE 9.0 s
active_energy_import_total          STALE 12 s""",
("starting", 80, 24): """\
starting: meters: unit 2 has not been asked yet; stale: victron unit 2
starting: meters: unit 100 is not read yet (energies); stale: victron unit 100

─ buses ──────────────────── age of data ───── masters ─────────────────────────
 meters  wire busy 31 %                       victron  tcp://0.0.0.0:502
 ├ unit 100  42 ms  meter  ── 0.3 s ──>       ├ unit 100  1 of 2 fresh  = meter…
>└ unit 2  starting  meter ─ not read yet ─>  └ unit 2  0 of 2 fresh  = meters/2
                                                no master has asked yet
─ unit 2 of meters: meter ──────────────────────────────────────────────────────
active_power_total                not read yet
voltage_l1_n                      not read yet
active_energy_import_total        not read yet""",
("starting", 160, 50): """\
starting: meters: unit 2 has not been asked yet; stale: victron unit 2
starting: meters: unit 100 is not read yet (energies); stale: victron unit 100



─ buses ──────────────────────────────────────────────────────── age of data ───── masters ─────────────────────────────────────────────────────────────────────
 meters  wire busy 31 %  tcp://10.0.0.5:502                                       victron  tcp://0.0.0.0:502
 ├ unit 100  42 ms  meter                                      ── 0.3 s ──>       ├ unit 100  1 of 2 fresh  = meters/100
>└ unit 2  starting  meter                                     ─ not read yet ─>  └ unit 2  0 of 2 fresh  = meters/2
                                                                                    no master has asked yet
─ unit 2 of meters: meter ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
active_power_total                not read yet                                  voltage_l1_n                      not read yet
active_energy_import_total        not read yet""",
("deaf", 80, 24): """\
victron: 50 bytes came that are no request: is the baud rate 19200 8E1?


─ buses ──────────────────── age of data ───── masters ─────────────────────────
 meters  wire busy 31 %                       victron  tcp://0.0.0.0:502
>├ unit 100  42 ms  meter  ── 0.3 s ──>       ├ unit 100  2 of 2 fresh  = meter…
 └ unit 2  42 ms  meter    ── 0.3 s ──>       └ unit 2  2 of 2 fresh  = meters/2
                                                no master asks for a served unit
─ unit 100 of meters: meter ────────────────────────────────────────────────────
active_power_total                      1234 W  ██████████  █████
voltage_l1_n                           230.0 V              ▅▅▅▅▅
active_energy_import_total            4660 kWh              ▅▅▅▅▅""",
("deaf", 160, 50): """\
victron: 50 bytes came that are no request: is the baud rate 19200 8E1?




─ buses ──────────────────────────────────────────────────────── age of data ───── masters ─────────────────────────────────────────────────────────────────────
 meters  wire busy 31 %  tcp://10.0.0.5:502                                       victron  tcp://0.0.0.0:502
>├ unit 100  42 ms  meter                                      ── 0.3 s ──>       ├ unit 100  2 of 2 fresh  = meters/100
 └ unit 2  42 ms  meter                                        ── 0.3 s ──>       └ unit 2  2 of 2 fresh  = meters/2
                                                                                    no master asks for a served unit
─ unit 100 of meters: meter ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
active_power_total                      1234 W  ██████████  █████               voltage_l1_n                           230.0 V              ▅▅▅▅▅
active_energy_import_total            4660 kWh              ▅▅▅▅▅""",
}


@pytest.mark.parametrize("state, width, height", SCREENS)
def test_the_screen_of_each_state(state, width, height):
    assert rows_of(STATES[state], width, height) == SCREENS[state, width, height].splitlines()


@pytest.mark.parametrize("state, said, value", [
    ("well", "all is well: 4 of 4 blocks fresh, 1 …", "active_power_total                1234 W"),
    ("mute", "meters: unit 2 does not answer, for 1 …", "STALE 1 min  powers: unit 2 does not an…"),
    ("starting", "starting: meters: unit 2 has not been …", "active_power_total          not read yet"),
])
def test_on_a_very_small_terminal_a_value_is_not_cut_and_what_is_cut_says_so(state, said, value):
    rows = rows_of(STATES[state], 40, 10)
    assert rows[0] == said and value in rows and all(len(row) <= 40 for row in rows)
    wide = rows_of(STATES["well"], 58, 24)  # without room for a graph
    assert any(row.split() == ["active_power_total", "1234", "W"] for row in wide), wide


def test_only_what_is_wrong_is_red():
    def bad(state: str) -> list[str]:
        return [text for each in draw(STATES[state], 80, 24) for text, style in each if style == "bad"]

    assert not bad("well") and not bad("starting") and bad("mute") and bad("down") and bad("deaf")


def test_the_picture_stays_where_it_is_whatever_is_wrong():
    for width, height in SIZES:
        assert len({[row[:2] for row in rows_of(view, width, height)].index("─ ") for view in STATES.values()}) == 1


def test_the_newest_age_is_shown_while_a_block_is_still_stale_after_a_recovery():
    back = screen((meter({"age": 0.4}, {"age": 90.0}), meter()), victron({"fresh": 1, "stale": ("energies",)}))
    assert "─ 0.4 s  1 STALE" in "\n".join(rows_of(back, 80, 24))


def test_what_does_not_fit_is_counted_and_the_command_that_shows_it_is_named():
    troubles = screen((meter(GONE, GONE, state="mute"), meter(GONE, GONE, state="mute")), victron(STALE, STALE, state="away: there is no such device"), returns_ids=False)
    rows = rows_of(troubles, 80, 24)
    assert rows[2] == "… 2 not shown in full; all: softsplit status -c /etc/softsplit.toml"


def test_a_serial_line_has_no_master_until_one_has_asked():
    quiet = {"/dev/ttyUSB1": master(requests=0)}
    serial, tcp = (victron(masters=quiet, url=url) for url in (Url("rtu", path="/dev/ttyUSB1"), Url("tcp", "0.0.0.0", 502)))
    assert "no master has asked yet" in "\n".join(rows_of(screen((meter(), meter()), serial), 80, 24))
    assert "no master has asked yet" not in "\n".join(rows_of(screen((meter(), meter()), tcp), 80, 24))


def test_pages_of_the_lower_part():
    view = STATES["mute"]
    small = 14  # lines
    seen, tops = "", []
    for key in ("page down",) * 4 + ("page up",) * 4:
        seen += "\n".join(rows_of(view, 80, small))
        view = press(view, key, 80, small)
        tops.append(view.top)
    assert max(tops) == tops[3] and tops[-1] == 0 and "active_energy_import_total         STALE" in seen
    assert press(press(view, "page down", 80, small), "up").top == 0, "another unit begins at its first row"


@pytest.mark.parametrize("width, row", [
    (50, "└ 192.168.178.123  4 failed  1.70 per s"), (34, "└ 192.168.178.123  4 failed"), (20, "└ 192….123  4 failed")])
def test_a_figure_is_the_last_thing_that_is_cut(width, row):
    assert plain(fit_row("└ 192.168.178.123", ["4 failed", "1.70 per s"], "", width)).rstrip() == row
    assert plain(fit_row("a", ["1"], "tcp://10.0.0.5:502", 15)) == "a  1  tcp://10…" and shorten("abcdefg", 5) == "ab…fg"


def test_a_graph_has_a_scale():
    assert heights([229.8, 230.7], *_span([229.8, 230.7], None)) in ("▄▅", "▅▅"), "0.9 V is no landslide"
    assert heights([100.0, 3000.0], *_span([100.0, 3000.0], 6000.0)) == "▁▅", "as its bar"
    assert heights([180.0, 230.0], *_span([180.0, 230.0], None)) == "▁█"
    assert set(heights([0.0, 0.0], *_span([0.0, 0.0], None))) == {"▁"} and heights([None, 1.0], *_span([None, 1.0], None))[0] == " "
