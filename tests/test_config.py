"""softsplit.toml, and the same topology from a script: what it means, and what is wrong with it."""

import time
from pathlib import Path

import pytest

from softsplit import Block, Downstream, Profile, Read, Splitter, Table, Unit, Upstream
from softsplit.config.access import Access
from softsplit.config.line import Line
from softsplit.config.loader import find_config, load_config, parse_config
from softsplit.config.topology import Topology
from softsplit.config.url import Url, parse_url
from softsplit.errors import ConfigError
from softsplit.profiles import load_profile

HOUSE = """
[upstream.meters]
url = "tcp://192.168.1.140:8899"
timeout = 2
units = { 100 = "abb-b23", 2 = "abb-b23" }

[downstream.victron]
url = "tcp://0.0.0.0"
serves = ["meters"]
max_age = 5
when_stale = "silent"

[downstream.maxem]
url = "rtu:///dev/ttyUSB0"
"""


def parse(text: str) -> Topology:
    return parse_config(text, "softsplit.toml", Path("."))


def test_the_original_house():
    topology = parse(HOUSE)
    meters, = topology.upstreams
    victron, maxem = topology.downstreams
    assert (meters.name, meters.url, meters.timeout) == ("meters", Url("tcp", "192.168.1.140", 8899), 2.0)
    assert [(unit.unit, unit.profile.name) for unit in meters.units] == [(100, "abb-b23"), (2, "abb-b23")]
    assert (victron.url, victron.serves, victron.max_age, victron.when_stale) == \
        (Url("tcp", "0.0.0.0", 502), (meters,), 5.0, "silent")
    assert (maxem.url.path, maxem.line) == ("/dev/ttyUSB0", Line(19200, "8E1", None, False))
    assert (maxem.access, victron.line) == (None, None)
    assert victron.access == Access(64, 300.0, (), ())
    assert (maxem.serves, maxem.max_age, maxem.when_stale) == ((meters,), 10.0, "exception")


def test_a_script_means_the_same():
    meters = Upstream("tcp://192.168.1.140:8899", units=[Unit(100, "abb-b23"), Unit(2, "abb-b23")])
    maxem = Downstream("rtu:///dev/ttyUSB0", [meters], baudrate=9600, mode="8n1")
    assert (meters.timeout, meters.name) == (1.0, "tcp://192.168.1.140:8899")
    assert (maxem.line, maxem.serves) == (Line(9600, "8N1"), (meters,))


def test_a_downstream_may_choose_and_rename_units():
    topology = parse(changed('serves = ["meters"]', 'units = { 1 = "meters/100", 100 = "meters/2" }'))
    victron = topology.downstreams[0]
    assert [(each.unit, each.origin.unit, each.upstream.name) for each in victron.served] == \
        [(1, 100, "meters"), (100, 2, "meters")]
    assert victron.serves == topology.upstreams


def test_everything_a_downstream_may_say():
    victron, maxem = parse(changed("max_age = 5", """max_connections = 2000
        idle_timeout = 60
        allow = ["192.168.1.0/24", "10.0.0.7", "fe80::/10"]
        prefer = ["10.0.0.7"]""") + "rs485 = 'kernel'\necho = true").downstreams
    assert (victron.access.max_connections, victron.access.idle_timeout) == (2000, 60.0)
    assert list(map(str, victron.access.allow)) == ["192.168.1.0/24", "10.0.0.7/32", "fe80::/10"]
    assert (maxem.line.rs485, maxem.line.echo) == ("kernel", True)


def test_everything_an_upstream_may_say():
    meters = parse(changed("tcp://192.168.1.140:8899", "rtu:///dev/ttyUSB1").replace("timeout = 2", """baudrate = 9600
        mode = "8n1"
        echo = true
        rs485 = "kernel"
        connect_delay = 1
        request_gap = 0.05""")).upstreams[0]
    assert meters.line == Line(9600, "8N1", "kernel", True)
    assert (meters.connect_delay, meters.request_gap) == (1.0, 0.05)
    behind = parse(changed("timeout = 2", "baudrate = 38400")).upstreams[0]
    assert behind.line == Line(38400, "8E1")
    assert parse(changed("tcp://192.168.1.140:8899", "rtu:///dev/ttyUSB1")).upstreams[0].line == Line()
    assert parse(HOUSE).upstreams[0].line is None


