"""The page and the values of units: fresh ones with their age, stale ones not at all; the first line says what is the matter."""

import base64
import hashlib
import json
import re
import time
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from softsplit import Derived, Downstream, StatusPage, Unit, Upstream, clock
from softsplit.config.topology import Topology
from softsplit.daemon.health import judge
from softsplit.daemon.jsonform import as_json
from softsplit.daemon.status import Status
from softsplit.daemon.troubles.trouble import Trouble
from softsplit.downstream.mirrors.freshness import NEVER
from softsplit.downstream.mirrors.store import Seen
from softsplit.logs.recent import MOST, Event, RecentEvents
from softsplit.profiles import Profile, Register, load_profile
from softsplit.profiles.importance import shortlist
from softsplit.profiles.loader import parse_profile
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.web.history import EVERY, POINTS, History, Since
from softsplit.web.jsontext import json_text
from softsplit.web.markup import Markup, tag
from softsplit.web.page import Pages
from softsplit.web.plot import draw_plot
from softsplit.web.site import Site
from softsplit.web.tiles import FEW
from softsplit.web.values import WatchedUnit
from softsplit.web.verdict import headline, kind_of
from tests.support import SLOWNESS, Clock, ScriptedGateway, brisk_profile, good_answer, splitting, until
from tests.support.browser import ask
from tests.support.chromium import CHROMIUM, browsing
from tests.support.statuses import block, downstream, errors, served, unit, upstream

ODD = '<script>alert("1")</script>'


# The values.

@pytest.fixture(scope="module")
def house():
    """A splitter whose unit 2 is mute; gives its port."""
    with ScriptedGateway(lambda transaction, unit, pdu: good_answer(transaction, unit, pdu) if unit == 1 else b"") as gateway:
        meters = Upstream(str(gateway.url), [Unit(unit, brisk_profile()) for unit in (1, 2)], name="the meters", timeout=0.1)
        victron = Downstream("tcp://127.0.0.1:0", [meters], name="victron")
        with splitting(Topology([victron], status=StatusPage("http://127.0.0.1:0"))) as splitter:
            until(lambda: "does not answer" in str(splitter.status().health.troubles))
            yield splitter.page.url.port


def test_the_values_of_a_unit_have_names_units_of_measure_and_ages(house):
    found = json.loads(ask(house, "/units/the%20meters/1.json").body)
    power = found["values"]["active_power_total"]
    assert (found["upstream"], found["unit"], found["profile"]) == ("the meters", "1", "brisk")
    assert power["measure"] == "W" and isinstance(power["value"], float) and 0 <= power["age"] < 5 and "stale" not in power


def test_what_is_stale_is_null_and_says_why(house):
    found = json.loads(ask(house, "/units/the%20meters/2.json").body)["values"]
    assert all(each["value"] is None and each["age"] is None for each in found.values())
    assert "does not answer" in found["active_power_total"]["stale"]


def test_a_derived_unit_has_values_and_a_page_too():
    with ScriptedGateway(good_answer) as gateway:
        meters = Upstream(str(gateway.url), [Unit(1, "abb-b23")], name="meters")
        charger = Derived("eastron-sdm630", source=(meters, 1), name="charger")
        with splitting(Topology([Downstream("tcp://127.0.0.1:0", units={7: charger})], status="http://127.0.0.1:0")) as splitter:
            until(lambda: splitter.values(splitter._topology.downstreams[0], 7).get("active_power_total") is not None)
            port = splitter.page.url.port
            found = json.loads(ask(port, "/units/derived/charger.json").body)["values"]["active_power_total"]
            assert found["measure"] == "W" and found["value"] is not None and 0 <= found["age"] < 5
            assert "derived/charger" in ask(port, "/").text


def test_the_page_shows_the_values_and_what_is_the_matter(house):
    found = ask(house, "/")
    assert found.status == 200 and found.headers["Content-Type"] == "text/html; charset=utf-8"
    assert re.search(r"<h1[^>]*>the meters: unit 2 does not answer", found.text)
    assert re.search(r'<b data-good="[\d.]+">[\d.]+ W</b>', found.text) and "not read yet" in found.text
    assert 'href="/units/the%20meters/1"' in found.text
    alone = ask(house, "/units/the%20meters/1").text
    assert "active power total" in alone and "the meters/1" in alone


def test_only_units_that_are_there_have_a_path(house):
    for path in ("/units/the%20meters/3.json", "/units/the%20meters/", "/units/", "/units/meters/1.json", "/units/the%20meters/1.json/"):
        assert ask(house, path).status == 404


