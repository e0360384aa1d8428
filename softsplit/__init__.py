"""One Modbus bus, many masters. Scripts import this module; its docstring is the map of the house.

The way of a value from the meter to the charger:

    meter -> upstream/clients -> upstream/poller -> Reading -> queue
                                      -> downstream/mirrors <- downstream/servers <- Victron, Maxem, charger

The way of a request; a write, and a read of what is not polled, go on to the meter:

    master -> downstream/servers/connection -> downstream/databank -> downstream/mirrors/answering

The rooms, from the roof down; a room imports only from rooms below it:

    cli           the group of commands; each is imported when it is called
    commands      what a person runs, a folder each: run example check status top read scan sniff
                  simulate record doctor profile tls service, and shared
    install       systemd units, cron lines, udev rules
    splitter, parts    build the parts from a topology, start them, watch them, stop them
    web           the status page over HTTP, for browsers and programs, off by default
    daemon        one process for each configuration: presence, watchdog, status file, health in words
    downstream    softsplit as the server of the masters: servers, mirrors, freshness, forwarding, deriving
    upstream      softsplit as the client of the real devices: clients, poller, listener, counters
    transport     bytes in and out: serial ports, sockets, taps, host names
    logs          where the log goes; conditions, logged once when they begin and once when they end
    config        softsplit.toml or a script to frozen values: url, schemes, upstream, downstream, deriving
    security      Modbus/TCP Security: certificates, roles, TLS contexts
    profiles      what a make of device looks like: *.toml and their loader
    decoder       requests and replies on a line that softsplit only listens to; pure
    polling       what is read when: plan, backoff, fairness; pure
    protocol      Modbus as values: functions, blocks, PDUs, frames, value types; pure
    worker, clock, standstill, errors, checks, bounded, tomlfile, rates, printable, version  what every room may use

Pure rooms do no I/O, start no thread and have no clock: time is an argument. `upstream` and `downstream`
never import each other; they meet in `splitter` through a queue and a callable.

Where to add

    a key of an upstream or downstream   config/upstream.py, config/downstream.py: the field and its check
                                         (examples/softsplit.toml describes it)
    a transport                          config/schemes.py: a row; its client: upstream/clients/choice.py;
                                         its server: downstream/servers/choice.py; new framing, such as
                                         that of Modbus ASCII: a field of Scheme, protocol/adu.py,
                                         downstream/servers/framing.py, config/line.py: MODES
    a function code                      protocol/functions.py: a row
    a type of number, such as bcd16      protocol/numbers.py: a row of NUMBERS
    a type of text, or a layout of time  protocol/values.py, protocol/times.py: a row
    a make of device                     profiles/NAME.toml
    a rule for when data is stale        downstream/mirrors/freshness.py
    a stale policy, a word of when_stale: what masters get for stale data
                                         downstream/mirrors/answering.py; config/downstream.py: the word;
                                         commands/doctor/running.py: how doctor explains it
    a command                            commands/NAME/command.py: the function NAME; cli.py: a row
    a fact about the running process     daemon/status.py: a field
    a sentence about health              daemon/troubles/: upstreams.py, downstreams.py; one that is logged,
                                         too: where it is noticed, in upstream/ and upstream/causes/
    the status as JSON                   daemon/status.py: what it says; daemon/jsonform.py: how a kind of
                                         value is written
    an exporter of the status            daemon/NAME.py, like daemon/prometheus.py;
                                         commands/status/command.py: its option; web/site.py: its path
    a derived unit                       softsplit.toml, [derived.NAME]: no code
    a key of derived units               config/deriving/derived.py; config/loader.py: DERIVED_KEYS;
                                         config/written.py
    how derived values are made, and when they are stale
                                         downstream/deriving/deriver.py; downstream/mirrors/derivedstore.py
    a function in derived values, such as max
                                         config/deriving/expression.py: a row of COMPUTE;
                                         config/deriving/typed.py: a row of COUNTS
    a unit of measure                    config/deriving/quantities.py: a row
"""

from importlib import import_module

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    from softsplit.config.deriving.derived import Derived
    from softsplit.config.downstream import Downstream
    from softsplit.config.loader import load_config
    from softsplit.config.statuspage import StatusPage
    from softsplit.config.topology import Topology
    from softsplit.config.upstream import Unit, Upstream
    from softsplit.errors import SoftsplitError
    from softsplit.profiles import Profile, Register
    from softsplit.protocol.blocks import Block, Read
    from softsplit.protocol.functions import Table
    from softsplit.splitter import Splitter

__all__ = ["Block", "Derived", "Downstream", "Profile", "Read", "Register", "SoftsplitError", "Splitter",
           "StatusPage", "Table", "Topology", "Unit", "Upstream", "load_config"]
_PLACES = {  # imported when a script uses them: the command line needs none
    "Block": "protocol.blocks", "Derived": "config.deriving.derived", "Downstream": "config.downstream",
    "Profile": "profiles", "Read": "protocol.blocks", "Register": "profiles", "SoftsplitError": "errors",
    "Splitter": "splitter", "StatusPage": "config.statuspage", "Table": "protocol.functions",
    "Topology": "config.topology", "Unit": "config.upstream", "Upstream": "config.upstream",
    "load_config": "config.loader",
}


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(f"{__name__}.{_PLACES[name]}"), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