def test_a_configuration_may_set_other_periods():
    table = '100 = { profile = "abb-b23", every = { "instantaneous values" = 0.25, misc = 60 } }'
    unit, other = parse(changed('100 = "abb-b23"', table)).upstreams[0].units
    periods = {read.name: read.every for read in unit.reads}
    assert (periods["instantaneous values"], periods["misc"], periods["per phase"]) == (0.25, 60.0, 5.0)
    assert [read.block for read in unit.reads] == [read.block for read in unit.profile.reads]
    assert other.reads == other.profile.reads


def test_a_profile_in_a_file_is_relative_to_the_configuration(tmp_path):
    (tmp_path / "own.toml").write_text("block = [{ address = 1, count = 2 }]")
    (tmp_path / "house.toml").write_text(HOUSE.replace('2 = "abb-b23"', '2 = "own.toml"'))
    assert load_config(tmp_path / "house.toml").upstreams[0].units[1].profile.name == "own.toml"


def test_a_profile_may_be_written_in_the_script():
    own = load_profile("abb-b24")
    assert isinstance(Unit(3, own).profile, Profile)


def changed(old: str, new: str) -> str:
    assert old in HOUSE
    return HOUSE.replace(old, new)


UPSTREAM, DOWNSTREAM = HOUSE.split("[downstream.victron]")
DOWNSTREAM = "[downstream.victron]" + DOWNSTREAM

