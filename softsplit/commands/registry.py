"""The commands that a person runs beside the splitter: parse, call one function, print."""

import sys
from math import inf

import click

from softsplit.commands.read.guess import WORD_ORDERS
from softsplit.commands.read.read import Whom, profile_form, raw_form, run_read
from softsplit.commands.record.record import run_record, upstream_of
from softsplit.commands.scan.scan import plan_scan, run_scan
from softsplit.commands.shared.options import (
    BAUDRATE,
    UNIT,
    Number,
    baudrate_option,
    complain,
    mode_option,
    timeout_option,
)
from softsplit.commands.shared.quantities import parse_duration, parse_size
from softsplit.commands.simulate.faults import Fault, Faults, parse_fault, parse_mute
from softsplit.commands.simulate.simulate import run_simulation
from softsplit.commands.sniff.command import HELP as SNIFF_HELP
from softsplit.commands.sniff.command import order_from, sniff_options
from softsplit.commands.sniff.sniff import run_sniff
from softsplit.config import line
from softsplit.config.url import parse_url
from softsplit.profiles import shipped_profiles
from softsplit.protocol.blocks import Table


@click.command(short_help="Read a unit, by its profile or raw.")
@click.option("-a", "--at", "where", default="localhost:502", metavar="HOST[:PORT]|URL", show_default=True,
              help="Whom to ask.")
@click.option("-u", "--unit", type=UNIT, default=1, show_default=True, help="Unit id, 1 to 247.")
@click.option("-p", "--profile", metavar="PROFILE", help="Read everything that this profile polls.")
@click.option("-d", "--decode", is_flag=True, help="Show every value with its name and unit of measure.")
@click.option("-t", "--table", type=click.Choice([table.value for table in Table]),
              help="What to read raw; holding registers unless ADDRESS says otherwise.")
@click.option("--as", "types", metavar="TYPES",
              help="What raw registers hold: u16, s32, f32, u24, text:8, ...; several take turns.")
@click.option("--word-order", "order", type=click.Choice(list(WORD_ORDERS), case_sensitive=False),
              help="How 0x01020304 = abcd stands in raw registers.")
@click.option("--every", type=float, metavar="S", help="Read again every so many seconds, until Ctrl-C.")
@click.option("--json", "form", flag_value="json", help="Print a JSON object for each block.")
@click.option("--csv", "form", flag_value="csv", help="Print a row for each value.")
@timeout_option
@baudrate_option
@mode_option
@click.argument("address", required=False)
@click.argument("count", type=Number(), required=False)
def read(where, unit, profile, decode, table, types, order, every, form, timeout, baudrate, mode, address,
         count):
    """Read what PROFILE polls, or COUNT registers or bits from ADDRESS on.

    ADDRESS is the protocol address from 0, in decimal or hex; 40001 and 30001, or 400001 and 300001, are
    understood too. A URL is tcp://HOST[:502], rtuovertcp://HOST:PORT or rtu:///dev/ttyUSB0. While a running
    softsplit owns that wire, its server is asked instead.

    \b
    Examples: softsplit read -a 192.168.1.140 -p anzen-bms -d
              softsplit read -a 192.168.1.140:8899 -u 100 0x5B00 62 --as u32
              softsplit read -a rtu:///dev/ttyUSB0 --baudrate 9600 -u 2 0x5B00 62

    Exit codes: 1 when a block was not answered, else those of "softsplit --help".
    """
    if profile and (address or table or types or order) or not profile and address is None:
        raise click.UsageError("say what to read: either -p PROFILE, or ADDRESS and what belongs to it")
    whom = Whom(where, unit, timeout, line.Line(baudrate, mode), every)
    what = (profile_form(form, profile, decode) if profile else
            raw_form(form, table, address, count, types, order, complain))
    sys.exit(0 if run_read(whom, what, click.echo, complain) else 1)


@click.command(short_help="Find what is on a line.")
@click.argument("url")
@click.option("--units", default="1-247", show_default=True, metavar="UNITS", help="Whom to ask: 1-32,100.")
@click.option("--baudrate", "baudrates", type=BAUDRATE, multiple=True,
              help="Of a serial line; give one for each to try. Without it: all usual ones.")
@click.option("--mode", "modes", type=click.Choice(line.MODES, case_sensitive=False), multiple=True,
              metavar="MODE", help="Likewise its data bits, parity, stop bits.")
@click.option("--timeout", type=float, metavar="S",
              help="Seconds until an answer begins.  [default: 0.2; 1 over a network]")
@click.option("-p", "--profile", "profiles", multiple=True, metavar="PROFILE",
              help="One more that says how to recognise its device, as the shipped ones do.")
def scan(url, units, baudrates, modes, timeout, profiles):
    """Find what is on the line at URL, and print an upstream section to paste; never write.

    URL is tcp://HOST[:502], rtuovertcp://HOST:PORT or rtu:///dev/ttyUSB0. Ctrl-C prints what was found.

    \b
    Example: softsplit scan rtu:///dev/ttyUSB0 --units 1-32,100 >> softsplit.toml

    Exit codes: 1 when nobody answers, 130 after Ctrl-C, else those of "softsplit --help".
    """
    where = parse_url(url, ("tcp", "rtuovertcp", "rtu"))
    sys.exit(run_scan(plan_scan(where, units, baudrates, modes, timeout, profiles)))