def test_a_browser_loads_nothing_but_what_is_in_the_page(house):
    found = ask(house, "/")
    policy = found.headers["Content-Security-Policy"]
    for kind in ("style", "script"):
        content, = re.findall(rf"<{kind}>(.*?)</{kind}>", found.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy and not re.findall(r'(?:src|href)="(?!/|#|data:)[^"]*"', found.text)


class Elements(HTMLParser):
    """Finds elements that are not closed."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, name, attributes):
        if name not in ("meta", "link", "br"):
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name


def test_the_page_is_well_formed(house):
    for path in ("/", "/units/the%20meters/1"):
        parser = Elements()
        parser.feed(ask(house, path).text)
        assert parser.open == []


# A mirror for tests: what is seen of every block.

def watched(name: str = "meters", number: int = 1, profile: Profile | None = None, seen=None) -> WatchedUnit:
    mirror = SimpleNamespace(seen=seen or (lambda block: Seen(bytes(block.byte_count), 0.0, float("inf"))))
    profile = profile or load_profile("abb-b23")
    return WatchedUnit(name, str(number), profile, [mirror], profile.registers)


def test_a_value_is_good_where_it_is_good_for_every_master():
    register = Register("power", Block(Table.HOLDING_REGISTERS, 0, 1), "u16")
    profile = Profile("one", [Read(register.block, "all")], registers=[register])
    one, other = Seen(b"\0\7", 100.0, float("inf")), Seen(None, 90.0, NEVER)
    mirrors = [SimpleNamespace(seen=lambda block: one), SimpleNamespace(seen=lambda block: other)]
    good, stale = (WatchedUnit("a", "1", profile, each, [register]) for each in (mirrors[:1], mirrors))
    assert good.values([register])[0].number == 7 and not good.values([register])[0].is_stale
    assert stale.values([register])[0].number is None and stale.values([register])[0].is_stale


def test_a_value_of_a_sunspec_model_has_a_plot_on_the_page_of_its_unit_too():
    profile = parse_profile("base = { sunspec = 103 }\nblock = [{ address = 0, count = 10 }]\n"
                            "register = [{ name = 'state', address = 3, type = 'u16' }]", "inverter")
    mirror = SimpleNamespace(seen=lambda block: Seen(bytes(block.byte_count), 0.0, float("inf")), base=40069)
    one = WatchedUnit("meters", "1", profile, [mirror], profile.stated.registers)
    upstreams, downstreams = {"meters": upstream()}, {"victron": downstream()}
    drawn = Pages(History([one]), Since()).unit(Status.of(judge(upstreams, downstreams), upstreams, downstreams), one)
    assert drawn.body.count(b'class="plot"') == 1


def test_a_stale_value_whose_registers_take_two_addresses_each_has_its_reason_too():
    profile = parse_profile("addressing = 'bytes'\nblock = [{ address = 0, count = 10 }]\n"
                            "register = [{ name = 'state', address = 18, type = 'u16' }]", "meter")
    mirror = SimpleNamespace(seen=lambda block: Seen(None, 0.0, NEVER))
    one = WatchedUnit("meters", "1", profile, [mirror], profile.registers)
    upstreams = {"meters": upstream({"1": unit(block("all", count=10, data=None, age=90.0))})}
    status = Status.of(judge(upstreams, {"victron": downstream()}), upstreams, {"victron": downstream()})
    assert one.values(profile.registers, status)[0].why == "its data is too old"


def test_no_value_is_served_for_longer_than_it_is_good(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("softsplit.clock.now", clock)
    until = clock.now + 0.1
    watching = watched(seen=lambda block: Seen(b"\0" * block.byte_count, 0.0, until) if clock.now <= until else Seen(None, 0.0, NEVER))
    upstreams, downstreams = {"meters": upstream()}, {"victron": downstream()}
    status = Status.of(judge(upstreams, downstreams), upstreams, downstreams)
    site = Site(StatusPage("http://127.0.0.1:0"), lambda: status, [watching])

    def answer(path: str) -> str:
        return site.answer("GET", path, ["127.0.0.1"]).body.decode()

    assert json.loads(answer("/units/meters/1.json"))["values"]["active_power_total"]["value"] == 0
    assert "<b data-good" not in answer("/"), "a browser may be shown this page for a while"
    clock.now += 0.11
    assert json.loads(answer("/units/meters/1.json"))["values"]["active_power_total"]["value"] is None


def test_the_shortlist_has_what_a_household_asks_for():
    assert [each.name for each in shortlist(load_profile("abb-b23").registers, 6)] == [
        "active_power_total", "active_power_l1", "active_power_l2", "active_power_l3", "active_energy_import_total",
        "active_energy_export_total"]
    assert shortlist(load_profile("anzen-bms").registers, 6)[0].name == "state_of_charge"


# The first line.

REFUSED = upstream({"1": unit(block(answers=0, last_error="unit 1 refuses it", last_error_age=1.0, age=None, data=None, errors=errors(_2=5)))})
STALE = {"victron": downstream({"1": served(fresh=0, stale=("powers",))})}
MUTE = upstream({"1": unit(block(age=75.0, last_error="unit 1 does not answer", last_error_age=1.0), state="mute"), "2": unit()})
STATES = {
    "well": ({"meters": upstream()}, {"victron": downstream()}, 99.0, "All is well", "well"),
    "mute": ({"meters": MUTE}, {"victron": downstream({"1": served(fresh=0, stale=("powers",)), "2": served("meters/2")})}, 99.0,
             "meters: unit 1 does not answer", "degraded"),
    "gateway down": ({"meters": upstream(state="unreachable", error="cannot reach the gateway; is it on?")}, STALE, 99.0,
                     "meters: cannot reach the gateway", "down"),
    "starting": ({"meters": upstream({"1": unit(block(age=None, data=None, requests=0, answers=0), state="never heard", requests=0)})}, STALE, 1.0,
                 "Starting: meters: unit 1 has not been asked yet", "starting"),
    "deaf": ({"meters": upstream()}, {"victron": downstream(), "maxem": downstream(garbled="bytes without a request: is the baud rate right?")},
             99.0, "maxem: bytes without a request: is the baud rate right?", "degraded"),
    "port away": ({"meters": upstream()}, {"victron": downstream(), "maxem": downstream(state="away: the adapter is gone")}, 99.0,
                  "maxem: ", "degraded"),
    "refused": ({"meters": REFUSED}, STALE, 99.0, "meters: unit 1 refuses", "down"),
}


@pytest.mark.parametrize("name", STATES)
def test_the_first_line_says_what_is_the_matter(name):
    upstreams, downstreams, uptime, said, kind = STATES[name]
    health = judge(upstreams, downstreams, uptime)
    assert headline(health).startswith(said) and kind_of(health) == kind
    status = Status.of(health, upstreams, downstreams, uptime)
    page = Pages(History([]), Since()).front(status, [], []).body.decode()
    assert f'class="verdict {kind}"' in page and page.index("<h1") < page.index("<h2")
    since = Since()
    since.note(health.found)
    page = Pages(History([]), since).front(status, [], []).body.decode()
    is_told = re.search(r"(Something is wrong|Nothing is served), since \d\d:\d\d:\d\d\. ", page.partition("</header>")[0])
    assert bool(is_told) is (kind in ("degraded", "down")), "and since when"


def test_why_a_unit_gives_no_values_is_said_once_in_the_words_of_its_latest_try():
    told = [block("powers", age=None, data=None, last_error="no unit answers", last_error_age=9.0),
            block("energies", address=8, age=None, data=None, last_error="the gateway answers Modbus TCP", last_error_age=1.0)]
    upstreams = {"meters": upstream({"1": unit(*told, state="mute")})}
    status = Status.of(judge(upstreams, {}), upstreams, {}, 99.0)
    watched = WatchedUnit("meters", "1", load_profile("abb-b23"), [], [])
    assert {watched._why(each.block, None, status) for each in told} == {"the gateway answers Modbus TCP"}


def test_since_when_a_trouble_is_there_is_known_without_data_too(monkeypatch):
    clock, since = Clock(), Since()
    monkeypatch.setattr("softsplit.clock.now", clock)
    trouble, other = Trouble(cause="meters: away", about="meters"), Trouble(cause="victron: away", about="victron", lasting=5.0)
    assert since.of(trouble) is None
    since.note([trouble])
    clock.now += 75
    since.note([trouble, other])
    assert (since.of(trouble), since.of(other)) == (75.0, 5.0)
    since.note([])
    assert since.of(trouble) is None


# What others say is text.

def test_no_text_of_others_becomes_markup():
    upstreams = {ODD: upstream({"1": unit(block(last_error=ODD, last_error_age=1.0), profile=ODD)}, error=ODD, state="unreachable")}
    downstreams = {ODD: downstream({"1": served(f"{ODD}/1", fresh=0, stale=(ODD,))}, garbled=ODD, state=ODD)}
    status = Status.of(judge(upstreams, downstreams, 99.0), upstreams, downstreams)
    profile = Profile(ODD, [Read(Block(Table.HOLDING_REGISTERS, 0, 1), ODD)], title=ODD,
                      registers=[Register(ODD, Block(Table.HOLDING_REGISTERS, 0, 1), "u16", f"1 {ODD}")])
    watching = watched(ODD, profile=profile)
    history = History([watching])
    pages = Pages(history, Since())
    for body in (pages.front(status, [watching], [Event(0.0, 40, ODD)]).body, pages.unit(status, watching).body):
        assert b"<script>alert" not in body and b"&lt;script&gt;alert(&quot;1&quot;)" in body and b'="<' not in body


def test_markup_escapes_every_text_and_attribute():
    assert tag("a", "<&>", href='"x"') == '<a href="&quot;x&quot;">&lt;&amp;&gt;</a>'
    assert tag("p", Markup("<br>"), None, "\x1b[1m", hidden=None) == r"<p><br>\x1b[1m</p>"


# The last minutes.

def test_the_history_is_bounded_and_has_gaps(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("softsplit.clock.now", clock)
    is_stale = False
    watching = watched(seen=lambda block: Seen(None, 0.0, NEVER) if is_stale else Seen(bytes(block.byte_count), 0.0, clock.now + 1))
    history = History([watching])
    for number in range(3 * POINTS):
        is_stale = number % 10 == 0
        history.take(clock.now)
        history.take(clock.now + 1)  # which is too early
        clock.now += EVERY
    kept = history.of(watching, watching.main[0])
    assert len(kept) == POINTS and sum(number is None for _, number in kept) in (9, 10)
    assert history.of(watching, watching.profile.registers[20]) == []


def test_a_plot_has_a_scale_in_words_and_breaks_where_nothing_was_fresh():
    plot = draw_plot([(0.0, 100.0), (10.0, 300.0), (20.0, None), (30.0, 200.0)], 30.0, "W")
    assert 'aria-label="last 15 minutes: 100 to 300 W"' in plot and "<small>300</small><small>100</small>" in plot
    assert len(re.findall("M", plot)) == 2
    assert "path" not in draw_plot([(0.0, 100.0), (10.0, 300.0)], 2000.0, "W"), "that was long ago"
    assert "<small>50.5</small><small>49.5</small>" in draw_plot([(0.0, 50.0), (10.0, 50.01)], 30.0, "Hz"), "no drama"
    for one, other in ((2.0 ** 64, 2.0 ** 64), (-1.7e308, 1.7e308), (0.0, 5e-324)):  # which a device may send
        assert "path" not in draw_plot([(0.0, one), (10.0, other)], 30.0, "kWh")
    assert "0.000" in draw_plot([(0.0, 0.0), (10.0, 0.0)], 30.0, "kWh") or "0.5" in draw_plot([(0.0, 0.0), (10.0, 0.0)], 30.0, "kWh")


def test_the_page_stays_small():
    units = [watched(number=number, seen=lambda block: Seen(block.address.to_bytes(2, "big") * block.count, 0.0, float("inf")))
             for number in range(FEW)]
    history = History(units)
    for key, kept in history._kept.items():
        kept.extend((EVERY * number, 1e5 * (number * 7919 % 101)) for number in range(POINTS))
    upstreams = {"meters": upstream({str(each): unit(*[block(f"block {number}") for number in range(9)]) for each in range(FEW)})}
    downstreams = {"victron": downstream({str(each): served(f"meters/{each}") for each in range(FEW)})}
    status = Status.of(judge(upstreams, downstreams), upstreams, downstreams)
    drawn = Pages(history, Since())
    events = [Event(0.0, 20, "meters: unit 2 answers " * 4)] * MOST
    assert len(drawn.front(status, units, events).body) < 60_000


def test_of_two_hundred_units_the_page_is_folded_and_the_status_is_fast():
    upstreams = {"meters": upstream({str(each): unit(*[block(f"block {number}", data=b"\0" * 120, count=60) for number in range(9)])
                                     for each in range(200)})}
    downstreams = {"victron": downstream({str(each): served(f"meters/{each}") for each in range(200)})}
    status = Status.of(judge(upstreams, downstreams), upstreams, downstreams)
    began = time.process_time()
    assert json.loads(json_text(as_json(status)))["upstreams"]["meters"]["units"].keys() == {str(each) for each in range(200)}
    assert time.process_time() - began < 0.3 * SLOWNESS
    units = [watched(number=number) for number in range(200)]
    body = Pages(History(units), Since()).front(status, units, []).body
    assert b"<details><summary>meters: 200 units</summary>" in body and len(body) < 60_000 and b"and 188 more units" in body


def test_what_is_no_number_in_json_is_null():
    assert json_text({"a": float("nan"), "b": {"c": [float("inf"), 1.5, "\x7f"]}, "d": ()}) == (
        '{"a": null, "b": {"c": [null, 1.5, "\\u007f"]}, "d": []}\n')


def test_the_latest_events_are_kept_and_no_more(caplog):
    import logging
    recent = RecentEvents()
    log = logging.getLogger("softsplit")
    log.addHandler(recent)
    try:
        with caplog.at_level(logging.DEBUG, "softsplit"):
            for number in range(MOST + 5):
                log.info("event %d\n", number)
            log.debug("not this")
    finally:
        log.removeHandler(recent)
    assert [each.text for each in recent.events()] == [rf"event {number}\n" for number in reversed(range(5, MOST + 5))]


# In a browser.

@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium")
def test_in_a_browser_values_appear_go_stale_at_once_and_come_back():
    is_mute = False
    profile = brisk_profile()

    def reply(transaction, unit, pdu):
        return b"" if is_mute else good_answer(transaction, unit, pdu)

    with ScriptedGateway(reply) as gateway:
        meters = Upstream(str(gateway.url), [Unit(1, profile)], name="meters", timeout=0.2)
        victron = Downstream("tcp://127.0.0.1:0", [meters], name="victron", max_age=1.0)
        with splitting(Topology([victron], status="http://127.0.0.1:0")) as splitter, browsing() as tab:
            mirror = splitter.servers[0].databank.mirrors[1]
            power = next(each.block for each in profile.registers if each.name == "active_power_total")
            until(lambda: splitter.status().health.is_well)
            tab.resize(390, 844)
            tab.open(f"http://127.0.0.1:{splitter.page.url.port}/")
            shown = "document.querySelector('.tiles b').textContent"
            until(lambda: tab.value(shown).endswith(" W"))
            assert tab.value("document.querySelector('h1').textContent") == "All is well"
            assert tab.value("document.documentElement.scrollWidth") == 390
            is_mute = True
            until(lambda: mirror.seen(power).data is None)
            until(lambda: tab.value(shown).startswith("stale"), 1.0)
            until(lambda: tab.value("document.querySelector('h1').textContent").startswith("meters: unit 1 does not answer"))
            is_mute = False
            until(lambda: tab.value(shown).endswith(" W"))
            until(lambda: tab.value("document.querySelector('h1').textContent") == "All is well")
            shifts = tab.value("new Promise(done => new PerformanceObserver(list => done(list.getEntries().reduce((sum, each) => "
                               "sum + each.value, 0))).observe({type: 'layout-shift', buffered: true}) || setTimeout(done, 300, 0))")
            assert shifts < 0.1, "https://web.dev/articles/cls: good"
            assert tab.said == []
            splitter.page.stop()
            until(lambda: not tab.value("document.querySelectorAll('[data-good]').length"), 2.0)
            tab.value("Date.now = (now => () => now() + 10000)(Date.now.bind(Date))")
            until(lambda: tab.value("document.querySelector('h1').textContent").startswith("No answer from softsplit since"))


def test_a_number_and_its_power_of_ten_are_never_of_two_readings():
    """A reading that comes between two looks at one block is no reason to join what it has with what was before."""
    class Changing:
        """A mirror that gets a new reading before each look, as often as it is told."""

        def __init__(self, changes: int):
            self.changes, self.taken_at = changes, 100.0

        def seen(self, block: Block) -> Seen:
            self.taken_at, self.changes = self.taken_at + (self.changes > 0), self.changes - 1
            return Seen(b"\0\1", self.taken_at, clock.now() + 60)

    register = Register("power", Block(Table.HOLDING_REGISTERS, 0, 1), "u16", exponent=Register("", Block(Table.HOLDING_REGISTERS, 1, 1), "s16"))
    read = Read(Block(Table.HOLDING_REGISTERS, 0, 2), "both", 1.0)
    profile = Profile("scaled", [read], registers=[register])
    assert WatchedUnit("m", "1", profile, [Changing(3)], [register], lambda at: [read]).values([register])[0].named.value == 10
    assert WatchedUnit("m", "1", profile, [Changing(1000)], [register], lambda at: [read]).values([register])[0].is_stale