WRONG = [
    ("", "upstream: the section [upstream.NAME] is missing"),
    (UPSTREAM, 'downstream: the section [downstream.NAME] is missing; "softsplit example" shows one'),
    (HOUSE + "[", "no TOML:"),
    (HOUSE + "[upstreams.x]", 'upstreams: unknown key "upstreams"; did you mean "upstream"?'),
    (changed("timeout = 2", "time_out = 2"), 'upstream.meters.time_out: unknown key "time_out"; did you mean "timeout"'),
    (changed("timeout = 2", "timeout = 0"), "upstream.meters.timeout: 0 s is not possible; allowed is 0.001 to 86400"),
    (changed("timeout = 2", "timeout = '2'"), "upstream.meters.timeout: \"2\" is not a number of seconds"),
    (changed("timeout = 2", "timeout = inf"), "upstream.meters.timeout: inf is not a number of seconds"),
    (changed("timeout = 2", "timeout = true"), "upstream.meters.timeout: true is not a number of seconds"),
    (changed('url = "tcp://192.168.1.140:8899"', ""), "upstream.meters: url is missing"),
    (changed('"tcp://192.168.1.140:8899"', "5"), "upstream.meters.url: 5 is not text"),
    (changed("tcp://192.168.1.140:8899", "192.168.1.140"), 'upstream.meters.url: "192.168.1.140" is no url'),
    (changed("tcp://192.168.1.140:8899", "ascii://x"), 'upstream.meters.url: "ascii://x" is not possible here'),
    (changed("tcp://192.168.1.140:8899", "rtu://ttyS0"), 'upstream.meters.url: "rtu://ttyS0" names no device'),
    (changed("tcp://192.168.1.140:8899", "rtuovertcp://h"), 'upstream.meters.url: "rtuovertcp://h" is incomplete'),
    (changed("tcp://192.168.1.140:8899", "rtu:///dev/ttyUSB0"), "downstream.maxem.url: softsplit would be its own master"),
    (changed("tcp://192.168.1.140:8899", "rtuovertcp://0.0.0.0:502"), "downstream.victron.url: softsplit would be its own"),
    (changed("timeout = 2", "echo = true"), "upstream.meters.echo: is for rtu:// only; leave it out"),
    (changed("timeout = 2", "rs485 = 'kernel'"), "upstream.meters.rs485: is for rtu:// only; leave it out"),
    (changed("timeout = 2", "mode = '8N1'"), "upstream.meters.baudrate: is missing; mode alone does not say"),
    (changed("timeout = 2", "baudrate = 1"), "upstream.meters.baudrate: 1 baud is not possible"),
    (changed("timeout = 2", "baudrate = 9600\nmode = '7E1'"), 'upstream.meters.mode: unknown mode "7E1"'),
    (changed("timeout = 2", "connect_delay = -1"), "upstream.meters.connect_delay: -1 s is not possible; allowed is 0, or 0.001 to 86400"),
    (changed("timeout = 2", "request_gap = '1'"), 'upstream.meters.request_gap: "1" is not a number of seconds'),
    (changed('100 = "abb-b23"', '100 = { every = {} }'), "upstream.meters.units.100: profile is missing"),
    (changed('100 = "abb-b23"', '100 = { profile = 5 }'), "upstream.meters.units.100.profile: 5 is not text"),
    (changed('100 = "abb-b23"', '100 = { profil = "abb-b23" }'), 'upstream.meters.units.100.profil: unknown key "profil"; did'),
    (changed('100 = "abb-b23"', '100 = { profile = "abb-b23", every = 5 }'), "upstream.meters.units.100.every: 5 is not a table"),
    (changed('100 = "abb-b23"', '100 = { profile = "abb-b23", every = { "instantaneus values" = 1 } }'),
     'upstream.meters.units.100.every: unknown block "instantaneus values"; did you mean "instantaneous values"?'),
    (changed('100 = "abb-b23"', '100 = { profile = "abb-b23", every = { "misc" = 0 } }'),
     "upstream.meters.units.100.every.misc: 0 s is not possible; allowed is 0.001 to 86400"),
    (HOUSE + "[upstream.more]\nurl = 'rtuovertcp://192.168.1.140:8899'\nunits = { 7 = 'abb-b23' }",
     "upstream.more.url: rtuovertcp://192.168.1.140:8899 belongs to upstream meters already"),
    (changed(":8899", ":0"), 'upstream.meters.url: "tcp://192.168.1.140:0" has port 0'),
    (changed(":8899", ":99999"), 'upstream.meters.url: "tcp://192.168.1.140:99999" is no url'),
    (changed("100 = ", "256 = "), "upstream.meters.units.256: unit 256 is not possible; allowed are 0 to 255"),
    (changed("tcp://192.168.1.140:8899", "rtuovertcp://a:1").replace("100 = ", "0 = "),
     "upstream.meters.units.0: unit 0 is not possible on a serial line, where 0 is everybody; allowed are 1 to 255"),
    (changed("100 = ", "0 = "), "downstream.maxem.serves: unit 0 of meters is not possible on a serial line"),
    (HOUSE + 'units = { 0 = "meters/2" }', "downstream.maxem.units.0: unit 0 is not possible on a serial line"),
    (HOUSE + "[diagnostics]\nunit = 0", "diagnostics.unit: unit 0 is not possible on a serial line"),
    (changed("max_age = 5", "strict_ids = 1"), "downstream.victron.strict_ids: 1 is neither true nor false"),
    (changed("100 = ", "main = "), 'upstream.meters.units.main: "main" is no unit id'),
    (changed("100 = ", "02 = "), "upstream.meters.units: unit 2 is given twice"),
    (changed('100 = "abb-b23"', "100 = 23"), "upstream.meters.units.100: 23 is not text"),
    (changed('100 = "abb-b23"', '100 = "abb-b33"'), 'upstream.meters.units.100: unknown profile "abb-b33"; did you mean'),
    (changed('100 = "abb-b23"', '100 = "no.toml"'), "upstream.meters.units.100: profile no.toml: cannot read it: No such"),
    (changed('{ 100 = "abb-b23", 2 = "abb-b23" }', "{}"), "upstream.meters.units: at least one is needed"),
    (changed('serves = ["meters"]', 'serves = ["metres"]'), 'downstream.victron.serves: unknown upstream "metres"; did '
                                                           'you mean "meters"?'),
    (changed('serves = ["meters"]', "serves = []"), "downstream.victron.serves: at least one is needed"),
    (changed('serves = ["meters"]', 'serves = "meters"'), "downstream.victron.serves: \"meters\" is not a list"),
    (changed('serves = ["meters"]', 'serves = ["meters", "meters"]'), "downstream.victron.serves: an upstream is listed"),
    (changed("max_age = 5", "max_age = -1"), "downstream.victron.max_age: -1 s is not possible"),
    (changed("max_age = 5", "max_age = inf"), "downstream.victron.max_age: inf is not a number of seconds"),
    (changed('"silent"', '"quiet"'), 'downstream.victron.when_stale: unknown word "quiet"'),
    (changed('"silent"', '"exeption"'), 'downstream.victron.when_stale: unknown word "exeption"; did you mean "exception"'),
    (changed("max_age = 5", "baudrate = 9600"), "downstream.victron.baudrate: is for rtu:// only; leave it out"),
    (changed("max_age = 5", 'parity = "E"'), 'downstream.victron.parity: unknown key "parity"'),
    (changed("rtu:///dev/ttyUSB0", "rtu://ttyUSB0"), 'downstream.maxem.url: "rtu://ttyUSB0" names no device'),
    (changed("max_age = 5", "max_connections = 0"), "downstream.victron.max_connections: 0 is not possible; allowed"),
    (changed("max_age = 5", "max_connections = 2.0"), "downstream.victron.max_connections: 2.0 is not a whole number"),
    (changed("max_age = 5", "idle_timeout = 0"), "downstream.victron.idle_timeout: 0 s is not possible"),
    (changed("max_age = 5", 'allow = "10.0.0.1"'), 'downstream.victron.allow: "10.0.0.1" is not a list'),
    (changed("max_age = 5", 'allow = ["10.0.0.256"]'), 'downstream.victron.allow: "10.0.0.256" is neither an address'),
    (changed("max_age = 5", 'allow = ["10.0.0.1/8"]'), 'downstream.victron.allow: "10.0.0.1/8" is neither an address'),
    (changed("max_age = 5", "prefer = [7]"), "downstream.victron.prefer: 7 is not text"),
    (changed("max_age = 5", "echo = true"), "downstream.victron.echo: is for rtu:// only; leave it out"),
    (changed("max_age = 5", 'units = { 1 = "meters/100" }'), "downstream.victron.serves: units also says what is"),
    (changed('serves = ["meters"]', 'units = { 1 = "metres/100" }'), 'downstream.victron.units.1: unknown upstream '
                                                                     '"metres"; did you mean "meters"?'),
    (changed('serves = ["meters"]', 'units = { 1 = "meters/3" }'), "downstream.victron.units.1: unknown unit of meters"),
    (changed('serves = ["meters"]', 'units = { 1 = "100" }'), 'downstream.victron.units.1: unknown upstream ""'),
    (changed('serves = ["meters"]', 'units = { 1 = "meters/x" }'), 'downstream.victron.units.1: "x" is no unit id'),
    (changed('serves = ["meters"]', 'units = { 1 = 100 }'), "downstream.victron.units.1: 100 is not text"),
    (changed('serves = ["meters"]', 'units = { 256 = "meters/2" }'), "downstream.victron.units.256: unit 256 is not"),
    (changed('serves = ["meters"]', 'units = { 1 = "meters/2", 01 = "meters/2" }'), "downstream.victron.units.01: the "),
    (changed('serves = ["meters"]', "units = {}"), "downstream.victron.units: at least one is needed"),
    (changed("tcp://0.0.0.0", "rtuovertcp://0.0.0.0"), 'downstream.victron.url: "rtuovertcp://0.0.0.0" is incomplete'),
    (HOUSE + "rs485 = 'yes'", 'downstream.maxem.rs485: unknown word "yes" (allowed: kernel)'),
    (HOUSE + "echo = 1", "downstream.maxem.echo: 1 is neither true nor false"),
    (HOUSE + "max_connections = 5", "downstream.maxem.max_connections: rtu:// has no connections; leave it out"),
    (HOUSE + "mode = '8E'", 'downstream.maxem.mode: unknown mode "8E"; did you mean "8E1"?'),
    (HOUSE + "mode = 8", 'downstream.maxem.mode: 8 is not text; write it like "8E1"'),
    (HOUSE + "baudrate = '19200'", 'downstream.maxem.baudrate: "19200" is not a whole number; write it like 19200'),
    (HOUSE + "mode = '7E1'", 'downstream.maxem.mode: unknown mode "7E1"; did you mean "8E1"?'),
    (HOUSE + "baudrate = 0", "downstream.maxem.baudrate: 0 baud is not possible"),
    (HOUSE + "baudrate = 9600.0", "downstream.maxem.baudrate: 9600.0 is not a whole number"),
    (changed("rtu:///dev/ttyUSB0", "tcp://0.0.0.0:502"), "downstream.maxem.url: tcp://0.0.0.0:502 belongs to downstream vic"),
    (HOUSE + "[upstream.more]\nurl = 'tcp://192.168.1.140:8899'\nunits = { 7 = 'abb-b23' }",
     "upstream.more.url: tcp://192.168.1.140:8899 belongs to upstream meters already"),
    (changed("timeout = 2", "timeout = 1e-9"), "upstream.meters.timeout: 1e-09 s is not possible; allowed is 0.001 to 86400"),
    ("upstream = 5", "upstream: 5 is not a table; write it like [upstream.NAME]"),
    ("[upstream]\nurl = 'tcp://a'", 'upstream.url: "tcp://a" is not a table; write it like [upstream.NAME]'),
    ("[[upstream]]\nurl = 'tcp://a'", 'upstream: [{ url = "tcp://a" }] is not a table; write it like [upstream.NAME]'),
    (HOUSE + "[[diagnostics]]\nunit = 5", "diagnostics: [{ unit = 5 }] is not a table; write it like [diagnostics]"),
    (changed('{ 100 = "abb-b23", 2 = "abb-b23" }', '["abb-b23"]'),
     'upstream.meters.units: ["abb-b23"] is not a table; write it like units = { 100 = "abb-b23" }'),
    (changed('100 = "abb-b23"', '100 = ["abb-b23"]'), 'upstream.meters.units.100: ["abb-b23"] is not text; write it like "abb-b23"'),
    (changed('serves = ["meters"]', 'serves = { meters = 1 }'),
     'downstream.victron.serves: { meters = 1 } is not a list; write it like serves = ["meters"]'),
    (changed('serves = ["meters"]', 'units = ["meters/100"]'),
     'downstream.victron.units: ["meters/100"] is not a table; write it like units = { 1 = "meters/100" }'),
    (changed('serves = ["meters"]', 'units = { 1 = { meters = 100 } }'),
     'downstream.victron.units.1: { meters = 100 } is not text; write it like "meters/100"'),
    (changed("max_age = 5", 'allow = { a = 1 }'), 'downstream.victron.allow: { a = 1 } is not a list; write it like allow = ["192.16'),
    (changed("max_age = 5", 'allow_writes = { a = 1 }'), "downstream.victron.allow_writes: { a = 1 } is not a list; write it like allow"),
    (changed("max_age = 5", 'allow_writes = ["meters/2 holding registers 40001+2"]'),
     'downstream.victron.allow_writes: "meters/2 holding registers 40001+2": 40001 may be number 1 of the holding registers, '
     "which is 0x0000, or the address 0x9C41; write what is meant in hex"),
    (changed("192.168.1.140", "0x7f000001"), 'upstream.meters.url: "tcp://0x7f000001:8899": 0x7f000001 is no address'),
    (changed("192.168.1.140", "192.168.1.999"), 'upstream.meters.url: "tcp://192.168.1.999:8899": 192.168.1.999 is no address'),
    (changed("192.168.1.140", "192.168.1"), 'upstream.meters.url: "tcp://192.168.1:8899": 192.168.1 is no address'),
    (changed("tcp://0.0.0.0", "tcp://*:502"), 'downstream.victron.url: "tcp://*:502" is not possible; 0.0.0.0 stands for all'),
    (changed("192.168.1.140", "met$r"), 'upstream.meters.url: "tcp://met$r:8899": met$r is no name of a host'),
    *((changed("tcp://192.168.1.140:8899", f"tcp://{host}:502"), "downstream.victron.url: softsplit would be its own master")
      for host in ("localhost", "LOCALHOST.", "127.0.0.1", "127.1.2.3", "[::ffff:127.0.0.1]", "0.0.0.0", "[::1]", "[::]")),
    (changed("tcp://192.168.1.140:8899", "rtu:///dev/../dev//ttyUSB0"), "downstream.maxem.url: softsplit would be its own master"),
    (changed("tcp://0.0.0.0", "tcp://127.0.0.1:8899").replace("tcp://192.168.1.140:8899", "tcp://0.0.0.0:8899"),
     "downstream.victron.url: softsplit would be its own master"),
    (changed("rtu:///dev/ttyUSB0", "tcp://127.0.0.1"), "downstream.maxem.url: tcp://127.0.0.1:502 belongs to downstream victron"),
    ("".join(f"[upstream.{n}]\n" for n in range(251)), "upstream: 251 of them are too many; allowed are 250"),
    (changed("timeout = 2", "timeout = 1e12"), "upstream.meters.timeout: 1000000000000.0 s is not possible"),
    (changed("max_age = 5", f"max_age = {10 ** 400}"), "downstream.victron.max_age: a number that is too large"),
    (changed("max_age = 5", f"max_age = {'9' * 5000}"), "no TOML: "),
    (changed("tcp://192.168.1.140:8899", "tcp://no such host"), 'upstream.meters.url: "tcp://no such host" is no url'),
    (changed("tcp://192.168.1.140:8899", "tcp://0.0.0.0:502"), "downstream.victron.url: softsplit would be its own"),
    (changed("100 = ", '"1.5" = '), 'upstream.meters.units.1.5: "1.5" is no unit id'),
    (changed('"abb-b23", 2', '"ABB-B23", 2'), 'upstream.meters.units.100: unknown profile "ABB-B23"; did you mean "abb-b'),
    (HOUSE + "[upstream.more]\nurl = 'tcp://10.0.0.1'\nunits = { 2 = 'abb-b23' }",
     "downstream.maxem.serves: unit 2 would be served twice, from meters and from more"),
]