SIMULATE_HELP = f"""Be a device that is not there: answer at URL as PROFILE says the real one would.

PROFILE is one of {', '.join(shipped_profiles())}, or a path that ends in .toml. URL is tcp://ADDRESS[:502],
rtuovertcp://ADDRESS:PORT, rtu:///dev/ttyUSB0, or pty:///tmp/line to make a pseudo-terminal there for
rtu:///tmp/line, which sends rubbish while that is not opened with the --baudrate.

RECORDING is a FILE.jsonl of "softsplit record", with its older parts beside it. It is played again and again,
because what stayed at its end would look alive and be old; counters fall back then. What was not recorded is
refused with 0x02.

\b
A fault is KIND[:ARG][,unit=UNIT][,every=N][,from=S][,to=S], times in seconds after the start, and KIND
  exception:CODE  the unit refuses
  late:SECONDS    it answers too late; who asks another unit meanwhile waits, as on a line
  silent          it does not answer
  damaged         its answer has a wrong CRC, or over Modbus TCP a wrong function
  foreign         its answer comes from another unit

\b
Examples: softsplit simulate abb-b23 tcp://127.0.0.1:8899 --unit 100 --unit 2 --baudrate 19200
          softsplit simulate abb-b23 tcp://127.0.0.1:8899 --unit 2 --fault damaged,every=5,from=20,to=60
          softsplit simulate house.jsonl tcp://127.0.0.1:8899 --speed 10"""


@click.command(short_help="Be a device that is not there.", help=SIMULATE_HELP)
@click.argument("what", metavar="PROFILE|RECORDING")
@click.argument("url")
@click.option("--unit", "units", multiple=True, metavar="UNIT",
              help="Unit id, or all eight hex digits of an address of four bytes; give one for each device. "
              "Without any, all units of a recording are there.")
@click.option("--baudrate", type=BAUDRATE, help="Of the serial line; over TCP its wire time is imitated.")
@mode_option
@click.option("--mute", multiple=True, metavar="UNIT[@FROM[-TO]]",
              help="A unit that does not answer, from and to so many seconds after the start.")
@click.option("--drop", type=click.IntRange(2), multiple=True, metavar="N", help="Lose every Nth answer.")
@click.option("--fault", multiple=True, metavar="FAULT", help="What goes wrong, and when; see above.")
@click.option("--speed", type=float, metavar="X", help="Play a recording X times as fast.")
def simulate(what, url, units, baudrate, mode, mute, drop, fault, speed):
    scheduled = [*map(parse_fault, fault), *map(parse_mute, mute),
                 *[Fault("silent", every=each) for each in drop]]
    where = parse_url(url, ("tcp", "rtuovertcp", "rtu", "pty"), 0)
    run_simulation(what, units, where, Faults(scheduled), baudrate, mode, speed)


@click.command(short_help="Keep what units answer, to be played back.")
@click.argument("where", metavar="HOST[:PORT]|URL")
@click.option("-u", "--unit", "units", multiple=True, required=True, metavar="UNIT[=PROFILE]",
              help="Unit id, as in 100 or 100=abb-b24; give one for each device.")
@click.option("-p", "--profile", metavar="PROFILE", help="The profile of all units that name none.")
@click.option("-o", "--output", default="house.jsonl", show_default=True, metavar="FILE",
              help="Where to, or - for stdout. FILE.1 to FILE.3 are older parts.")
@click.option("--for", "duration", metavar="TIME", help="How long: 90s, 15m, 1h or 2d; else until Ctrl-C.")
@click.option("--size", default="50M", show_default=True, metavar="SIZE",
              help="How large, together; the oldest quarter makes room.")
@click.option("--every", type=float, metavar="S",
              help="Read everything every so many seconds, not as often as the profiles say.")
@timeout_option
@baudrate_option
@mode_option
def record(where, units, profile, output, duration, size, every, timeout, baudrate, mode):
    """Keep what units answer to everything that their profiles poll, one JSON object in each line.

    "softsplit simulate house.jsonl URL" plays that back. A URL is tcp://HOST[:502], rtuovertcp://HOST:PORT or
    rtu:///dev/ttyUSB0. While a running softsplit owns that wire, its server is asked instead.

    \b
    Examples: softsplit record 192.168.1.140 -u 1 -p anzen-bms --for 1h
              softsplit record tcp://192.168.1.140:8899 -u 100=abb-b24 -u 2=abb-b23 -o house.jsonl
    """
    upstream = upstream_of(where, units, profile, every, timeout, line.Line(baudrate, mode))
    run_record(upstream, output, parse_size(size), parse_duration(duration) if duration else inf, complain)


@click.command(short_help="Listen to a line that others use.", help=SNIFF_HELP)
@sniff_options
def sniff(**options):
    run_sniff(order_from(**options))


COMMANDS = (read, scan, simulate, record, sniff)