@pytest.mark.parametrize("text, message", WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_configuration_is_refused_in_one_line_that_says_where(text, message):
    with pytest.raises(ConfigError) as raised:
        parse(text)
    assert str(raised.value).startswith(f"softsplit.toml: {message}") and "\n" not in str(raised.value)


@pytest.mark.parametrize("build, message", [
    (lambda meters: Unit(300, "abb-b23"), "unit 300 is not possible"),
    (lambda meters: Unit("1", "abb-b23"), "unit: \"1\" is not a whole number"),
    (lambda meters: Upstream("tcp://a", [(100, "abb-b23")]), 'units: (100, "abb-b23") is no Unit'),
    (lambda meters: Upstream("tcp://a", []), "units: at least one is needed"),
    (lambda meters: Downstream("tcp://a", meters, when_stale="none"), 'when_stale: unknown word "none"'),
    (lambda meters: Downstream("tcp://a", ["meters"]), "serves: \"meters\" is no Upstream"),
    (lambda meters: Downstream("tcp://a", [meters], mode="8E1"), "mode: is for rtu:// only; leave it out"),
    (lambda meters: Downstream("tcp://a", units={1: (meters, "100")}), 'units.1: "100" is not a whole number'),
    (lambda meters: Downstream("tcp://a", units={1: ("meters", 100)}), 'units.1: ("meters", 100) is not (an Upstream'),
    (lambda meters: Downstream("tcp://a", units={1: None}), "units.1: None is not (an Upstream, a unit id there)"),
    (lambda meters: Downstream("tcp://a", units=5), "units: 5 is not a table"),
    (lambda meters: Unit(1, "abb-b23", every={"nothing": 1}), 'every: unknown block "nothing"'),
    (lambda meters: Upstream("tcp://a\nb", []), 'url: "tcp://a\\nb" is no url'),
    (lambda meters: Upstream("tcp://a", [Unit(1, "abb-b23")], name="a\0b"), 'name: "a\\x00b" is no name'),
    (lambda meters: Read(Block("input registers", 0, 2), "x"), 'table: "input registers" is no Table; write it like Table.INPUT_REG'),
    (lambda meters: Read(Block(Table.COILS, "0", 2), "x"), 'address: "0" is not an address'),
    (lambda meters: Read(Block(Table.COILS, 10 ** 5000, 2), "x"), "address: a number that is too large is not an address"),
    (lambda meters: Read(Block(Table.COILS, 0, 10 ** 5000), "x"), "count: a number that is too large does not fit"),
    (lambda meters: Read(Block(Table.COILS, 0, 2), "x", 1e-300), "every: 1e-300 s is no period; allowed is 0.001 to 86400"),
    (lambda meters: Read("coils", "x"), 'block: "coils" is no Block'),
    (lambda meters: Profile("own", [Block(Table.COILS, 0, 2)]), "block: a Block is no Read"),
    (lambda meters: Splitter([]), "downstream: at least one is needed"),
    (lambda meters: Splitter([Downstream("tcp://a", [meters]), Downstream("tcp://a", [meters])]),
     "downstream.tcp://a:502.url: tcp://a:502 belongs to downstream tcp://a:502 already"),
])
def test_a_wrong_script_gets_the_same_errors(build, message):
    meters = Upstream("tcp://192.168.1.140", [Unit(100, "abb-b23")])
    with pytest.raises(ConfigError) as raised:
        build(meters)
    assert str(raised.value).startswith(message)


def test_an_upstream_nobody_is_served_from_is_not_polled(caplog):
    topology = parse(HOUSE.replace('[downstream.maxem]\nurl = "rtu:///dev/ttyUSB0"', "")
                     .replace("tcp://0.0.0.0", "tcp://127.0.0.1:0")
                     + "[upstream.more]\nurl = 'tcp://10.0.0.1'\nunits = { 2 = 'abb-b23' }")
    assert [upstream.name for upstream in topology.unserved()] == ["more"]
    splitter = Splitter(topology)
    assert [worker.name for worker in splitter.workers] == ["server victron", "sync", "poller meters", "deadlines"]
    splitter.open()
    splitter.servers[0].close()
    assert "more is not polled" in caplog.text


@pytest.mark.parametrize("text, url", [
    ("tcp://meter", Url("tcp", "meter", 502)), ("tcp://[::1]:5020", Url("tcp", "::1", 5020)),
    ("rtu:///dev/serial/by-id/usb-FTDI_A-if00-port0", Url("rtu", path="/dev/serial/by-id/usb-FTDI_A-if00-port0")),
])
def test_a_url_reads_as_it_is_written(text, url):
    assert parse_url(text, ("tcp", "rtu")) == url
    assert str(url).startswith(text)


@pytest.mark.parametrize("text", [
    "", "tcp://", "tcp://:502", "tcp://user@host", "tcp://host/path", "tcp://host?x", "tcp://host:port", "tcp://[::1",
    "tcp://a..b", f"tcp://{'a' * 64}",
    "rtu://", "rtu:///", "rtu://dev/ttyUSB0", "rtu:///dev/tty USB0", "rtu:///dev/tty\0", "http://host", "TCP://host",
])
def test_an_impossible_url_is_refused(text):
    with pytest.raises(ConfigError):
        parse_url(text, ("tcp", "rtu"))


def test_the_configuration_is_searched_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOFTSPLIT_CONFIG", raising=False)
    if not Path("/etc/softsplit.toml").exists():
        with pytest.raises(ConfigError, match="no configuration: neither -c FILE nor"):
            find_config()
    Path("softsplit.toml").write_text(HOUSE)
    assert find_config() == Path("softsplit.toml")
    monkeypatch.setenv("SOFTSPLIT_CONFIG", "/elsewhere.toml")
    assert find_config() == Path("/elsewhere.toml")
    assert find_config("given.toml") == Path("given.toml")
    with pytest.raises(ConfigError, match="-c names no file"):
        find_config("")


def test_a_configuration_that_cannot_be_read_says_why(tmp_path):
    with pytest.raises(ConfigError, match="nowhere.toml: cannot read it: No such file"):
        load_config(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(ConfigError, match="latin.toml: cannot read it: not UTF-8 text in line 1"):
        load_config(tmp_path / "latin.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)


def test_hosts_that_differ_are_different_wires():
    parse(changed("tcp://0.0.0.0", "tcp://127.0.0.1:8899").replace("tcp://192.168.1.140:8899", "tcp://127.0.0.2:8899"))
    parse(changed("rtu:///dev/ttyUSB0", "tcp://0.0.0.0:503"))
    parse(changed("tcp://192.168.1.140:8899", "tcp://meter:502"))


def test_a_large_configuration_costs_what_it_holds(tmp_path):
    """Every unit of every upstream with a profile of as many blocks as one may have; as many ends as there may be."""
    (tmp_path / "own.toml").write_text("".join(f"[[block]]\naddress = {2 * n}\ncount = 1\n" for n in range(1000)))
    units = ", ".join(f'{unit} = "own.toml"' for unit in range(1, 248))
    text = "".join(f"[upstream.u{n}]\nurl = 'tcp://h{n}'\nunits = {{ {units} }}\n" for n in range(20))
    text += "".join(f"[downstream.d{n}]\nurl = 'tcp://0.0.0.0:{n + 1}'\nserves = ['u1']\n" for n in range(250))
    begun = time.process_time()
    assert len(parse_config(text, "large.toml", tmp_path).downstreams) == 250
    assert time.process_time() - begun < 5.0
